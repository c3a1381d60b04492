"""`@rule`: a pure generator function with a code, a name and the series it needs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import UserError, did_you_mean
from .findings import Symptom

if TYPE_CHECKING:
    from .run import Run

Measure = Callable[..., Iterable[Symptom]]

_rules: dict[str, Rule] = {}


@dataclass(frozen=True)
class Rule:
    """One registered rule.

    Attributes:
        code: `NND` and three digits; the first digit is its family.
        name: the failing pattern in kebab-case.
        needs: names of series without which it gives no verdict (it is then "not applicable"); "a or b" where one will do.
        function: `Run -> symptoms`; its keyword-only parameters are its thresholds.
    """

    code: str
    name: str
    needs: tuple[str, ...]
    function: Measure

    @property
    def page(self) -> str:
        """The docstring, which is the rule's page."""
        return inspect.cleandoc(self.function.__doc__ or "")

    @property
    def summary(self) -> str:
        return self.page.split("\n\n")[0].replace("\n", " ")

    @property
    def thresholds(self) -> Mapping[str, Any]:
        """Keyword-only parameters and their defaults."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.default != ()}

    def __call__(self, run: Run, **thresholds: Any) -> Iterable[Symptom]:
        """What it finds; nothing where a part of the preflight that it judges was not measured."""
        judged = [need for need in self.needs if need.startswith("preflight.")]
        return self.function(run, **thresholds) if all(map(run.has, judged)) else ()

    def check_thresholds(self, given: Mapping[str, Any]) -> None:
        """Refuses parameters that the rule does not have, or of another kind than their default.

        Raises:
            UserError: the message names the rule and the parameter.
        """
        known = self.thresholds
        for name, value in given.items():
            if name not in known:
                raise UserError(f"{self.code} has no parameter {name!r}", help=did_you_mean(name, known))
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if isinstance(known[name], int | float) and not isinstance(known[name], bool) and not number:
                raise UserError(
                    f"{self.code}: {name} takes a number, got {value!r}", help=f"{name} = {known[name]}"
                )


def rule(code: str, name: str, needs: tuple[str, ...] = ()) -> Callable[[Measure], Measure]:
    """Registers a generator function of a `Run` as a rule.

    Raises:
        UserError: the code is not of the form NND123, or another function has it already.
    """
    if not re.fullmatch(r"NND\d{3}", code):
        raise UserError(f"{code!r} is no rule code", help="use NND and three digits, as in NND950")

    def register(function: Measure) -> Measure:
        known = _rules.get(code)
        if known and known.function.__qualname__ != function.__qualname__:
            raise UserError(
                f"two rules have the code {code}: {known.name} and {name}", help="choose another code"
            )
        _rules[code] = Rule(code, name, needs, function)
        return function

    return register


def all_rules() -> tuple[Rule, ...]:
    """Every rule, by code: those of nndebug and of installed packages."""
    from . import plugins, rules  # noqa: F401  (importing the package registers its members)

    plugins.load_installed()
    return tuple(_rules[code] for code in sorted(_rules))


def find_rule(word: str) -> Rule:
    """The rule with this code or name, in any case.

    Raises:
        UserError: there is none; the help line offers the nearest.
    """
    known = {key: r for r in all_rules() for key in (r.code, r.name)}
    for key in (word, word.upper(), word.lower(), f"NND{word}"):
        if key in known:
            return known[key]
    raise UserError(f"there is no rule {word!r}", help=did_you_mean(word, known))
