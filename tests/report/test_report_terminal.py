"""The summary in the terminal: its wording is pinned."""

from __future__ import annotations

import dataclasses
import io

import sample
from page import Page
from rich.console import Console

from nndebug.findings import CheckResult, Severity, Skipped
from nndebug.report import build, html, terminal

SICK = """\
▲ The learning rate is too high: the first step killed 8 of hidden1's 30 ReLU units.
  error, lr_too_high, certainty 97 %, nothing speaks against it
  ▲ NND411 update-overshoots       hidden1         step 0: moved by 6.2 standard deviations in one update (healthy: below 4)
  ▲ NND201 dead-relu               hidden1         11 of 30 units never fire on the training set: 8 since step 1, 3 since birth
       epoch  birth   1   2   3   4   5   6   7   8
       dead       3  11  11  11  11  11  11  11  11
  ▲ NND204 output-saturated-wrong  output          step 1: every output 0: 10 % of entries saturated on the wrong side
  ▲ NND305 gradient-collapse       hidden1.weight  step 1: gradient collapses to 1e-4 of its start and below
  ▲ NND501 not-learning            run             not learning: probe loss 0.50, no better than the class shares (0.45), epochs 1-8
  not      LeakyReLU: the units die at one update, not by drifting (8 of 11 at step 1)
  help     lower the rate to 0.3 or clip gradients at 0.1 (both tried: learns on 3 of 3 seeds)
  docs     nndebug rule NND411

○ 8 rules passed, 2 not applicable, 1 suppressed
"""


def _print(result: CheckResult, width: int = 140, **options) -> str:
    console = Console(file=io.StringIO(), width=width, **options)
    terminal.render(result, console)
    return console.file.getvalue()


def test_the_factors_of_reasons_are_explained_where_they_stand(tmp_path):
    result = sample.sick_result()
    doubted = dataclasses.replace(result.causes[0], against=("accuracy > 0.9 (÷6.5)",))
    said = _print(dataclasses.replace(result, causes=(doubted,)))
    assert "accuracy > 0.9 (÷6.5); ÷ = how much less sure" in " ".join(said.split())
    assert "÷" not in _print(
        dataclasses.replace(result, causes=(dataclasses.replace(doubted, against=("it learned",)),))
    )
    report = build(sample.sick(tmp_path / "run")[0], dataclasses.replace(result, causes=(doubted,)))
    assert "Against: accuracy > 0.9." in report.subline
    assert "(÷ how much less sure than without): accuracy > 0.9 (÷6.5)" in Page(html.render(report)).text()


def test_a_sick_run():
    assert _print(sample.sick_result()) == SICK


def test_a_healthy_run():
    assert _print(sample.healthy_result()) == (
        "○ Nothing is wrong: 22 rules passed, 2 could not be checked.\n○ 22 rules passed, 2 not applicable\n"
    )


def test_a_narrow_terminal_puts_the_fact_below():
    printed = _print(sample.sick_result(), width=76)
    assert "  ▲ NND411 update-overshoots       hidden1\n    step 0: moved by 6.2" in printed
    assert max(map(len, printed.splitlines())) <= 76


def test_a_severity_below_the_headline_is_named():
    result = sample.sick_result()
    findings = tuple(
        dataclasses.replace(f, severity=Severity.WARNING) if f.code == "NND201" else f
        for f in result.findings
    )
    assert "■ warning NND201 dead-relu" in _print(dataclasses.replace(result, findings=findings))


def test_findings_without_a_cause_and_crashed_rules():
    finding = sample.sick_result().findings[1]
    result = CheckResult(
        "11 of 30 units never fire.",
        Severity.ERROR,
        (),
        (finding,),
        crashed=(Skipped("NND950", "mine", "ValueError: x"),),
    )
    printed = _print(result)
    assert printed.startswith("▲ 11 of 30 units never fire.   error\n  ▲ NND201 dead-relu")
    assert "0 rules passed, 1 crashed (NND950)" in printed
    assert "docs     nndebug rule NND201" in printed


def test_colour_only_where_it_is_wanted(monkeypatch):
    assert "\x1b[" not in _print(sample.sick_result())
    assert "\x1b[1;31m▲" in _print(sample.sick_result(), force_terminal=True, color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "31m" not in _print(sample.sick_result(), force_terminal=True)


def test_what_speaks_for_a_cause_says_what_its_factors_are():
    result = sample.sick_result()
    cause = dataclasses.replace(result.causes[0], supports=("rate > 2 (×5.1)", "dead at step 1 (×3)"))
    shown = _print(dataclasses.replace(result, causes=(cause,)))
    assert "  for      rate > 2 (×5.1); dead at step 1 (×3); × = how much surer\n" in shown
    assert "how much surer" not in _print(result)
