"""Merging the ranks' figures: exact by arithmetic, and robust against what a killed process leaves."""

import base64
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nndebug
from nndebug.cli.main import main
from nndebug.look import Look
from nndebug.ranks.apart import Apart, Replica
from nndebug.ranks.figures import MergedStep, moments
from nndebug.stats import Moments
from nndebug.storage import RunFolder

# Without subnormal numbers: a share of the smallest is 0.
arrays = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=30).map(np.array)


def stored(array, prefix):
    """What a rank writes of an array."""
    one = Moments.of(array)
    return {**one.summary(prefix), f"{prefix}count": one.count}


@given(st.lists(arrays, min_size=1, max_size=5))
def test_samples_pool_to_those_of_all_ranks(parts):
    step = MergedStep(len(parts), sharded=False)
    for part in parts:
        step.add({"a": {**stored(part, "activation."), **stored(part, "output_gradient.")}})
    together = np.concatenate(parts)
    scale = max(np.abs(together).max(), 1e-30)
    figures = step.figures()["a"]
    for prefix, factor in (("activation.", 1), ("output_gradient.", 1 / len(parts))):
        for name, value in Moments.of(together * factor).summary(prefix).items():
            assert figures[name] == pytest.approx(value, rel=1e-9, abs=1e-6 * scale * factor), name


def test_parameters_are_one_ranks_or_the_sum_of_parts():
    a, b = np.arange(6.0), np.arange(6.0, 10.0)
    for sharded, expected in ((False, a), (True, np.concatenate([a, b]))):
        step = MergedStep(2, sharded)
        for part in (a, b):
            step.add({"w": stored(part, "weight."), "run": {"loss": part[0], "loss.count": len(part)}})
        figures = step.figures()
        assert figures["w"]["weight.norm"] == pytest.approx(np.linalg.norm(expected))
        assert figures["run"] == {"loss": pytest.approx((0 * 6 + 6 * 4) / 10)}
    assert moments({"weight.norm": 3.0}, "weight.") is None


def test_of_a_cheap_record_the_norms_of_parts_add_up():
    step = MergedStep(2, sharded=True)
    step.add({"w": {"gradient.norm": 3.0}})
    step.add({"w": {"gradient.norm": 4.0}})
    assert step.figures()["w"]["gradient.norm"] == 5.0


@given(st.lists(st.lists(st.booleans(), min_size=9, max_size=9), min_size=1, max_size=4), st.integers(1, 4))
def test_looks_add_up_and_survive_storing(fired, rows):
    whole = Look()
    for units in fired:
        look = Look(200 * rows, 3.0, 2, {"a": np.array(units)}, {"a": (4, 9)}, {"b": (1, 9)}, {3: 5, 1: 2}, 4)
        whole.merge(Look.from_json(json.loads(json.dumps(look.to_json()))))
    silent = int((~np.any(fired, axis=0)).sum())
    figures = whole.figures()
    assert figures["a"].get("probe.silent_units", silent) == silent
    assert ("probe.silent_units" in figures["a"]) == (200 * rows * len(fired) >= 512)
    assert figures["run"] == {
        "probe.loss": 1.5, "probe.accuracy": pytest.approx(4 / 7), "probe.top_class": 3, "probe.top_class_share": pytest.approx(5 / 7)
    }  # fmt: skip
    assert figures["a"]["probe.zero_share"] == pytest.approx(4 / 9)


@pytest.mark.parametrize(
    ("values", "longer", "off"),
    [
        ([1.0, 1.0, 1.5, 1.0], False, 2),
        ([1.5, 1.0, 1.0, 1.0], False, 0),  # all others disagree with the lowest
        ([1.0, 1.5], False, 1),
        ([1.5, 1.0], False, 1),
        ([1.5, 1.0], True, 0),  # of two, the longer gradient is the one that was not averaged
        ([1.0, float("nan"), 1.0], False, 1),
        ([1.0, 1.5, 2.0], False, -1),  # no two agree
        ([1.0, 1.5, 2.0, 1.5], True, -1),
        ([1.0, 1.0, 1.5, 2.0], False, 3),  # two agree: the farthest from them
    ],
)
def test_the_odd_one_out(values, longer, off):
    replica = Replica(values[0], 0, 1.0)
    for rank, value in enumerate(values[1:], 1):
        replica.add(rank, value)
    difference, rank = replica.odd(longer)
    assert rank == off and difference > 0.4


def batches(samples, world, odd=None, passes=1, batch=16):
    """What each rank sees of shuffled samples; the odd one in an order of its own."""
    apart, step = Apart(), 0
    for number in range(passes):
        orders = [
            np.random.default_rng(number + 77 * (rank == odd)).permutation(samples) for rank in range(world)
        ]
        for start in range(0, samples - batch * world + 1, batch * world):
            for rank, order in enumerate(orders):
                keys = order[start + rank * batch :][:batch].astype("<u8")
                apart.batch(rank, step, 1, base64.b64encode(keys.tobytes()).decode())
            step += 1
    return apart.figures()


@pytest.mark.parametrize("world", [2, 3, 8])
@pytest.mark.parametrize("passes", [1, 3])
def test_an_order_of_its_own_is_seen(world, passes):
    ((step, row),) = batches(1600, world, odd=world - 1, passes=passes).items()
    assert step <= 1 and row["run"]["ranks.same_samples_rank"] == world - 1
    assert row["run"]["ranks.same_samples"] > 0.3
    ((_, row),) = batches(1600, world, passes=passes).items()
    assert row["run"]["ranks.same_samples"] == 0


def test_every_rank_with_all_samples_is_none_by_itself():
    apart = Apart()
    for step in range(10):
        for rank in range(4):
            keys = np.arange(step * 16, step * 16 + 16).astype("<u8")
            apart.batch(rank, step, 1, base64.b64encode(keys.tobytes()).decode())
    assert apart.figures()[0]["run"]["ranks.same_samples_rank"] == -1


def make_rank(folder, number, world=2, steps=30, created="2026-01-01T00:00:00"):
    made = RunFolder.create(
        folder / f"rank-{number:04d}", {"sites": [], "rank": number, "world": world, "created": created}
    )
    for step in range(steps):
        made.append({"kind": "step", "step": step, "epoch": 1, "data": {"run": {"loss": 1.0 + number}}})
    made.close()


def test_rows_that_are_cut_or_broken_count_as_lost(tmp_path):
    for rank in (0, 1):
        make_rank(tmp_path, rank)
    rows = tmp_path / "rank-0001" / "steps.jsonl"
    lines = rows.read_bytes().splitlines(keepends=True)
    rows.write_bytes(
        b"".join([*lines[:5], b"nonsense\n", b'{"kind": "step", "step": 6}\n', *lines[7:20], lines[20][:9]])
    )
    run = nndebug.Run.load(tmp_path)
    assert run.steps == 30 and run.lost == 2
    assert run.series("loss").at(10) == 1.5 and run.series("loss").at(25) == 1.0
    assert [one["steps"] for one in run.manifest["ranks"]] == [30, 20]


def test_what_a_larger_training_left_before_is_passed_over(tmp_path):
    for rank in range(4):
        make_rank(tmp_path, rank, 4)
    for rank in range(2):
        make_rank(tmp_path, rank, 2, created="2026-01-02T00:00:00")
    assert len(nndebug.Run.load(tmp_path).manifest["ranks"]) == 2


def test_merging_what_is_no_folder_of_ranks_is_two_lines(tmp_path, capsys):
    for folder in (tmp_path, tmp_path / "missing"):
        assert main(["merge", str(folder)]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 2
