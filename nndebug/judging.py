"""Assertions for tests of one's own: is a training healthy, does a network learn at all?"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .checking import check
from .core import load_core
from .errors import UserError
from .findings import CheckResult, Severity

if TYPE_CHECKING:
    from .run import Run

WIDTH = 100  # columns of the text in a failing test


def assert_healthy(run: Run | str | Path | Any, ignore: Mapping[str, str] | None = None) -> None:
    """Fails if the rules find an error or a warning, if one crashes, or if there was nothing to look at.

    Args:
        run: a run, its folder, or what `nndebug.watch` gave.
        ignore: rule → why its findings are no matter here. One that is not found any more is warned about.

    Raises:
        AssertionError: with what the rules found, causes first.
        UserError: an ignored rule is not known, or nothing says why it is ignored.
    """
    __tracebackhide__ = True
    reasons = dict(ignore or {})
    for code, reason in reasons.items():
        if not str(reason).strip():
            raise UserError(f"{code} is ignored, and nothing says why", help='ignore={"NND201": "a reason"}')
    judged = getattr(run, "run", run)
    result = check(judged, ignore=reasons)
    if reasons:
        present = {finding.code for finding in check(judged, select=reasons).findings}
        suppressed = {skipped.code for skipped in result.suppressed}
        for code, reason in reasons.items():
            if (
                not present & {s for s in suppressed if code in (s, s.removeprefix("NND"))}
                and code.upper() not in present
            ):
                warnings.warn(f"{code} is ignored ({reason}), and was not found: take it off", stacklevel=2)
    serious = [f for f in result.findings if f.severity is not Severity.INFO]
    if serious or result.crashed or not (result.passed or result.findings):
        raise AssertionError(f"the run is not healthy: {told(result)}")


def told(result: CheckResult) -> str:
    """A check's result as the terminal shows it."""
    from rich.console import Console

    from .report.terminal import render

    out = io.StringIO()
    render(result, Console(file=out, width=WIDTH, color_system=None))
    return f"{result.verdict}\n\n{out.getvalue().rstrip()}"


def assert_learns(
    learner: Any,
    data: tuple[Any, Any] | None = None,
    optimizer: Any = None,
    *,
    steps: int = 100,
    to: float = 0.5,
    batch: int = 32,
    seed: int = 0,
) -> Run | None:
    """Fails if the loss does not fall to a share of what it was.

    Args:
        learner: a network of the core, of which a copy is trained; or a function that does one step of any training
            and returns the loss.
        data: x and y, for a network.
        optimizer: of the core, for a network; SGD(0.1) if None.
        steps: updates.
        to: the share.
        batch: samples per update.
        seed: of the order of the samples.

    Returns:
        The recorded run of a network; None for a function.

    Raises:
        AssertionError: it does not learn; with the diagnosis of the run where there is one.
        UserError: a network without data.
    """
    __tracebackhide__ = True
    if not hasattr(learner, "layers"):
        losses = [float(learner()) for _ in range(steps)]
        _judge(losses[0], losses[-1], steps, to, "")
        return None
    if data is None:
        raise UserError("a network learns from data", help="assert_learns(network, (x, y))")
    from .watching import watch

    core, training = load_core(), load_core("training")
    network = learner.copy()
    epochs = max(1, math.ceil(steps * batch / len(data[0])))
    before = training.evaluate(network, data).loss
    with watch(network, report=False) as session:
        training.fit(network, data, optimizer or core.SGD(0.1), epochs=epochs, batch=batch, seed=seed)
    after = training.evaluate(network, data).loss
    run: Run = session.run
    _judge(before, after, run.steps, to, lambda: f"\n{told(check(run))}")
    return run


def _judge(before: float, after: float, steps: int, to: float, more: str | Callable[[], str]) -> None:
    __tracebackhide__ = True
    if not after <= to * before:
        raise AssertionError(
            f"it does not learn: the loss went from {before:.4g} to {after:.4g} in {steps} steps, "
            f"expected at most {to * before:.4g} ({to:g} of what it was)"
            + (more if isinstance(more, str) else more())
        )
