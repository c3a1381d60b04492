"""How a sentence writes its numbers: the same on a terminal, in a report and in a file."""

from __future__ import annotations

import re


def percent(share: float, digits: int = 1) -> str:
    """A share of one as a percentage, without zeros at its end: `9.7 %`, `95 %`.

    Args:
        share: of one.
        digits: at most so many after the point.
    """
    text = f"{100 * share:.{digits}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + " %"


def right_answers(share: float, samples: int, unit: str = "share") -> str:
    """A share of right answers in the unit that somebody gave it in: `96.33 %`, or of a "count" `9,633 of 10,000`."""
    if unit != "count":
        return percent(share, 2)
    text = f"{share * samples:,.3f}".rstrip("0").rstrip(".")  # a mistake may count halves
    return f"{text} of {samples:,}"


def short(value: float, digits: int = 2) -> str:
    """A number with so many significant digits, its exponent without leading zeros: `0.091`, `1.8e-8`."""
    return re.sub(r"e([+-])0+(?=\d)", r"e\1", f"{value:.{digits}g}").replace("e+", "e")
