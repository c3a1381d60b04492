"""Every way in which a function, its parameters or its gradients can be unfit has a message of its own."""

import numpy as np
import pytest

import nndebug
from nndebug.errors import UserError
from nndebug.gradcheck import Verdict

rng = np.random.default_rng(0)
X = rng.normal(size=6)


def make():
    generator = np.random.default_rng(1)
    return {"W": generator.normal(size=(5, 6)), "b": generator.normal(size=5)}


def loss(p):
    return float(np.sum(np.tanh(p["W"] @ X + p["b"]) ** 2))


def grads(p):
    a = np.tanh(p["W"] @ X + p["b"])
    delta = 2 * a * (1 - a * a)
    return {"W": np.outer(delta, X), "b": delta}


def reasons(result):
    return {row.parameter: row.reason for row in result.rows}


def test_a_random_loss():
    noise = iter([0.693, 0.702, 0.7, 0.71])
    result = nndebug.gradcheck(lambda p: next(noise), make(), grads(make()))
    assert reasons(result)["W"] == "the loss is random: same parameters gave 0.693 and 0.702"
    assert result.exit_code == 3


def test_a_loss_that_is_random_only_later():
    calls = []

    def late(p):
        calls.append(0)
        return loss(p) + (0.1 if len(calls) > 6 else 0)

    assert reasons(nndebug.gradcheck(late, make(), grads))["b"].startswith("the loss is random: same ")


def test_random_gradients():
    draws = np.random.default_rng(2)
    result = nndebug.gradcheck(loss, make(), lambda p: {k: g * draws.uniform() for k, g in grads(p).items()})
    assert result.exit_code == 1
    assert "its gradient is random: same parameters gave " in result.faults[0].sentence


def test_gradients_that_are_not_cleared():
    kept = {key: np.zeros_like(value) for key, value in make().items()}

    def adding(p):
        for key, gradient in grads(p).items():
            kept[key] += gradient
        return kept

    result = nndebug.gradcheck(loss, make(), adding)
    assert [row.verdict.value for row in result.rows] == ["agrees", "agrees"]
    assert result.exit_code == 1
    assert "added up and not cleared" in result.faults[0].sentence


def test_parameters_that_alias_each_other():
    params = make()
    params["b"] = params["W"][:, 0]
    result = nndebug.gradcheck(loss, params, grads)
    assert "W and b share memory: " in str(result)
    assert "share memory" not in str(nndebug.gradcheck(loss, make(), grads))


def test_gradients_that_alias_each_other():
    buffer = np.ones(3)
    result = nndebug.gradcheck(lambda p: p[0].sum() + p[1].sum(), [np.zeros(3), np.ones(3)], [buffer, buffer])
    assert any("The gradients of [0] and [1] share memory" in note for note in result.notes)


def test_whole_numbers():
    params = {**make(), "b": np.arange(5)}
    result = nndebug.gradcheck(loss, params, grads)
    assert reasons(result)["b"] == "it is int64: whole numbers cannot be moved a little; make it float"
    assert result.rows[0].verdict is Verdict.AGREES
    assert result.exit_code == 3


def test_half_precision():
    params = {**make(), "b": make()["b"].astype(np.float16)}
    assert "float16" in reasons(nndebug.gradcheck(loss, params, grads))["b"]


def test_a_loss_that_changes_its_argument():
    def changing(p):
        p["b"] *= 0.5
        return loss(p)

    params = make()
    result = nndebug.gradcheck(changing, params, grads)
    np.testing.assert_array_equal(params["b"], make()["b"])
    assert any(
        f.layer == "b" and "the loss changes the parameter it is given in place" in f.sentence
        for f in result.faults
    )


def test_gradients_that_change_their_argument():
    def changing(p):
        found = grads(p)
        p["W"] -= found["W"]
        return found

    result = nndebug.gradcheck(loss, make(), changing)
    assert [row.verdict.value for row in result.rows] == ["agrees", "agrees"]
    assert result.faults[0].sentence.startswith("grads changes the parameter it is given in place, by up to")
    assert result.exit_code == 1


@pytest.mark.parametrize("raises", [False, True])
def test_what_user_code_does_to_its_own_arrays_is_undone_and_told(raises):
    params = make()

    def spoiling(p):
        params["b"] += 1
        if raises:
            raise RuntimeError("no")
        return loss(p)

    if raises:
        with pytest.raises(UserError, match="the loss raises RuntimeError: no"):
            nndebug.gradcheck(spoiling, params, grads)
    else:
        assert any("your own array" in f.sentence for f in nndebug.gradcheck(spoiling, params, grads).faults)
    np.testing.assert_array_equal(params["b"], make()["b"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g[:, None], "your gradient has shape (5, 1), the parameter (5,): subtracting one from the "),
        (lambda g: g.sum(), "your gradient has shape (), the parameter (5,): an update would broadcast it silently"),
        (lambda g: g[:3], "your gradient has shape (3,), the parameter (5,)"),
        (lambda g: None, "grads has no gradient for it"),
    ],
)  # fmt: skip
def test_wrong_shapes(change, message):
    g = grads(make())
    result = nndebug.gradcheck(loss, make(), {**g, "b": change(g["b"])})
    assert message in reasons(result)["b"]
    assert result.rows[0].verdict is Verdict.AGREES
    assert result.exit_code == 1


def test_a_misspelt_key():
    g = grads(make())
    result = nndebug.gradcheck(loss, make(), {"W": g["W"], "bias": g["b"]})
    assert "Gradients without a parameter: bias (parameters: W, b)." in result.notes
    assert result.exit_code == 1


def test_gradients_that_are_not_finite():
    g = grads(make())
    g["W"][1, 2] = np.nan
    result = nndebug.gradcheck(loss, make(), g)
    assert (result.rows[0].wrong, result.rows[0].index) == (1, (1, 2))
    assert "1 of its 30 gradient entries is NaN or infinite, first at [1, 2]" in str(result)


def test_a_loss_that_is_not_finite():
    result = nndebug.gradcheck(lambda p: np.nan, make(), grads)
    assert reasons(result) == {"W": "the loss is nan", "b": "the loss is nan"}
    assert result.exit_code == 3


def test_a_loss_that_is_not_finite_nearby():
    result = nndebug.gradcheck(
        lambda w: float(np.log(w[0] - 1 + 1e-300) if w[0] == 1 else np.nan), np.ones(1), np.ones(1)
    )
    assert result.rows[0].reason == "the loss is not finite near it"


def test_parameters_that_are_not_finite():
    params = make()
    params["b"][0] = np.inf
    result = nndebug.gradcheck(
        lambda p: float(np.sum(p["W"] ** 2)), params, {**grads(make()), "W": 2 * params["W"]}
    )
    assert reasons(result)["b"] == "the parameter itself is not finite"  # fmt: skip


def test_zero_gradients():
    g = grads(make())
    result = nndebug.gradcheck(loss, make(), {"W": np.zeros_like(g["W"]), "b": g["b"]})
    assert reasons(result)["W"] == "your gradient is zero everywhere"
    assert result.rows[0].wrong == 30
    assert result.exit_code == 1


def test_a_parameter_without_influence():
    params = {**make(), "idle": np.ones(3)}
    result = nndebug.gradcheck(loss, params, lambda p: {**grads(p), "idle": np.zeros(3)})
    assert result
    assert "zero everywhere" in reasons(result)["idle"]
    assert nndebug.gradcheck(loss, params, lambda p: {**grads(p), "idle": np.ones(3)}).exit_code == 1


def test_a_constant_function():
    for g in (grads, lambda p: {key: 0 * value for key, value in p.items()}):
        result = nndebug.gradcheck(lambda p: 3.0, make(), g)
        assert reasons(result)["W"] == (
            "the loss is the same whatever the parameters: does it read its argument?"
        )
        assert result.exit_code == 3


# --- kinks ------------------------------------------------------------------------------------------------------------


def absolute(w):
    return float(np.abs(w).sum())


@pytest.mark.parametrize("slope", [-1.0, -0.3, 0.0, 1.0])
def test_either_side_of_a_kink_passes(slope):
    result = nndebug.gradcheck(absolute, np.array([0.0, 2.0, -3.0]), np.array([slope, 1.0, -1.0]))
    assert result
    assert result.rows[0].kinks == 1
    assert "1 at a kink" in str(result)


def test_neither_side_of_a_kink_does_not_pass():
    result = nndebug.gradcheck(absolute, np.array([2.0, 0.0, -3.0]), np.array([1.0, 1.5, -1.0]))
    assert result.exit_code == 3
    reason = "at a kink, [1]: yours is 1.5, the derivative -1 from one side and 1 from the other"
    assert result.rows[0].reason == reason


def test_units_that_sit_on_their_kinks_together_are_left_open_and_no_alarm():
    """relu(w x) at w = 0: relu'(0) = 0 is neither side's derivative of the sum, and not wrong: nobody can tell."""
    x = np.array([1.0, -2.0, 0.5])

    def relus(w):
        return float(np.sum(1.1 * np.maximum(-w * x, 0) - np.maximum(w * x, 0)))

    assert nndebug.gradcheck(relus, np.zeros(()), np.zeros(())).exit_code == 3
    slope = lambda w: np.asarray(np.sum(np.where(w * x > 0, -x, 0) - 1.1 * np.where(w * x < 0, x, 0)))  # noqa: E731
    result = nndebug.gradcheck(relus, np.zeros(()), slope)
    assert result.exit_code == 3
    assert result.rows[0].reason == (
        "not checked at a kink, []: yours is 0, the derivative 0.35 from one side and 0.7 from the other; "
        "beside it your gradient agrees"
    )


@pytest.mark.parametrize("entries", [1, 2, 100])
def test_a_gradient_that_is_wrong_exactly_at_a_kink_does_not_agree(entries):
    w = np.concatenate([np.zeros(entries), [2.0, -3.0]])
    relu = lambda w: float(np.maximum(w, 0).sum())  # noqa: E731
    for value in (0.0, 0.5, 1.0):
        assert nndebug.gradcheck(relu, w, lambda w, v=value: np.where(w == 0, v, w > 0))
    for value in (-1.0, 3.0):
        result = nndebug.gradcheck(relu, w, lambda w, v=value: np.where(w == 0, v, w > 0))
        assert result.exit_code == 3, result
        assert result.rows[0].reason.startswith("not checked at a kink")
        assert result.rows[0].reason.endswith("; beside it your gradient agrees")


def test_what_is_wrong_at_the_point_asked_for_is_not_forgotten_beside_it():
    """One array has too many kinks, the other a gradient that is wrong where it was asked for only."""
    params = {"a": np.zeros(100), "b": np.array([1.0, 2.0])}

    def grads(p):
        return {"a": np.sign(p["a"]), "b": 2 * p["b"] * (1.5 if p["b"][0] == 1 else 1)}

    result = nndebug.gradcheck(lambda p: absolute(p["a"]) + float((p["b"] ** 2).sum()), params, grads)
    assert result.exit_code == 1
    assert [row.verdict.value for row in result.rows] == ["agrees", "disagrees"]


def test_what_is_wrong_beside_a_kink_is_found():
    result = nndebug.gradcheck(absolute, np.array([2.0, 0.0, -3.0]), np.array([1.0, 0.0, 1.0]))
    assert (result.exit_code, result.rows[0].index, result.rows[0].wrong) == (1, (2,), 1)


def test_kinks_everywhere():
    zeros = np.zeros(100)
    unresolved = nndebug.gradcheck(absolute, zeros, zeros)
    assert "at a kink: from one side the derivative is -" in unresolved.rows[0].reason
    assert unresolved.exit_code == 3
    moved = nndebug.gradcheck(absolute, zeros, np.sign)
    assert moved
    assert "At a kink: for the check parameters were moved by 0.01 of their size." in moved.notes
    assert nndebug.gradcheck(absolute, zeros, lambda w: 2 * np.sign(w)).exit_code == 1


# --- float32 ----------------------------------------------------------------------------------------------------------


def single(w):
    a = np.tanh(w.astype(np.float32) * np.float32(0.7))
    return np.mean(a * a, dtype=np.float32)


def of_single(w):
    a = np.tanh(0.7 * w)
    return (2 * a * (1 - a * a) * 0.7 / w.size).astype(np.float32)


def test_a_function_that_computes_in_float32():
    for seed in range(20):
        w = np.random.default_rng(seed).normal(size=(7, 9)).astype(np.float32)
        result = nndebug.gradcheck(single, w, of_single(w), seed=seed)
        assert result.verdict is Verdict.AGREES, result
        assert "as single precision allows" in result.rows[0].reason
        wrong = of_single(w)
        wrong[2, 3] += 0.3 * np.abs(wrong).max()
        assert nndebug.gradcheck(single, w, wrong, seed=seed).rows[0].index == (2, 3)


def test_float32_arrays_of_a_float64_function():
    w = np.random.default_rng(3).normal(size=(7, 9)).astype(np.float32)
    right = (3 * np.float64(w) ** 2).astype(np.float32)
    assert nndebug.gradcheck(lambda p: (p**3).sum(), w, right)
    assert w.dtype == np.float32
    largest = np.unravel_index(np.argmax(right), right.shape)
    right[largest] *= np.float32(1.001)
    assert nndebug.gradcheck(lambda p: (p**3).sum(), w, right).rows[0].index == largest


# --- what is no function of arrays ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "params", "message"),
    [
        (lambda p: np.ones(3), np.ones(3), "the loss gives an array of shape (3,), not a number"),
        (lambda p: 1j, np.ones(3), "the loss gives complex numbers, not a number"),
        (lambda p: None, np.ones(3), "the loss gives NoneType, not a number"),
        (lambda p: 1 / 0, np.ones(3), "the loss raises ZeroDivisionError: division by zero"),
        (lambda p: 0.0, {}, "params is empty"),
        (lambda p: 0.0, {"w": "text"}, "w is str, not an array of real numbers"),
        (lambda p: 0.0, {"w": np.ones(2) * 1j}, "w is complex, not an array of real numbers"),
    ],
)
def test_bad_input(function, params, message):
    with pytest.raises(UserError) as caught:
        nndebug.gradcheck(function, params, params)
    assert str(caught.value) == message
    assert caught.value.help


def test_bad_gradients():
    with pytest.raises(UserError, match="grads raises ZeroDivisionError"):
        nndebug.gradcheck(loss, make(), lambda p: 1 / 0)
    with pytest.raises(UserError, match="the gradient of b is str"):
        nndebug.gradcheck(loss, make(), {**grads(make()), "b": "no"})


# --- terms that cancel ------------------------------------------------------------------------------------------------


def normed(p):
    """A layer with a bias, a batch norm, which takes the bias out again, and a quadratic loss."""
    x = np.random.default_rng(1).normal(size=(9, 4))
    z = x @ p["W"] + p["b"]
    z = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5)
    return float(np.mean((np.tanh(z) - 0.3) ** 2))


def of_normed(p, bias):
    x = np.random.default_rng(1).normal(size=(9, 4))
    z = x @ p["W"] + p["b"]
    scale = np.sqrt(z.var(axis=0) + 1e-5)
    n = (z - z.mean(axis=0)) / scale
    t = np.tanh(n)
    u = 2 * (t - 0.3) * (1 - t * t) / t.size
    dz = (u - u.mean(axis=0) - n * (u * n).mean(axis=0)) / scale
    return {"W": x.T @ dz, "b": dz.sum(axis=0) if bias is None else bias}


@pytest.mark.parametrize(
    ("bias", "code"),
    [(None, 0), (np.zeros(3), 0), (np.full(3, 1e-17), 0), (np.full(3, 1e-4), 1), (np.full(3, 1e-7), 1)],
)
def test_a_bias_before_a_norm_has_the_gradient_0_to_within_rounding(bias, code):
    rng = np.random.default_rng(0)
    for seed in range(5):
        params = {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}
        result = nndebug.gradcheck(normed, params, of_normed(params, bias), seed=seed)
        assert result.exit_code == code, result
        if not code:
            assert "zero everywhere: nothing flows here" in reasons(result)["b"]
