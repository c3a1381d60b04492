"""Two arrays that must be equal, and calls of the user's code that must not raise."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..signals import Array
from .failure import Failure

ROUNDING = 2.0**12
"""Machine epsilons by which the same numbers, summed in another order, may differ, relative to the largest."""


def called(function: Callable[..., Any], what: str, given: Mapping[str, Any], *arguments: Any) -> Any:
    """What the user's code returns; what it raises is a failure, with the line that raised it."""
    try:
        return function(*arguments)
    except Failure:
        raise
    except Exception as error:
        raise Failure(
            f"{what} raises {type(error).__name__}",
            "a result",
            f"{type(error).__name__}: {error}{place(error)}",
            str(getattr(error, "help", "") or ""),
            dict(given),
        ) from error


def array(value: Any, what: str, given: Mapping[str, Any]) -> Array:
    """A copy of what the user's code returned, which must be an array of numbers."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        kind = f"array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise Failure(f"{what} is no array of numbers", "an array", f"{kind}: {value!r:.60}", "", dict(given))
    return np.array(value)


def place(error: BaseException) -> str:
    """File and line of the last frame, for what is raised in code of the user's."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename and not _of_kit(f.filename)]
    return f"   ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""


def _of_kit(filename: str) -> bool:
    return Path(__file__).parent in Path(filename).parents


def same(
    got: Array,
    expected: Array,
    what: str,
    given: Mapping[str, Any],
    *,
    exact: bool = False,
    rounding: float = ROUNDING,
    scale: float | None = None,
    help: str = "",
) -> None:
    """Fails unless two arrays are equal, to rounding or, with `exact`, to the bit.

    Args:
        got: what came.
        expected: what should have come.
        what: name of the array in the message, as in `output`.
        given: what went in, for the message.
        exact: no rounding at all.
        rounding: machine epsilons of `scale` that they may be apart.
        scale: the size that rounding is relative to; the largest entry of `expected`, at least 1, if None.
        help: what to look at.
    """
    if got.shape != expected.shape:
        raise Failure(
            f"{what} has another shape", f"shape {expected.shape}", f"shape {got.shape}", help, dict(given)
        )
    if not expected.size:
        return
    a, b = got.astype(np.float64), expected.astype(np.float64)
    with np.errstate(all="ignore"):
        off = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    off = np.where(np.isnan(off), np.inf, off)
    if exact:
        allowed = 0.0
    else:
        eps = max(_eps(got), _eps(expected))
        finite = np.abs(b[np.isfinite(b)])
        size = max(1.0, float(finite.max(initial=0.0))) if scale is None else scale
        allowed = rounding * eps * size
    if not (off > allowed).any():
        return
    at = np.unravel_index(int(np.argmax(off)), off.shape)
    where = f"[{', '.join(map(str, map(int, at)))}]" if at else ""
    count = int((off > allowed).sum())
    raise Failure(
        f"{what} is wrong in {count} of {off.size} {'entry' if off.size == 1 else 'entries'}",
        f"{what}{where} = {number(expected[at])}",
        f"{what}{where} = {number(got[at], expected[at])}",
        help,
        dict(given),
    )


def number(value: Any, beside: Any = None) -> str:
    """A number with so many digits that it differs from the one beside it."""
    short = f"{float(value):.6g}"
    return short if beside is None or short != f"{float(beside):.6g}" else f"{float(value):.17g}"


def _eps(values: Array) -> float:
    return float(np.finfo(values.dtype).eps) if values.dtype.kind == "f" else 2.3e-16
