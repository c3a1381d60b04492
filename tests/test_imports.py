"""The direction of imports, as the design has it: read off the syntax trees, and off a fresh interpreter."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

STDLIB = sys.stdlib_module_names
FRAMEWORKS = {"torch", "tensorflow", "jax", "keras"}

# The layers of the house. A module may import what is named here, its own package and the standard library.
# A package stands for all that is in it; the longest entry that fits a module is the one that holds.
BASE = {"nndebug.errors", "nndebug.wording"}
SUMMARIES = {
    f"nndebug.{name}"
    for name in (
        *("errors", "signals", "strict_json", "stats", "histogram", "schedule", "series"),
        *("chance", "rows", "deaths", "hardest", "probe", "look"),
    )
}
RECORDING = {*SUMMARIES, "nndebug.atomic", "nndebug.epochs", "nndebug.storage", "nndebug.run"}
JUDGING = {
    f"nndebug.{name}"
    for name in (
        *("errors", "wording", "findings", "registry", "rules", "checking", "diagnosis", "causes"),
        *("config", "plugins", "selection", "trials.deciding", "trials.cures"),
    )
} | {*SUMMARIES, "nndebug.run", "nndebug.preflight.result", "nndebug.trials.result"}
ALLOWED = {
    "network": {"numpy"},
    "nndebug": set(),
    "nndebug.__main__": {"nndebug.cli"},
    "nndebug.errors": set(),
    "nndebug.wording": set(),
    "nndebug.atomic": set(),
    "nndebug.core": BASE,
    "nndebug.shapes": BASE,
    **{name: {"numpy", *SUMMARIES} for name in SUMMARIES - BASE},
    "nndebug.epochs": {"numpy", *RECORDING},
    "nndebug.storage": {"numpy", *RECORDING},
    # `run.plot` is a door to the house for somebody at a prompt, used by nothing inside.
    "nndebug.run": {
        *(
            "numpy",
            *RECORDING,
            "nndebug.preflight.result",
            "nndebug.trials.result",
            "nndebug.report.pictures",
        ),
        "nndebug.ranks",
    },
    "nndebug.ranks": {"numpy", *RECORDING},
    "nndebug.recorder": {"numpy", *RECORDING, "nndebug.preflight.result"},
    "nndebug.preflight": {"numpy", *SUMMARIES, "nndebug.gradcheck", "nndebug.adapters.sites"},
    "nndebug.preflight.result": {*SUMMARIES, "nndebug.gradcheck.result"},
    "nndebug.findings": BASE,
    "nndebug.config": BASE,
    "nndebug.plugins": BASE,
    "nndebug.selection": JUDGING,
    "nndebug.registry": JUDGING,
    "nndebug.rules": {"numpy", *JUDGING},
    "nndebug.checking": {"numpy", *JUDGING},
    "nndebug.causes": {"numpy", *JUDGING},
    "nndebug.figures": {"numpy", *SUMMARIES, "nndebug.run"},
    "nndebug.facts": {"nndebug.figures", "nndebug.weighing", *JUDGING},
    "nndebug.weighing": BASE | {"nndebug.strict_json"},
    "nndebug.diagnosis": {"nndebug.facts", "nndebug.weighing", *JUDGING},
    "nndebug.baseline": {"nndebug.atomic", *JUDGING},
    "nndebug.report": {
        "nndebug.epochs",
        "numpy",
        "rich",
        "jinja2",
        "markupsafe",
        *JUDGING,
        "nndebug.atomic",
        "nndebug.gradcheck",
        "nndebug.storage",
    },
    "nndebug.replay": {"numpy", *SUMMARIES, "nndebug.gradcheck"},
    "nndebug.adapters": {"numpy", *RECORDING, "nndebug.recorder", "nndebug.replay", "nndebug.shapes"},
    "nndebug.adapters.attributes": {"numpy", "nndebug.errors", "nndebug.signals"},
    "nndebug.adapters.own": {
        "numpy",
        "nndebug.adapters",
        "nndebug.errors",
        "nndebug.signals",
        "nndebug.gradcheck",
    },
    "nndebug.adapters.torch": {
        *(
            "numpy",
            *RECORDING,
            "nndebug.adapters",
            "nndebug.preflight",
            "nndebug.recorder",
            "nndebug.session",
        ),
    },
    "nndebug.gradcheck": {
        *("numpy", "nndebug.shapes", "nndebug.findings", "nndebug.wording", "nndebug.adapters.attributes"),
        *SUMMARIES,
    },
    "nndebug.trials": {
        *("numpy", "nndebug.core", "nndebug.faults", "nndebug.preflight.subject", "nndebug.storage"),
        *JUDGING,
    },
    "nndebug.trials.result": BASE,
    "nndebug.trials.cures": {"nndebug.causes.vocabulary"},
    "nndebug.trials.deciding": JUDGING,
    "nndebug.evaluation": {"numpy", "nndebug.wording", *SUMMARIES},
    "nndebug.evaluation.trial": {"numpy", *SUMMARIES, "nndebug.recorder", "nndebug.evaluation"},
    "nndebug.faults": {"numpy", "nndebug.core", "nndebug.signals", *BASE},
    "nndebug.exporting": {"nndebug.findings", "nndebug.run", *BASE},
    "nndebug.session": {"numpy", "nndebug"},
    "nndebug.manifest": {"numpy", *SUMMARIES, "nndebug.adapters"},
    "nndebug.drawing": {"numpy", "rich", "nndebug"},
    "nndebug.strategies": {"numpy", "hypothesis", "nndebug.core", "nndebug.signals", *BASE},
    "nndebug.canaries": {"numpy", *JUDGING},
    "nndebug.judging": {"numpy", "rich", "nndebug"},
    "nndebug.pytest_plugin": {"pytest", "nndebug"},
    "nndebug.testing": {"numpy", "hypothesis", "pytest", "nndebug"},
    "nndebug.watching": {"numpy", "nndebug"},
    "nndebug.lightning": {"nndebug.errors", "nndebug.watching"},
    "nndebug.huggingface": {"nndebug.errors", "nndebug.watching"},
    "nndebug.own_loop": {"numpy", "nndebug"},
    "nndebug.own_watching": {"numpy", "nndebug"},
    "nndebug.own_epochs": {"numpy", "nndebug"},
    "nndebug.imports": set(),
    "nndebug.scripts": BASE,
    "nndebug.attaching": {"nndebug"},
    "nndebug.cli": {"numpy", "rich", "nndebug"},
}

DRAWING = {"nndebug.report.canvas", "nndebug.report.single"}
"""The modules that import the plotting library; nobody else imports them outside a function."""

MAY_KNOW_FRAMEWORKS = {"nndebug.adapters", "nndebug.adapters.torch", "nndebug.gradcheck"}
"""Where a framework that the user has already imported may be imported, inside a function."""

HEAVY = ("matplotlib", "torch", "rich", "jinja2", "numpy", "network")


def modules():
    """Dotted name and source file of every module of both packages."""
    for package in ("network", "nndebug"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(name, path_is_package, tree):
    """Dotted names a module imports, relative ones resolved; with whether it happens when it is imported itself."""
    package = name.split(".") if path_is_package else name.split(".")[:-1]
    late = {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for node in ast.walk(outer)
    }
    late |= {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.If) and "TYPE_CHECKING" in ast.dump(outer.test)
        for statement in outer.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names = [stem] if node.module else [f"{stem}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [str(node.module)]
        else:
            continue
        yield from ((imported, id(node) not in late, bool(getattr(node, "level", 0))) for imported in names)


def within(name, packages):
    return any(name == package or name.startswith(package + ".") for package in packages)


def for_types(imported, source):
    """Whether a module imports this for its annotations only."""
    blocks = re.findall(r"^if TYPE_CHECKING:\n((?:    .*\n|\n)+)", source, re.MULTILINE)
    elsewhere = re.sub(r"^if TYPE_CHECKING:\n((?:    .*\n|\n)+)", "", source, flags=re.MULTILINE)
    return any(f"from {imported} import" in block for block in blocks) and imported not in elsewhere


def violations(name, is_package, source):
    """What a module imports and may not; one sentence each."""
    entry = max((key for key in ALLOWED if within(name, [key])), key=len)
    allowed = {*ALLOWED[entry], *STDLIB}
    if name != "nndebug":
        allowed |= {entry, "nndebug.__version__"} if entry != "network" else {"network"}
    for imported, at_import, relative in imports(name, is_package, ast.parse(source)):
        top = imported.split(".")[0]
        if top in FRAMEWORKS:
            if at_import or entry not in MAY_KNOW_FRAMEWORKS:
                yield f"{name} imports {imported}" + " when it is imported" * at_import
        elif top == "matplotlib":
            if name not in DRAWING and not for_types(imported, source):
                yield f"{name} imports matplotlib, which {' and '.join(sorted(DRAWING))} alone may"
        elif imported in DRAWING and at_import and name not in DRAWING:
            yield f"{name} imports {imported} when it is imported, and with it matplotlib"
        elif top == "network" and not relative:
            yield f"{name} imports {imported} by name"
        elif name == "nndebug" and at_import and top not in STDLIB:
            yield f"{name} imports {imported} when it is imported"
        elif not within(imported, allowed) and name != "nndebug":
            yield f"{name} imports {imported}"


ALL = list(modules())


@pytest.mark.parametrize(("name", "path"), ALL, ids=[name for name, _ in ALL])
def test_a_module_imports_only_what_lies_below_it(name, path):
    assert list(violations(name, path.name == "__init__.py", path.read_text("utf-8"))) == []


def test_every_module_has_a_place_in_the_layers():
    homeless = [
        name
        for name, _ in ALL
        if name != "nndebug" and max((k for k in ALLOWED if within(name, [k])), key=len) == "nndebug"
    ]
    assert homeless == []


PLANTED = [
    # module, its source, part of what is said
    ("network.layers", "import nndebug", "imports nndebug"),
    ("network.layers", "import scipy", "imports scipy"),
    ("network.layers", "def f():\n    from rich import print", "imports rich"),
    ("network.layers", "from network.arrays import Array", "by name"),
    ("nndebug.stats", "from .run import Run", "imports nndebug.run"),
    ("nndebug.stats", "from . import recorder", "imports nndebug.recorder"),
    ("nndebug.run", "from .recorder import Recorder", "imports nndebug.recorder"),
    ("nndebug.run", "from .findings import Finding", "imports nndebug.findings"),
    ("nndebug.rules.activations", "from ..recorder import Recorder", "imports nndebug.recorder"),
    ("nndebug.rules.activations", "from ..report import html", "imports nndebug.report"),
    ("nndebug.checking", "from .adapters import layered", "imports nndebug.adapters"),
    ("nndebug.report.html", "import matplotlib.pyplot", "imports matplotlib"),
    ("nndebug.cli.report", "def f():\n    import matplotlib", "imports matplotlib"),
    ("nndebug.report.figures", "from .canvas import Canvas", "and with it matplotlib"),
    ("nndebug.report.html", "def f():\n    from ..recorder import Recorder", "imports nndebug.recorder"),
    ("nndebug.adapters.torch", "import torch", "when it is imported"),
    ("nndebug.adapters.layered", "import network", "by name"),
    ("nndebug.cli.demo", "def f():\n    import torch", "imports torch"),
    ("nndebug.cli.demo", "def f():\n    from network import Dense", "by name"),
    ("nndebug.faults", "import network.experiment", "by name"),
]


@pytest.mark.parametrize(("name", "source", "said"), PLANTED)
def test_a_planted_bad_import_is_caught(name, source, said):
    found = list(violations(name, False, source))
    assert any(said in sentence for sentence in found), found


ALLOWED_BY_DESIGN = [
    ("nndebug.adapters.torch", "def attach():\n    import torch"),
    ("nndebug.report.figures", "def draw():\n    from .canvas import Canvas"),
    ("nndebug.report.canvas", "from matplotlib.figure import Figure"),
    ("nndebug.stats", "import numpy as np\nfrom .signals import Array\nimport json"),
    ("nndebug.checking", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .run import Run"),
]


@pytest.mark.parametrize(("name", "source"), ALLOWED_BY_DESIGN)
def test_what_the_design_allows_is_not_caught(name, source):
    assert list(violations(name, False, source)) == []


def loaded_by(code):
    """Which of the heavy packages a fresh interpreter has loaded after running the code."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{code}\nimport sys, json\nprint(json.dumps([m for m in {HEAVY} if m in sys.modules]))",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_by("import nndebug") == []


def test_the_help_loads_nothing_heavy():
    assert loaded_by("from nndebug.cli.main import main\nmain(['--help'])") == []


def test_recording_and_judging_load_numpy_alone():
    assert loaded_by("import nndebug\nnndebug.watch, nndebug.check, nndebug.Run") == ["numpy"]


def test_a_subpackage_can_be_called_and_has_its_modules():
    import nndebug
    import nndebug.gradcheck
    import nndebug.report
    import nndebug.report.terminal

    assert callable(nndebug.report)
    assert callable(nndebug.gradcheck)
    assert callable(nndebug.preflight)
    assert nndebug.report.terminal.render
    assert set(nndebug.__all__) <= set(dir(nndebug))
    for name in nndebug.__all__:
        assert callable(getattr(nndebug, name))
    with pytest.raises(AttributeError, match="wach"):
        nndebug.wach  # noqa: B018
