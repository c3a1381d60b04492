"""What is in a run folder survives a kill, garbage and hostile names."""

import gc
import json
import math
import os
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from nndebug import epochs, storage
from nndebug.atomic import write_atomically
from nndebug.epochs import epoch_files, read_arrays, read_head
from nndebug.errors import UserError
from nndebug.run import Run
from nndebug.signals import Site
from nndebug.storage import RunFolder, read_rows

MANIFEST = {
    "name": "a run",
    "sites": [Site("hidden1", "dense").to_json()],
    "created": "2024-05-01T12:00:00",
}
HOSTILE = [
    "../../x",
    "/etc/passwd",
    "a\0b",
    "<script>alert(1)</script>",
    "x" * 5000,
    "\ud800",
    "NaN",
    "",
    "a.npy",
    "π/ü",
]


def rows(folder):
    return [row for row, _ in read_rows(folder)]


def step_row(step, **figures):
    return {"kind": "step", "step": step, "epoch": 1, "data": {"run": figures}}


def arrays(folder, number):
    path = epoch_files(folder)[number]
    return read_arrays(path, path.stat().st_mtime_ns)


def test_rows_come_back_as_they_were(tmp_path):
    folder = RunFolder.create(tmp_path / "deep" / "run", MANIFEST)
    written = [step_row(k, loss=1 / (k + 3), norm=1e-320 * k) for k in range(500)]
    for row in written:
        folder.append(row)
    folder.close()
    assert rows(folder.path) == written
    assert (folder.path / "steps.jsonl").read_text().count("\n") == 500


def test_a_cut_at_any_byte_keeps_all_whole_rows(tmp_path):
    folder = RunFolder.create(tmp_path / "run", MANIFEST)
    written = [step_row(k, loss=math.nan if k == 2 else k / 7, note=k) for k in range(6)]
    for row in written:
        folder.append(row)
    folder.close()
    path = folder.path / "steps.jsonl"
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        complete = whole[:cut].count(b"\n")
        run = Run.load(folder.path)
        assert run.steps == complete
        assert run.series("note").values.tolist() == list(range(complete))
        assert run.lost == 0


def test_rows_appended_after_a_cut_are_kept(tmp_path):
    folder = RunFolder.create(tmp_path / "run", MANIFEST)
    folder.append(step_row(0, loss=1))
    folder.close()
    with open(folder.path / "steps.jsonl", "ab") as file:
        file.write(b'{"kind":"step","st')
    folder.append(step_row(1, loss=2))
    folder.close()
    run = Run.load(folder.path)
    assert run.series("loss").values.tolist() == [1, 2]
    assert run.lost == 1


GARBAGE = [
    b"\xff\xfe\x00",
    b"[1, 2]",
    b"3",
    b"null",
    b"{}",
    b'{"kind": "step"}',
    b'{"kind": "step", "step": "x", "data": {}}',
    b'{"kind": "step", "step": 1.5, "data": {}}',
    b'{"kind": "step", "step": -1, "data": {}}',
    b'{"kind": "step", "step": 1e400, "data": {}}',
    b'{"kind": "step", "step": 99999999999999999999, "data": {}}',
    b'{"kind": "step", "step": 1, "data": []}',
    b'{"kind": "step", "step": 1, "data": {"run": [1]}}',
    b'{"kind": "step", "step": 1, "data": {"run": {"fine": 1, "loss": "high"}}}',
    b'{"kind": "step", "step": 1, "data": {"run": {"fine": 1, "loss": [1]}}}',
    b'{"kind": "step", "step": 1, "data": {"run": {"loss": NaN}}}',
    b'{"kind": "step", "step": 1, "data": {"run": {"loss": ' + b"9" * 5000 + b"}}}",
    b'{"a":' * 100_000,
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=[g[:50] for g in GARBAGE])
def test_garbage_between_rows_is_counted_and_nothing_of_it_kept(tmp_path, garbage):
    folder = RunFolder.create(tmp_path / "run", MANIFEST)
    folder.append(step_row(0, loss=1))
    folder.close()
    path = folder.path / "steps.jsonl"
    path.write_bytes(path.read_bytes() + garbage + b"\n\n")
    folder.append(step_row(5, loss=2))
    folder.close()
    run = Run.load(folder.path)
    assert list(run.series("loss")) == [(0, 1.0), (5, 2.0)]
    assert not run.has("fine")
    assert run.lost == 1


def test_rows_reach_the_disk_with_an_epoch_in_time_and_in_number(tmp_path, monkeypatch):
    folder = RunFolder.create(tmp_path / "run", MANIFEST)
    monkeypatch.setattr(storage, "_FLUSH_SECONDS", 1e9)
    folder.append(step_row(0, loss=1))
    assert rows(folder.path) == []
    folder.append({"kind": "epoch", "step": 1, "epoch": 1, "data": {}})
    assert len(rows(folder.path)) == 2
    for k in range(storage._FLUSH_ROWS):
        folder.append(step_row(k, loss=1))
    assert len(rows(folder.path)) == 2 + storage._FLUSH_ROWS
    folder.append(step_row(999, loss=1))
    assert len(rows(folder.path)) == 2 + storage._FLUSH_ROWS
    monkeypatch.setattr(storage, "_FLUSH_SECONDS", 0.0)
    folder.append(step_row(1000, loss=1))
    assert len(rows(folder.path)) == 4 + storage._FLUSH_ROWS


def test_a_folder_that_is_never_closed_is_written_all_the_same(tmp_path):
    folder = RunFolder.create(tmp_path / "run", MANIFEST)
    folder.append(step_row(0, loss=1))
    path = folder.path
    del folder
    gc.collect()
    assert len(rows(path)) == 1


def test_rows_are_whole_although_the_system_takes_a_few_bytes_at_a_time(tmp_path):
    folder = RunFolder.create(tmp_path / "run", MANIFEST)
    taken = []

    class Slow:
        def write(self, data):
            taken.append(bytes(data[:7]))
            return len(taken[-1])

    file, folder._rows._file = folder._rows._file, Slow()
    folder.append(step_row(0, loss=1))
    folder.flush()
    folder._rows._file = file
    assert json.loads(b"".join(taken)) == step_row(0, loss=1)


WRITER = """
import sys
from nndebug.storage import RunFolder
folder = RunFolder.create(sys.argv[1], {"sites": []})
print("ready", flush=True)
k = 0
while True:
    folder.append({"kind": "step", "step": k, "epoch": 1, "data": {"run": {"k": k}}})
    if k % 50 == 0:
        folder.write_manifest({"sites": [], "k": k})
        folder.write_epoch(k // 50, {"k": __import__("numpy").arange(k)}, step=k)
    k += 1
"""


@pytest.mark.parametrize("wait", [0.01, 0.05, 0.2])
def test_a_killed_process_leaves_a_readable_run(tmp_path, wait):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path / "run"], stdout=subprocess.PIPE, env=environment
    )
    with process:
        process.stdout.readline()
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
    run = Run.load(tmp_path / "run")
    assert run.lost == 0
    assert run.series("k").values[:8].tolist() == list(range(min(8, run.steps)))
    epochs = run.epochs
    assert [epoch.number for epoch in epochs] == list(range(len(epochs)))
    assert all(np.array_equal(epoch.arrays["k"], np.arange(epoch.step)) for epoch in epochs)
    # The next run clears what was left behind.
    RunFolder.create(tmp_path / "run", MANIFEST).close()
    assert sorted(os.listdir(tmp_path / "run")) == ["epochs", "manifest.json", "steps.jsonl"]
    assert os.listdir(tmp_path / "run" / "epochs") == []


# --- epochs


def test_hostile_names_of_arrays_stay_names(tmp_path):
    folder = RunFolder.create(tmp_path / "run", MANIFEST)
    written = {name: np.full(2, position) for position, name in enumerate(HOSTILE)}
    folder.write_epoch(3, written, step=40)
    read = arrays(folder.path, 3)
    assert list(read) == HOSTILE
    assert all(np.array_equal(read[name], written[name]) for name in HOSTILE)
    assert read_head(folder.path / "epochs" / "0003.npz")[0] == 40
    with zipfile.ZipFile(folder.path / "epochs" / "0003.npz") as file:
        assert all(name == "table.npy" or name[1:-4].isdigit() for name in file.namelist())
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "0003.npz",
        "epochs",
        "manifest.json",
        "run",
        "steps.jsonl",
    ]


def test_dtypes_and_shapes_of_arrays_are_kept(tmp_path):
    folder = RunFolder.create(tmp_path / "run", MANIFEST)
    written = {
        "images": np.random.default_rng(0).normal(size=(30, 4, 5)).astype(np.float32).transpose(0, 2, 1),
        "dead": np.array([True, False]),
        "scalar": np.int64(4),
        "nothing": np.empty((0, 3)),
        "nonfinite": np.array([np.nan, np.inf]),
    }
    folder.write_epoch(0, written)
    for name, array in arrays(folder.path, 0).items():
        np.testing.assert_array_equal(array, written[name])
        assert array.dtype == np.asarray(written[name]).dtype
        assert not array.flags.writeable


def test_arrays_of_python_objects_are_refused_in_both_directions(tmp_path):
    folder = RunFolder.create(tmp_path / "run", MANIFEST)
    with pytest.raises(TypeError, match="'bad' holds Python objects"):
        folder.write_epoch(0, {"bad": np.array([{}], dtype=object)})
    table = np.frombuffer(b'{"step": 0, "names": ["bad"]}', np.uint8)
    np.savez(folder.path / "epochs" / "0000.npz", table=table, a0=np.array([{}], dtype=object))
    assert arrays(folder.path, 0).get("bad") is None
    assert Run.load(folder.path).last_array("bad") is None


def test_an_epoch_cut_at_any_place_is_left_out(tmp_path):
    folder = RunFolder.create(tmp_path / "run", MANIFEST)
    folder.write_epoch(0, {"a": np.arange(5)})
    folder.close()
    whole = (folder.path / "epochs" / "0000.npz").read_bytes()
    path = folder.path / "epochs" / "0001.npz"
    for cut in range(0, len(whole), 7):
        path.write_bytes(whole[:cut])
        run = Run.load(folder.path)
        assert [epoch.number for epoch in run.epochs] == [0]
        assert run.lost == 1
        assert run.epochs
        assert run.lost == 1


def test_an_epoch_that_unpacks_to_too_much_is_left_out(tmp_path, monkeypatch):
    folder = RunFolder.create(tmp_path / "run", MANIFEST)
    folder.write_epoch(0, {"a": np.zeros(10_000)})
    monkeypatch.setattr(epochs, "_MAX_EPOCH_BYTES", 50_000)
    file = folder.path / "epochs" / "0000.npz"
    assert read_arrays(file, 0) == {}
    monkeypatch.undo()
    assert read_arrays(file, 1).keys() == {"a"}


@pytest.mark.parametrize(
    ("files", "advised"),
    [
        (None, "t2"),
        ((), "t2"),
        (("notes.txt",), "t2/run"),
        (("manifest.json", "steps.jsonl"), "t2/run"),
        (("manifest.json", "run", "run-2"), "t2/run-3"),
    ],
)
def test_where_there_is_no_run_the_advised_folder_takes_one(tmp_path, monkeypatch, files, advised):
    monkeypatch.chdir(tmp_path)
    if files is not None:
        os.mkdir("t2")
    for name in files or ():
        (tmp_path / "t2" / name).write_text('{"schema": 1, "si')
    with pytest.raises(UserError) as caught:
        Run.load("t2")
    assert caught.value.help == f"nndebug train -o {advised} writes one"
    RunFolder.create(advised, MANIFEST)
    assert Run.load(advised).steps == 0


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "folder", "missing folder", "below a file"])
def test_only_a_file_is_replaced_and_the_error_names_the_users_path(tmp_path, kind):
    """A pipe stands for every device: `-o /dev/full` must not replace what stands there."""
    path = tmp_path / "place"
    if "pipe" in kind:
        os.mkfifo(tmp_path / "pipe")
        path = tmp_path / "pipe"
    if "link" in kind:
        path = tmp_path / "link"
        path.symlink_to("pipe")
    if kind == "folder":
        path.mkdir()
    if kind == "missing folder":
        path = path / "page.html"
    if kind == "below a file":
        path.write_text("x")
        path = path / "page.html"
    before = {file.name: os.lstat(file).st_ino for file in tmp_path.iterdir()}
    with pytest.raises(OSError, match=path.name) as caught:
        write_atomically(path, b"page")
    assert caught.value.filename == str(path)
    assert caught.value.filename2 is None
    assert ".tmp" not in str(caught.value)
    assert {file.name: os.lstat(file).st_ino for file in tmp_path.iterdir()} == before
