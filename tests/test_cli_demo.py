"""`nndebug demo`: exits with 0 when the diagnosis was right, and only then."""

import dataclasses
import re

import pytest

from nndebug import faults
from nndebug.cli import main as cli


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def short(monkeypatch):
    """The default fault in two epochs; returns how to put another in its place."""

    def put(**changes):
        fault = faults.FAULTS[faults.DEFAULT]
        fault = dataclasses.replace(fault, healthy={**fault.healthy, "epochs": 2}, **changes)
        monkeypatch.setattr(faults, "FAULTS", {faults.DEFAULT: fault})
        return fault

    return put


def test_the_default_demo_names_the_planted_fault_and_writes_its_report(folder, capsys):
    assert cli.main(["demo"]) == 0
    out, err = capsys.readouterr()
    assert faults.FAULTS[faults.DEFAULT].cause in out
    page = folder / "reports" / f"demo-{faults.DEFAULT}" / "report.html"
    assert err.splitlines()[0].startswith(f"planted: {faults.DEFAULT}: ")
    assert f"wrote  {page.relative_to(folder)}" in err
    assert f"nndebug demo {faults.DEFAULT} --fixed" in err
    text = page.read_text("utf-8")
    assert faults.FAULTS[faults.DEFAULT].cause in text


@pytest.mark.slow
def test_the_healthy_twin_has_nothing_to_find(folder, capsys):
    assert cli.main(["demo", "--fixed", "-o", "twin"]) == 0
    out, err = capsys.readouterr()
    assert any(line.startswith("○ ") for line in out.splitlines())
    assert "▲" not in out
    assert "■" not in out
    assert (folder / "twin" / "report.html").exists()
    assert err.endswith(f"next   nndebug demo {faults.DEFAULT}\n")


def test_a_diagnosis_that_names_another_cause_is_1(short, capsys):
    short(cause="missing_zero_grad")
    assert cli.main(["demo"]) == 1
    assert re.search(
        r"the planted fault is missing_zero_grad; the diagnosis named \w+\n", capsys.readouterr().err
    )


def test_a_fault_that_is_not_found_is_1(short, capsys):
    short(faulty={})
    assert cli.main(["demo"]) == 1
    assert "the diagnosis named nothing" in capsys.readouterr().err


def test_a_twin_that_is_not_healthy_is_1(short, capsys):
    fault = faults.FAULTS[faults.DEFAULT]
    short(faulty={}).healthy.update(fault.faulty)
    assert cli.main(["demo", "--fixed"]) == 1


def test_the_list_is_by_family_and_begins_with_the_default(capsys):
    assert cli.main(["demo", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "]
    assert listed[0] == faults.DEFAULT
    assert sorted(listed) == sorted(faults.FAULTS) and len(listed) >= 40
    assert [line for line in lines if line in faults.FAMILIES] == list(faults.FAMILIES)
    assert all(len(line) <= 110 for line in lines)
    told = " ".join(" ".join(lines).split())
    assert all(fault.summary in told for fault in faults.FAULTS.values())
