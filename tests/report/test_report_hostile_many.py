"""Whatever runs and their folders are called: the page that lists them and the table of one show it as text."""

from __future__ import annotations

import io
import shutil

import pytest
from hostile import NASTY, any_float, any_text, run_of
from hypothesis import given, settings
from hypothesis import strategies as st
from page import Page
from rich.console import Console

from nndebug.cli import watch
from nndebug.report import index
from nndebug.report.html import environment
from nndebug.report.text import clean
from nndebug.storage import MANIFEST, RunFolder
from nndebug.strict_json import plain


def _written(folder, name, values):
    """The run of `run_of` in a folder."""
    run = run_of(name, values)
    stored = RunFolder.create(folder, plain(run.manifest))
    for step, value in enumerate(values):
        stored.append({"kind": "step", "step": step, "epoch": 1, "data": {name: {"shift": value}}})
    stored.close()
    return stored.path


def _check(page: Page, text: str) -> None:
    assert page.errors == []
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert not page.tags & {"img", "iframe", "object", "form", "base"}
    assert [words for inside, words in page.words if inside == "script"] in (
        [],
        [environment().globals["script"]],
    )
    assert not set(text) & set("\x00\x1b\u202e")


@settings(max_examples=10, deadline=None)
@given(any_text, st.lists(any_float, max_size=5))
def test_any_run_is_listed(tmp_path_factory, name, values):
    base = tmp_path_factory.getbasetemp() / "listed"
    shutil.rmtree(base, ignore_errors=True)
    _written(base / "a", name, values)
    path, count = index.write(base)
    text = path.read_text(encoding="utf-8")
    assert count == 1
    _check(page := Page(text), text)
    assert " ".join(clean(name or "a", 40).split()) in page.text()


@pytest.mark.parametrize(
    "name", [n for n in NASTY if n.strip() and len(n) < 200 and n.isprintable() | n.isascii()]
)
def test_a_folder_of_any_name_is_linked_as_a_path(name, tmp_path):
    place = _written(tmp_path / name.replace("/", "_").replace("\x00", ""), "x", [1.0])
    (place / "report.html").write_text("")
    text = index.write(tmp_path)[0].read_text(encoding="utf-8")
    _check(page := Page(text), text)
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert links and all(":" not in link and not link.startswith(("/", "//")) for link in links)


@pytest.mark.parametrize(
    "content", ["[]", "{}", "nonsense", '{"schema": 1, "sites": 3}', '{"schema": 1, "sites": [], "name": 7}']
)
def test_a_broken_manifest_takes_no_other_run_off_the_page(content, tmp_path):
    _written(tmp_path / "good", "good", [1.0])
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / MANIFEST).write_text(content)
    path, count = index.write(tmp_path)
    assert "good" in Page(path.read_text()).text() and 1 <= count <= 2


@settings(max_examples=30, deadline=None)
@given(any_text, st.lists(any_float, max_size=20), st.integers(60, 160))
def test_any_run_has_a_table_while_it_trains(name, values, width):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(watch.table(run_of(name, values)))
    printed = console.file.getvalue()
    printed.encode("utf-8")
    assert not set(printed) & set("\x00\x07\x1b\u202e")
    assert "layer" in printed


def test_markup_in_the_table_is_text():
    console = Console(file=io.StringIO(), width=160)
    console.print(watch.table(run_of("[bold]x[/]", [1.0])))
    assert "[bold]x[/]" in console.file.getvalue()
