"""Random healthy experiments are the same everywhere, and every kind of fault can be planted into one that trains."""

import copy
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install -e '.[dev]'")

from benchmarks.false_alarms import counted, numbered, page
from benchmarks.faults.gather import gathered
from benchmarks.faults.generate import LEFT_OUT, brief, count, known, make, plant, split, train, turns, write
from benchmarks.faults.healthy import healthy
from benchmarks.faults.planting import PLANTS
from benchmarks.faults.sources import SOURCES
from benchmarks.rates import interval
from nndebug.causes.vocabulary import Kind

SMALL = ("wine", "cancer", "diabetes", "xor")


def test_an_experiment_is_its_number():
    assert healthy(7) == healthy(7)
    assert len({str(healthy(number)) for number in range(50)}) == 50


def test_every_source_is_drawn_and_loads():
    for name, source in SOURCES.items():
        if name != "mnist":
            data = source.load(0)
            assert data.classes == source.classes and len(data.train[0]) == source.rows, name
    assert {healthy(number)[0] for number in range(200)} == set(SOURCES)


@pytest.mark.parametrize("kind", PLANTS)
def test_a_plant_is_a_cause_and_changes_what_it_says(kind):
    assert kind in {str(known) for known in Kind}
    rng = np.random.default_rng(0)
    for number in range(60):
        _, spec = healthy(number)
        faulty = copy.deepcopy(spec)
        layers = PLANTS[kind](faulty, rng)
        if layers is not None:
            assert faulty != spec
            assert set(layers) <= {layer["name"] for layer in faulty["model"]["layers"]}
            return
    pytest.fail("it can be planted nowhere")


def test_a_healthy_experiment_learns_and_a_faulty_one_is_written_down(tmp_path):
    source, spec = healthy(0, SMALL)
    spec["train"]["epochs"] = min(spec["train"]["epochs"], 10)
    metric, result = train(source, spec, watch=True)
    assert metric > 0.5 and result is not None
    truth = make("lr_too_low", 27, source, spec, tmp_path / "00027" / "lr_too_low")
    assert truth["kind"] == "lr_too_low" and truth["shows"] and truth["metric"] < truth["goal"]
    write(tmp_path / "00027" / "lr_too_low", truth)
    (again,) = known(tmp_path)
    assert again == truth
    row = gathered(tmp_path / "00027" / "lr_too_low", truth)
    assert row["kind"] == "lr_too_low" and "updates > 20" in row["preflight"]["facts"]
    assert "by heart: loss left unknown" in row["passive"]["facts"]
    assert "by heart: loss left unknown" not in row["preflight"]["facts"]


def test_experiments_are_split_before_anything_is_trained():
    splits = [split(number, "xor") for number in range(300)]
    assert splits.count("test") == 100 and splits.count("train") == 200
    assert {split(number, LEFT_OUT) for number in range(9)} == {"left out"}


def test_a_brief_experiment_takes_few_steps_and_leaves_the_other_alone():
    for number in range(40):
        source, spec = healthy(number)
        before = copy.deepcopy(spec)
        short = brief(source, spec)["train"]
        steps = -(-SOURCES[source].rows // short["batch_size"]) * short["epochs"]
        assert steps <= 620 and short["epochs"] >= 4 and spec == before


def test_kinds_take_turns():
    _, spec = healthy(0, SMALL)
    seen = {True: Counter(), False: Counter()}
    first = turns(0, spec, seen[True])
    for kind in first:
        assert plant(kind, 0, spec)
        count({"split": "train", "kind": kind, "shows": True}, seen)
    assert len(set(first)) == 6 and not set(first) & set(turns(0, spec, seen[True]))
    assert not seen[False]


def test_the_rates_are_those_of_healthy_runs_that_the_rule_looked_at():
    loud = [
        ("NND401", "info", "h1", ""),
        ("NND401", "warning", "run", "two | words"),
        ("NND506", "info", "run", ""),
    ]
    run = {"healthy": True, "source": "wine", "metric": 1.0, "findings": loud, "looked": ["NND401", "NND506"]}
    runs = {0: run, 1: {**run, "findings": []}, 2: {**run, "healthy": False}, 3: {**run, "looked": []}}
    runs[3]["findings"] = []
    counts = counted(runs)
    assert (counts["experiments"], counts["healthy"], counts["alarms"], counts["errors"]) == (4, 3, 1, 0)
    assert counts["rules"]["NND401"] == {"runs": 2, "info": 0, "warning": 1, "error": 0}
    text = page(runs)
    assert "4 experiments, 3 healthy" in text and "a warning or an error: 1 of 3 (33.3 %" in text
    assert "Here: experiments 0 to 3." in text and numbered([7, 0, 1, 2, 9, 10]) == "0 to 2, 7, 9 to 10"
    assert "| NND401 | 2 | 0 | 1 | 0 | 9.5 to 90.5 % |" in text
    assert "- 0 (wine, held-out metric 1.000): NND401 warning at run: two | words" in text


def test_the_interval_is_wilsons():
    # As R's prop.test(1, 2, correct=FALSE) gives it.
    assert interval(1, 2) == pytest.approx((0.0945, 0.9055), abs=1e-4)
