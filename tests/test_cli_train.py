"""`nndebug train`, `check` and `report` from end to end: on digits, from flags and from files."""

import argparse
import json
import os
import re

import pytest

from nndebug.cli import main as cli
from nndebug.cli.train import FLAGS, describe

FILE = """
[data]
kind = "blobs"
n = 90
centers = [[0, 0], [3, 3], [0, 4]]
std = 0.5

[[model.layers]]
name = "first"
units = 8
activation = "leaky_relu"
slope = 0.1

[[model.layers]]
type = "dropout"
rate = 0.1

[[model.layers]]
units = 3

[loss]
name = "cross_entropy"

[optimizer]
name = "adam"
lr = 0.01
beta1 = 0.8

[train]
epochs = 2
batch_size = 30
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The run folder of a short training on the digits."""
    folder = tmp_path_factory.mktemp("runs") / "healthy"
    assert cli.main(["train", "--epochs", "3", "-q", "-o", str(folder)]) == 0
    return folder


def test_training_prints_a_line_an_epoch_the_diagnosis_and_where_it_wrote(folder, capsys):
    code = cli.main(["train", "--epochs", "2", "--seed", "1"])
    out, err = capsys.readouterr()
    assert code == 0
    before, *epochs = out.splitlines()[:3]
    assert before.startswith("preflight  11 parts in ") or "not checked" in before
    assert "gradient agrees (2,260 entries)" in before
    assert [line.split("  ")[0] for line in epochs] == ["epoch 1/2", "epoch 2/2"]
    assert "accuracy" in epochs[0]
    assert out.splitlines()[3].startswith("○ ")
    assert "digits: accuracy" in out
    said = [line for line in err.splitlines() if not line.startswith("drew ")]  # on a slow machine
    assert said == ["wrote  reports/digits/report.html", "next   nndebug check reports/digits"]
    assert (folder / "reports" / "digits" / "report.html").exists()
    assert (folder / "reports" / "digits" / "epoch-0002.png").exists()


def test_a_second_run_does_not_replace_the_first(folder, capsys):
    for _ in range(2):
        assert cli.main(["train", "--epochs", "1", "-q"]) == 0
    assert (folder / "reports" / "digits" / "manifest.json").exists()
    assert (folder / "reports" / "digits-2" / "manifest.json").exists()


def test_a_rate_that_is_too_high_is_named_and_fails(folder, capsys):
    assert cli.main(["train", "--lr", "30", "--epochs", "1", "-o", "sick"]) == 1
    out, err = capsys.readouterr()
    assert "lr_too_high" in out
    line = next(line for line in out.splitlines() if line.startswith("epoch 1/1"))
    assert re.search(r"new: ▲ NND\d+ \S+, ▲ NND\d+ \S+, ▲ NND\d+ \S+, \+\d+$", line)
    assert "next   nndebug rule NND" in err
    assert cli.main(["check", "sick"]) == 1
    assert cli.main(["check", "sick", "--fail-on", "never"]) == 0


def test_the_same_command_finds_the_same(folder, capsys):
    results = []
    for name in ("a", "b"):
        cli.main(["train", "--lr", "30", "--epochs", "1", "-q", "-o", name])
        results.append(json.loads((folder / name / "findings.json").read_text())["findings"])
    assert results[0]
    assert results[0] == results[1]


def test_check_prints_strict_json_and_nothing_else(recorded, capsys):
    assert cli.main(["check", str(recorded), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    data = json.loads(out, parse_constant=pytest.fail)
    assert err == ""
    assert data["verdict"]["severity"] is None
    assert data["run"]["steps"] == 3 * 144
    saved = json.loads((recorded / "findings.json").read_text())
    assert [data[key] for key in ("findings", "passed")] == [saved[key] for key in ("findings", "passed")]


def test_check_selects_and_fails_on_what_was_asked(recorded, capsys):
    assert cli.main(["check", str(recorded), "--select", "NND2", "--ignore", "dead-relu,NND203"]) == 0
    assert capsys.readouterr().err == f"next   nndebug report {recorded} --open\n"
    assert (
        cli.main(["check", str(recorded), "--select=NND2", "--ignore=dead-relu,NND203", "--format=json"]) == 0
    )
    data = json.loads(capsys.readouterr().out)
    seen = {entry["code"] for key in ("findings", "not_applicable") for entry in data[key]} | set(
        data["passed"]
    )
    assert {"NND202", "NND205"} <= seen
    assert all(code.startswith("NND2") and code not in ("NND201", "NND203") for code in seen)
    # Nothing about the network was looked at: that is not health.
    assert cli.main(["check", str(recorded), "--select", "not-checked"]) == 3


def test_report_writes_page_and_picture_again(recorded, tmp_path, capsys):
    page = tmp_path / "out.html"
    assert cli.main(["report", str(recorded), "-o", str(page), "--png", str(tmp_path / "png")]) == 0
    picture = tmp_path / "png" / "epoch-0003.png"
    *wrote, figures = capsys.readouterr().err.splitlines()
    assert wrote == [f"wrote  {page}", f"wrote  {picture}"]
    assert figures == f"wrote  {len(list((tmp_path / 'png').iterdir())) - 1} figures into {tmp_path / 'png'}"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert page.read_text("utf-8").lower().startswith("<!doctype html>")


def test_open_opens_the_page(recorded, capsys, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    assert cli.main(["report", str(recorded), "--open"]) == 0
    assert opened == [(recorded / "report.html").as_uri()]


def namespace(**given):
    return argparse.Namespace(**{**dict.fromkeys([*FLAGS, "experiment", "data"]), **given})


def test_flags_describe_the_blogs_network():
    spec = describe(
        namespace(data="mnist", activation="sigmoid", output_activation="sigmoid", loss="quadratic", init="normal",
                  bias_init="normal", lr=3.0, batch=10, epochs=30)
    ).spec  # fmt: skip
    assert [layer["units"] for layer in spec["model"]["layers"]] == [30, 10]
    assert [layer["activation"] for layer in spec["model"]["layers"]] == ["sigmoid", "sigmoid"]
    assert spec["model"]["inputs"] == 784
    assert spec["optimizer"]["lr"] == 3.0
    assert spec["train"]["epochs"] == 30


@pytest.fixture
def blobs(tmp_path):
    path = tmp_path / "blobs.toml"
    path.write_text(FILE)
    return str(path)


def test_flags_override_the_file(blobs):
    plain = describe(namespace(experiment=blobs)).spec
    changed = describe(
        namespace(experiment=blobs, activation="relu", output_activation="softmax", init="he", loss="cce",
                  optimizer="sgd", l2=0.5, batch=7, epochs=9, seed=4, dtype="float64")
    ).spec  # fmt: skip
    first, dropout, last = changed["model"]["layers"]
    assert (first["name"], first["activation"], first["init"]) == ("first", "relu", {"kind": "he"})
    assert dropout == plain["model"]["layers"][1]
    assert last["activation"] == "softmax"
    assert changed["optimizer"] == {"name": "sgd", "lr": 0.01, "l2": 0.5}
    assert changed["loss"]["name"] == "cce"
    assert [changed["train"][key] for key in ("epochs", "batch_size", "seed")] == [9, 7, 4]
    assert changed["model"]["dtype"] == "float64"
    assert changed["data"] == plain["data"]


def test_layers_override_the_files_layers(blobs):
    model = describe(namespace(experiment=blobs, layers=[2, 20, 10, 3])).spec["model"]
    assert model["inputs"] == 2
    assert [(layer["units"], layer.get("activation")) for layer in model["layers"]] == [
        (20, "leaky_relu"),
        (10, "leaky_relu"),
        (3, None),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_defaults_learn_the_digits_and_nothing_is_found(folder, seed, capsys):
    assert cli.main(["train", "--seed", str(seed), "-q", "-o", "run", "--fail-on", "warning"]) == 0
    data = json.loads((folder / "run" / "findings.json").read_text())
    assert data["run"]["validation_accuracy"] >= 0.95
    assert {finding["severity"] for finding in data["findings"]} <= {"info"}


@pytest.mark.parametrize("place", ["pipe", "folder", "missing/deep/x.html"])
def test_a_report_goes_to_a_file_in_a_folder_that_exists(folder, recorded, capsys, place):
    os.mkfifo("pipe")
    (folder / "folder").mkdir()
    assert cli.main(["report", str(recorded), "-o", place]) == 2
    out, err = capsys.readouterr()
    error, help = err.splitlines()
    assert error.startswith(f"error: {place}: ")
    assert help.startswith("help: ")
    assert ".tmp" not in out + err
    assert sorted(os.listdir(folder)) == ["folder", "pipe"]
    assert (folder / "pipe").is_fifo()


def test_an_interrupted_run_says_where_its_part_is(folder, capsys, monkeypatch):
    from network.optimizers import SGD

    step, done = SGD.step, []

    def interrupted(self, network):
        done.append(step(self, network))
        if len(done) == 3 * 144 + 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(SGD, "step", interrupted)
    assert cli.main(["train", "-q", "--no-preflight", "-o", "a run"]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "error: interrupted",
        "help: what was recorded is in 'a run': nndebug check 'a run'",
    ]
    assert cli.main(["check", "a run", "--fail-on", "never"]) == 0
    assert json.loads((folder / "a run" / "manifest.json").read_text())["status"] == "interrupted"
    # Who interrupts does not wait for the pictures of every epoch.
    assert [path.name for path in (folder / "a run").glob("*.png")] == ["epoch-0003.png"]


def test_an_experiment_file_trains(folder, blobs, capsys):
    assert cli.main(["train", blobs, "-q", "--fail-on", "never"]) == 0
    out, err = capsys.readouterr()
    assert "blobs: accuracy" in out
    assert "wrote  reports/blobs/report.html" in err
