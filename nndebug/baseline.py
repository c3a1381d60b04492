"""A baseline: findings that are known and accepted, so that a check speaks of new ones only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .atomic import write_atomically
from .diagnosis import diagnose
from .errors import UserError
from .findings import CheckResult, Skipped
from .strict_json import decode

if TYPE_CHECKING:
    from .run import Run

SCHEMA = 1


def write(result: CheckResult, path: Path) -> int:
    """Writes the fingerprints of all findings, each with its words; returns how many they are.

    Raises:
        OSError: the file cannot be written.
    """
    known = {f.fingerprint: f"{f.code} {f.name} {f.site}" for f in result.findings}
    text = json.dumps({"schema": SCHEMA, "findings": dict(sorted(known.items()))}, indent=1)
    write_atomically(path, (text + "\n").encode("ascii"))
    return len(known)


def read(path: Path) -> dict[str, str]:
    """Fingerprint -> words of the findings that are known.

    Raises:
        UserError: there is no such file, or it is no baseline.
    """
    help = f"nndebug check RUN --write-baseline {path} writes one"
    try:
        data = decode(path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f"there is no baseline {path}", help=help) from error
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the baseline {path}: {error}", help=help) from error
    known = data.get("findings") if isinstance(data, dict) and data.get("schema") == SCHEMA else None
    if not isinstance(known, dict):
        raise UserError(f"{path} is no baseline: it has no table of findings of schema {SCHEMA}", help=help)
    return {str(key): str(words) for key, words in known.items()}


def without(run: Run, result: CheckResult, known: Mapping[str, str]) -> tuple[CheckResult, tuple[str, ...]]:
    """The result without the findings that are known, and the words of known ones that are found no more.

    The causes are sought anew among the findings that are left; what was taken out is listed as suppressed.
    """
    new = tuple(f for f in result.findings if f.fingerprint not in known)
    old = [f for f in result.findings if f.fingerprint in known]
    gone = tuple(words for key, words in known.items() if key not in {f.fingerprint for f in old})
    if not old:
        return result, gone
    # The measured table knows what all findings together mean, not what some of them do.
    causes, verdict, severity = diagnose(run, new, weigh=False)
    if not new:
        count = f"{len(old)} finding{'s' if len(old) > 1 else ''}"
        verdict = f"Nothing new: {count} of the baseline {'are' if len(old) > 1 else 'is'} still there."
    suppressed = tuple(Skipped(f.code, f.name, f"{f.site}: in the baseline") for f in old)
    changed = replace(
        result,
        verdict=verdict,
        severity=severity,
        causes=causes,
        findings=new,
        suppressed=(*result.suppressed, *suppressed),
    )
    return changed, gone
