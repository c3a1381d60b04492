"""Whatever a layer is called and whatever was recorded: every renderer shows it as text and none fails."""

from __future__ import annotations

import io
import json

import pytest
from hostile import NASTY, any_float, any_text, any_value, result_of, run_of
from hypothesis import given, settings
from hypothesis import strategies as st
from page import Page
from rich.console import Console

from nndebug.findings import CheckResult
from nndebug.report import build, figures, html, machine, terminal
from nndebug.report.text import clean

ALLOWED = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "a",
    "div",
    "header",
    "b",
    "bdi",
    "span",
    "nav",
    "p",
    "main",
    "h1",
    "ol",
    "li",
    "section",
    "h3",
    "figure",
    "svg",
    "line",
    "text",
    "rect",
    "path",
    "circle",
    "desc",
    "figcaption",
    "details",
    "summary",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "colgroup",
    "col",
    "h2",
    "h4",
    "small",
    "picture",
    "source",
    "img",
    "ul",
    "code",
    "dl",
    "dt",
    "dd",
    "pre",
    "footer",
    "script",
}
evidences = st.fixed_dictionaries(
    {},
    optional={
        "series": st.just([{"name": "shift"}, {"name": "gradient.norm", "site": "x"}, 3, {}]) | any_value,
        "threshold": any_value,
        "threshold_label": any_value,
        "steps": st.lists(st.integers(-5, 10**12) | any_float, max_size=3) | any_value,
        "unit_map": any_value,
        "table": st.dictionaries(any_text, st.lists(any_value, max_size=20), max_size=3) | any_value,
    },
)


def _check_page(name: str, text: str) -> None:
    page = Page(text)
    assert page.tags <= ALLOWED
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert page.errors == []
    assert [words for inside, words in page.words if inside == "script"] == [
        html.environment().globals["script"]
    ]
    text.encode("utf-8")
    assert not set(text) & set("\x00\x1b\u202e")
    shown = " ".join(clean(name, 40).split())
    assert shown in page.text("bdi") or shown in page.text()


@pytest.mark.parametrize("name", NASTY)
def test_nasty_names_are_shown_as_text(name, tmp_path):
    run, result = (
        run_of(name, [1.0, float("nan"), 3.0, 1e308]),
        result_of(name, {"series": [{"name": "shift"}], "unit_map": name}),
    )
    report = build(run, result)
    _check_page(name, html.render(report))
    assert figures.dashboard(report, tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


@settings(max_examples=60, deadline=None)
@given(any_text, st.lists(any_float, max_size=30), evidences)
def test_any_run_renders_as_html(name, values, evidence):
    _check_page(name, html.render(build(run_of(name, values), result_of(name, evidence))))


@settings(max_examples=5, deadline=None)
@given(any_text, st.lists(any_float, max_size=30), evidences)
def test_any_run_renders_as_a_picture(tmp_path_factory, name, values, evidence):
    path = tmp_path_factory.getbasetemp() / "hostile.png"
    assert (
        figures.dashboard(build(run_of(name, values), result_of(name, evidence)), path).stat().st_size
        > 10_000
    )


@settings(max_examples=100, deadline=None)
@given(any_text, evidences, st.integers(10, 200))
def test_any_result_prints(name, evidence, width):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    terminal.render(result_of(name, evidence), console)
    printed = console.file.getvalue()
    printed.encode("utf-8")
    assert not set(printed) & set("\x00\x07\x1b\u202e")


@settings(max_examples=150, deadline=None)
@given(any_text, st.dictionaries(st.text(max_size=8), any_value, max_size=4))
def test_any_result_is_strict_json(name, evidence):
    text = machine.to_json(result_of(name, evidence))

    def refuse(word):
        raise AssertionError(word)

    data = json.loads(text, parse_constant=refuse)
    text.encode("utf-8")
    assert CheckResult.from_json(data).severity == "error"


def test_markup_and_mathtext_are_not_interpreted():
    console = Console(file=io.StringIO(), width=120)
    terminal.render(result_of("[bold]x[/] $y$", {}), console)
    assert "[bold]x[/] $y$" in console.file.getvalue()
