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


def short(value: float, digits: int = 2) -> str:
    """A number with so many significant digits, its exponent without leading zeros: `0.091`, `1.8e-8`."""
    return re.sub(r"e([+-])0+(?=\d)", r"e\1", f"{value:.{digits}g}").replace("e+", "e")
