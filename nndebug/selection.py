"""Which rules of a check run, with which thresholds, and which of their findings are suppressed and why."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import registry
from .config import Ignored, Settings
from .errors import UserError
from .findings import Finding, Skipped
from .plugins import load_named
from .registry import Rule


class Selection:
    """Settings that have been applied to the rules there are.

    Args:
        settings: plug-ins, thresholds, suppressions with their reasons.
        select: the rules to run; those of the settings if empty.
        ignore: rules that the caller leaves out.

    Raises:
        UserError: a word names no rule or no parameter of one, or a plug-in cannot be loaded.
    """

    def __init__(self, settings: Settings, select: Iterable[str] = (), ignore: Iterable[str] = ()) -> None:
        load_named(settings.plugins, settings.home)
        self.rules = registry.all_rules()
        self._wanted = named(tuple(select) or settings.select, self.rules)
        self._unwanted = named(ignore, self.rules)
        self._ignored = [(entry, named([entry.rule], self.rules)) for entry in settings.ignore]
        self._used: set[Ignored] = set()
        self._thresholds: dict[str, Mapping[str, Any]] = {}
        for word, values in settings.thresholds.items():
            (code, *more) = sorted(named([word], self.rules))
            if more:
                raise UserError(
                    f"{word!r} names {len(more) + 1} rules", help=f"parameters are of one rule: {code}"
                )
            next(rule for rule in self.rules if rule.code == code).check_thresholds(values)
            self._thresholds[code] = values

    def left_out(self, rule: Rule) -> str:
        """Why a rule does not run at all; empty if it does."""
        if rule.code in self._unwanted:
            return "ignored by the caller"
        if self._wanted and rule.code not in self._wanted:
            return "not among the rules selected"
        return ""

    def thresholds(self, rule: Rule) -> Mapping[str, Any]:
        """The parameters that the settings give a rule."""
        return self._thresholds.get(rule.code, {})

    def suppress(self, rule: Rule, findings: Sequence[Finding]) -> tuple[list[Finding], list[Skipped]]:
        """The findings that are reported, and those that an entry of `ignore` covers."""
        kept, hidden = [], []
        for finding in findings:
            entry = next(
                (e for e, codes in self._ignored if finding.code in codes and e.covers(finding.site)), None
            )
            if entry is None:
                kept.append(finding)
                continue
            self._used.add(entry)
            hidden.append(Skipped(rule.code, rule.name, f"{finding.site}: {entry.reason}"))
        return kept, hidden

    def unused(self) -> tuple[str, ...]:
        """The entries of `ignore` that covered nothing, of rules that ran."""
        return tuple(
            str(entry)
            for entry, codes in self._ignored
            if entry not in self._used
            and not codes & self._unwanted
            and (not self._wanted or codes & self._wanted)
        )


def named(words: Iterable[str], rules: Sequence[Rule]) -> set[str]:
    """Codes of the rules that the words name.

    Raises:
        UserError: a word names none.
    """
    codes = set()
    for word in words:
        sign = word.upper() if word[:3].upper() == "NND" else f"NND{word}"
        named = {rule.code for rule in rules if rule.name == word.lower() or rule.code.startswith(sign)}
        if not named or not word:
            near = difflib.get_close_matches(
                word, [key for rule in rules for key in (rule.code, rule.name)], n=1
            )
            help = f"did you mean {near[0]!r}?" if near else "nndebug rule lists them all"
            raise UserError(f"there is no rule {word!r}", help=help)
        codes |= named
    return codes
