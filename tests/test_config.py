"""Settings from flags, environment and pyproject.toml; thresholds, suppressions with reasons, plug-ins."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from nndebug import plugins, registry
from nndebug.checking import check
from nndebug.cli import main as cli
from nndebug.config import Ignored, Settings, load
from nndebug.errors import UserError
from nndebug.findings import Severity
from nndebug.run import Run
from nndebug.storage import RunFolder

from .rules.runs import MANIFEST, make_run

RATIOS = {("hidden1.weight", "update_ratio"): dict.fromkeys(range(50), 0.5)}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes a `[tool.nndebug]` into a project folder that is the working folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("SELECT", "IGNORE", "FAIL_ON"):
        monkeypatch.delenv(f"NNDEBUG_{name}", raising=False)

    def write(text, head="[tool.nndebug]\n"):
        (tmp_path / "pyproject.toml").write_text(head + text, "utf-8")
        return tmp_path

    return write


@pytest.fixture
def own_rules(monkeypatch):
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(registry, "_rules", dict(registry._rules))


@pytest.fixture
def folder(tmp_path):
    """A run folder in which rule NND401 finds something."""
    stored = RunFolder.create(tmp_path / "run", {**MANIFEST, "name": "x"})
    for step in range(50):
        data = {"hidden1.weight": {"update_ratio": 0.5}}
        stored.append({"kind": "step", "step": step, "epoch": 1, "data": data})
    stored.close()
    return tmp_path / "run"


def codes(result):
    return [finding.code for finding in result.findings]


class TestFile:
    def test_without_a_file_the_defaults_hold(self, project):
        assert load() == Settings()

    def test_a_file_without_our_table_is_not_ours(self, project):
        project("", head="[tool.ruff]\nline-length = 3\n")
        assert load() == Settings()

    def test_everything_is_read_from_a_folder_below(self, project, monkeypatch):
        root = project(
            'select = ["NND2"]\nfail-on = "warning"\nplugins = ["mine"]\n'
            'ignore = [{rule = "NND503", reason = "as in the book", site = "run"}]\n'
            "[tool.nndebug.rules.NND201]\nmost = 0.5\n"
        )
        (root / "a" / "b").mkdir(parents=True)
        monkeypatch.chdir(root / "a" / "b")
        found = load()
        assert (found.select, found.fail_on, found.plugins, found.home) == (
            ("NND2",),
            "warning",
            ("mine",),
            root,
        )
        assert found.ignore == (Ignored("NND503", "as in the book", "run"),)
        assert found.thresholds == {"NND201": {"most": 0.5}}

    @pytest.mark.parametrize(
        ("text", "message", "help"),
        [
            ("slect = []", "there is no key 'slect'", "did you mean 'select'?"),
            ('fail-on = "eror"', "there is no severity 'eror'", "did you mean 'error'?"),
            ('ignore = ["NND503"]', "'NND503' has no reason", '{rule = "NND503", reason = "why"}'),
            ('ignore = [{rule = "NND503"}]', "'NND503' has no reason", 'reason = "why"'),
            ('ignore = [{rule = "NND503", reason = " "}]', "expected a text", "reason"),
            ('ignore = [{rul = "NND503"}]', "there is no key 'rul'", "did you mean 'rule'?"),
            ("select = 'NND2'", "expected a list", "select = [...]"),
            ("select = [2]", "expected texts, got 2", "NND2"),
            ("rules = 3", "expected a table", "[tool.nndebug.rules]"),
            ("select = [", "not valid TOML", "TOML"),
        ],
    )
    def test_what_is_wrong_is_said_with_the_file(self, project, capsys, folder, text, message, help):
        project(text)
        assert cli.main(["check", str(folder)]) == 2
        error, hint = capsys.readouterr().err.splitlines()
        assert error.startswith("error: ") and "pyproject.toml: " in error and message in error
        assert help in hint

    def test_another_tools_broken_file_is_no_concern(self, project):
        project("", head="[tool.black\n")
        assert load() == Settings()


class TestPrecedence:
    def test_flags_before_environment_before_file(self, project, monkeypatch, folder, capsys):
        project('select = ["NND5"]\nfail-on = "never"')
        assert load().select == ("NND5",)
        monkeypatch.setenv("NNDEBUG_SELECT", "NND2, NND4")
        monkeypatch.setenv("NNDEBUG_FAIL_ON", "warning")
        assert (load().select, load().fail_on) == (("NND2", "NND4"), "warning")
        assert cli.main(["check", str(folder)]) == 1
        assert "NND401" in capsys.readouterr().out
        assert cli.main(["check", str(folder), "--fail-on", "error"]) == 0
        assert cli.main(["check", str(folder), "--select", "NND501"]) == 3

    def test_a_wrong_severity_in_the_environment(self, project, monkeypatch):
        monkeypatch.setenv("NNDEBUG_FAIL_ON", "fatal")
        with pytest.raises(UserError, match="NNDEBUG_FAIL_ON: there is no severity 'fatal'"):
            load()


class TestThresholds:
    @pytest.mark.parametrize(("median", "fires"), [(0.49, True), (0.51, False)])
    @pytest.mark.parametrize("name", ["NND401", "update-too-large"])
    def test_they_reach_the_rule(self, name, median, fires):
        result = check(make_run(RATIOS), settings=Settings(thresholds={name: {"median": median}}))
        assert ("NND401" in codes(result)) == fires

    @pytest.mark.parametrize(
        ("thresholds", "message", "help"),
        [
            ({"NND401": {"medain": 1}}, "NND401 has no parameter 'medain'", "did you mean 'median'?"),
            ({"NND401": {"median": "1"}}, "median takes a number", "median = 0.1"),
            ({"NND999": {"median": 1}}, "there is no rule 'NND999'", ""),
            ({"dead-relo": {"most": 1}}, "there is no rule 'dead-relo'", "did you mean 'dead-relu'?"),
            ({"NND4": {"median": 1}}, "names", "parameters are of one rule"),
        ],
    )
    def test_unknown_ones_are_refused(self, thresholds, message, help):
        with pytest.raises(UserError, match=message) as refused:
            check(make_run(RATIOS), settings=Settings(thresholds=thresholds))
        assert help in refused.value.help


class TestSuppressions:
    def judged(self, *ignored, **more):
        return check(make_run(RATIOS), settings=Settings(ignore=ignored, **more))

    def test_a_finding_is_moved_to_the_suppressed_with_its_reason(self):
        result = self.judged(Ignored("update-too-large", "on purpose", "hidden1.weight"))
        assert "NND401" not in codes(result) and "NND401" not in result.passed
        assert ("NND401", "hidden1.weight: on purpose") in [(s.code, s.reason) for s in result.suppressed]
        assert result

    @pytest.mark.parametrize(("site", "hidden"), [("output.weight", False), ("hidden1.*", True), ("", True)])
    def test_a_site_is_meant_alone(self, site, hidden):
        assert ("NND401" not in codes(self.judged(Ignored("NND401", "why", site)))) == hidden

    def test_one_that_matches_nothing_is_reported(self):
        result = self.judged(Ignored("NND401", "why", "output"), Ignored("NND502", "old"))
        unused = [f for f in result.findings if f.code == "NND901"]
        assert [f.message for f in unused] == [
            "nothing matches the suppression of NND401 at output (why)",
            "nothing matches the suppression of NND502 (old)",
        ]
        assert all(f.severity is Severity.INFO for f in unused)

    def test_one_of_a_rule_that_did_not_run_is_not(self):
        result = self.judged(Ignored("NND502", "old"), select=("NND4", "NND9"))
        assert "NND901" not in codes(result)

    def test_a_word_that_names_no_rule_is_refused(self):
        with pytest.raises(UserError, match="there is no rule 'NND40x'"):
            self.judged(Ignored("NND40x", "why"))


RULE = '''
from nndebug.findings import Symptom
from nndebug.registry import rule

@rule("NND9{digits}", "{name}")
def own(run, *, least: int = 1):
    """Steps were made."""
    {body}
    if run.steps >= least:
        yield Symptom("run", f"{{run.steps}} steps")
'''


class TestPlugins:
    @pytest.mark.parametrize("by", ["file", "module"])
    def test_a_rule_of_ones_own_is_loaded_and_configured(self, project, own_rules, folder, capsys, by):
        name = f"own_rules_by_{by}"
        word = f"{name}.py" if by == "file" else name
        root = project(f'plugins = ["{word}"]\n[tool.nndebug.rules.my-{by}]\nleast = 50\n')
        (root / f"{name}.py").write_text(
            RULE.format(digits=71 + (by == "file"), name=f"my-{by}", body=""), "utf-8"
        )
        assert cli.main(["check", str(folder), "--select", f"my-{by}"]) == 0
        assert "50 steps" in capsys.readouterr().out
        project(f'plugins = ["{word}"]\n[tool.nndebug.rules.my-{by}]\nleast = 51\n')
        assert check(folder, select=[f"my-{by}"], settings=load()).passed == (f"NND9{71 + (by == 'file')}",)

    @pytest.mark.parametrize(
        ("plugin", "reason"), [("not_there", "ModuleNotFoundError"), ("no.py", "there is no file")]
    )
    def test_one_that_is_missing_is_refused(self, project, folder, capsys, plugin, reason):
        project(f'plugins = ["{plugin}"]')
        assert cli.main(["check", str(folder)]) == 2
        assert reason in capsys.readouterr().err

    def test_installed_packages_announce_theirs(self, project, own_rules, monkeypatch):
        class Point:
            name, group = "theirs", "nndebug.rules"

            def load(self):
                registry.rule("NND973", "theirs")(lambda run: iter(()))

        class Broken(Point):
            name = "broken"

            def load(self):
                raise ImportError("no module named nothing")

        monkeypatch.setattr(plugins, "_installed", False)
        monkeypatch.setattr(plugins, "_failures", {})
        monkeypatch.setattr(plugins, "entry_points", lambda group: [Point(), Broken()])
        result = check(make_run(RATIOS))
        assert "NND973" in result.passed and "NND401" in codes(result)
        assert [(s.name, s.reason) for s in result.crashed] == [
            ("broken", "ImportError: no module named nothing")
        ]

    def test_the_group_is_the_one_that_packages_use(self):
        assert importlib.metadata.entry_points(group=plugins.GROUP) is not None

    def test_a_rule_that_raises_is_reported_once_and_hurts_no_other(self, own_rules):
        calls = []

        def crashing(run):
            calls.append(run)
            raise IndexError("list index\nout of range")
            yield

        registry.rule("NND974", "crashing")(crashing)
        result = check(make_run(RATIOS))
        told = [f for f in result.findings if f.code == "NND903"]
        assert len(told) == len(calls) == len(result.crashed) == 1
        assert told[0].message == "a rule crashed: NND974 crashing: IndexError: list index out of range"
        assert told[0].severity is Severity.INFO and "NND401" in codes(result)


def test_a_watch_obeys_the_file_and_says_before_training_what_is_wrong(project):
    import nndebug
    from network import SGD, CrossEntropy, Dense, Sequential, fit

    from .watching import data

    def watched():
        net = Sequential(Dense(12, 4), loss=CrossEntropy())
        with nndebug.watch(net, strict=True) as watching:
            fit(net, data(), SGD(0.1), epochs=1)
        return watching.result

    project('select = ["NND5"]')
    assert {code[:4] for code in watched().passed} == {"NND5"}
    project('select = ["NND5x"]')
    with pytest.raises(UserError, match="there is no rule 'NND5x'"):
        watched()


def test_settings_cost_a_training_script_no_import(project):
    code = "import nndebug, sys; sys.exit('importlib.metadata' in sys.modules or 'tomllib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_run_in_memory_and_its_folder_agree_under_settings(folder):
    settings = Settings(ignore=(Ignored("NND401", "why"),), thresholds={"NND401": {"median": 0.2}})
    assert check(folder, settings=settings).to_json() == check(Run.load(folder), settings=settings).to_json()


def test_the_page_about_settings_is_true(project, own_rules, tmp_path, capsys):
    """Its file is read, its ten lines are loaded, and the rule fires."""
    page = (Path(__file__).resolve().parent.parent / "docs" / "settings.md").read_text("utf-8")
    (source,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    settings, entry_point = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len([line for line in source.splitlines() if line]) <= 10
    assert tomllib.loads(entry_point)["project"]["entry-points"][plugins.GROUP]
    root = project(settings, head="")
    (root / "own_rules.py").write_text(source, "utf-8")
    found = load()
    assert [entry.rule for entry in found.ignore] == ["NND503", "dead-relu"]
    stored = RunFolder.create(tmp_path / "stuck", {**MANIFEST, "name": "x"})
    for step in range(200):
        stored.append({"kind": "step", "step": step, "epoch": 1, "data": {"run": {"loss": 2.0}}})
    stored.close()
    assert cli.main(["check", str(tmp_path / "stuck")]) == 1  # fail-on = "warning"
    assert "loss 2 after 199 steps, 2 at first" in capsys.readouterr().out
