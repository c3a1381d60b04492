"""Settings: which rules run, with which thresholds, and what is ignored and why.

Flags go before the environment (`NNDEBUG_SELECT`, `NNDEBUG_IGNORE`, `NNDEBUG_FAIL_ON`), that before `[tool.nndebug]` in the
nearest `pyproject.toml` upwards, and that before the defaults::

    [tool.nndebug]
    select = ["NND2", "NND5"]                  # codes, names or prefixes; all rules without it
    fail-on = "warning"
    plugins = ["my_rules", "tools/rules.py"]   # modules or files whose rules are loaded
    ignore = [
        {rule = "NND503", reason = "N(0, 1) weights, as in the book"},
        {rule = "dead-relu", site = "hidden1", reason = "pruned on purpose"},
    ]

    [tool.nndebug.rules.NND201]                # by code or name
    most = 0.5
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .errors import UserError, did_you_mean

FILE = "pyproject.toml"
SEVERITIES = ("error", "warning", "never")
KEYS = ("select", "ignore", "fail-on", "plugins", "rules")
IGNORED = ("rule", "site", "reason")


@dataclass(frozen=True)
class Ignored:
    """Findings that are not to be reported.

    Attributes:
        rule: a code, a name or a prefix of codes.
        site: the one place (`hidden1`, or `hidden1.*` with what belongs to it) where they are ignored; all if empty.
        reason: why.
    """

    rule: str
    reason: str
    site: str = ""

    def covers(self, site: str) -> bool:
        """Whether findings at this site are meant."""
        return self.site in ("", site) or (self.site.endswith("*") and site.startswith(self.site[:-1]))

    def __str__(self) -> str:
        return f"{self.rule}{f' at {self.site}' if self.site else ''} ({self.reason})"


@dataclass(frozen=True)
class Settings:
    """What a check is to do.

    Attributes:
        select: the rules to run; all if empty.
        ignore: what is not to be reported.
        fail_on: the severity from which on a command exits with 1.
        plugins: modules, or files relative to `home`, with more rules.
        thresholds: code or name of a rule → its parameters.
        home: the folder of the file that they come from, or None.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[Ignored, ...] = ()
    fail_on: str = "error"
    plugins: tuple[str, ...] = ()
    thresholds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    home: Path | None = None

    def overridden(
        self, select: Iterable[str] = (), ignore: Iterable[str] = (), fail_on: str | None = None
    ) -> Settings:
        """These settings with what flags say: `select` and `fail_on` take their place, `ignore` is added."""
        added = tuple(_flag(word) for word in ignore)
        return replace(
            self,
            select=tuple(select) or self.select,
            ignore=(*self.ignore, *added),
            fail_on=fail_on or self.fail_on,
        )


def load(start: str | os.PathLike[str] = ".") -> Settings:
    """The settings of the environment and of the nearest file, from a folder upwards.

    Raises:
        UserError: the file cannot be read, a key is unknown, a value is of the wrong kind, or a reason is missing.
    """
    settings = _from_file(_find(Path(start)))
    fail_on = os.environ.get("NNDEBUG_FAIL_ON") or None
    if fail_on is not None and fail_on not in SEVERITIES:
        raise UserError(
            f"NNDEBUG_FAIL_ON: there is no severity {fail_on!r}", help=did_you_mean(fail_on, SEVERITIES)
        )
    return settings.overridden(_words("NNDEBUG_SELECT"), _words("NNDEBUG_IGNORE"), fail_on)


def _words(variable: str) -> list[str]:
    return [word.strip() for word in os.environ.get(variable, "").split(",") if word.strip()]


def _flag(word: str) -> Ignored:
    """`NND503` or `NND503=its reason` from a flag or the environment, where who types it knows why."""
    rule, _, reason = word.partition("=")
    return Ignored(rule.strip(), reason.strip() or "ignored by the caller")


def _find(start: Path) -> Path | None:
    for folder in (start.absolute(), *start.absolute().parents):
        if (folder / FILE).is_file():
            return folder / FILE
    return None


def _from_file(path: Path | None) -> Settings:
    if path is None:
        return Settings()
    try:
        whole = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", help="check its permissions") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # A file that other tools own: only who says something to nndebug in it has to hear of it.
        if "nndebug" not in path.read_text("utf-8", "replace"):
            return Settings()
        raise UserError(f"{path}: not valid TOML: {error}", help="correct it where the TOML ends") from None
    table = whole.get("tool", {}).get("nndebug")
    if table is None:
        return Settings()
    try:
        return _parsed(table, path.parent)
    except UserError as error:
        raise UserError(f"{path}: {error}", help=error.help) from None


def _parsed(table: Any, home: Path) -> Settings:
    given = _table(table, "tool.nndebug", KEYS)
    fail_on = given.get("fail-on", "error")
    if fail_on not in SEVERITIES:
        hint = did_you_mean(str(fail_on), SEVERITIES)
        raise UserError(f"tool.nndebug.fail-on: there is no severity {fail_on!r}", help=hint)
    thresholds = {
        rule: dict(_table(values, f"tool.nndebug.rules.{rule}"))
        for rule, values in _table(given.get("rules", {}), "tool.nndebug.rules").items()
    }
    return Settings(
        select=_strings(given.get("select", []), "tool.nndebug.select"),
        ignore=tuple(
            _ignored(entry, f"tool.nndebug.ignore[{i}]")
            for i, entry in enumerate(_list(given.get("ignore", []), "tool.nndebug.ignore"))
        ),
        fail_on=fail_on,
        plugins=_strings(given.get("plugins", []), "tool.nndebug.plugins"),
        thresholds=thresholds,
        home=home,
    )


def _ignored(entry: Any, where: str) -> Ignored:
    hint = '{rule = "NND503", reason = "why"}'
    if isinstance(entry, str):
        raise UserError(f"{where}: {entry!r} has no reason", help=hint.replace("NND503", entry))
    given = _table(entry, where, IGNORED)
    for name in IGNORED:
        if name in given and not (isinstance(given[name], str) and given[name].strip()):
            raise UserError(f"{where}.{name}: expected a text, got {given[name]!r}", help=hint)
    if "rule" not in given:
        raise UserError(f"{where}: the key 'rule' is missing", help=hint)
    if "reason" not in given:
        raise UserError(
            f"{where}: {given['rule']!r} has no reason", help=hint.replace("NND503", given["rule"])
        )
    return Ignored(given["rule"], given["reason"], given.get("site", ""))


def _table(value: Any, where: str, known: Sequence[str] = ()) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{where}: expected a table, got {value!r}", help=f"write it as [{where}]")
    for key in value if known else ():
        if key not in known:
            raise UserError(f"{where}: there is no key {key!r}", help=did_you_mean(key, known))
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise UserError(
            f"{where}: expected a list, got {value!r}", help=f"{where.rpartition('.')[2]} = [...]"
        )
    return value


def _strings(value: Any, where: str) -> tuple[str, ...]:
    for entry in _list(value, where):
        if not isinstance(entry, str):
            raise UserError(f"{where}: expected texts, got {entry!r}", help='["NND2", "dead-relu"]')
    return tuple(value)
