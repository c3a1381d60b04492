"""Experiments written as TOML read back as they were."""

import json
import math
import tomllib

import pytest
from experiment_specs import CASES, spec
from hypothesis import given, settings
from hypothesis import strategies as st

from network.errors import ExperimentError
from network.experiment import Experiment
from network.experiment.toml import write

texts = st.text(max_size=8)
scalars = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | texts
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(texts, v, max_size=3), max_leaves=6
)
sections = st.dictionaries(
    texts, st.dictionaries(texts, values | st.lists(st.dictionaries(texts, values), max_size=3))
)


@given(sections, texts)
@settings(max_examples=25)
def test_any_plain_data_reads_back(given, remarks):
    text = write(given, remarks)
    assert tomllib.loads(text) == given
    assert text.encode("utf-8").decode("utf-8") == text


@pytest.mark.parametrize("path", sorted(CASES.glob("*.json"))[::7], ids=lambda path: path.stem)
def test_published_programs_read_back(path, tmp_path):
    full = Experiment.from_dict(json.loads(path.read_text("utf-8"))["spec"]).to_dict()
    (tmp_path / "e.toml").write_text(write(full), "utf-8")
    assert Experiment.from_file(tmp_path / "e.toml").to_dict() == full


def test_it_looks_like_a_file_that_somebody_wrote():
    text = write(Experiment.from_dict(spec()).to_dict(), "changed:\nthe rate")
    assert text.startswith("# changed:\n# the rate\n\n[data]\nkind = ")
    assert '[[model.layers]]\nname = "h1"\ntype = "dense"\nunits = 4\nactivation = "relu"\n' in text
    assert '[optimizer]\nname = "sgd"\nlr = 0.1\n' in text


def test_numbers_keep_their_kind():
    given = {"a": {"i": 3, "f": 3.0, "small": 1e-7, "large": 1e300, "huge": math.inf}}
    back = tomllib.loads(write(given))
    assert back == given
    assert [type(v) for v in back["a"].values()] == [int, float, float, float, float]


@pytest.mark.parametrize("bad", [None, {1, 2}, "\ud800"])
def test_what_toml_has_no_form_for_is_refused(bad):
    with pytest.raises(ExperimentError, match="TOML has no form for") as caught:
        write({"data": {"y": [bad]}})
    assert ".json" in caught.value.help
