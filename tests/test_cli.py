"""The frame around the commands: exit codes, two-line errors, help, and what it costs to start."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import nndebug
from nndebug.cli import main as cli
from nndebug.cli.common import codes, exit_code, free_folder, show, words
from nndebug.errors import UserError, did_you_mean
from nndebug.findings import Cause, CheckResult, Finding, Severity

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def nndebug_process(*arguments, folder=None, **keywords):
    return subprocess.run(
        [sys.executable, "-m", "nndebug", *arguments],
        cwd=folder or ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        **keywords,
    )


def failure(capsys, *arguments):
    """Exit code and the two lines on stderr; nothing may be on stdout."""
    code = cli.main(arguments)
    captured = capsys.readouterr()
    assert captured.out == ""
    return code, captured.err.splitlines()


@pytest.fixture
def command(monkeypatch):
    """Puts a function in the place of the command `rule`."""

    def put(function):
        module = ModuleType("nndebug.cli.rule")
        module.add_parser = lambda subparsers: subparsers.add_parser("rule")
        module.run = function
        monkeypatch.setitem(sys.modules, "nndebug.cli.rule", module)

    return put


def raising(error):
    def run(args):
        raise error

    return run


class CoreError(ValueError):
    def __init__(self, message, help):
        super().__init__(message)
        self.help = help


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (UserError("no such thing", help="try another"), ["error: no such thing", "help: try another"]),
        (UserError("on\ntwo lines"), ["error: on two lines", "help: nndebug rule --help"]),
        (CoreError("x has NaN", "drop the rows"), ["error: x has NaN", "help: drop the rows"]),
        (
            PermissionError(13, "Permission denied", "/root/x"),
            [
                "error: /root/x: Permission denied",
                "help: check the path and its permissions, or name another",
            ],
        ),
        (
            MemoryError("Unable to allocate 238. GiB for an array"),
            [
                "error: not enough memory: cannot allocate 238. GiB for an array",
                "help: narrower layers, a smaller batch or fewer samples need less",
            ],
        ),
        (
            MemoryError(),
            ["error: not enough memory", "help: narrower layers, a smaller batch or fewer samples need less"],
        ),
        (
            TypeError("unhashable"),
            [
                "error: internal error: TypeError: unhashable",
                "help: this is a fault of nndebug; NNDEBUG_TRACEBACK=1 before the command shows where",
            ],
        ),
    ],
)
def test_whatever_goes_wrong_is_two_lines_and_exit_code_2(command, capsys, error, lines):
    command(raising(error))
    assert failure(capsys, "rule") == (2, lines)


def test_the_traceback_is_one_variable_away(command, capsys, monkeypatch):
    command(raising(TypeError("unhashable")))
    monkeypatch.setenv("NNDEBUG_TRACEBACK", "1")
    code, lines = failure(capsys, "rule")
    assert code == 2
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2].startswith("error: internal error")


def test_an_interrupt_is_130(command, capsys):
    command(raising(KeyboardInterrupt()))
    assert failure(capsys, "rule") == (130, ["error: interrupted"])


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["chek", "x"], ["error: there is no command 'chek'", "help: did you mean 'check'?"]),
        (["rule", "--fromat", "json"], ["error: there is no flag --fromat in nndebug rule", "help: did you mean '--format'?"]),
        (["rule", "--format", "jsn"], ["error: there is no format 'jsn'", "help: did you mean 'json'?"]),
        (["rule", "--format"], ["error: --format: expected one argument", "help: usage: nndebug rule [-h] [--format text|json] [CODE]"]),
        (["rule", "NND201", "more"], ["error: nndebug rule has no use for 'more'", "help: usage: nndebug rule [-h] [--format text|json] [CODE]"]),
        (["--vresion"], ["error: there is no flag --vresion in nndebug", "help: did you mean '--version'?"]),
        (["rule", "-z"], ["error: there is no flag -z in nndebug rule", "help: nndebug rule --help lists the flags"]),
    ],
)  # fmt: skip
def test_wrong_use_gets_a_help_line(capsys, arguments, lines):
    assert failure(capsys, *arguments) == (2, lines)


def test_help_names_every_command_and_version_the_version(capsys):
    assert cli.main(["--help"]) == 0
    help = capsys.readouterr().out
    assert all(f"  {name} " in help for name in cli.COMMANDS)
    assert cli.main([]) == 2
    assert capsys.readouterr().out == help
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"nndebug {nndebug.__version__}\n"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help(capsys, name):
    assert cli.main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: nndebug {name}")


def test_a_reader_that_goes_away_is_no_traceback():
    """`nndebug rule | head -1`, with a pipe whose reader has closed before anything is written."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "nndebug", "rule"],
            env=ENVIRONMENT, cwd=ROOT, stdout=pipe, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (141, "")


def test_colour_only_on_a_terminal():
    assert "\x1b" not in nndebug_process("rule", "NND201").stdout


def test_a_mark_that_the_terminal_cannot_show_ends_nothing():
    """`train` prints λ in its help."""
    done = subprocess.run(
        [sys.executable, "-m", "nndebug", "train", "--help"],
        env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii"}, cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u03bb/(2n)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [(["--help"], "numpy matplotlib rich jinja2 torch"), (["rule"], "matplotlib jinja2 torch")],
    ids=["help", "rule"],
)
def test_help_and_rule_load_nothing_heavy(arguments, heavy):
    """What makes them answer at once; `python -m benchmarks.startup` times it."""
    code = (
        "import sys\nfrom nndebug.cli.main import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\n"
        f"print('loaded', [name for name in {heavy.split()!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "loaded []", done.stderr


def found(*severities):
    return tuple(Finding("NND201", "dead-relu", severity, "hidden1", "dead") for severity in severities)


@pytest.mark.parametrize(
    ("result", "fail_on", "code"),
    [
        (CheckResult("", None, passed=("NND101",)), "error", 0),
        (CheckResult("", None, findings=found(Severity.ERROR)), "error", 1),
        (CheckResult("", None, findings=found(Severity.WARNING)), "error", 0),
        (CheckResult("", None, findings=found(Severity.INFO, Severity.WARNING)), "warning", 1),
        (CheckResult("", None, findings=found(Severity.INFO)), "warning", 0),
        (CheckResult("", None, findings=found(Severity.ERROR)), "never", 0),
        (CheckResult("", None, passed=("NND902",)), "error", 3),
        (
            CheckResult("", None, findings=(Finding("NND902", "not-checked", Severity.INFO, "run", "lost"),)),
            "error",
            3,
        ),
        (CheckResult("", None), "never", 3),
    ],
)
def test_exit_codes_follow_fail_on(result, fail_on, code):
    assert exit_code(result, fail_on) == code


def test_a_run_is_written_where_nothing_is(tmp_path):
    base = tmp_path / "digits"
    assert free_folder(base) == base
    base.mkdir()
    assert free_folder(base) == base
    (base / "manifest.json").write_text("{}")
    assert free_folder(base) == tmp_path / "digits-2"
    (tmp_path / "digits-2").write_text("a file")
    assert free_folder(base) == tmp_path / "digits-3"


def test_only_a_near_word_is_offered_and_a_long_list_is_cut():
    codes = [f"NND{number}" for number in (101, 102, 103, 201, 202, 203, 204, 901, 902)]
    listed = "known: NND101, NND102, NND103, NND201, NND202, NND203, NND204, NND901, …"
    assert did_you_mean("NND999", codes) == listed
    assert did_you_mean("NND9022", codes) == "did you mean 'NND902'?"
    assert did_you_mean("--bogus", ["--loss", "--lr"]) == "known: --loss, --lr"
    assert did_you_mean("rleu", ["gelu", "relu"]) == "did you mean 'relu'?"
    assert did_you_mean("x", map(str, range(8))) == "known: 0, 1, 2, 3, 4, 5, 6, 7"


def test_next_and_docs_name_the_same_rule(capsys):
    def finding(code, severity=Severity.ERROR):
        return Finding(code, "x", severity, "hidden1", "dead")

    listed = finding("NND201"), finding("NND411"), finding("NND501")
    cause = Cause(
        "lr_too_high", "hidden1", 0, 0.9, "It is.", (listed[1].fingerprint, listed[0].fingerprint), (), (), ""
    )
    for causes, findings in (((cause,), listed), ((), listed), ((), listed[2:])):
        result = CheckResult("It is.", Severity.ERROR, causes, findings)
        show(result)
        docs = re.search(r"docs +nndebug rule (\w+)", capsys.readouterr().out)
        assert codes(result) == [docs[1]]
    assert codes(CheckResult("", None, findings=(finding("NND201", Severity.INFO),))) == []


def test_lists_of_words():
    assert words("NND2, dead-relu,,") == ["NND2", "dead-relu"]
