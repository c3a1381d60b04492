"""The cause's chain: its order, its time line, its words."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import sample
from hypothesis import given, settings
from hypothesis import strategies as st
from page import Page

from nndebug.findings import Finding, Severity
from nndebug.report import build, html
from nndebug.report.chain import chain
from nndebug.report.svg import shares
from nndebug.report.text import shorten
from nndebug.run import Run

END = 1_000


@pytest.fixture(scope="module")
def run():
    run = Run(sample.manifest())
    run.add({"kind": "step", "step": END - 1, "epoch": 1, "data": {}})
    assert run.steps == END
    return run


def finding(number: int, first: int | None, last: int | None = None, code: str = "", message: str = ""):
    code = code or f"NND2{number:02}"
    return Finding(code, "x", Severity.ERROR, "hidden1", message or f"the fact {number}: more", first, last)


def cards(run, *found: Finding):
    cause = replace(sample.sick_result().causes[0], explains=tuple(f.fingerprint for f in found))
    return chain(run, replace(sample.sick_result(), findings=found, causes=(cause,)))


def place(step: float, end: int = END):
    return pytest.approx(np.log10(1 + step) / np.log10(1 + end), abs=1e-4)


def test_the_chain_goes_from_the_root_to_how_training_came_out(sick):
    assert [link.root for link in sick.chain] == [True, False, False, False, False]
    assert [link.when for link in sick.chain] == ["cause, step 0", *["from step 1"] * 3, "from step 5,000"]
    assert sick.chain[1].lead == "11 of 30 units never fire on the training set"
    assert sick.chain[-1].lead == "not learning"


def test_the_time_line_is_that_of_the_charts(sick, sick_page):
    steps = (0, 1, 1, 1, 5_000)
    assert [link.place for link in sick.chain] == [place(step, 40_000) for step in steps]
    wanted = {"0": 0, "1": 1, "10": 10, "100": 100, "1k": 1_000, "10k": 10_000}
    assert [(at, name) for at, name in sick.ticks] == [(place(v, 40_000), k) for k, v in wanted.items()]
    (rail,) = [a for a in sick_page.all("svg") if a.get("class") == "rail"]
    assert rail["aria-hidden"] == "true"


def test_what_a_short_check_says_of_learning_stands_at_its_own_step(run):
    links = cards(run, finding(1, 0, 0), finding(2, 50, END), finding(3, 0, 0, "NND505"))
    assert [(link.when, link.place) for link in links] == [
        ("cause, step 0", 0),
        ("step 0", 0),
        ("from step 50", place(50)),
    ]


@pytest.mark.parametrize(("last", "when"), [(END, "by step 1,000"), (979, "steps 0 to 979")])
def test_how_the_whole_training_came_out_is_known_at_its_end(run, last, when):
    links = cards(run, finding(1, 3, 3), finding(2, 0, last, "NND501"))
    known = {link.lead: (link.when, link.place) for link in links}
    assert known["the fact 2"] == (when, 1.0 if last == END else 0.0)
    assert [link.place for link in links] == sorted(link.place for link in links)


STEPS = st.one_of(st.none(), st.integers(0, END))


@given(st.lists(st.tuples(STEPS, STEPS, st.sampled_from(["", "NND501", "NND604"])), min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_cards_are_in_order_and_each_line_begins_at_its_own_step(run, given_steps):
    found = [finding(i, *entry) for i, entry in enumerate(given_steps)]
    links = cards(run, *found)
    assert sum(link.root for link in links) == 1
    places = [2.0 if link.place is None else link.place for link in links if link.when]
    assert places == sorted(places)
    for link in links:
        if link.place is not None:
            step = int(re.search(r"steps? ([\d,]+)", link.when)[1].replace(",", ""))
            assert link.place == place(step)
    rail = Page(str(html.svg.rail_svg(links, ((0.0, "0"),), "error")))
    leads = [a for a in rail.all("line") if a.get("class", "").startswith("lead")]
    assert [float(a["x1"][:-1]) / 100 for a in leads] == [
        pytest.approx(p, abs=1e-4) for p in places if p <= 1
    ]
    ends = [float(a["x2"][:-1]) for a in leads]
    assert ends == sorted(ends)
    assert sum(shares(links)) == pytest.approx(1)


def test_at_equal_steps_the_cause_comes_first_then_causal_order(run):
    links = cards(run, *(finding(i, 7, 7) for i in (3, 1, 2)))
    assert [(link.root, link.lead) for link in links] == [
        (True, "the fact 3"),
        (False, "the fact 1"),
        (False, "the fact 2"),
    ]
    assert [link.place for link in links] == [place(7)] * 3


def test_five_have_a_card_and_the_others_a_link(run):
    links = cards(run, *(finding(i, i) for i in range(8)))
    assert [link.lead for link in links] == [*(f"the fact {i}" for i in range(5)), "3 more"]
    assert links[-1].anchor == "findings"
    assert len(cards(run, *(finding(i, i) for i in range(5)))) == 5


def test_the_cause_has_a_card_even_if_much_was_seen_before_it(run):
    links = cards(run, finding(9, 500), *(finding(i, i) for i in range(8)))
    assert [link.lead for link in links] == [
        "the fact 0",
        "the fact 1",
        "the fact 2",
        "the fact 3",
        "the fact 9",
        "4 more",
    ]
    assert links[4].root


LONG = (
    "the output is nearly the same for every sample; hidden1 is the first of the layers that lose the input"
)


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_words_are_never_cut_in_the_middle(run, count):
    for link in cards(run, *(finding(i, 0, message=LONG) for i in range(count)))[:5]:
        shown = link.lead + link.rest
        assert shown == LONG or (shown.endswith("\u00a0…") and shown[:-2] in LONG)
        assert set(shown.removesuffix("\u00a0…").split()) <= {*LONG.split(), "sample"}
        assert "sample" in shown


@given(st.text(st.sampled_from("ab ,;("), max_size=60), st.integers(3, 40))
def test_shorten_keeps_whole_words(text, limit):
    shown = shorten(text, limit)
    assert len(shown) <= limit
    if shown != text:
        kept = shown.removesuffix("…").removesuffix("\u00a0")
        assert text.startswith(kept)
        one_word = " " not in text[: limit - 1].strip()
        assert one_word or not (kept[-1:].isalpha() and text[len(kept) : len(kept) + 1].isalpha())


def test_a_short_word_never_stands_last_before_the_ellipsis():
    assert shorten("moved by 8 in one update (healthy: below 4); it killed", 50).endswith("below 4)\u00a0…")
    assert shorten("moved by 8 in one update (healthy: below 4)", 40) == "moved by 8 in one update\u00a0…"
    assert shorten("the gradient is zero in the first layer", 30) == "the gradient is zero\u00a0…"


def test_what_is_about_the_whole_run_has_no_place(run):
    whole = replace(finding(2, 5), site="run")
    links = cards(run, finding(1, 0), whole)
    assert [link.site for link in links] == ["hidden1", ""]


def test_a_number_stays_with_its_sign():
    assert (
        shorten("at the best of 5 rates 30\u00a0% of the loss is left", 27) == "at the best of 5 rates\u00a0…"
    )
    assert (
        shorten("a standard deviation of 153 before the first step", 36)
        == "a standard deviation of 153\u00a0…"
    )


def test_the_same_rule_in_two_layers_is_one_card(tmp_path):
    run, result = sample.sick(tmp_path / "run")
    twin = replace(result.findings[3], site="output.weight")
    cause = replace(result.causes[0], explains=(*result.causes[0].explains, twin.fingerprint))
    report = build(run, replace(result, findings=(*result.findings, twin), causes=(cause,)))
    assert len(report.chain) == 5
    assert report.chain[3].site == "hidden1.weight +1"
