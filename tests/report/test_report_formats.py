"""The forms for other programs, each read by a reader of its own: schemas, models, an XML parser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import sample
from hostile import any_text, any_value, result_of
from hypothesis import given, settings
from hypothesis import strategies as st

from nndebug import baseline
from nndebug.errors import UserError
from nndebug.findings import CheckResult
from nndebug.report.formats import FORMATS, SARIF_SCHEMA

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed: pip install -e '.[test]'")
xmlschema = pytest.importorskip("xmlschema", reason="xmlschema is not installed: pip install -e '.[test]'")
sarif = pytest.importorskip(
    "sarif_pydantic", reason="sarif-pydantic is not installed: pip install -e '.[test]'"
)

ROOT = Path(__file__).resolve().parents[2]
CHECK = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "check.schema.json").read_text()))
JUNIT = xmlschema.XMLSchema(ROOT / "tests" / "report" / "schemas" / "junit-10.xsd")


def validate(name: str, text: str) -> None:
    """Reads a result in one of the forms as its own readers do."""
    text.encode("utf-8")
    if name == "json":
        CHECK.validate(json.loads(text))
    elif name == "junit":
        JUNIT.validate(ElementTree.fromstring(text.encode("utf-8")))
    elif name == "sarif":
        log = sarif.Sarif.model_validate(json.loads(text))
        # What the model does not know it would leave out: all of it must come back.
        again = json.loads(log.model_dump_json(by_alias=True, exclude_none=True))
        assert strip(again) == strip(json.loads(text))
    elif name == "github":
        for line in text.splitlines():
            assert re.fullmatch(r"::(error|warning|notice) title=[^:,]*::.*", line), line
            assert not re.search(r"%(?!25|0A|0D|3A|2C)", line)


def strip(value):
    """Without what is empty, or the default that a model fills in."""
    if isinstance(value, dict):
        kept = {k: strip(v) for k, v in value.items() if k != "$schema"}
        return {k: v for k, v in kept.items() if v not in (None, [], {})}
    return [strip(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", list(FORMATS))
@pytest.mark.parametrize("result", [sample.sick_result(), sample.healthy_result()], ids=["sick", "healthy"])
def test_every_form_is_valid(name, result):
    validate(name, FORMATS[name](result))


@pytest.mark.parametrize("name", list(FORMATS))
@settings(max_examples=40, deadline=None)
@given(any_text, st.dictionaries(st.text(max_size=8), any_value, max_size=3))
def test_every_form_of_anything_is_valid(name, text, evidence):
    shown = FORMATS[name](result_of(text, evidence))
    validate(name, shown)
    assert not set(shown) & set("\x00\x07\x1b\u202e") or name == "json"


def test_concise_has_a_line_a_finding_and_the_verdict_last():
    lines = FORMATS["concise"](sample.sick_result()).splitlines()
    assert len(lines) == 6
    assert lines[0] == (
        "hidden1: step 0 ▲ NND411 update-overshoots: moved by 6.2 standard deviations in one update (healthy: below 4)"
    )
    assert lines[-1].startswith("▲ The learning rate is too high")
    assert FORMATS["concise"](sample.healthy_result()).startswith("○ Nothing is wrong")


def test_junit_counts_what_failed_what_passed_and_what_was_skipped():
    suite = ElementTree.fromstring(FORMATS["junit"](sample.sick_result()).encode()).find("testsuite")
    assert {k: suite.get(k) for k in ("name", "tests", "failures", "errors", "skipped")} == {
        "name": "blog-relu", "tests": "16", "failures": "5", "errors": "0", "skipped": "3",
    }  # fmt: skip
    assert len(suite.findall("testcase/failure")) == 5
    assert suite.find("testcase[@name='NND411 update-overshoots']/failure").get("type") == "error"


def test_sarif_names_rules_places_and_fingerprints():
    log = json.loads(FORMATS["sarif"](sample.sick_result()))
    assert (log["version"], log["$schema"]) == ("2.1.0", SARIF_SCHEMA)
    run = log["runs"][0]
    result = run["results"][0]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "NND411"
    assert result["level"] == "error"
    assert result["locations"][0]["logicalLocations"][0]["name"] == "hidden1"
    assert result["partialFingerprints"]["nndebug/v1"] == sample.sick_result().findings[0].fingerprint
    assert result["properties"]["first_step"] == 0


# --- baseline


def test_a_baseline_silences_what_it_knows_and_nothing_else(tmp_path):
    run, result = sample.sick(tmp_path / "run")
    assert baseline.write(result, tmp_path / "known.json") == 5
    known = baseline.read(tmp_path / "known.json")
    quiet, gone = baseline.without(run, result, known)
    assert quiet.findings == quiet.causes == gone == ()
    assert quiet.verdict == "Nothing new: 5 findings of the baseline are still there."
    assert quiet
    assert [s.reason for s in quiet.suppressed][-1] == "run: in the baseline"
    first, *others = known
    loud, gone = baseline.without(
        run, result, {key: known[key] for key in others} | {"0" * 12: "NND999 gone run"}
    )
    assert [f.fingerprint for f in loud.findings] == [first]
    assert not loud
    assert gone == ("NND999 gone run",)


@pytest.mark.parametrize(
    "content", [None, "", "[]", "{", '{"schema": 2, "findings": {}}', '{"schema": 1, "findings": []}']
)
def test_what_is_no_baseline_is_refused(tmp_path, content):
    path = tmp_path / "known.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match="baseline"):
        baseline.read(path)


def test_the_command_writes_and_reads_all_of_it(tmp_path, capsys):
    from nndebug.cli.main import main

    run, _ = sample.sick(tmp_path / "run")
    for name in FORMATS:
        assert main(["check", str(run.folder), "--format", name]) in (0, 1)
        validate(name, capsys.readouterr().out.rstrip("\n"))
    known = str(tmp_path / "known.json")
    assert main(["check", str(run.folder), "--write-baseline", known]) == 1
    assert f"wrote  {known}: " in capsys.readouterr().err
    assert main(["check", str(run.folder), "--baseline", known, "--format", "json"]) == 0
    result = CheckResult.from_json(
        {k: v for k, v in json.loads(capsys.readouterr().out).items() if k != "nonfinite"}
    )
    assert result.findings == ()
    assert main(["check", str(run.folder), "--baseline", str(tmp_path / "none.json")]) == 2
    assert "error: there is no baseline" in capsys.readouterr().err
