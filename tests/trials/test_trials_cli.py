"""`--trials` and `nndebug fix`, as typed; and the section of the report."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest

import nndebug
from network.experiment import Experiment
from network.experiment.toml import write as toml
from nndebug.cli.main import main
from nndebug.report import build, html
from nndebug.trials.result import Curve, Trial, Trials

TRAIN = ["train", "--layers", "64,20,10", "--epochs", "2", "-q", "--no-preflight"]


@pytest.fixture(scope="module")
def sick(tmp_path_factory):
    """A folder with the run of a rate that is too high, as `train --trials` leaves it."""
    folder = tmp_path_factory.mktemp("cli") / "sick"
    assert main([*TRAIN, "--lr", "30", "-o", str(folder), "--trials", "20"]) == 1
    return folder


def test_train_tries_and_writes_findings_and_report_with_it(sick):
    found = json.loads((sick / "findings.json").read_text())
    assert found["causes"][0]["kind"] == "lr_too_high"
    assert "(tried: learning rate 30 →" in found["verdict"]["sentence"]
    assert found["trials"]["trials"][0]["cures"] == ["lr_too_high"]
    assert '<h2 id="trials">Trials</h2>' in (sick / "report.html").read_text()


def test_page_and_last_picture_are_drawn_again_with_what_the_trials_told(sick, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "nndebug.report.figures.dashboard", lambda report, path: drawn.append((path.name, report))
    )
    folder = Path(shutil.copytree(sick, tmp_path / "sick"))
    (folder / "report.html").write_text("old")
    assert main(["check", str(folder), "--trials"]) == 1
    assert '<h2 id="trials">Trials</h2>' in (folder / "report.html").read_text()
    ((name, report),) = drawn
    assert name == "epoch-0002.png" and "(tried: learning rate 30 →" in "".join(report.verdict)

    (folder / "epoch-0002.png").unlink()  # who has no pictures gets none
    assert main(["check", str(folder), "--trials"]) == 1
    assert len(drawn) == 1


def test_what_still_runs_is_drawn_by_the_training_alone(sick, tmp_path):
    folder = Path(shutil.copytree(sick, tmp_path / "sick"))
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"status": "running"}))
    (folder / "report.html").write_text("old")
    assert main(["check", str(folder), "--trials"]) == 1
    assert (folder / "report.html").read_text() == "old"


def test_check_shows_what_was_tried_and_does_not_try_it_again(sick, capsys, monkeypatch):
    monkeypatch.setattr("nndebug.trials.training.train", None)
    assert main(["check", str(sick), "--trials"]) == 1
    out, err = capsys.readouterr()
    assert re.search(
        r"tried +learning rate 30 → \S+: accuracy \d+ % → \d+ % in \d+ steps; better from 2 of 2", out
    )
    assert err.startswith("trials ")


def test_a_healthy_training_is_not_tried_and_needs_no_fix(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*TRAIN, "-o", "well", "--trials"]) == 0
    assert "trials " not in capsys.readouterr().err
    assert not (tmp_path / "well" / "trials.json").exists()
    assert main(["fix", "well"]) == 0
    assert capsys.readouterr().out.startswith("nothing to fix: Nothing is wrong")
    assert not list(tmp_path.glob("*.toml"))


def test_check_says_why_a_run_cannot_be_tried(sick, tmp_path, capsys):
    manifest = json.loads((sick / "manifest.json").read_text())
    del manifest["experiment"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "steps.jsonl").write_bytes((sick / "steps.jsonl").read_bytes())
    assert main(["check", str(tmp_path), "--trials", "1"]) == 1
    assert "cannot be tried again because the run does not hold its experiment" in capsys.readouterr().err
    assert main(["fix", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0].startswith("error: cannot be tried again because")
    assert err.splitlines()[1].startswith("help: ")


def test_fix_writes_the_experiment_that_learns_and_says_so(sick, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["fix", str(sick), "-o", "mended.toml"]) == 0
    out, err = capsys.readouterr()
    changed, before, after = out.splitlines()
    assert re.fullmatch(r"changed learning rate 30 → (0\.3|3)", changed)
    assert "▲ The learning rate is too high" in before
    assert (
        float(re.search(r"accuracy ([\d.]+) %", after)[1])
        > 80
        > float(re.search(r"accuracy ([\d.]+) %", before)[1])
    )
    text = (tmp_path / "mended.toml").read_text()
    assert text.startswith("# Changed by nndebug fix: learning rate 30 → ")
    original = json.loads((sick / "manifest.json").read_text())["experiment"]["spec"]
    mended = tomllib.loads(text)
    assert mended["optimizer"].pop("lr") < original["optimizer"].pop("lr")
    assert mended == original
    assert "wrote  mended.toml" in err


def test_fix_of_a_file_trains_it_first(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    spec = Experiment.mlp(data="circles", layers=(2, 8, 2), lr=0.3, epochs=10, init="zeros").to_dict()
    (tmp_path / "zeros.toml").write_text(toml(spec))
    assert main(["fix", "zeros.toml"]) == 0
    assert "changed initial weights zeros → he, xavier" in capsys.readouterr().out
    assert tomllib.loads((tmp_path / "zeros-fixed.toml").read_text())["model"]["layers"][0]["init"] == {
        "kind": "he"
    }
    assert (tmp_path / "reports" / "zeros-fixed" / "manifest.json").exists()


def test_fix_writes_nothing_where_nothing_cures(sick, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nndebug.trials.fixing.winner", lambda causes, trials: None)
    assert main(["fix", str(sick)]) == 1
    assert capsys.readouterr().out.startswith("nothing that was tried cures it: ")
    assert not list(tmp_path.glob("*.toml"))


BAD = [
    (["fix", "nosuch"], "there is no folder nosuch"),
    (["fix", "nosuch.toml"], "cannot be read"),
    (["fix", "a.toml", "-o", "a.toml"], "is the experiment that is to be fixed"),
    (["fix", "a.toml", "-o", "b.yaml"], "an experiment is a .toml or .json file"),
    (["fix", "a.toml", "-o", "no/b.toml"], "no file can be written there"),
    (["fix", "a.toml", "--trials", "0"], "--trials takes a number of seconds"),
    (["check", "run", "--trials", "soon"], "--trials takes a number of seconds, got 'soon'"),
]


@pytest.mark.parametrize(("words", "said"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_bad_input_is_one_line_and_a_help(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err.splitlines()[0]
    assert err.splitlines()[1].startswith("help: ")
    assert len(err.splitlines()) == 2


def test_demo_tries_too(tmp_path, capsys):
    assert main(["demo", "one-epoch", "--trials", "-o", str(tmp_path / "d")]) == 0
    assert "1 → 4 epochs" in capsys.readouterr().out


# --- the report -----------------------------------------------------------------------------------------------------


def test_the_section_shows_every_trial_with_its_curves(sick):
    run = nndebug.Run.load(sick)
    report = build(run, nndebug.check(run))
    view = report.trials
    assert re.fullmatch(r"learning rate 30 → \S+ cures it\.", view.summary)
    assert len(view.charts) == len(view.table.rows) == len(run.trials.trials)
    assert view.table.rows[0][-1] == "cures"
    chart = view.charts[0]
    assert [line.label for line in chart.lines] == [
        "unchanged, start 1", "changed, start 1", "unchanged, start 2", "changed, start 2"
    ]  # fmt: skip
    assert chart.lines[1].y == tuple(run.trials.trials[0].curves[0].values) or len(chart.lines[1].y) > 5
    assert chart.unit == "share right"
    assert chart.table.rows
    assert type(report).from_json(json.loads(json.dumps(report.to_json()))) == report


def test_without_trials_there_is_no_section(sick):
    run = nndebug.Run.load(sick)
    run.trials = None
    report = build(run, nndebug.check(run))
    assert report.trials is None
    assert 'id="trials"' not in html.render(report)


def test_what_a_hostile_file_says_is_escaped(sick):
    bad = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e"
    curve = Curve(bad, 0, (0, 1, 2), (0.1, None, 0.5))
    run = nndebug.Run.load(sick)
    run.trials = Trials(
        "accuracy", 0.1, Trial("", bad, (), (curve,)), (Trial("rate/10", bad, (bad,), (curve,)),), {bad: bad}
    )
    page = html.render(build(run, nndebug.check(run)))
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "\u202e" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 3
