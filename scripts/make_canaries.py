"""Makes nndebug/canaries.json, a recorded run for every rule on which it fires, of the runs in the rules' tests.

    python scripts/make_canaries.py

The first and smallest run of a rule's own tests on which it yields something becomes its canary. Afterwards
`pytest --nndebug-selftest` is green.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from nndebug.canaries import FILE, TOLD, plain, replayed
from nndebug.registry import Rule, all_rules, find_rule

ROOT = Path(__file__).resolve().parent.parent


class Catch:
    """Looks over the shoulder of every rule that is run, and keeps the smallest run on which it fires."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def attach(self) -> None:
        """Takes the place of what runs a rule."""
        original, found = Rule.__call__, self.found

        def call(rule, run, *more, **keywords):
            symptoms = list(original(rule, run, *more, **keywords))
            if symptoms and len(found.get(rule.code, "")) != 1:
                try:
                    data = plain(run)
                    text = json.dumps(data, sort_keys=True, ensure_ascii=False)
                    if list(original(rule, replayed(data))) and len(text) < len(
                        found.get(rule.code, " " * 200_000)
                    ):
                        found[rule.code] = text
                except Exception as error:  # a run that has no plain form, as one with hostile names
                    print(f"{rule.code}: {type(error).__name__}: {error}", file=sys.stderr)
            return iter(symptoms)

        Rule.__call__ = call


def main() -> int:
    catch = Catch()
    catch.attach()
    pytest.main(
        [
            "-q",
            *("-p", "no:cacheprovider"),
            *("-n", "0"),  # what a worker process runs is not seen here
            *sys.argv[1:],
            str(ROOT / "tests" / "rules"),
            str(ROOT / "tests" / "test_shapes.py"),
        ]
    )
    lines = [f"{json.dumps(code)}: {catch.found[code]}" for code in sorted(catch.found)]
    missing = [rule.code for rule in all_rules() if rule.code not in {**catch.found, **TOLD}]
    if not missing:
        FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    print(
        f"{len(lines)} canaries, {FILE.stat().st_size / 1000:.0f} kB; without: {', '.join(missing) or 'none'}"
    )
    for code in missing:
        print(
            f"  {code} {find_rule(code).name}: write a test in tests/rules on which it fires", file=sys.stderr
        )
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
