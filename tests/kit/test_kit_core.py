"""Every member of the core, whoever adds it, goes through the battery of its kind."""

import pytest
from core_cases import CASES, IDS, PAIRS

from nndebug.strategies.members import members
from nndebug.testing.driver import run

EXAMPLES = 4


@pytest.mark.parametrize(("name", "check"), PAIRS, ids=IDS)
def test_member(name, check):
    run(check, CASES[name][1], examples=EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "check"), PAIRS, ids=IDS)
def test_member_at_length(name, check):
    run(check, CASES[name][1], examples=200, seed_=1)


def test_the_members_are_those_that_the_core_has():
    import network

    assert {"Dense", "Conv2D", "BatchNorm", "Dropout"} <= set(members("Layer"))
    assert {"ReLU", "Softmax"} <= set(members("Activation"))
    assert not set(members("Layer")) & set(members("Activation"))
    assert not {"Layer", "Activation"} & (set(members("Layer")) | set(members("Activation")))
    assert {c.__name__ for c in network.losses.LOSSES.values()} <= set(members("Loss"))
    assert {c.__name__ for c in network.optimizers.OPTIMIZERS.values()} == set(members("Optimizer"))
