"""Classes of one's own, watched: understood, recorded like the core, and left as they were."""

import random

import numpy as np
import pytest
from own_loops import BATCH, EPOCHS, LOOPS, STEPS

import nndebug


def members(model):
    """Everything that an object holds, by identity, and its class."""
    slots = {name: id(getattr(model, name)) for name in getattr(type(model), "__slots__", ())}
    held = model if isinstance(model, dict) else getattr(model, "__dict__", {})
    return (
        type(model),
        {name: id(value) for name, value in held.items()},
        slots,
        list(vars(type(model)).items()),
    )


def numbers(model):
    """All arrays below an object, in order."""
    from nndebug.adapters.attributes.members import arrays

    return [value.copy() for value in arrays(model).values()]


def seeded(state):
    return state[1].tolist() if isinstance(state[1], np.ndarray) else state


@pytest.mark.parametrize("given", [False, True], ids=["as it comes", "with its data"])
@pytest.mark.parametrize("name", LOOPS)
def test_a_layout_is_recognised_and_trains_as_if_nobody_watched(name, given):
    alone, _, loop = LOOPS[name]()
    loop()
    model, data, loop = LOOPS[name]()
    np.random.seed(4)
    random.seed(4)
    before, draws = members(model), (seeded(np.random.get_state()), random.getstate())
    with nndebug.watch(model, strict=True, data=data if given else None) as watching:
        loop()
    assert type(model) is type(alone)
    # What the loop itself makes new is the loop's.
    kind, held, _, of_class = members(model)
    assert (kind, of_class) == (before[0], before[3])
    assert held.keys() == members(alone)[1].keys()
    assert (seeded(np.random.get_state()), random.getstate()) == draws
    mine, theirs = numbers(model), numbers(alone)
    assert len(mine) == len(theirs) and all(np.array_equal(a, b) for a, b in zip(mine, theirs))
    run = watching.run
    assert run.steps == STEPS
    assert len(run.epochs) == 1 + (EPOCHS if given else 1)
    assert run.manifest["batch"] == BATCH
    for site in run.sites:
        assert {f"{site.name}.{p}" for p in site.parameters} <= set(run.where("gradient.norm"))
        assert len(run.series("preactivation.std", site.name)) >= STEPS
    assert len(run.series("probe.loss")) > 20 and np.isfinite(run.series("loss").values).all()
    assert all(found.severity.name != "ERROR" for found in watching.result.findings), watching.result.verdict
    # Of a right network the first steps prove every gradient the slope of the loss.
    slope, claimed = run.series("replay.slope").values, run.series("replay.claimed").values
    np.testing.assert_allclose(slope, claimed, rtol=1e-5)


@pytest.mark.parametrize("share", [1.0, 0.1])
def test_momentum_uphill_is_a_wrong_sign_and_no_other_rule(share):
    from own_layouts import Attributes, rows

    class Uphill(Attributes):
        velocity = None

        def step(self):
            for name in ("W1", "b1", "W2", "b2"):
                kept = self.velocity or {}
                self.velocity = {**kept, name: 0.9 * kept.get(name, 0.0) + share * getattr(self, "d" + name)}
                setattr(self, name, getattr(self, name) + self.learning_rate * self.velocity[name])

    x, y = rows(8, 3)
    model = Uphill()
    with nndebug.watch(model, None, report=False, data=(x, y)) as watching:
        for _ in range(60):
            model.forward(x)
            model.backward(x, y)
            model.step()
    assert watching.result.causes[0].kind == "wrong_update_sign"
