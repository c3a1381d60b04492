"""A run folder begins, is replaced, and is refused with an explanation."""

import json
import math
import os

import numpy as np
import pytest

from nndebug import storage
from nndebug.errors import UserError
from nndebug.run import Run
from nndebug.signals import Site
from nndebug.storage import RunFolder, read_manifest

MANIFEST = {"name": "a run", "sites": [Site("hidden1", "dense").to_json()], "created": "2024-05-01T12:00:00"}


def test_the_manifest_is_replaced_as_a_whole(tmp_path, monkeypatch):
    folder = RunFolder.create(tmp_path / "run", {**MANIFEST, "loss_at_chance": math.nan, "shape": (28, 28)})
    manifest = read_manifest(folder.path)
    assert manifest["schema"] == storage.SCHEMA
    assert math.isnan(manifest["loss_at_chance"])
    assert manifest["shape"] == [28, 28]

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        folder.write_manifest({"name": "half"})
    assert read_manifest(folder.path)["name"] == "a run"
    assert not list(folder.path.glob(".*"))


def test_findings_are_strict_json(tmp_path):
    folder = RunFolder.create(tmp_path / "run", MANIFEST)
    folder.write_findings({"value": np.float32("inf")})
    assert json.loads((folder.path / "findings.json").read_text()) == {"value": "Infinity"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "manifest.json in .* is broken"),
        (b"\xff", "is broken"),
        (b"[]", "not that of a run"),
        (b'{"name": "web app"}', "no schema version"),
        (b'{"schema": true}', "no schema version"),
        (b'{"schema": 99}', "has schema 99, this nndebug reads up to 1"),
        (b'{"schema": 1, "sites": [{"nane": 1}]}', "sites are broken"),
        (b'{"schema": 1, "sites": 3}', "sites are broken"),
        (b'{"schema": 1, "sites": [3]}', "sites are broken"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_explained(tmp_path, content, message):
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        Run.load(tmp_path)
    assert caught.value.help


def test_what_is_no_run_folder_is_explained(tmp_path):
    with pytest.raises(UserError, match="there is no folder"):
        Run.load(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"is not a run: it has no manifest\.json") as caught:
        Run.load(tmp_path)
    assert f"nndebug train -o {tmp_path}" in caught.value.help
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is a file, a run is a folder"):
        Run.load(tmp_path / "file")
    with pytest.raises(UserError):
        Run.load("a\0b")
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(UserError, match="cannot read"):
        Run.load(tmp_path)


# --- creating


def test_a_new_run_replaces_an_old_one_and_nothing_else(tmp_path):
    folder = RunFolder.create(tmp_path / "run", MANIFEST)
    folder.append({"kind": "step", "step": 0, "epoch": 1, "data": {"run": {"loss": 1}}})
    folder.write_epoch(0, {"a": np.zeros(1)})
    folder.write_findings({})
    folder.close()
    for name in (
        "report.html",
        "epoch-0001.png",
        "notes.txt",
        "epochs/mine.npz",
        ".manifest.json.77.tmp",
        ".keep.tmp",
    ):
        (folder.path / name).write_text("x")
    RunFolder.create(tmp_path / "run", {**MANIFEST, "name": "second"}).close()
    left = sorted(str(path.relative_to(folder.path)) for path in folder.path.rglob("*"))
    assert left == [".keep.tmp", "epochs", "epochs/mine.npz", "manifest.json", "notes.txt", "steps.jsonl"]
    run = Run.load(folder.path)
    assert (run.manifest["name"], run.steps, run.epochs) == ("second", 0, ())


def test_a_linked_folder_of_epochs_is_not_emptied(tmp_path):
    RunFolder.create(tmp_path / "run", MANIFEST).close()
    (tmp_path / "run" / "epochs").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "0001.npz").write_text("precious")
    (tmp_path / "run" / "epochs").symlink_to(tmp_path / "elsewhere")
    RunFolder.create(tmp_path / "run", MANIFEST).close()
    assert (tmp_path / "elsewhere" / "0001.npz").read_text() == "precious"


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(
        UserError, match=r"holds thesis\.tex and is not a run folder: nothing was written"
    ) as caught:
        RunFolder.create(tmp_path, MANIFEST)
    assert "such as" in caught.value.help
    assert os.listdir(tmp_path) == ["thesis.tex"]
    # Web applications have a manifest.json too.
    (tmp_path / "manifest.json").write_text('{"name": "app", "start_url": "."}')
    with pytest.raises(UserError, match="is not a run folder"):
        RunFolder.create(tmp_path, MANIFEST)


def test_a_place_that_cannot_be_written_to_is_explained(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is a file, a run needs a folder") as caught:
        RunFolder.create(tmp_path / "file", MANIFEST)
    assert caught.value.help
    for place in (tmp_path / "file" / "below", tmp_path / ("x" * 300), "a\0b"):
        with pytest.raises(UserError, match="cannot write to"):
            RunFolder.create(place, MANIFEST)


def test_a_folder_without_permission_is_explained(tmp_path, monkeypatch):
    # Simulated, since root may write anywhere.
    def refuse(*_arguments, **_keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(storage, "write_atomically", refuse)
    with pytest.raises(UserError, match=r"cannot write to .*: Permission denied"):
        RunFolder.create(tmp_path / "run", MANIFEST)
