"""`check_layer` and its sisters, and `@parametrize_with_checks`: the batteries as a user calls them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import UserError, did_you_mean
from .case import Case, case
from .driver import CheckFailed, run
from .registry import battery


@dataclass
class Checked:
    """What a battery did.

    Attributes:
        member: the label of what was checked.
        passed: names of the checks that passed.
        not_applicable: check → why it does not apply.
        expected: check → the reason for which it was expected to fail, and did.
        seconds: check → how long it took.
    """

    member: str
    passed: list[str] = field(default_factory=list)
    not_applicable: dict[str, str] = field(default_factory=dict)
    expected: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        count = len(self.passed)
        lines = [
            f"{self.member}: {count} check{'s' * (count != 1)} passed in {sum(self.seconds.values()):.2f} s"
        ]
        lines += [f"  expected to fail, and does: {name} ({why})" for name, why in self.expected.items()]
        lines += [f"  not applicable: {name} ({why})" for name, why in self.not_applicable.items()]
        return "\n".join(lines)

    __repr__ = __str__


def check_member(
    member: Any,
    *,
    kind: str | None = None,
    only: str | Iterable[str] = (),
    examples: int | None = None,
    seed: int = 0,
    expected_failures: Mapping[str, str] | None = None,
    **options: Any,
) -> Checked:
    """Puts a member through its battery, check by check.

    Args:
        member: a layer, an activation, a loss, an initialiser, an optimiser or a network; see `case`.
        kind: which battery, where that cannot be seen.
        only: names of the checks to run; all if empty.
        examples: how many examples of each check; 20 unless the loaded Hypothesis profile asks for more than 100.
        seed: of the examples.
        expected_failures: check → why it is known to fail. One that passes after all is an error, so that the
            reason goes when the bug does.
        options: those of `case`: takes, tags, reference, claims.

    Returns:
        What was checked; prints as a summary.

    Raises:
        CheckFailed: the first check that fails, with its smallest example.
        UserError: nothing says what the member is or takes, or a check is not known.
    """
    __tracebackhide__ = True
    made = case(member, kind=kind, expected_failures=expected_failures, **options)
    checks = battery(made.kind)
    names = [only] if isinstance(only, str) else list(only)
    for name in names:
        if name not in [c.name for c in checks]:
            raise UserError(
                f"there is no check {name!r} of a {made.kind}",
                help=did_you_mean(name, [c.name for c in checks]),
            )
    result = Checked(made.label)
    for check in checks:
        if names and check.name not in names:
            continue
        reason = check.applies(made)
        if reason:
            result.not_applicable[check.name] = reason
            continue
        start = time.perf_counter()
        expected = made.expected_failures.get(check.name)
        try:
            run(check, made, examples=examples, seed_=seed)
        except CheckFailed:
            if not expected:
                raise
            result.expected[check.name] = expected
        else:
            if expected:
                raise AssertionError(
                    f"{made.label} passes `{check.name}`, which was expected to fail ({expected}): take it off expected_failures"
                )
            result.passed.append(check.name)
        result.seconds[check.name] = time.perf_counter() - start
    return result


def _battery(kind: str) -> Callable[..., Checked]:
    def check(member: Any, **options: Any) -> Checked:
        __tracebackhide__ = True
        return check_member(member, kind=None if isinstance(member, Case) else kind, **options)

    check.__name__ = check.__qualname__ = f"check_{kind}"
    check.__doc__ = (
        f"Puts {'an' if kind[0] in 'aio' else 'a'} {kind} through its battery; see `check_member`."
    )
    return check


check_layer = _battery("layer")
check_activation = _battery("activation")
check_loss = _battery("loss")
check_initializer = _battery("initializer")
check_optimizer = _battery("optimizer")
check_network = _battery("network")


def parametrize_with_checks(
    members: Iterable[Any],
    *,
    expected_failures: Mapping[str, str] | None = None,
    examples: int | None = None,
) -> Callable[[Any], Any]:
    """Makes one test of every check of every member: a function of (member, check) that calls `check(member)`.

        @parametrize_with_checks([Scale(3), case(Conv(2, 4), takes=(2, 8, 8), tags={"linear"})])
        def test_layer(member, check):
            check(member)

    Args:
        members: objects, classes or cases. Checks that do not apply make no test.
        expected_failures: check → why it is known to fail, for all members that have this check; for one of them say
            `case(..., expected_failures=...)`. The tests are marked `xfail(strict=True)` with the reason.
        examples: how many examples of each check.
    """
    import pytest

    known = dict(expected_failures or {})
    cases = [m if isinstance(m, Case) else case(m) for m in members]
    have = {check.name for made in cases for check in battery(made.kind)}
    for name in known:
        if name not in have:
            raise UserError(f"there is no check {name!r}", help=did_you_mean(name, sorted(have)))
    names = [made.name for made in cases]
    parameters = []
    for position, made in enumerate(cases):
        name = (
            made.name
            if names.count(made.name) == 1
            else f"{made.name}{names[:position].count(made.name) + 1}"
        )
        for check in battery(made.kind):
            if check.applies(made):
                continue
            why = made.expected_failures.get(check.name) or known.get(check.name)
            marks = [pytest.mark.xfail(reason=why, strict=True, raises=CheckFailed)] if why else []
            runner = Runner(check.name, examples)
            parameters.append(pytest.param(made, runner, id=f"{name}-{check.name}", marks=marks))
    return pytest.mark.parametrize(("member", "check"), parameters)


@dataclass(frozen=True)
class Runner:
    """One check of one member, as the test function calls it."""

    name: str
    examples: int | None = None

    def __call__(self, member: Case, **options: Any) -> None:
        __tracebackhide__ = True
        (check,) = [c for c in battery(member.kind) if c.name == self.name]
        run(check, member, examples=self.examples, **options)
