"""Numbers in sentences."""

import re
from pathlib import Path

import pytest

from nndebug.report.text import number
from nndebug.wording import percent, right_answers, short

PACKAGE = Path(__file__).resolve().parent.parent / "nndebug"


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (0.0969, 1, "9.7 %"), (0.1, 1, "10 %"), (1, 1, "100 %"), (0, 1, "0 %"), (0.1003, 2, "10.03 %"),
        (0.9, 0, "90 %"), (0.525, 0, "52 %"), (2.0, 0, "200 %"),
    ],
)  # fmt: skip
def test_percent(share, digits, text):
    assert percent(share, digits) == text


@pytest.mark.parametrize(
    ("share", "samples", "unit", "text"),
    [
        (0.9633, 10_000, "count", "9,633 of 10,000"), (1, 10_000, "count", "10,000 of 10,000"), (0, 7, "count", "0 of 7"),
        (0.1, 347, "count", "34.7 of 347"), (0.9633, 10_000, "percent", "96.33 %"), (0.9633, 10_000, "share", "96.33 %"),
    ],
)  # fmt: skip
def test_right_answers(share, samples, unit, text):
    assert right_answers(share, samples, unit) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1.8e-8, 2, "1.8e-8"), (1e-5, 2, "1e-5"), (9e-12, 1, "9e-12"), (0.091, 2, "0.091"), (10.0, 6, "10"),
        (1e100, 2, "1e100"), (2.5e20, 2, "2.5e20"), (1e-100, 2, "1e-100"), (-3e-7, 1, "-3e-7"), (0.0, 2, "0"),
    ],
)  # fmt: skip
def test_short(value, digits, text):
    assert short(value, digits) == text


@pytest.mark.parametrize("value", [1.8e-8, 1e-5, 9e-12, -3e-7])
def test_sentences_write_small_numbers_as_charts_do(value):
    assert short(value) == number(value)


def test_no_sentence_writes_per_cent_another_way():
    """`f"{share:.0%}"` has no space, and would stand beside numbers that have one."""
    found = [
        f"{path.name}: {match}"
        for path in PACKAGE.rglob("*.py")
        for match in re.findall(r"\{[^{}\n]*:[^{}\n]*[0-9]%\}", path.read_text("utf-8"))
    ]
    assert not found
