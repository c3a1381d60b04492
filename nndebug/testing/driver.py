"""Runs one check over many examples, and tells its smallest failure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky, Unsatisfiable

from ..errors import UserError
from .case import Case
from .failure import Failure, how_again, message
from .registry import Check

EXAMPLES = 20
"""Examples of each check, unless the loaded Hypothesis profile asks for more than Hypothesis does by itself."""

USUAL = 100  # what Hypothesis does by itself


class CheckFailed(AssertionError):
    """A check failed; its text is the whole report.

    Attributes:
        check: name of the check.
        failure: what was found.
    """

    def __init__(self, text: str, check: str, failure: Failure) -> None:
        super().__init__(text)
        self.check, self.failure = check, failure


def run(
    check: Check,
    cases: Case | st.SearchStrategy[Case],
    *,
    examples: int | None = None,
    seed_: int = 0,
) -> None:
    """Runs one check.

    Args:
        check: the check.
        cases: the member, or a strategy of members.
        examples: how many; see `EXAMPLES`.
        seed_: of what Hypothesis draws. The option `--hypothesis-seed` of pytest goes before it.

    Raises:
        CheckFailed: with the smallest failing example.
    """
    __tracebackhide__ = True
    last: dict[str, Any] = {}

    def body(data: st.DataObject) -> None:
        case = cases if isinstance(cases, Case) else data.draw(cases)
        if check.applies(case):
            return
        last["label"] = case.label
        with np.errstate(all="ignore"):
            try:
                check.body(case, data.draw)
            except Failure as failure:
                last["failure"] = failure
                raise

    forced = _forced_seed()
    count = examples or (1 if not check.draws and isinstance(cases, Case) else _examples())
    quiet = settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),  # the phase that explains traces every line
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    wrapped = quiet(given(st.data())(body))
    failure: Failure
    try:
        (wrapped if forced is not None else seed(seed_)(wrapped))()
        return
    except Failure as found:
        failure = found
    except Flaky:
        before: Failure = last["failure"]
        failure = replace(
            before,
            what=f"{before.what}, and not when the same example is run again",
            help="it keeps something from one call to the next outside of itself, or draws random numbers: "
            "tags={'random'}",
        )
    except Unsatisfiable as error:
        raise UserError(
            f"{check.name}: no example could be drawn for it", help="give takes= a wider strategy"
        ) from error
    call = f'check_{check.kind}({last["label"]}, only="{check.name}"{f", seed={seed_}" if seed_ else ""})'
    text = message(failure, last["label"], check.name, how_again(call, forced))
    raise CheckFailed(text, check.name, failure) from failure.__cause__


def _examples() -> int:
    asked = settings.default.max_examples if settings.default else USUAL
    return asked if asked > USUAL else EXAMPLES


def _forced_seed() -> int | None:
    from hypothesis import core

    return getattr(core, "global_force_seed", None)
