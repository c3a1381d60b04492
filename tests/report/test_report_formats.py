"""The forms for other programs, each read by a reader of its own: schemas, models, an XML parser."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
import sample
from hostile import any_text, any_value, result_of
from hypothesis import given, settings
from hypothesis import strategies as st
from readers import REFUSED, SCHEMA, validate

from nndebug import baseline
from nndebug.errors import UserError
from nndebug.findings import CheckResult
from nndebug.report.formats import FORMATS, SARIF_SCHEMA


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


# --- the readers refuse what is broken


def broken_json():
    """The JSON of a check with one thing wrong in it."""
    good = json.loads(FORMATS["json"](sample.sick_result()))
    for key in good:
        if key in SCHEMA["required"]:
            yield f"without {key}", {k: v for k, v in good.items() if k != key}
    for part in ("findings", "causes"):
        for key in good[part][0]:
            if key in SCHEMA["$defs"][part[:-1]]["required"]:
                item = {k: v for k, v in good[part][0].items() if k != key}
                yield f"{part} without {key}", {**good, part: [item]}
    yield "a field nobody published", {**good, "sentence": "x"}
    for key, value in (("severity", "fatal"), ("first_step", 1.5), ("fingerprint", "xyz"), ("evidence", [])):
        yield f"{key} {value}", {**good, "findings": [{**good["findings"][0], key: value}]}
    yield "a certainty of 1.5", {**good, "causes": [{**good["causes"][0], "certainty": 1.5}]}
    yield "another version", {**good, "schema": 2}


BROKEN_JUNIT = {
    "an element of another name": ("<testcase ", "<test ", "</testcase>", "</test>"),
    "a case without a name": (' name="NND411 update-overshoots"', ""),
    "a suite without its count": (' tests="16"', ""),
    "a count that does not add up": (' tests="16"', ' tests="15"'),
    "a count of failures that does not add up": (' failures="5"', ' failures="4"'),
    "a count in words": (' tests="16"', ' tests="many"'),
    "an attribute nobody knows": ("<testsuite ", '<testsuite colour="red" '),
    "an element in the wrong place": ("<testsuites>", "<testsuites><failure/>"),
    "no XML": ("</testsuites>", ""),
}


def broken_sarif():
    """A SARIF log with one thing wrong in it."""

    def change(path, value):
        log = json.loads(FORMATS["sarif"](sample.sick_result()))
        place = log
        for key in path[:-1]:
            place = place[key]
        if value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value
        return log

    result, driver = ("runs", 0, "results", 0), ("runs", 0, "tool", "driver")
    for path, value in (
        (("version",), None), (("version",), "2.0.0"), (("runs",), None), (("verdict",), "x"),
        ((*result, "message"), None), ((*result, "message", "text"), ""), ((*result, "level"), "fatal"),
        ((*result, "ruleIndex"), -2), ((*result, "ruleIndex"), 1), ((*result, "site"), "hidden1"),
        ((*result, "locations", 0, "logicalLocations", 0, "name"), 3), ((*result, "partialFingerprints", "nndebug/v1"), 3),
        ((*driver, "name"), None), ((*driver, "rules", 0, "id"), None), ((*driver, "rules", 0, "severity"), "error"),
        (("runs", 0, "tool"), None), (("runs", 0, "invocations", 0, "executionSuccessful"), None),
    ):  # fmt: skip
        yield f"{'.'.join(map(str, path))}: {value}", change(path, value)


@pytest.mark.parametrize(("name", "text"), [
    *(pytest.param("json", json.dumps(data), id=f"json: {what}") for what, data in broken_json()),
    *(pytest.param("sarif", json.dumps(data), id=f"sarif: {what}") for what, data in broken_sarif()),
    pytest.param("json", FORMATS["json"](sample.sick_result()).replace("0.97", "NaN"), id="json: NaN"),
])  # fmt: skip
def test_a_reader_refuses_json_that_is_broken(name, text):
    with pytest.raises(REFUSED):
        validate(name, text)


@pytest.mark.parametrize("what", BROKEN_JUNIT)
def test_a_reader_refuses_junit_that_is_broken(what):
    text = FORMATS["junit"](sample.sick_result())
    pairs = zip(BROKEN_JUNIT[what][::2], BROKEN_JUNIT[what][1::2])
    for good, bad in pairs:
        assert good in text
        text = text.replace(good, bad)
    with pytest.raises(REFUSED):
        validate("junit", text)


# --- what stands in them


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
