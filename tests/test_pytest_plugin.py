"""The pytest plug-in: what its fixtures do in a project of one's own, and what it costs to have it."""

import os
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from network import SGD, CrossEntropy, Dense, ReLU, Sequential, fit
from nndebug.canaries import canaries, fires
from nndebug.errors import UserError
from nndebug.judging import assert_healthy, assert_learns
from nndebug.registry import all_rules

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("numpy", "matplotlib", "torch", "hypothesis", "rich", "network")


def pytest_in(folder, *options):
    """pytest in a folder, with the plug-in and no other of ours."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "nndebug.pytest_plugin", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=120,
    )


TESTS = """
import numpy as np
from network import SGD, CrossEntropy, Dense, ReLU, Sequential, fit

rng = np.random.default_rng(0)
x = rng.normal(size=(60, 4)); y = (x[:, 0] > 0).astype(int)

def net(init="he"):
    return Sequential(Dense(4, 8, init=init), ReLU(), Dense(8, 2), loss=CrossEntropy())

def trained(network, nndebug_run, rate):
    with nndebug_run(network) as watch:
        fit(network, (x, y), SGD(rate), epochs=4, batch=10)
    return watch.run

def test_healthy(nndebug_run, assert_healthy):
    assert_healthy(trained(net(), nndebug_run, 0.5))

def test_sick(nndebug_run, assert_healthy):
    assert_healthy(trained(net("zeros"), nndebug_run, 0.1))

def test_sick_and_known(nndebug_run):
    trained(net("zeros"), nndebug_run, 0.1)

def test_gradients(gradcheck):
    assert gradcheck(net(), x[:7], y[:7])

def test_learns(assert_learns):
    assert_learns(net(), (x, y), SGD(0.5))

def test_does_not_learn(assert_learns):
    assert_learns(net(), (x, y), SGD(1e-6))
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "test_mine.py").write_text(TESTS)
    done = pytest_in(folder, "-q", "--junitxml=junit.xml", "--nndebug-report=out")
    return folder, done


def test_the_fixtures_judge(ran):
    _, done = ran
    assert "4 passed" in done.stdout and "2 failed" in done.stdout, done.stdout
    assert "the run is not healthy" in done.stdout
    assert "it does not learn: the loss went from" in done.stdout
    assert done.stderr == ""


def test_findings_are_in_the_summary_by_test(ran):
    _, done = ran
    summary = done.stdout.split("= nndebug =")[1]
    sick = summary.split("test_mine.py::test_sick_and_known")[1]
    assert "▲ NND201 dead-relu  hidden1: " in sick
    assert "report: out" in sick


def test_findings_are_in_junit(ran):
    folder, _ = ran
    properties = [
        (case.get("name"), p.get("name"), p.get("value"))
        for case in ET.parse(folder / "junit.xml").iter("testcase")
        for p in case.iter("property")
    ]
    assert any(t == "test_sick_and_known" and n == "nndebug" and "NND201" in v for t, n, v in properties)


def test_reports_are_written_where_they_are_asked_for(ran):
    folder, _ = ran
    reports = sorted(path.parent.name for path in folder.glob("out/*/report.html"))
    assert reports == [
        f"test_mine.py-{name}" for name in ("test_healthy", "test_sick", "test_sick_and_known")
    ]


def test_the_self_test_runs_a_canary_for_every_rule_and_nothing_else(tmp_path):
    (tmp_path / "test_mine.py").write_text("raise RuntimeError('not to be collected')")
    done = pytest_in(tmp_path, "-q", "--nndebug-selftest")
    assert done.returncode == 0, done.stdout
    assert f"{len(all_rules())} passed" in done.stdout


@pytest.mark.parametrize("code", [rule.code for rule in all_rules()])
def test_every_rule_fires_on_its_canary(code):
    assert fires(code) == ""


def test_a_rule_that_does_not_fire_is_told(monkeypatch):
    healthy = next(iter(canaries().values()))
    silent = {**healthy, "series": [], "epochs": [], "events": []}
    monkeypatch.setattr("nndebug.canaries.canaries", lambda: {"NND201": silent})
    assert fires("NND201") == "NND201 does not fire on its canary, a run that has what it looks for"
    assert "has no canary" in fires("NND203")


def test_it_loads_nothing_but_pytest(tmp_path):
    """Numbers are in benchmarks/pytest_start.py; here only what is imported."""
    (tmp_path / "test_mine.py").write_text("def test_nothing(): pass")
    script = f"""
import sys, pytest
pytest.main(["-q", "-p", "nndebug.pytest_plugin", "-p", "no:hypothesispytest", {str(tmp_path)!r}])
print("loaded:", [m for m in {HEAVY} if m in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_it_is_announced_to_pytest():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    # The same name as the module's, so that `-p nndebug.pytest_plugin` does not register it twice.
    assert project["entry-points"]["pytest11"] == {"nndebug.pytest_plugin": "nndebug.pytest_plugin"}


# --- the assertions by themselves ---------------------------------------------------------------------------------------


def sick():
    import numpy as np

    import nndebug

    rng = np.random.default_rng(0)
    x, net = (
        rng.normal(size=(60, 4)),
        Sequential(Dense(4, 8, init="zeros"), ReLU(), Dense(8, 2), loss=CrossEntropy()),
    )
    with nndebug.watch(net) as watch:
        fit(net, (x, (x[:, 0] > 0).astype(int)), SGD(0.1), epochs=6, batch=10)
    return watch


def test_findings_can_be_ignored_for_a_reason():
    watch = sick()
    with pytest.raises(AssertionError, match=r"the run is not healthy: .*hidden1") as caught:
        assert_healthy(watch)
    codes = {finding.code for finding in watch.result.findings}
    assert all(code in str(caught.value) for code in codes)
    assert_healthy(watch.run, ignore=dict.fromkeys(codes, "zero weights are what this test is about"))
    with pytest.raises(UserError, match="NND409 is ignored, and nothing says why"):
        assert_healthy(watch, ignore={"NND409": " "})


def test_an_ignored_finding_that_is_gone_is_told():
    import nndebug

    net = Sequential(Dense(4, 8), ReLU(), Dense(8, 2), loss=CrossEntropy())
    with nndebug.watch(net) as watch:
        pass
    with pytest.raises(AssertionError, match="Nothing could be checked"):
        assert_healthy(watch)
    reasons = {finding.code: "known" for finding in sick().result.findings} | {"NND304": "an old story"}
    with pytest.warns(
        UserWarning, match=r"^NND304 is ignored \(an old story\), and was not found: take it off$"
    ):
        assert_healthy(sick(), ignore=reasons)


def test_any_loop_can_be_asked_whether_it_learns():
    losses = iter([4.0, 2.0, 1.0])
    assert assert_learns(lambda: next(losses), steps=3) is None
    with pytest.raises(
        AssertionError,
        match=r"^it does not learn: the loss went from 4 to 4 in 3 steps, expected at most 2 \(0\.5 of what it was\)$",
    ):
        assert_learns(lambda: 4.0, steps=3)
    with pytest.raises(AssertionError, match="went from 4 to nan"):
        assert_learns(iter([4.0, float("nan")]).__next__, steps=2)
    with pytest.raises(UserError, match="a network learns from data"):
        assert_learns(Sequential(Dense(2, 2)))
