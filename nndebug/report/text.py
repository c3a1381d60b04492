"""Turns foreign text and numbers into what a reader sees: short, printable, in one line."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from .. import wording

REPLACEMENT = "\ufffd"
# Characters that reorder or hide the text around them; a name never needs them.
_INVISIBLE = frozenset("\u061c\u200b\u200e\u200f\u2028\u2029\ufeff") | {
    chr(c) for c in (*range(0x202A, 0x202F), *range(0x2060, 0x2070), *range(0xFFF9, 0xFFFC))
}
_MOST_MARKS = 3  # combining marks on one letter; more than that paints over the neighbouring lines


def clean(text: object, limit: int = 200, lines: bool = False) -> str:
    """Text that any renderer can print: no control or reordering characters, no surrogates, not endless.

    Args:
        text: anything; layer names, paths and messages are hostile until they went through here.
        limit: longest result, in characters; what is cut is marked by an ellipsis.
        lines: keep line breaks (otherwise they become spaces).
    """
    try:
        raw = str(text)
    except Exception:
        raw = object.__repr__(text)
    cut = len(raw) > limit
    kept: list[str] = []
    marks = 0
    for char in raw[:limit]:
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks > _MOST_MARKS:
            continue
        if char in "\n\r\t":
            kept.append(char if lines and char == "\n" else " ")
        elif category in ("Cc", "Cs", "Cn", "Co") or char in _INVISIBLE:
            kept.append(REPLACEMENT)
        else:
            kept.append(char)
    if cut:
        kept[limit - 1 :] = ["…"]
    return "".join(kept)


def number(value: float | None) -> str:
    """A figure with about three significant digits: `0`, `0.0123`, `6.2`, `40,000`, `1.2e-7`, `NaN`."""
    if value is None:
        return "–"
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    size = abs(value)
    if value == 0:
        return "0"
    if size < 1e-3 or size >= 1e7:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    if size >= 100 or value == round(value):
        return f"{value:,.0f}"
    digits = 2 if size >= 1 else 2 - math.floor(math.log10(size))
    digits = 1 if size >= 10 else digits
    return _shorten(f"{value:.{digits}f}")


def percent(share: float | None) -> str:
    """A share of one as a percentage: `9.7 %`, `95 %`, `0.3 %`."""
    if share is None or not math.isfinite(share):
        return "–" if share is None else number(share)
    return wording.percent(share).replace(" ", "\u00a0")


def evenly(values: Sequence[float], share: bool = False) -> list[str]:
    """Labels of equally spaced ticks, all with as many decimals as tell neighbours apart."""
    unit = "\u00a0%" if share else ""
    numbers = [100 * v for v in values] if share else list(values)
    gap = min((abs(b - a) for a, b in pairwise(numbers)), default=0.0)
    if gap > 1e-4 and max(map(abs, numbers)) < 1e7:
        digits = max(0, -math.floor(math.log10(gap) + 1e-9))
        return [(f"{v:,.{digits}f}" if v else "0") + unit for v in numbers]
    labels: list[str] = []
    for digits in range(3, 17):
        labels = [(f"{v:.{digits}g}" if v else "0") + unit for v in numbers]
        if len(set(labels)) == len(set(numbers)):
            break
    return labels


def ticks_step(step: float) -> str:
    """A number of steps, short: `0`, `10`, `1k`, `10k`, `2.5M`."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(step) >= size:
            return f"{step / size:.3g}{unit}"
    return f"{step:.3g}"


def steps_range(first: int | None, last: int | None, end: int | None = None) -> str:
    """Where in time a finding sits: `step 0`, `steps 94 to 200`, `from step 94`; empty if it belongs to none.

    Args:
        first: first step, None if there is none.
        last: last step, None if not known.
        end: number of updates recorded; a finding that lasts to here is still going on.
    """
    if first is None:
        return ""
    if last is None or last <= first:
        return f"step {first:,}"
    if end is not None and last >= 0.98 * end:
        return f"from step {first:,}" if first else "from the first step on"
    return f"steps {first:,} to {last:,}"


_LEAD_END = re.compile(r"[:;]\s|\s\((?=[a-z])|,\s(?=[a-z])|\.\s(?=[A-Z])")


def split_lead(message: str, longest: int = 90) -> tuple[str, str, str]:
    """A message as its leading clause, the sign after it, and the rest, so that the clause can be set in bold.

    >>> split_lead("11 of 30 units never fire: 8 since step 1")
    ('11 of 30 units never fire', ':', '8 since step 1')
    """
    message = _bound(
        re.sub(r"^step [\d,]+: ", "", message)
    )  # every place that uses this shows the step itself
    match = _LEAD_END.search(message, 8)
    if not match or match.start() > longest:
        return message, "", ""
    if "(" in match.group():
        return message[: match.start()], "", message[match.start() :].strip()
    return message[: match.start()], match.group().strip(), message[match.end() :].strip()


def split_verdict(sentence: str) -> tuple[str, str]:
    """The verdict as the cause (coloured) and what it did (plain).

    >>> split_verdict("The rate is too high: the first step killed 8 units.")
    ('The rate is too high:', 'the first step killed 8 units.')
    """
    sentence = _bound(sentence)
    match = re.search(r"[:.;]\s", sentence)
    return (sentence[: match.start() + 1], sentence[match.end() :].strip()) if match else (sentence, "")


def shorten(text: str, limit: int) -> str:
    """At most so many characters, cut between two words where there are two, and not after a short one.

    >>> shorten("no gradient passes where it is zero", 28)
    'no gradient passes where\\xa0…'
    """
    if len(text) <= limit:
        return text
    kept = text[: limit - 1]
    if " " not in kept.strip():
        return kept + "…"
    kept = kept.rsplit(" ", 1)[0]
    if kept.count("(") > kept.count(")") and (before := kept[: kept.rindex("(")].rstrip()):
        kept = before  # half a remark in brackets says less than none
    kept = re.sub(r"(?<=\S)( (?:[a-z]{1,3}|before|than|that|when|where|with))+$", "", kept)
    return kept.rstrip(" ,;:.(") + "\u00a0…"


def listing(words: Sequence[Any], most: int = 4) -> str:
    """`a`, `a and b`, `a, b and 5 more`."""
    texts = [str(word) for word in words]
    if len(texts) > most:
        texts = [*texts[: most - 1], f"{len(texts) - most + 1} more"]
    return texts[0] if len(texts) == 1 else ", ".join(texts[:-1]) + " and " + texts[-1] if texts else ""


def plural(count: int, word: str, many: str = "") -> str:
    """`1 rule`, `18 rules`."""
    return f"{count:,} {word if count == 1 else many or word + 's'}"


def _bound(text: str) -> str:
    """A number and its sign stay on one line, and together where a text is cut."""
    return re.sub(r"(?<=\d) (?=%)", "\u00a0", text)


def _shorten(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
