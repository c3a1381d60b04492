"""Every named check is caught failing by a minimal faulty member made for it; right members pass everything."""

import faulty_layers
import faulty_losses
import faulty_optimizers
import pytest

from nndebug.testing import CheckFailed, case, check_member
from nndebug.testing.registry import KINDS, battery

PARTS = (faulty_layers, faulty_losses, faulty_optimizers)
FAULTY = {key: member for part in PARTS for key, member in part.FAULTY.items()}
RIGHT = [m for part in PARTS for members in part.RIGHT.values() for m in members]
FIXED = {"takes": (3,)}


@pytest.mark.parametrize(("kind", "name"), FAULTY, ids=map("-".join, FAULTY))
def test_a_faulty_member_is_caught(kind, name):
    member = FAULTY[kind, name]
    options = FIXED if kind == "network" else {}
    made = member if hasattr(member, "make") else case(member, kind=kind, **options)
    with pytest.raises(CheckFailed) as caught:
        check_member(made, only=name)
    assert caught.value.check == name
    assert f"fails `{name}`" in str(caught.value)
    assert " raises " not in caught.value.failure.what or name in MAY_RAISE


MAY_RAISE = ("empty_batch", "read_only_input", "flat_ends_are_finite")
"""Checks that are about what raises."""


def test_every_check_has_a_faulty_member():
    kinds = [k for k in KINDS if k != "activation"]
    named = {(kind, c.name) for kind in kinds for c in battery(kind)}
    named |= {("activation", c.name) for c in battery("activation") if c.kind == "activation"}
    assert set(FAULTY) == named


@pytest.mark.parametrize("member", RIGHT, ids=lambda m: getattr(m, "label", None) or m.__name__)
def test_a_right_member_passes(member):
    check_member(member, examples=8)


def test_every_check_says_what_must_hold():
    for kind in KINDS:
        for check in battery(kind):
            assert len(check.summary) > 30 and check.summary.endswith((".", "…"))
