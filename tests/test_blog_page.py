"""docs/the-blog.md says what the commands answer. Figures may differ in their last digits between machines: they are masked."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "make_blog_page.py"

if not SCRIPT.exists():
    pytest.skip("scripts and docs are not part of the source distribution", allow_module_level=True)

_spec = importlib.util.spec_from_file_location("make_blog_page", SCRIPT)
script = sys.modules[_spec.name] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(script)

QUICK = ("demo update-of-a-copy", "demo argmax-of-label")


def masked(text):
    """The words, each finding once: which of them follow from the cause, and where their lines break, hangs on figures."""
    return re.sub(r"[\d.,]+(e-\d+)?", "#", " ".join(text.split()))


def stored():
    return script.PAGE.read_text("utf-8")


@pytest.mark.parametrize(
    "chapter",
    [
        pytest.param(
            chapter, marks=[] if chapter.command in QUICK else pytest.mark.slow, id=chapter.command[:30]
        )
        for chapter in script.CHAPTERS
        if not chapter.needs_mnist
    ],
)
def test_a_chapter_on_the_digits_is_true(chapter):
    said = script.answer(chapter).splitlines()
    assert masked(said[0]) in masked(stored())
    assert next(line for line in said if line.strip().startswith("help")).strip() in stored()


@pytest.mark.slow
@pytest.mark.mnist
@pytest.mark.parametrize(
    "chapter", [c for c in script.CHAPTERS if c.needs_mnist], ids=lambda chapter: chapter.title
)
def test_a_chapter_on_mnist_is_true(chapter, mnist_dir, monkeypatch):
    monkeypatch.setenv("NNDEBUG_DATA", str(mnist_dir))
    assert masked(script.answer(chapter).splitlines()[0]) in masked(stored())


def test_the_page_has_the_scripts_words():
    text = stored()
    assert text.startswith(script.INTRODUCTION)
    places = [
        text.index(f"## {n}. {chapter.title}\n\n{chapter.story}")
        for n, chapter in enumerate(script.CHAPTERS, 1)
    ]
    assert places == sorted(places)
    for chapter in script.CHAPTERS:
        assert f"$ nndebug {chapter.command}\n" in text and chapter.moral in text


def test_its_commands_can_be_typed():
    for chapter in script.CHAPTERS:
        command, *words = chapter.command.split()
        if command == "demo":
            assert words[0] in script.FAULTS
        else:
            parser = script.Parser()
            script.train.add_parser(parser.add_subparsers())
            assert script.train.describe(parser.parse_args([command, *words])).epochs in (5, 30)
