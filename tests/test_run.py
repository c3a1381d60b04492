"""A run in memory and the same run from its folder; series and their bounds."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nndebug.run import MAX_EPOCHS, MAX_EVENTS, Run
from nndebug.series import KEEP_FIRST, KEEP_LAST, LIMIT, Column, Series
from nndebug.signals import Site
from nndebug.storage import RunFolder

SITES = (
    Site("hidden1", "dense", "relu", 4, 3, ("weight", "bias")),
    Site("output", "dense", None, 3, 2, ("weight",)),
)
MANIFEST = {
    "name": "tiny",
    "sites": [site.to_json() for site in SITES],
    "network": {"description": "4 → 3 ReLU → 2", "parameters": 23},
    "loss_at_chance": math.nan,
    "image_shape": (2, 2),
    "created": "2024-05-01T12:00:00",
}


def series(*values, steps=None):
    return Series(np.arange(len(values)) if steps is None else np.array(steps), np.array(values, float))


def points(run):
    """Everything that rules can see of the rows of a run, comparable to the last digit."""
    seen = {}
    for site in ["run", *(name for name in run._columns if name != "run")]:
        for name in run.names(site):
            found = run.series(name, site)
            seen[site, name] = repr(list(found))
    return seen


def record(folder, rows, manifest=MANIFEST):
    """Rows into a live run and into a folder, as the recorder does."""
    stored, live = RunFolder.create(folder, manifest), Run(manifest, folder)
    for row in rows:
        live.add(row)
        stored.append(row)
    stored.close()
    return live


# --- live and replayed


FIGURES = (
    st.floats()
    | st.integers(-(2**70), 2**70)
    | st.booleans()
    | st.none()
    | st.floats(width=32).map(np.float32)
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["step", "probe", "epoch", "event", "of the future"]),
            "step": st.integers(0, 30),
            "epoch": st.integers(0, 3),
            "data": st.dictionaries(
                st.sampled_from(["run", "hidden1", "../x\0", "NaN"]),
                st.dictionaries(st.sampled_from(["loss", "shift", "\ud800"]), FIGURES, max_size=3),
                max_size=3,
            ),
            "event": st.text(max_size=3),
            "free": st.tuples(FIGURES, st.text(max_size=2)),
        }
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(ROWS)
def test_live_equals_replayed(tmp_path_factory, rows):
    live = record(tmp_path_factory.mktemp("run"), rows)
    loaded = Run.load(live.folder)
    assert points(loaded) == points(live)
    assert (loaded.steps, loaded.lost) == (live.steps, 0)
    assert repr(loaded.events) == repr(live.events)
    assert repr(dict(sorted(loaded.manifest.items()))) == repr(dict(sorted(live.manifest.items())))
    assert loaded.sites == live.sites == SITES


def test_thinning_is_the_same_live_and_replayed(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        {"kind": "step", "step": k, "epoch": 1, "data": {"run": {"loss": rng.normal()}}}
        for k in range(3 * LIMIT)
    ]
    live = record(tmp_path / "run", rows)
    loaded = Run.load(tmp_path / "run")
    assert points(loaded) == points(live)
    assert loaded.steps == 3 * LIMIT
    assert KEEP_FIRST + KEEP_LAST < len(loaded.series("loss")) <= LIMIT


@given(st.integers(0, 4 * LIMIT))
def test_a_long_series_keeps_its_ends_and_stays_bounded(count):
    column = Column()
    largest = 0
    for k in range(count):
        column.append(3 * k, k / 2)
        largest = max(largest, len(column.steps))
    assert largest <= LIMIT
    kept = column.series()
    numbers = (kept.steps // 3).tolist()
    assert kept.values.tolist() == [k / 2 for k in numbers]
    assert numbers[:KEEP_FIRST] == list(range(min(count, KEEP_FIRST)))
    assert numbers[-KEEP_LAST:] == list(range(max(0, count - KEEP_LAST), count))
    assert numbers == sorted(set(numbers))
    if count <= LIMIT:
        assert numbers == list(range(count))


def test_recording_again_from_an_earlier_step_replaces_what_followed():
    run = Run(MANIFEST)
    for step, loss in [(0, 1.0), (1, 2.0), (2, 3.0), (1, 20.0), (4, 5.0)]:
        run.add({"kind": "step", "step": step, "epoch": 1, "data": {"run": {"loss": loss}}})
    assert list(run.series("loss")) == [(0, 1.0), (1, 20.0), (4, 5.0)]


def test_a_row_that_is_no_row_leaves_no_trace():
    run = Run(MANIFEST)
    with pytest.raises(KeyError):
        run.add({"kind": "step", "step": 0, "data": {"run": {"loss": 1.0, "note": "high"}}})
    assert not run.has("loss")
    assert run.steps == 0


# --- what a run offers


def test_steps_are_updates_done():
    run = Run(MANIFEST)
    assert run.steps == 0
    run.add({"kind": "probe", "step": 0, "epoch": 1, "data": {}})
    assert run.steps == 0
    run.add({"kind": "step", "step": 0, "epoch": 1, "data": {}})
    assert run.steps == 1
    run.add({"kind": "epoch", "step": 40, "epoch": 1, "data": {}})
    assert run.steps == 40


def test_series_by_name_and_site():
    run = Run(MANIFEST)
    run.add({"kind": "step", "step": 0, "data": {"output.weight": {"gradient.norm": 1}, "run": {"loss": 2}}})
    run.add(
        {
            "kind": "step",
            "step": 1,
            "data": {"elsewhere": {"gradient.norm": 3}, "hidden1.bias": {"gradient.norm": 4}},
        }
    )
    assert run.series("gradient.norm", "output.weight").last == 1
    assert run.series("loss").last == 2
    assert not run.series("loss", "hidden1")
    assert not run.series("nothing")
    assert run.has("gradient.norm")
    assert run.has("gradient.norm", "hidden1.bias")
    assert not run.has("gradient.norm", "run")
    assert not run.has("nothing")
    assert run.where("gradient.norm") == ("hidden1.bias", "output.weight", "elsewhere")
    assert run.names() == ("loss",)
    assert run.names("nowhere") == ()
    run.add({"kind": "step", "step": 0, "data": {3: {"shift": 1}}})
    assert run.series("shift", "3").last == 1  # as it would be read from JSON


def test_a_series_is_a_snapshot():
    run = Run(MANIFEST)
    run.add({"kind": "step", "step": 0, "data": {"run": {"loss": 2}}})
    before = run.series("loss")
    run.add({"kind": "step", "step": 1, "data": {"run": {"loss": 1}}})
    assert len(before) == 1
    with pytest.raises(ValueError, match="read-only"):
        before.values[0] = 3


def test_events_are_bounded_and_keep_the_first():
    run = Run(MANIFEST)
    for k in range(MAX_EVENTS + 5):
        run.add({"kind": "event", "event": "x", "step": k, "value": math.inf})
    assert [event["step"] for event in run.events] == list(range(MAX_EVENTS))
    assert run.events[0]["value"] == math.inf


def test_a_run_can_be_followed_while_it_is_written(tmp_path):
    folder = RunFolder.create(tmp_path / "run", MANIFEST)
    run = Run.load(folder.path)
    assert run.steps == 0
    for k in range(3):
        folder.append({"kind": "step", "step": k, "epoch": 1, "data": {"run": {"loss": k}}})
    folder.flush()
    folder.write_manifest({**MANIFEST, "status": "finished"})
    with open(folder.path / "steps.jsonl", "ab") as file:
        file.write(b'{"kind":"step","step":3,"da')
    assert run.refresh() == 3
    assert run.manifest["status"] == "finished"
    assert run.refresh() == 0
    with open(folder.path / "steps.jsonl", "ab") as file:
        file.write(b'ta":{"run":{"loss":9}}}\n')
    assert run.refresh() == 1
    assert run.series("loss").values.tolist() == [0, 1, 2, 9]
    folder.close()
    RunFolder.create(folder.path, {**MANIFEST, "created": "2024-05-02T12:00:00"}).close()
    run.refresh()
    assert run.steps == 0
    assert not run.series("loss")


# --- epochs


def test_epochs_live_and_from_a_folder(tmp_path):
    folder, live = RunFolder.create(tmp_path / "run", MANIFEST), Run(MANIFEST, tmp_path / "run")
    activity = np.array([0.5, 0.0])
    for number in range(3):
        live.add_epoch(number, 10 * number, {"hidden1/activity": activity})
        assert [epoch.number for epoch in live.epochs] == list(range(number + 1))
        folder.write_epoch(number, {"hidden1/activity": activity}, step=10 * number)
        activity += 1
    loaded = Run.load(folder.path)
    for run in (live, loaded):
        assert [(epoch.number, epoch.step) for epoch in run.epochs] == [(0, 0), (1, 10), (2, 20)]
        assert [epoch.arrays["hidden1/activity"].tolist() for epoch in run.epochs] == [
            [0.5, 0],
            [1.5, 1],
            [2.5, 2],
        ]
    # Written again: the new arrays are read.
    folder.write_epoch(1, {"hidden1/activity": np.array([7.0])}, step=11)
    assert [epoch.arrays["hidden1/activity"][0] for epoch in live.epochs] == [0.5, 7, 2.5]


def test_epochs_in_memory_are_copies_and_bounded():
    run = Run(MANIFEST)
    activity = np.zeros(2)
    for number in range(5 * MAX_EPOCHS):
        run.add_epoch(number, number, {"hidden1/activity": activity})
        activity += 1
        assert len(run.epochs) <= MAX_EPOCHS
    numbers = [epoch.number for epoch in run.epochs]
    assert numbers[:16] == list(range(16))
    assert numbers[-32:] == list(range(5 * MAX_EPOCHS - 32, 5 * MAX_EPOCHS))
    assert all(epoch.arrays["hidden1/activity"][0] == epoch.number for epoch in run.epochs)


def test_an_epoch_that_never_reached_the_disk_stays_in_memory(tmp_path):
    RunFolder.create(tmp_path / "run", MANIFEST).write_epoch(0, {"a": np.zeros(1)})
    run = Run(MANIFEST, tmp_path / "run")
    run.add_epoch(1, 10, {"a": np.ones(1)})
    run.add_epoch(2, 20, {"a": np.ones(1)})
    assert [epoch.number for epoch in run.epochs] == [0, 1, 2]


# --- in a notebook


def test_html_is_escaped():
    run = Run({"name": "<script>alert('x')</script>\ud800", "network": {"description": "<b>"}}, "<i>")
    text = run._repr_html_()
    assert "<script" not in text
    assert "<b>" not in text
    assert "<i>" not in text
    assert "&lt;script&gt;" in text
    text.encode("utf-8")
    assert "tiny" in repr(Run(MANIFEST))


# --- series


def test_an_empty_series():
    empty = Series.empty()
    assert not empty
    assert len(empty) == 0
    figures = (empty.first, empty.last, empty.at(3), empty.median_last(5), empty.minimum, empty.maximum)
    assert all(math.isnan(figure) for figure in figures)
    assert empty.first_in_a_row(lambda v: v > 0) is None
    assert not empty.before(3)
    assert not empty.since(3)
    assert not empty.finite


def test_parts_of_a_series():
    s = series(5, 6, math.nan, 8, math.inf, steps=[0, 10, 20, 30, 40])
    assert (s.first, s.last, s.minimum, s.maximum) == (5, math.inf, 5, math.inf)
    assert (s.at(0), s.at(10), s.at(19), s.at(99)) == (5, 6, 6, math.inf)
    assert math.isnan(s.at(-1))
    assert s.before(20).steps.tolist() == [0, 10]
    assert s.since(20).steps.tolist() == [20, 30, 40]
    assert s.since(21).steps.tolist() == [30, 40]
    assert s.finite.steps.tolist() == [0, 10, 30]
    assert list(s.before(15)) == [(0, 5.0), (10, 6.0)]


@given(st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=20), st.integers(0, 25))
def test_median_last(values, n):
    numbers = [v for v in values if not math.isnan(v)]
    got = series(*values).median_last(n)
    if n == 0 or not numbers:
        assert math.isnan(got)
    else:
        assert got == pytest.approx(statistics.median(numbers[-n:]))


@given(st.lists(st.booleans(), max_size=12), st.integers(1, 4))
def test_first_in_a_row(truths, checks):
    steps = [7 * k for k in range(len(truths))]
    expected = next((steps[k] for k in range(len(truths) - checks + 1) if all(truths[k : k + checks])), None)
    assert series(*truths, steps=steps).first_in_a_row(lambda v: v > 0.5, checks) == expected
