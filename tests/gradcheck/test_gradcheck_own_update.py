"""The check of a user's own update function."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nndebug.errors import UserError
from nndebug.gradcheck import check_update

RATE, L2, SAMPLES = 0.3, 0.4, 50


def make():
    return {"W": np.zeros((4, 3)), "b": np.zeros(3)}


def descent(sign=-1.0, rate=RATE, decay=0.0, on_biases=False):
    def update(params, grads):
        for key, value in params.items():
            shrink = decay if key == "W" or on_biases else 0.0
            value += sign * rate * (grads[key] + shrink * value)

    return update


@settings(deadline=None, max_examples=30)
@given(st.floats(1e-4, 10), st.sampled_from([0.0, 0.5, 0.9]), st.booleans(), st.integers(0, 99))
def test_right_updates_agree(rate, momentum, in_place, seed):
    state = {"W": 0.0, "b": 0.0}

    def update(params, grads):
        new = {}
        for key, value in params.items():
            state[key] = momentum * state[key] + grads[key]
            new[key] = value - rate * (state[key] + (0.01 * value if key == "W" and not momentum else 0))
        if not in_place:
            return new
        for key, value in params.items():
            value[...] = new[key]

    l2 = 0.0 if momentum else 0.5
    result = check_update(update, make(), rate=rate, momentum=momentum, l2=l2, samples=50, seed=seed)
    assert result, result
    assert check_update(update, make(), rate=2 * rate, momentum=momentum, l2=l2, samples=50).exit_code == 1


def added():
    total = {}

    def update(params, grads):
        for key, value in params.items():
            total[key] = total.get(key, 0) + grads[key]
            value -= RATE * total[key]

    return update


def rebinding(params, grads):
    for key, value in params.items():
        value = value - RATE * grads[key]
    return None


@pytest.mark.parametrize(
    ("update", "name"),
    [
        (descent(sign=1.0), "gradient ascent"),
        (descent(rate=1.0), "the rate missing"),
        (descent(rate=2 * RATE), "a factor 2 too many, or the update applied twice"),
        (rebinding, "nothing changed (an update of a copy?)"),
        (added(), "the gradients of the update before added (never cleared)"),
    ],
)
def test_mistakes_are_named(update, name):
    result = check_update(update, make(), rate=RATE)
    assert result.exit_code == 1
    assert {f.layer for f in result.faults} == {"W", "b"}
    assert all(name in [m.name for m in f.mistakes] for f in result.faults)
    assert name in str(result)


@pytest.mark.parametrize(
    ("decay", "on_biases", "name"),
    [
        (0.0, False, "the penalty missing"),
        (-L2 / SAMPLES, False, "the sign flipped"),
        (L2, False, "l2 not divided by the number of samples"),
        (L2 / SAMPLES, True, "the penalty applied to biases"),
    ],
)
def test_mistakes_of_the_penalty_are_named(decay, on_biases, name):
    right = check_update(descent(decay=L2 / SAMPLES), make(), rate=RATE, l2=L2, samples=SAMPLES)
    assert [row.parameter for row in right.rows] == ["update", "penalty"] * 2
    assert right
    update = descent(decay=decay, on_biases=on_biases)
    result = check_update(update, make(), rate=RATE, l2=L2, samples=SAMPLES)
    assert [(f.layer, f.part) for f in result.faults] == [("b" if on_biases else "W", "penalty")]
    assert name in [m.name for m in result.faults[0].mistakes]


def test_a_penalty_nobody_asked_for():
    assert check_update(descent(decay=0.01), make(), rate=RATE).exit_code == 1


def test_only_some_parameters_updated():
    def update(params, grads):
        params["b"] -= RATE * grads["b"]

    assert [row.verdict.value for row in check_update(update, make(), rate=RATE).rows] == ["disagrees", "agrees"]  # fmt: skip


def test_columns_are_biases_unless_named():
    params = {"W": np.zeros((4, 3)), "b": np.zeros((4, 1))}
    assert check_update(descent(decay=L2), params, rate=RATE, l2=L2)
    assert check_update(descent(decay=L2, on_biases=True), params, rate=RATE, l2=L2, penalised=["W", "b"])
    with pytest.raises(UserError, match="no parameter 'w'"):
        check_update(descent(), params, rate=RATE, penalised=["w"])


def test_a_bias_that_changes_its_shape():
    def update(params, grads):
        return {"W": params["W"] - RATE * grads["W"], "b": params["b"] - RATE * grads["b"][:, None]}

    result = check_update(update, make(), rate=RATE)
    assert result.rows[1].reason == "it had shape (3,), and has (3, 3) afterwards"
    assert result.exit_code == 1


def test_the_users_parameters_stay():
    params = make()
    check_update(descent(), params, rate=RATE)
    assert not params["W"].any()
    with pytest.raises(UserError, match="momentum and penalty cannot be checked together"):
        check_update(descent(), params, rate=RATE, momentum=0.9, l2=L2)
    with pytest.raises(UserError, match="update raises ZeroDivisionError"):
        check_update(lambda p, g: 1 / 0, params, rate=RATE)
