"""The gradient check of any function of arrays: right gradients agree, wrong ones do not, whatever the function."""

import json
from collections import namedtuple

import numpy as np
import pytest
from gradcheck_helpers import networks
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nndebug
from network import BinaryCrossEntropy, Dense, Sequential, Softsign
from nndebug.errors import UserError
from nndebug.gradcheck import GradCheck, Verdict

SMOOTH = {  # value and derivative in closed form
    "square": (np.square, lambda w: 2 * w),
    "sin": (np.sin, np.cos),
    "exp": (np.exp, np.exp),
    "tanh": (np.tanh, lambda w: 1 - np.tanh(w) ** 2),
    "logistic": (lambda w: np.logaddexp(0, w), lambda w: 1 / (1 + np.exp(-w))),
    "cube": (lambda w: w**3, lambda w: 3 * w**2),
}

tensors = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=0, max_dims=3, max_side=6), elements=st.floats(-3, 3, width=32)
)


def of(name, params):
    value, slope = SMOOTH[name]
    return (
        lambda p: float(sum(value(a).sum() for a in p.values())),
        {key: np.asarray(slope(a)) for key, a in params.items()},
    )


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(SMOOTH)), st.lists(tensors, min_size=1, max_size=3), st.integers(0, 99))
def test_closed_forms_agree(name, arrays, seed):
    params = {f"p{i}": a for i, a in enumerate(arrays)}
    before = {key: a.copy() for key, a in params.items()}
    loss, grads = of(name, params)
    result = nndebug.gradcheck(loss, params, grads, seed=seed)
    assert result.verdict is not Verdict.DISAGREES, result
    for key, a in params.items():
        np.testing.assert_array_equal(a, before[key])


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(SMOOTH)), tensors, st.data(), st.floats(1e-4, 10), st.booleans())
def test_one_wrong_entry_is_named(name, array, data, amount, up):
    params = {"w": array}
    loss, grads = of(name, params)
    entry = data.draw(st.integers(0, array.size - 1))
    scale = max(1.0, float(np.abs(grads["w"]).max()))
    wrong = {"w": grads["w"].copy()}
    wrong["w"].reshape(-1)[entry] += (amount if up else -amount) * scale
    result = nndebug.gradcheck(loss, params, wrong)
    assert result.exit_code == 1, result
    row = result.rows[0]
    assert (row.wrong, row.index) == (1, tuple(int(i) for i in np.unravel_index(entry, array.shape)))
    right, at = grads["w"][row.index], wrong["w"][row.index]
    assert row.analytic == at
    assert row.numeric == pytest.approx(right, abs=1e-6 * scale)


def functional(network, x, y):
    """A network as a function of its parameters; float64, beside the network itself."""
    twin = network.copy(dtype="float64")

    def loss(params):
        for key, value in params.items():
            twin.parameters[key][...] = value
        return twin.loss(twin.forward(x), y)

    exact = network.copy(dtype="float64")
    exact.differentiate(x, y)
    params = {key: value.copy() for key, value in exact.parameters.items()}
    return loss, params, {key: value.copy() for key, value in exact.gradients.items()}


@settings(deadline=None, max_examples=20)
@given(networks(dtypes=("float64",), losses=("quadratic", "binary_cross_entropy")), st.integers(0, 99))
def test_networks_of_the_core_are_no_false_alarm(network, seed):
    rng = np.random.default_rng(seed)
    first = next(value for value in network.parameters.values() if value.ndim == 2)
    x = rng.normal(size=(int(rng.integers(1, 9)), first.shape[0]))
    y = rng.uniform(size=np.shape(network.forward(x)))
    loss, params, grads = functional(network, x, y)
    result = nndebug.gradcheck(loss, params, grads, seed=seed)
    assert result.verdict is not Verdict.DISAGREES, result


def test_the_numbers_are_those_of_long_doubles():
    rng = np.random.default_rng(0)
    matrix, w = rng.normal(size=(5, 4)), rng.normal(size=4)

    def loss(p):
        return np.log(np.sum(np.exp(matrix.astype(np.asarray(p).dtype) @ p)))

    h = np.longdouble(1e-6)
    exact = np.array(
        [
            (loss(w.astype(np.longdouble) + h * e) - loss(w.astype(np.longdouble) - h * e)) / (2 * h)
            for e in np.eye(4)
        ],
        np.float64,
    )
    assert nndebug.gradcheck(loss, w, exact)
    for entry in range(4):
        row = nndebug.gradcheck(loss, w, exact + 0.1 * np.eye(4)[entry]).rows[0]
        assert row.index == (entry,)
        assert row.numeric == pytest.approx(exact[entry], rel=1e-9)
        assert row.error < 1e-8


def test_gradients_of_torch_agree():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    params = {"w": rng.normal(size=(3, 2, 3)), "b": rng.normal(size=3)}
    images = torch.as_tensor(rng.normal(size=(4, 2, 7)))

    def run(p):
        out = torch.nn.functional.conv1d(images, p["w"], p["b"], stride=2)
        return torch.nn.functional.gelu(out).pow(2).mean()

    def loss(p):
        return run({key: torch.as_tensor(a) for key, a in p.items()}).item()

    def grads(p):
        leaves = {key: torch.tensor(a, requires_grad=True) for key, a in p.items()}
        run(leaves).backward()
        return {key: leaf.grad.numpy() for key, leaf in leaves.items()}

    assert nndebug.gradcheck(loss, params, grads)
    half = nndebug.gradcheck(loss, params, lambda p: {**grads(p), "b": grads(p)["b"] / 2})
    assert [row.verdict.value for row in half.rows] == ["agrees", "disagrees"]
    assert half.faults[0].mistakes[0].name == "a factor 2 missing"


Pair = namedtuple("Pair", "first second")


@pytest.mark.parametrize(
    ("params", "names"),
    [
        (np.ones(3), ["params"]),
        (np.array(2.0), ["params"]),
        (2.0, ["params"]),
        ([np.ones(3), np.ones((2, 2))], ["[0]", "[1]"]),
        ((np.ones(3), np.ones(2)), ["[0]", "[1]"]),
        (Pair(np.ones(3), np.ones(2)), ["[0]", "[1]"]),
        ({"W": [np.ones(3), np.ones(2)], "b": np.ones(1)}, ["W[0]", "W[1]", "b"]),
        ({"hidden1": {"weight": np.ones((2, 2))}}, ["hidden1.weight"]),
        (np.array([np.ones(2), np.ones(3)], dtype=object), ["[0]", "[1]"]),
    ],
)
def test_every_kind_of_container(params, names):
    def flat(p):
        if isinstance(p, dict):
            return [a for value in p.values() for a in flat(value)]
        if isinstance(p, list | tuple) or (isinstance(p, np.ndarray) and p.dtype == object):
            return [a for value in p for a in flat(value)]
        return [p]

    def like(p):
        if isinstance(p, dict):
            return {key: like(value) for key, value in p.items()}
        if isinstance(p, list | tuple) or (isinstance(p, np.ndarray) and p.dtype == object):
            return [like(value) for value in p]
        return 2 * np.asarray(p)

    def loss(p):
        assert type(p) is type(params) or np.ndim(params) == 0
        return sum(np.sum(np.square(a)) for a in flat(p))

    result = nndebug.gradcheck(loss, params, like(params))
    assert result, result
    assert [f"{row.layer}.{row.parameter}".strip(".") for row in result.rows] == names
    assert nndebug.gradcheck(loss, params, like)


def test_the_result_is_the_same_kind_as_of_a_network():
    w = np.arange(1.0, 41.0).reshape(8, 5)
    result = nndebug.gradcheck(lambda p: (p**3).sum(), w, 3 * w.T.reshape(8, 5) ** 2)
    assert GradCheck.from_json(json.loads(json.dumps(result.to_json(), allow_nan=False))) == result
    assert result.evaluations > 0
    assert "▲ disagrees" in str(result)
    assert "params" in result._repr_html_()
    assert (bool(result), result.exit_code) == (False, 1)


def test_the_three_ways_of_calling():
    w = np.arange(1.0, 5.0)

    def loss(p):
        return (p**2).sum()

    assert nndebug.gradcheck(loss, w, 2 * w)
    assert nndebug.gradcheck(loss, params=w, grads=2 * w)
    assert nndebug.gradcheck({"loss": loss, "params": w, "grads": lambda: 2 * w})
    for arguments in ((loss,), (loss, w), (loss, w, w, w), ({"loss": loss},)):
        with pytest.raises(UserError) as caught:
            nndebug.gradcheck(*arguments)
        assert "loss" in caught.value.help
    with pytest.raises(UserError, match="samples is for networks"):
        nndebug.gradcheck(loss, w, 2 * w, samples=3)
    assert nndebug.gradcheck(loss, w, 2 * w, seed=1, samples=None)


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_second_derivative_that_leaps_is_no_false_alarm(outputs):
    """Softsign at 0: smooth, but differences are off by the step, which estimates for smooth functions call less."""
    for seed in range(80):
        network = Sequential(
            Dense(3, outputs, init="zeros", bias=False),
            Softsign(),
            loss=BinaryCrossEntropy(),
            dtype="float64",
        )
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(int(rng.integers(1, 9)), 3)), rng.uniform(size=(1, outputs))
        loss, params, grads = functional(network, x, np.repeat(y, len(x), axis=0))
        result = nndebug.gradcheck(loss, params, grads, seed=seed)
        assert result.verdict is not Verdict.DISAGREES, result
