"""What is exported is read back by each tool's own reader, and is what was recorded."""

import csv
import json
import math
import struct
import time

import numpy as np
import pytest

from nndebug import check
from nndebug.cli.main import main
from nndebug.errors import UserError
from nndebug.exporting import export, rows
from nndebug.run import Run
from tests.watching import make, train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    import nndebug

    folder = tmp_path_factory.mktemp("runs") / "small"
    network = make()
    with nndebug.watch(network, folder, report=False, strict=True):
        train(network, epochs=2)
    recorded = Run.load(folder)
    recorded.add(
        {"kind": "step", "step": 70, "epoch": 3, "data": {"run": {"loss": math.nan, "probe.loss": math.inf}}}
    )
    return recorded


def recorded(run):
    return sorted((step, site, name, repr(value)) for step, site, name, value in rows(run))


def by_tag(run):
    """What every tool must give back: site/name → the steps and their values."""
    found = {}
    for step, site, name, value in rows(run):
        found.setdefault(f"{site}/{name}", []).append((step, value))
    assert len(found) > 100
    assert math.isnan(found["run/loss"][-1][1])
    assert math.isinf(found["run/probe.loss"][-1][1])
    return found


def assert_same(found, run, rtol=1e-12):
    """Every series with all of its steps and values, and nothing else."""
    wanted = by_tag(run)
    assert set(found) == set(wanted)
    for tag, pairs in wanted.items():
        assert [step for step, _ in found[tag]] == [step for step, _ in pairs], tag
        values = [value for _, value in found[tag]]
        assert np.allclose(values, [value for _, value in pairs], rtol=rtol, atol=0, equal_nan=True), tag


def test_the_rows_are_everything_that_was_recorded(run):
    written = [json.loads(line) for line in (run.folder / "steps.jsonl").read_text("utf-8").splitlines()]
    kept = {
        (row["step"], site, name): value
        for row in written
        for site, figures in row.get("data", {}).items()
        for name, value in figures.items()
    } | {(70, "run", "loss"): math.nan, (70, "run", "probe.loss"): math.inf}
    found = list(rows(run))
    assert len(found) == len(kept) > 1_000
    assert {(step, site, name): repr(value) for step, site, name, value in found} == {
        key: repr(float(value)) for key, value in kept.items()
    }


def test_csv_reads_back_with_the_standard_library(run, tmp_path):
    path = export(run, check(run), "csv", tmp_path)
    with path.open(encoding="utf-8", newline="") as file:
        head, *body = csv.reader(file)
    assert head == ["step", "site", "name", "value"]
    assert sorted((int(s), site, name, repr(float(v))) for s, site, name, v in body) == recorded(run)


def test_parquet_reads_back_with_pyarrow(run, tmp_path):
    parquet = pytest.importorskip(
        "pyarrow.parquet", reason="pyarrow is not installed: pip install -e '.[export]'"
    )
    table = parquet.read_table(export(run, check(run), "parquet", tmp_path))
    columns = [table[name].to_pylist() for name in ("step", "site", "name", "value")]
    assert sorted((s, site, name, repr(v)) for s, site, name, v in zip(*columns)) == recorded(run)
    assert table.schema.metadata[b"verdict"].decode() == check(run).verdict


@pytest.mark.slow
def test_parquet_reads_back_with_pandas(run, tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed: pip install -e '.[export]'")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install -e '.[export]'")
    frame = pandas.read_parquet(export(run, check(run), "parquet", tmp_path))
    read = frame.itertuples(index=False)
    assert sorted((int(s), site, name, repr(float(v))) for s, site, name, v in read) == recorded(run)


@pytest.mark.slow
def test_tensorboard_reads_back_with_its_own_reader(run, tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed: pip install -e '.[export]'")
    events = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="tensorboard is not installed: pip install -e '.[export]'",
    )
    place = export(run, check(run), "tensorboard", tmp_path)
    reader = events.EventAccumulator(str(place), size_guidance={"scalars": 0})
    reader.Reload()
    tags = reader.Tags()["scalars"]
    assert_same({tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in tags}, run, rtol=1e-6)
    (text,) = (event for tag in reader.Tags()["tensors"] for event in reader.Tensors(tag))
    assert text.tensor_proto.string_val == [check(run).verdict.encode()]


@pytest.mark.slow
def test_mlflow_reads_back_with_its_own_client(run, tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: pip install -e '.[export]'")
    place = export(run, check(run), "mlflow", tmp_path)
    client = mlflow.MlflowClient(tracking_uri=place.resolve().as_uri())
    (found,) = client.search_runs([client.get_experiment_by_name("nndebug").experiment_id])
    assert found.data.tags["verdict"] == check(run).verdict
    network = run.manifest["network"]
    assert (
        found.data.params.items()
        >= {
            "optimizer.kind": "sgd",
            "optimizer.rate": str(run.manifest["optimizer"]["rate"]),
            "network.description": network["description"],
            "loss": run.manifest["loss"],
            "batch": str(run.manifest["batch"]),
        }.items()
    )
    histories = {key: client.get_metric_history(found.info.run_id, key) for key in found.data.metrics}
    assert_same({key: [(m.step, m.value) for m in history] for key, history in histories.items()}, run)


def log_records(data: bytes):
    """The records of W&B's file: a LevelDB log after a header of 7 bytes. W&B's own reader is a program for a terminal."""
    assert data[:4] == b":W&B"
    at, whole = 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:  # the rest of a block is padding
            at += 32768 - at % 32768
            continue
        length, kind = struct.unpack("<HB", data[at + 4 : at + 7])
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # full, last
            yield whole
            whole = b""


@pytest.mark.slow
def test_wandb_reads_back_with_its_own_reader(run, tmp_path):
    pytest.importorskip("wandb", reason="wandb is not installed: pip install -e '.[export]'")
    from wandb.proto import wandb_internal_pb2

    place = export(run, check(run), "wandb", tmp_path)
    (file,) = place.glob("offline-run-*/*.wandb")
    kinds, deadline = [], time.monotonic() + 60
    while (
        "exit" not in kinds and time.monotonic() < deadline
    ):  # its own process writes it, and may still be at it
        time.sleep(0.2)
        seen, kinds, summary, config = {}, [], {}, {}
        for data in log_records(file.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            kinds.append(record.WhichOneof("record_type"))
            items = {
                item.key or "/".join(item.nested_key): json.loads(item.value_json)
                for item in record.history.item
            }
            for tag in items.keys() - {"_step", "_runtime", "_timestamp"}:
                seen.setdefault(tag, []).append((items["_step"], float(items[tag])))
            summary |= {item.key: json.loads(item.value_json) for item in record.summary.update}
            config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
    assert_same(seen, run)
    assert summary["verdict"] == check(run).verdict
    assert config["network.description"] == run.manifest["network"]["description"]


def test_a_missing_library_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(UserError, match="needs tensorboardX") as told:
        export(run, check(run), "tensorboard", tmp_path)
    assert told.value.help == "pip install 'nndebug[export]'"


def test_the_command_says_where_it_wrote(run, tmp_path, capsys):
    assert main(["export", str(run.folder)]) == 0
    assert capsys.readouterr().err == f"wrote  {run.folder / 'export' / 'csv' / 'figures.csv'}\n"
    assert main(["export", str(run.folder), "--to", "excel"]) == 2
    assert "error: there is no form 'excel'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ['a,b\n"c"', "\ud800", "<x>", "x" * 10_000, "\u202egnp"])
def test_hostile_names_are_exported(name, tmp_path):
    hostile = Run(
        {
            "sites": [
                {"name": name, "kind": "dense", "activation": None, "inputs": 1, "units": 1, "parameters": []}
            ]
        }
    )
    hostile.add({"kind": "step", "step": 0, "epoch": 1, "data": {name: {"activation.std": 1.5}}})
    with export(hostile, check(hostile), "csv", tmp_path).open(encoding="utf-8", newline="") as file:
        _, (step, site, quantity, value) = csv.reader(file)
    assert (step, site, quantity, value) == (
        "0",
        name.encode("utf-8", "replace").decode(),
        "activation.std",
        "1.5",
    )
