"""The gradient check as a section of the report: table, verdicts, the named mistake with both lines."""

import json
from dataclasses import replace

import numpy as np
import pytest
import sample
from page import Page

import nndebug
from network import SGD, Dense, Quadratic, ReLU, Sequential, Sigmoid, fit
from nndebug.gradcheck import GradCheck, Mistake, gradcheck
from nndebug.preflight.result import Preflight
from nndebug.report import build, html
from nndebug.report.gradients import view
from nndebug.report.model import Report


class DerivativeMissing(Sigmoid):
    def backward(self, output_gradient):
        return output_gradient


def checked(activation=Sigmoid):
    return gradcheck(Sequential(Dense(6, 7), activation(), Dense(7, 3), loss=Quadratic(), seed=1))


def report(tmp_path, result):
    """A report whose preflight holds this check, after a round trip through JSON."""
    run, found = sample.healthy(tmp_path / "run")
    run.preflight = Preflight.from_json(
        json.loads(json.dumps(Preflight({}, gradcheck=result).to_json(), allow_nan=False))
    )
    return build(run, found)


def test_the_section_names_the_mistake_with_both_lines(tmp_path):
    made = report(tmp_path, checked(DerivativeMissing))
    assert Report.from_json(json.loads(json.dumps(made.to_json()))) == made
    page = Page(html.render(made))
    for words in (
        "Gradient check",
        "49 of 73 entries of the gradients disagree with numerical derivatives, in 2 arrays.",
        "hidden1",
        "its backward is wrong (BP2). The layers after it agree.",
        "the activation's derivative missing",
        "delta1 = delta2 @ W2.T",
        "delta1 = delta2 @ W2.T * sigmoid'(z1)",
        "▲ disagrees in 42 of 42",
        "○ agrees",
    ):
        assert words in page.text(), words
    assert 'href="#gradients"' in html.render(made)


def test_a_check_that_agrees_is_one_line_and_a_table(tmp_path):
    made = report(tmp_path, checked())
    assert made.gradients.severity == "passed"
    assert made.gradients.faults == ()
    text = Page(html.render(made)).text()
    assert "All 73 entries of the gradients agree with numerical derivatives." in text
    assert "disagrees" not in text


def test_without_a_check_there_is_no_section(healthy):
    assert healthy.gradients is None
    assert 'id="gradients"' not in html.render(healthy)


def test_hostile_names_are_text(tmp_path):
    result = checked(DerivativeMissing)
    evil = "<script>alert(1)</script>\u202e\x00"
    fault = replace(
        result.faults[0], layer=evil, sentence=evil, mistakes=(Mistake(evil, evil, evil, float("nan")),)
    )
    rows = tuple(replace(row, layer=evil, reason=evil) for row in result.rows)
    page = html.render(report(tmp_path, replace(result, faults=(fault,), rows=rows, notes=(evil,))))
    assert "<script>alert" not in page
    assert "\x00" not in page and "\u202e" not in page


def test_of_a_thousand_layers_the_wrong_ones_are_shown():
    result = checked(DerivativeMissing)
    good = next(row for row in result.rows if row.verdict == "agrees")
    many = replace(result, rows=(*(replace(good, layer=f"layer{i}") for i in range(1000)), *result.rows))
    shown = view(many)
    assert len(shown.rows) == 60
    assert sum(row.severity == "error" for row in shown.rows) == 2
    assert "60 of 1,004 rows" in shown.notes[0]


@pytest.mark.filterwarnings("ignore")
def test_a_watched_training_shows_it(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 6)), np.eye(3)[rng.integers(0, 3, 64)]
    network = Sequential(Dense(6, 7), DerivativeMissing(), Dense(7, 3), ReLU(), loss=Quadratic(), seed=1)
    with nndebug.watch(network, tmp_path / "run", preflight=True):
        fit(network, (x, y), SGD(0.01), epochs=1)
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert 'id="gradients"' in page
    assert "the activation's derivative missing" in Page(page).text()
    run = nndebug.Run.load(tmp_path / "run")
    assert isinstance(run.preflight.gradcheck, GradCheck)
