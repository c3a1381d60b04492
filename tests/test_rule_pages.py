"""docs/rules is what the docstrings say."""

import importlib.util
import re
from pathlib import Path

import pytest

from nndebug.registry import all_rules

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "rules"
SCRIPT = ROOT / "scripts" / "make_rule_pages.py"

pytestmark = pytest.mark.skipif(
    not SCRIPT.exists(), reason="scripts and docs are not part of the source distribution"
)


@pytest.fixture(scope="module")
def pages():
    spec = importlib.util.spec_from_file_location("make_rule_pages", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pages()


def test_the_pages_are_in_step(pages):
    stored = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.md")}
    wrong = sorted(name for name in {*pages, *stored} if pages.get(name) != stored.get(name))
    assert not wrong, f"python scripts/make_rule_pages.py writes {', '.join(wrong)} anew"


def test_every_rule_has_its_five_parts(pages):
    for rule in all_rules():
        if not rule.function.__module__.startswith("nndebug."):
            continue
        titles = re.findall(r"^## (.*)$", pages[f"{rule.code}.md"], re.MULTILINE)
        assert titles[:5] == [
            "What it measures",
            "Why it matters",
            "What to try",
            "False alarms",
            "References",
        ], rule.code


def test_links_of_the_index_lead_to_pages(pages):
    assert set(re.findall(r"\]\((NND\d+\.md)\)", pages["README.md"])) == set(pages) - {"README.md"}
