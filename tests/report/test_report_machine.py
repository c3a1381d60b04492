"""The JSON of a result."""

from __future__ import annotations

import json

import numpy as np
import sample

from nndebug.findings import CheckResult, Finding, Severity
from nndebug.report.machine import to_json


def test_it_round_trips():
    result = sample.healthy_result()
    assert CheckResult.from_json(json.loads(to_json(result))) == result
    again = CheckResult.from_json(json.loads(to_json(sample.sick_result())))
    assert again.causes == sample.sick_result().causes
    assert to_json(again) == to_json(sample.sick_result())


def test_it_has_the_published_keys():
    data = json.loads(to_json(sample.sick_result()))
    assert data["verdict"] == {"sentence": sample.sick_result().verdict, "severity": "error"}
    assert {
        "schema",
        "verdict",
        "causes",
        "findings",
        "passed",
        "not_applicable",
        "suppressed",
        "crashed",
        "run",
    } <= set(data)
    assert data["findings"][0]["fingerprint"] == sample.sick_result().findings[0].fingerprint
    assert data["nonfinite"] == 0


def test_what_json_does_not_have_is_null_and_counted():
    evidence = {
        "a": float("nan"),
        "b": [np.float32("inf"), np.int64(3)],
        "c": np.array([1.0, -np.inf]),
        "d": (True, None),
        7: "x",
    }
    finding = Finding("NND101", "first-nonfinite", Severity.ERROR, "run", "NaN", evidence=evidence)
    data = json.loads(to_json(CheckResult("NaN", Severity.ERROR, (), (finding,))))
    assert data["nonfinite"] == 3
    assert data["findings"][0]["evidence"] == {
        "a": None,
        "b": [None, 3],
        "c": [1.0, None],
        "d": [True, None],
        "7": "x",
    }


def test_one_line():
    assert "\n" not in to_json(sample.sick_result(), indent=None)
