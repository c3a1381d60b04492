"""Several real processes (gloo): merged they are one process, and the one that goes astray is named with its first step."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nndebug
from nndebug.cli.main import main

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
if not (torch.distributed.is_available() and torch.distributed.is_gloo_available()):
    pytest.skip("PyTorch is built without gloo", allow_module_level=True)

from tests import ranks_worker  # noqa: E402  (imports PyTorch)

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ("plain", "sharded", "seed", "order", "skipped", "killed")


def spawn(world, folder, scenarios):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "WORLD_SIZE": str(world), "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "ranks_worker.py"), str(folder), *scenarios],
            env={**env, "RANK": str(rank)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for rank in range(world)
    ]  # fmt: skip
    said = [worker.communicate(timeout=300)[0] for worker in workers]
    codes = [worker.returncode for worker in workers]
    expected = [-9 if rank == ranks_worker.ODD else 0 for rank in range(world)]
    assert codes == expected, "\n".join(said)
    return folder


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.slow)])
def trained(request, tmp_path_factory):
    """All scenarios by the same processes, the one in which a rank is killed last."""
    return spawn(request.param, tmp_path_factory.mktemp(f"world{request.param}"), SCENARIOS)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    folder = tmp_path_factory.mktemp("single")
    model = ranks_worker.network()
    ranks_worker.train(model, torch.optim.SGD(model.parameters(), 0.5), folder, 0, 1)
    return nndebug.Run.load(folder)


@pytest.mark.parametrize("scenario", ["plain", "sharded"])
def test_merged_statistics_are_those_of_one_process(scenario, trained, single):
    run = nndebug.Run.load(trained / scenario)
    assert run.steps == single.steps == ranks_worker.STEPS
    compared = 0
    sites = [
        "run",
        *(s.name for s in single.sites),
        *(f"{s.name}.{p}" for s in single.sites for p in s.parameters),
    ]
    assert [site.name for site in run.sites] == [site.name for site in single.sites]
    for site in sites:
        for name in single.names(site):
            if name.startswith(("replay.", "shift")) and scenario == "sharded":
                continue  # what a rank's own pass adds, and layers to run again, are not at hand there
            one, other = single.series(name, site), run.series(name, site)
            np.testing.assert_array_equal(one.steps, other.steps, err_msg=f"{site} {name}")
            if not name.startswith("replay."):
                np.testing.assert_allclose(other.values, one.values, 1e-6, 1e-12, err_msg=f"{site} {name}")
            compared += len(one)
    assert compared > 1800
    assert run.has("probe.silent_units", "0") and run.has("probe.accuracy")
    for kept in ("died_at", "weight.histogram"):
        site = "0" if kept == "died_at" else "0.weight"
        np.testing.assert_array_equal(run.last_array(f"{site}/{kept}"), single.last_array(f"{site}/{kept}"))
    assert run.manifest["loss_at_chance"] == pytest.approx(single.manifest["loss_at_chance"], rel=1e-6)


def test_what_is_healthy_alone_is_healthy_together(trained, single):
    alone, together = nndebug.check(single), nndebug.check(nndebug.Run.load(trained / "plain"))
    slow = [f for f in together.findings if f.code == "NND425"]  # on a busy machine it may be true
    assert [f.code for f in together.findings if f not in slow] == [f.code for f in alone.findings]
    assert {"NND421", "NND422", "NND423", "NND424", "NND426"} <= set(together.passed)


@pytest.mark.parametrize(
    ("scenario", "kind", "code", "steps", "site"),
    [
        ("seed", "ranks_diverge", "NND422", {0}, "0.weight"),
        ("skipped", "ranks_diverge", "NND421", {ranks_worker.AT}, "0.weight"),
        ("order", "rank_data", "NND423", {0, 1}, "run"),
    ],
)
def test_the_rank_is_named_with_its_first_step(scenario, kind, code, steps, site, trained):
    result = nndebug.check(trained / scenario)
    assert result.causes[0].kind == kind, result.verdict
    finding = next(f for f in result.findings if f.code == code)
    assert finding.evidence["rank"] == ranks_worker.ODD and finding.site == site
    assert f"rank {ranks_worker.ODD} " in finding.message + " " and finding.first_step in steps


def test_a_killed_rank_leaves_the_others_readable(trained, capsys):
    others = [
        place
        for place in sorted((trained / "killed").iterdir())
        if place.name != f"rank-{ranks_worker.ODD:04d}"
    ]
    for place in others:
        assert nndebug.Run.load(place).steps == ranks_worker.AT
    result = nndebug.check(trained / "killed")
    assert result.causes[0].kind == "rank_stopped" and f"rank {ranks_worker.ODD} stopped" in result.verdict
    assert main(["check", str(trained / "killed")]) == 1
    assert "rank 1 stopped" in capsys.readouterr().out


def test_merge_writes_a_run_of_its_own(trained, tmp_path, capsys):
    assert main(["merge", str(trained / "skipped"), "-o", str(tmp_path / "merged")]) == 0
    assert f"{ranks_worker.STEPS} steps" in capsys.readouterr().err
    one, other = nndebug.check(trained / "skipped"), nndebug.check(tmp_path / "merged")
    assert [f.to_json() for f in one.findings] == [f.to_json() for f in other.findings]
    assert main(["report", str(trained / "skipped")]) == 0
    assert (trained / "skipped" / "report.html").exists()
