"""Every member of the core, whoever adds it, goes through the battery of its kind."""

import pytest
from core_cases import CASES, IDS, PAIRS
from hypothesis import settings
from hypothesis import strategies as st

from nndebug.strategies.members import members
from nndebug.testing.driver import run

EXAMPLES = 3


@pytest.mark.parametrize(("name", "check"), PAIRS, ids=IDS)
def test_member(name, check):
    run(check, CASES[name][1], examples=EXAMPLES)


PROPERTIES = list(dict.fromkeys((check.kind, check.name) for _, check in PAIRS))
THOROUGH = 300


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), PROPERTIES, ids=map("-".join, PROPERTIES))
def test_property_at_length(kind, name):
    """With `--hypothesis-profile=thorough`, 10,000 examples of every property, over all members that have it."""
    (check,) = {c.name: c for _, c in PAIRS if (c.kind, c.name) == (kind, name)}.values()
    members = [CASES[member][1] for member, c in PAIRS if c is check]
    asked = settings.default.max_examples
    run(check, st.one_of(*members), examples=asked if asked > 100 else THOROUGH)


def test_the_members_are_those_that_the_core_has():
    import network

    assert {"Dense", "Conv2D", "BatchNorm", "Dropout"} <= set(members("Layer"))
    assert {"ReLU", "Softmax"} <= set(members("Activation"))
    assert not set(members("Layer")) & set(members("Activation"))
    assert not {"Layer", "Activation"} & (set(members("Layer")) | set(members("Activation")))
    assert {c.__name__ for c in network.losses.LOSSES.values()} <= set(members("Loss"))
    assert {c.__name__ for c in network.optimizers.OPTIMIZERS.values()} == set(members("Optimizer"))
