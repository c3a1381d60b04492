"""The benchmark of published faults: patches, runs over a folder of tiny cases, scores by hand, and the reference table."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
if not (ROOT / "benchmarks").exists():
    pytest.skip("the benchmarks are not part of the source distribution", allow_module_level=True)

from benchmarks.faults.cases import Case, generators, jobs, patched, read  # noqa: E402
from benchmarks.faults.page import credit, missed, others, page  # noqa: E402
from benchmarks.faults.reference import agrees  # noqa: E402
from benchmarks.faults.reference import read as read_reference  # noqa: E402
from benchmarks.faults.run import results_of, save, trained  # noqa: E402
from benchmarks.faults.score import by_case, controls, passive, score, totals  # noqa: E402
from nndebug.diagnosis import SUREST  # noqa: E402

GENERATORS = """
import numpy as np

def load(spec, mnist_dir=None):
    rng = np.random.default_rng(spec["seed"])
    x = rng.normal(size=(spec["params"]["n"], 2))
    y = (x[:, 0] + x[:, 1] > 0).astype(np.int64)
    return x, y, x[:40], y[:40]
"""
SPEC = {
    "data": {"kind": "cars", "seed": 3, "params": {"n": 120}},
    "preprocess": {"y": [["one_hot", 2]]},
    "model": {"layers": [{"name": "h", "type": "dense", "units": 6, "activation": "tanh"},
                         {"name": "out", "type": "dense", "units": 2, "activation": "softmax"}]},
    "loss": {"name": "cce"},
    "optimizer": {"name": "sgd", "lr": 0.5},
    "train": {"epochs": 10, "batch_size": 10, "gradient_sign": -1},
    "metric": {"name": "accuracy", "split": "test", "goal": "max"},
}  # fmt: skip
CASE = {
    "id": "tiny",
    "source": {"kind": "published_injected"},
    "spec": SPEC,
    "faults": [
        {
            "kind": "wrong_update_sign",
            "layers": [],
            "patch": [{"op": "remove", "path": "/train/gradient_sign"}],
        }
    ],
    "control": 0.9,
    "ground_truth": {"quality": "credible"},
    "seeds": [0, 1],
}
SUMMARY = {
    "tiny": {
        "right": ["wrong_update_sign"],
        "shows": "yes",
        "scored": True,
        "control": True,
        "quality": "credible",
    }
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "tiny.json").write_text(json.dumps(CASE))
    (tmp_path / "datasets.py").write_text(GENERATORS)
    (tmp_path / "summary.json").write_text(json.dumps(SUMMARY))
    return tmp_path


def test_patches_are_applied_by_position_and_by_name():
    document = {"a": [{"name": "x", "v": 1}, {"name": "y", "v": 2}], "b": {"c": 1}}
    patched(
        document,
        [
            {"op": "replace", "path": "/a/y/v", "value": 5},
            {"op": "add", "path": "/a/1", "value": {"name": "between"}},
            {"op": "add", "path": "/a/-", "value": {"name": "last"}},
            {"op": "add", "path": "/b/d", "value": [1]},
            {"op": "remove", "path": "/b/c"},
            {"op": "remove", "path": "/a/x"},
        ],
    )
    assert document == {"a": [{"name": "between"}, {"name": "y", "v": 5}, {"name": "last"}], "b": {"d": [1]}}
    for operation in ({"op": "remove", "path": "/b/z"}, {"op": "replace", "path": "/a/none/v", "value": 1}):
        with pytest.raises((KeyError, ValueError)):
            patched(document, [operation])


def test_a_case_gives_its_variants_and_stays_as_it_is():
    case = Case(CASE)
    assert case.spec("faulty", 4)["train"] == {**SPEC["train"], "seed": 4}
    assert case.spec("fixed", 4)["train"] == {"epochs": 10, "batch_size": 10, "seed": 4}
    assert "seed" not in SPEC["train"]
    assert [job[1:] for job in jobs([case], None)] == [
        ("faulty", 0),
        ("fixed", 0),
        ("faulty", 1),
        ("fixed", 1),
    ]
    assert len(list(jobs([case], [7]))) == 2


def test_both_variants_are_trained_and_judged(folder):
    case, generate = read(folder / "cases")[0], generators(folder / "cases", None)
    faulty, fixed = (trained(case, variant, 0, generate) for variant in case.variants)
    assert faulty["metric"] < 0.5 < 0.9 < fixed["metric"]
    assert faulty["causes"][0]["kind"] == "wrong_update_sign"
    assert (fixed["causes"], fixed["severity"], fixed["crashed"]) == ([], None, [])
    assert fixed["steps"] == 120


def test_with_trials_a_run_holds_what_was_said_before_and_after_them(folder):
    generate = generators(folder / "cases", None)
    proven = trained(Case(CASE), "faulty", 0, generate, trials=5.0)
    assert proven["trials"] is None
    assert proven["passive"] == proven["causes"]
    slow = {**SPEC, "optimizer": {"name": "sgd", "lr": 1e-6}, "train": {"epochs": 60, "batch_size": 10}}
    run = trained(Case({**CASE, "spec": slow, "faults": []}), "faulty", 0, generate, trials=5.0)
    assert run["causes"][0]["kind"] == "lr_too_low"
    before, after = run["passive"][0]["certainty"], run["causes"][0]["certainty"]
    assert after > before or after == before == SUREST  # nothing that is added up is surer
    assert run["trials"]["seconds"] <= 5
    assert any(told.endswith(": cures") for told in run["trials"]["tried"].values())
    content = {"cases": {"c": {"runs": {"faulty": {"0": run}}}}}
    assert passive(content)["cases"]["c"]["runs"]["faulty"]["0"]["causes"] == run["passive"]
    assert content["cases"]["c"]["runs"]["faulty"]["0"]["causes"] == run["causes"]


@pytest.mark.slow
def test_a_run_goes_on_where_it_stopped_and_is_scored(folder):
    out = folder / "out.json"
    words = ["--cases", folder / "cases", "--json", out]

    def run(module, *arguments):
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.faults.{module}", *map(str, arguments)],
            cwd=ROOT, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "2 runs made" in run("run", *words, "--seeds", 0)
    first = json.loads(out.read_text())
    assert "2 runs made" in run("run", *words)
    second = json.loads(out.read_text())
    assert second["cases"]["tiny"]["runs"]["faulty"]["0"] == first["cases"]["tiny"]["runs"]["faulty"]["0"]
    assert sorted(second["cases"]["tiny"]["runs"]["fixed"]) == ["0", "1"]
    (folder / "results.md").write_text("| case | f | m | 0.1 0.2 | 0.99 0.95 |\n")
    text = run("score", out, "--summary", folder / "summary.json", "--results", folder / "results.md")
    assert "| scored, injected | 2 / 2 (100 %) | 2 / 2 (100 %)" in text
    assert "Healthy controls: 0 of 1 cases" in text
    assert "| tiny | wrong_update_sign | wrong_update_sign ×2 |" in text


def test_results_survive_numbers_that_are_not_finite_and_refuse_other_files(tmp_path):
    path = tmp_path / "out.json"
    save(path, {"schema": 1, "cases": {"a": {"metric": float("nan"), "list": [float("inf"), 1.0]}}})
    assert results_of(path)["cases"]["a"] == {"metric": None, "list": [None, 1.0]}
    path.write_text('{"schema": 99}')
    with pytest.raises(ValueError, match="holds something else"):
        results_of(path)


# --- scores, by hand --------------------------------------------------------------------------------------------------


def run(metric, *causes, alarms=()):
    named = [{"kind": kind, "layer": layer} for kind, layer in causes]
    return {"metric": metric, "causes": named, "findings": [{"code": c, "severity": s} for c, s in alarms]}


def entry(faulty, fixed, **facts):
    runs = {
        name: {str(i): r for i, r in enumerate(given)}
        for name, given in (("faulty", faulty), ("fixed", fixed))
    }
    base = {
        "source": "stackoverflow",
        "goal": "max",
        "control": 0.9,
        "faults": [{"kind": "lr_too_high", "layers": ["h"]}],
    }
    return {**base, "runs": runs, **facts}  # fmt: skip


def test_first_among_family_and_layer():
    one = entry(
        [
            run(0.1, ("lr_too_high", "h"), alarms=[("NND411", "error")]),
            run(0.1, ("constant_init", "out"), ("lr_too_high", None)),
            run(0.1, ("lr_too_low", "h")),
            run(0.1),
        ],
        [],
    )
    scored = score("c", one, ["lr_too_high"], False)
    assert [s.first for s in scored] == [True, False, False, False]
    assert [s.among for s in scored] == [True, True, False, False]
    assert [s.family for s in scored] == [True, False, True, False]
    assert [s.layer for s in scored] == [True, False, True, False]
    assert [s.detected for s in scored] == [True, False, False, False]
    without = score("c", {**one, "faults": [{"kind": "lr_too_high", "layers": []}]}, ["lr_too_high"], False)
    assert [s.layer for s in without] == [None] * 4


@pytest.mark.parametrize(
    ("goal", "faulty", "fixed", "scored"),
    [
        ("max", [0.85, 0.5, None], [0.9, 0.9], ["1", "2"]),
        ("min", [0.5, 0.69, 8.0], [0.5, 0.5], ["2"]),
    ],
)
def test_runs_in_which_a_fault_did_not_show_are_not_scored(goal, faulty, fixed, scored):
    one = entry([run(m) for m in faulty], [run(m) for m in fixed], goal=goal)
    assert [s.seed for s in score("c", one, ["lr_too_high"], True)] == scored
    assert len(score("c", one, ["lr_too_high"], False)) == 3


def test_only_runs_that_reach_the_limit_are_controls():
    fixed = [
        run(0.95),
        run(0.95, alarms=[("NND1", "warning"), ("NND2", "info")]),
        run(0.5, alarms=[("NND1", "error")]),
    ]
    one = entry([], fixed)
    assert [(c.seed, c.alarms) for c in controls("c", one)] == [("0", ()), ("1", ("NND1",))]
    assert controls("c", {**one, "control": None}) == []
    summary = {"c": {**SUMMARY["tiny"], "right": ["lr_too_high"]}}
    assert (
        "1 of 1 cases with an error or a warning (1 of 2 runs): c."
        in totals({"cases": {"c": one}}, summary)[-1]
    )
    assert "1: NND1" in by_case({"cases": {"c": one}}, summary)[-1]


def test_the_reference_table_is_read():
    table = "| case | faults | metric | faulty | fixed | looks |\n|---|---|---|---|---|---|\n"
    table += "| a | x, y | accuracy test | 0.5 nan (reported: 1 1) | 1 1 | |\n| b | none | r2 | 1 | - | |\n"
    assert read_reference(table) == {"a": {"faulty": [0.5, None], "fixed": [1, 1]}, "b": {"faulty": [1]}}


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ([0.9], [0.91, 0.89, 0.9], True),
        ([0.80, 0.82], [0.9, 0.91, 0.89], False),
        ([0.5, 0.9], [0.7, 0.71], True),
        ([None, None, None], [None, None, None], True),
        ([None, None, None], [0.9, 0.9, 0.9], False),
        ([-1.2e10], [-3e10, -4e10], True),
        ([-1.2e3], [-3e10, -4e10], False),
    ],
)
def test_metrics_agree_within_the_noise_of_seeds(ours, theirs, same):
    assert agrees(ours, theirs) is same


TOLD = [
    {"study": "A", "tool": "UMLAUT", "detected": True, "diagnosed": False, "said": "lr_high"},
    {"study": "B", "tool": "UMLAUT", "detected": True, "fix_right": True},
    {"study": "C", "tool": "NeuraLint", "applicable": False, "faults_matched": 1},
    {"study": "C", "tool": "DeepFD", "said": "OCH", "faults_matched": 0},
    {"study": "D", "tool": "DEFault", "detected": False, "diagnosed": False, "said": None},
    {"study": "E", "tool": "AutoTrainer", "repair": "solved"},
]


@pytest.mark.parametrize(
    ("tool", "best"),
    [("UMLAUT", "named"), ("NeuraLint", ""), ("DeepFD", "seen"), ("DEFault", "no"), ("AutoTrainer", "")],
)
def test_other_tools_get_the_best_that_a_study_says(tool, best):
    assert credit(TOLD, tool) == best


def test_the_page_sets_us_beside_others_and_says_where_the_first_cause_is_wrong():
    known = run(0.1, ("lr_too_high", "h"), alarms=[("NND411", "error")])
    content = {"cases": {"c": entry([known, known, run(0.1, ("lr_too_low", None))], [run(0.9)])}}
    summary = {"c": {"right": ["lr_too_high"], "scored": True, "shows": "yes", "control": True}}
    cases = [Case({"id": "c", "tools": TOLD}), Case({"id": "d", "tools": TOLD})]
    assert others(cases, content, summary)[2:] == [
        "| c | named | seen | no |  | named |  |  |  |",
        "| named, of the scored | 1 of 1 | 0 of 1 | 0 of 1 | 0 of 0 | 1 of 1 | 0 of 0 | 0 of 0 | 0 of 0 |",
    ]
    assert missed(content, summary) == ["- c (lr_too_high), 1 of 3 runs: lr_too_low (1 ×)."]
    text = page(cases, content, summary)
    assert "2 / 3 (67 %)" in text and "With trials" not in text
    content["cases"]["c"]["runs"]["faulty"]["2"]["passive"] = known["causes"]
    assert "3 / 3 (100 %)" in page(cases, content, summary).partition("With trials, made of 1 faulty run")[0]
