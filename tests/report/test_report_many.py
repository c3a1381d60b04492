"""Figures by themselves, many runs on a page, two runs side by side, a table of one that trains."""

from __future__ import annotations

import json
import shutil
import traceback
from dataclasses import replace

import numpy as np
import pytest
import sample
from hostile import any_float, any_text, result_of, run_of
from hypothesis import given, settings
from hypothesis import strategies as st
from page import Page
from PIL import Image

import nndebug
from nndebug import Run
from nndebug.cli.main import main
from nndebug.errors import UserError
from nndebug.report import build, comparing, index, pictures
from nndebug.report.html import environment
from nndebug.storage import RunFolder


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    return sample.sick(folder / "blog"), sample.healthy(folder / "fixed")


# --- figures


def test_every_chart_and_map_is_a_picture_of_its_own(two, tmp_path):
    run, result = two[0]
    report = build(run, result)
    written = pictures.write(report, tmp_path / "figures", dpi=50)
    assert len(written) == len(set(written)) == len(list((tmp_path / "figures").iterdir()))
    names = {path.stem for path in written}
    assert {"loss", "accuracy", "hidden1-movement-in-one-update", "hidden1-which-units-fire"} <= names
    with Image.open(tmp_path / "figures" / "loss.png") as picture:
        assert picture.size == (380, 220)


@pytest.mark.slow
def test_figures_have_the_dots_that_were_asked_for(two, tmp_path):
    assert (
        main(
            [
                "report",
                str(two[0][0].folder),
                "--png",
                str(tmp_path),
                "-o",
                str(tmp_path / "x.html"),
                "--dpi",
                "300",
            ]
        )
        == 0
    )
    with Image.open(tmp_path / "loss.png") as picture:
        assert picture.size == (2280, 1320)
    assert main(["report", str(two[0][0].folder), "--png", str(tmp_path), "--dpi", "3"]) == 2


def test_plot_draws_the_recorded_values(two):
    run = two[1][0]
    axes = run.plot("update_ratio").axes[0]
    labels = [line.get_label().split()[0] for line in axes.lines]
    assert labels[:2] == ["hidden1.weight", "output.weight"]
    recorded = run.series("update_ratio", "hidden1.weight")
    x, y = axes.lines[0].get_data()
    assert set(x) <= set(recorded.steps.tolist())
    assert np.allclose(y, recorded.values[np.isin(recorded.steps, x)])
    assert axes.get_yscale() == "log"
    (line,) = run.plot("gradient.norm", "output").axes[0].lines[:1]
    assert line.get_label() == "_child0" or "output" in line.get_label()


def test_plot_says_what_there_is_and_offers_the_nearest_name(two):
    run = two[1][0]
    with pytest.raises(UserError, match="update_ratoi was not recorded") as told:
        run.plot("update_ratoi")
    assert told.value.help.startswith("did you mean 'update_ratio'? Recorded: ")
    with pytest.raises(UserError, match="nope was not recorded") as told:
        run.plot("nope")
    assert "did you mean" not in told.value.help
    for name in {name for place in ("run", "hidden1", "hidden1.weight") for name in run.names(place)}:
        assert name in told.value.help
    assert f"help: {told.value.help}" in "".join(traceback.format_exception(told.value))
    with pytest.raises(UserError, match="update_ratio was not recorded at hiden1") as told:
        run.plot("update_ratio", "hiden1")
    assert told.value.help == "did you mean 'hidden1'?"
    with pytest.raises(UserError, match="was not recorded") as told:
        Run(run.manifest).plot("loss")
    assert told.value.help == "the run holds no figures"


def test_plot_tells_the_statistics_of_arrays_once():
    run = Run(sample.manifest())
    kinds = ("mean", "std", "minimum", "maximum", "norm", "zero_share")
    data = {f"{what}.{kind}": 1.0 for what in ("weight", "update") for kind in kinds}
    row = {"kind": "step", "step": 0, "epoch": 1, "data": {"run": {"loss": 1.0}, "hidden1.weight": data}}
    run.add(row)
    with pytest.raises(UserError) as told:
        run.plot("x")
    assert (
        told.value.help == "recorded: loss; mean, std, minimum, maximum, norm, zero_share of update, weight"
    )


@settings(max_examples=3, deadline=None)
@given(any_text, st.lists(any_float, max_size=20))
def test_any_run_gives_figures(tmp_path_factory, name, values):
    evidence = {"series": [{"name": "shift"}], "unit_map": name}
    report = build(run_of(name, values), result_of(name, evidence))
    folder = tmp_path_factory.mktemp("any")
    assert len(pictures.write(report, folder, dpi=30)) == len(list(folder.iterdir()))


# --- an index of runs


def test_the_page_lists_every_run_with_verdict_accuracy_and_link(two, tmp_path):
    base = tmp_path / "reports"
    for (run, result), name in zip(two, ("blog", "nested/fixed")):
        shutil.copytree(run.folder, base / name)
        RunFolder(base / name).write_findings(result.to_json())
    (base / "blog" / "report.html").write_text("x")
    (base / "junk").mkdir()
    (base / "junk" / "manifest.json").write_text("{")
    assert main(["report", str(base)]) == 0
    page = Page((base / "index.html").read_text("utf-8"))
    assert page.errors == []
    assert page.text("h1") == "2 runs · reports"
    words = page.text()
    for part in (
        "The learning rate is too high: the first step killed 8",
        "Nothing is wrong",
        "9.7 %",
        "8 epochs, 40,000 steps",
    ):
        assert part in words
    assert page.values("href") == ["blog/report.html"]  # the other one has no report yet
    assert len([a for a in page.all("svg") if a.get("role") == "img"]) == 2
    index.write(base, tmp_path / "elsewhere.html")
    assert Page((tmp_path / "elsewhere.html").read_text("utf-8")).values("href") == [
        "reports/blog/report.html"
    ]


def test_a_copy_of_a_run_is_told_from_its_original_by_its_folder(two, tmp_path):
    run = two[0][0]
    for place in ("blog", "old/copy of blog"):
        shutil.copytree(run.folder, tmp_path / "reports" / place)
    path, count = index.write(tmp_path / "reports")
    page = Page(path.read_text("utf-8"))
    assert count == 2
    assert page.errors == []
    places = [words for tag, words in page.words if tag == "bdi" and words.endswith("/")]
    assert sorted(places) == ["blog/", "old/copy of blog/"]
    alone = index.rows(tmp_path / "reports" / "blog")
    assert [(row.name, row.folder) for row in alone] == [("blog-relu", "blog")]


def test_a_folder_without_runs_is_refused(tmp_path, capsys):
    with pytest.raises(UserError, match="holds no run"):
        index.rows(tmp_path)
    assert main(["report", str(tmp_path)]) == 2
    assert "error:" in capsys.readouterr().err


# --- two runs


def test_a_comparison_names_settings_findings_and_where_they_part(two):
    found = comparing.compare(*two)
    assert found.settings == (("learning rate", "3", "0.1"),)
    assert found.gone[0] == "▲ NND411 update-overshoots, hidden1"
    assert (len(found.gone), found.new, found.stayed) == (5, (), ())
    assert found.parting.step == 0
    assert [chart.title for chart in found.charts][:2] == ["Loss", "Validation loss"]
    assert [line.label for line in found.charts[0].lines] == ["blog", "fixed"]
    again = comparing.compare(two[1], two[0])
    assert (again.new, again.gone) == (found.gone, ())


def test_runs_part_at_the_first_difference_in_the_order_of_the_network(two):
    (run, result), twin = two[1], Run.load(two[1][0].folder)
    same = comparing.compare((run, result), (twin, result))
    assert same.parting is None
    assert same.settings == same.gone == same.new == ()
    assert same.shared_steps > 100
    assert same.names == ("fixed (1)", "fixed (2)")
    for site, name, step in (
        ("output.weight", "gradient.norm", 30),
        ("hidden1.weight", "gradient.norm", 30),
        ("run", "loss", 40),
    ):
        column = twin._columns[site][name]
        column.values[column.steps.index(step)] *= 1.001
    found = comparing.compare((run, result), (twin, result)).parting
    assert (found.step, found.site, found.name) == (30, "hidden1.weight", "gradient.norm")
    assert found.second == pytest.approx(1.001 * found.first)


@settings(max_examples=25, deadline=None)
@given(any_text, any_text, st.lists(any_float, max_size=10))
def test_anything_can_be_compared(first, second, values):
    pair = [(run_of(name, values), result_of(name, {})) for name in (first, second)]
    found = comparing.compare(pair[0], pair[1])
    page = Page(environment().get_template("compare.html.j2").render(c=found))
    assert page.errors == []
    json.dumps(found.to_json())


def test_the_command_compares_in_words_in_json_and_as_a_page(two, tmp_path, capsys):
    folders = [str(run.folder) for run, _ in two]
    assert main(["compare", *folders, "-o", str(tmp_path / "both.html")]) == 0
    out, err = capsys.readouterr()
    assert "learning rate  3     0.1" in out
    assert "They part at step 0" in out
    assert out.startswith(f"blog   ▲ {nndebug.check(two[0][0]).verdict}")
    assert "\nfixed  ○ Nothing is wrong" in out
    assert err == f"wrote  {tmp_path / 'both.html'}\n"
    page = (tmp_path / "both.html").read_text("utf-8")
    assert Page(page).errors == []
    assert '<li><span class="error" title="error" aria-label="error" role="img">▲</span> NND' in page
    assert main(["compare", *folders, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"] == [["learning rate", "3", "0.1"]]


# --- watching from another terminal


def test_watch_shows_the_run_once(two, capsys):
    assert main(["watch", str(two[0][0].folder), "--once"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("blog-relu  finished  8 epochs of 8  40,000 steps")
    assert "hidden1" in out
    assert "11 of 30" in out
    lines = out.splitlines()
    assert all(line == line.rstrip() for line in lines)


def test_a_long_finding_goes_on_under_its_beginning(two, monkeypatch, capsys):
    monkeypatch.setattr("nndebug.cli.watch.PIPE_WIDTH", 60)
    assert main(["watch", str(two[0][0].folder), "--once"]) == 0
    lines = capsys.readouterr().out.splitlines()
    first = next(i for i, line in enumerate(lines) if " NND201 hidden1 " in line)
    fact = lines[first].index("11 of 30")
    assert lines[first + 1][:fact].strip() == ""
    assert lines[first + 1][fact] != " "


def test_watch_follows_a_run_to_its_end(two, tmp_path, monkeypatch, capsys):
    from nndebug.cli import watch

    folder = tmp_path / "run"
    shutil.copytree(two[1][0].folder, folder)
    RunFolder(folder).write_manifest(sample.manifest(True, status="running"))
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    waited = []

    def sleep(seconds):
        waited.append(seconds)
        if len(waited) == 3:
            RunFolder(folder).write_manifest(sample.manifest(True))

    monkeypatch.setattr(watch.time, "sleep", sleep)
    assert main(["watch", str(folder), "--refresh", "0.5"]) == 0
    assert waited == [0.5] * 3
    assert main(["watch", str(folder), "--refresh", "0"]) == 2


def test_a_result_in_a_notebook_is_a_table_and_escaped():
    shown = sample.sick_result()._repr_html_()
    assert Page(shown).errors == []
    assert shown.count("<tr>") == 5
    assert "8 rules passed, 3 not applied" in shown
    hostile = replace(sample.sick_result(), verdict="<script>\ud800")._repr_html_()
    assert "<script>" not in hostile
    hostile.encode("utf-8")
