"""Planted bugs: each is found, in the right layer and equation, and named; and no other is named."""

import numpy as np
import pytest
from gradcheck_helpers import batch
from planted import PLANTED, BiasAxis

from network import (
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    Dropout,
    Quadratic,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from nndebug.gradcheck import Verdict, gradcheck


def fault(result, layer, part):
    (found,) = [f for f in result.faults if (f.layer, f.part) == (layer, part)]
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.name)
@pytest.mark.parametrize("seed", range(5))
def test_planted_bug_is_found_where_it_is_and_named(bug, dtype, seed):
    network = bug.network(dtype, seed)
    result = gradcheck(network, *batch(network, bug.batch, seed), seed=seed)
    assert not result
    assert result.exit_code == 1
    wrong = {f"{r.layer}.{r.parameter}" for r in result.rows if r.verdict is Verdict.DISAGREES}
    assert wrong == set(bug.wrong)
    assert all(row.verdict is not Verdict.UNRESOLVED for row in result.rows)
    assert (result.faults[0].layer, result.faults[0].equation) == (bug.layer, bug.equation)
    assert {f.layer for f in result.faults} == {bug.layer}
    names = [mistake.name for mistake in fault(result, bug.layer, bug.part).mistakes]
    assert len(names) == 1
    assert bug.mistake in names[0]
    assert bug.mistake in str(result)
    assert f"▲ {bug.layer}: " in str(result)
    assert f"({bug.equation})" in str(result)


def test_bias_axis_is_named_even_where_it_raises():
    network = Sequential(BiasAxis(9, 8), Sigmoid(), Dense(8, 5), loss=Quadratic())
    result = gradcheck(network)
    found = fault(result, "hidden1", "bias")
    assert "raises ValueError" in found.sentence
    assert [m.name for m in found.mistakes] == ["the sum over the wrong axis"]
    verdicts = {f"{r.layer}.{r.parameter}": r.verdict for r in result.rows}
    assert verdicts["output.weight"] is Verdict.AGREES
    assert verdicts["hidden1.bias"] is Verdict.UNRESOLVED


def dense(change):
    """A Dense layer whose backward is followed by `change(layer, output gradient, input gradient)`."""

    class Changed(Dense):
        def backward(self, output_gradient):
            passed = super().backward(output_gradient).copy()
            return change(self, output_gradient, passed)

    return Changed


def activation(base, change):
    """An activation whose backward is `change(layer, output gradient)`."""

    class Changed(base):
        def backward(self, output_gradient):
            return change(self, output_gradient)

    return Changed


def setting(name, value):
    def change(layer, u, passed):
        layer.gradients[name][...] = value(layer, u)
        return passed

    return dense(change)


def derivative(layer, z):
    return layer.derivative(z, layer.value(z))


DENSE = {
    "BP2 transpose": (dense(lambda s, u, p: u @ s.parameters["weight"]), "BP2", "the transpose forgotten"),
    "BP2 sign": (dense(lambda s, u, p: -p), "BP2", "the sign flipped"),
    "BP2 two": (dense(lambda s, u, p: 2 * p), "BP2", "a factor 2 too many"),
    "BP2 weights missing": (dense(lambda s, u, p: u.copy()), "BP2", "the weights missing"),
    "BP2 cut": (dense(lambda s, u, p: 0 * p), "BP2", "nothing computed (it stays zero)"),
    "BP2 odd factor": (dense(lambda s, u, p: 0.3 * p), "BP2", "a constant factor of 0.3"),
    "BP3 mean": (setting("bias", lambda s, u: u.mean(0)), "BP3", "the mean over the batch in place of the sum"),
    "BP3 scalar": (setting("bias", lambda s, u: u.sum()), "BP3", "one scalar for all units (sum)"),
    "BP3 scalar mean": (setting("bias", lambda s, u: u.mean()), "BP3", "one scalar for all units (mean)"),
    "BP3 last": (setting("bias", lambda s, u: u[-1]), "BP3", "the last sample only"),
    "BP3 never": (setting("bias", lambda s, u: 0), "BP3", "nothing computed (it stays zero)"),
    "BP3 sign": (setting("bias", lambda s, u: -u.sum(0)), "BP3", "the sign flipped"),
    "BP4 last": (setting("weight", lambda s, u: np.outer(s._input[-1], u[-1])), "BP4", "the last sample only"),
    "BP4 transposed": (setting("weight", lambda s, u: u.T @ s._input), "BP4", "the product transposed"),
    "BP4 reshape": (
        setting("weight", lambda s, u: s._input.reshape(s._input.shape[::-1]) @ u), "BP4",
        "a reshape where the transpose belongs",
    ),
    "BP4 twice": (setting("weight", lambda s, u: s._input.T @ u / len(u)), "BP4", "divided by the batch twice"),
    "BP4 never divided": (
        setting("weight", lambda s, u: s._input.T @ u * len(u)), "BP4", "the division by the batch missing",
    ),
    "BP4 half": (setting("weight", lambda s, u: s._input.T @ u / 2), "BP4", "a factor 2 missing"),
    "BP4 sign": (setting("weight", lambda s, u: -(s._input.T @ u)), "BP4", "the sign flipped"),
}  # fmt: skip


@pytest.mark.parametrize("name", DENSE)
def test_mistakes_of_a_dense_layer(name):
    layer, equation, mistake = DENSE[name]
    network = Sequential(
        Dense(6, 8), Sigmoid(), layer(8, 8), Tanh(), Dense(8, 5), loss=CrossEntropy(), seed=1
    )
    (found,) = gradcheck(network, seed=2).faults
    assert (found.layer, found.equation, found.isolated) == ("hidden2", equation, True)
    assert len(found.mistakes) == 1
    assert mistake in found.mistakes[0].name
    assert found.mistakes[0].residual < 1e-6


ACTIVATION = {
    "missing": (Sigmoid, lambda s, u: u, "the activation's derivative missing"),
    "at the activation": (Sigmoid, lambda s, u: u * derivative(s, s._a), "taken at the activation"),
    "tanh at the activation": (Tanh, lambda s, u: u * derivative(s, s._a), "taken at the activation"),
    "of z": (Sigmoid, lambda s, u: u * s._z * (1 - s._z), "formula given z where it needs a"),
    "value": (Sigmoid, lambda s, u: u * s._a, "the activation in place of its derivative"),
    "twice": (Tanh, lambda s, u: u * derivative(s, s._z) ** 2, "derivative applied twice"),
    "of another": (
        ReLU,
        lambda s, u: u * derivative(Sigmoid(), s._z),
        "the derivative of sigmoid in place of relu's",
    ),
    "mask missing": (ReLU, lambda s, u: u.copy(), "the ReLU mask"),
    "sign": (ReLU, lambda s, u: -u * (s._z > 0), "the sign flipped"),
    "softmax": (Softmax, lambda s, u: u * s._a * (1 - s._a), "softmax treated as if it were elementwise"),
    "softmax sign": (Softmax, lambda s, u: -Softmax.backward(s, u), "the sign flipped"),
    "dropout mask": (lambda: Dropout(0.3), lambda s, u: u.copy(), "the dropout mask missing"),
    "dropout scale": (lambda: Dropout(0.3), lambda s, u: u * (s._mask > 0), "the mask without its scale"),
}


@pytest.mark.parametrize("name", ACTIVATION)
def test_mistakes_of_an_activation(name):
    base, change, mistake = ACTIVATION[name]
    layer = base()
    layer.__class__ = activation(type(layer), change)
    network = Sequential(Dense(6, 7), layer, Dense(7, 5), loss=CrossEntropy(), seed=1)
    (found,) = gradcheck(network, seed=2).faults
    assert (found.layer, found.equation) == (layer.name, "BP2")
    assert any(mistake in m.name for m in found.mistakes)
    assert len(found.mistakes) == 1, found.mistakes


@pytest.mark.parametrize("name", ["missing", "at the activation", "sign"])
def test_the_output_layers_activation_is_bp1(name):
    base, change, mistake = ACTIVATION[name]
    network = Sequential(
        Dense(6, 7), Sigmoid(), Dense(7, 5), activation(base, change)(), loss=Quadratic(), seed=1
    )
    (found,) = gradcheck(network).faults
    assert (found.layer, found.equation) == ("output", "BP1")
    assert mistake in found.mistakes[0].name
    assert "dC/da2" in found.mistakes[0].yours


def loss(base, change):
    class Changed(base):
        def gradient_encoded(self, output, target, out=None):
            return change(self, output, target) / len(output)

    return Changed


LOSS = {
    "cost": (Quadratic, lambda s, a, y: np.full_like(a, s(a, y)), "the cost's value (a scalar)"),
    "cost per sample": (Quadratic, lambda s, a, y: s.per_sample(a, y)[:, None] + 0 * a, "each sample's cost"),
    "cost elementwise": (Quadratic, lambda s, a, y: 0.5 * (a - y) ** 2, "the cost (entry by entry)"),
    "cross-entropy elementwise": (
        CrossEntropy, lambda s, a, y: -y * np.log(s.probabilities(a)), "the cost (entry by entry)",
    ),
    "sign": (Quadratic, lambda s, a, y: y - a, "the sign flipped"),
    "two": (Quadratic, lambda s, a, y: 2 * (a - y), "a factor 2 too many"),
    "batch twice": (Quadratic, lambda s, a, y: (a - y) / len(a), "divided by the batch twice"),
    "never divided": (Quadratic, lambda s, a, y: (a - y) * len(a), "the division by the batch missing"),
    "mean over outputs": (Quadratic, lambda s, a, y: (a - y) / a.shape[1], "the mean over the outputs as well"),
    "softmax missing": (CrossEntropy, lambda s, a, y: a - y, "softmax missing"),
    "softmax' extra": (
        CrossEntropy, lambda s, a, y: (s.probabilities(a) - y) * s.probabilities(a) * (1 - s.probabilities(a)),
        "softmax's derivative too many",
    ),
    "sigmoid missing": (BinaryCrossEntropy, lambda s, a, y: a - y, "sigmoid missing"),
    "target missing": (CrossEntropy, lambda s, a, y: s.probabilities(a), "the target missing"),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSS)
def test_mistakes_of_the_loss_are_bp1(name):
    base, change, mistake = LOSS[name]
    network = Sequential(Dense(6, 7), Sigmoid(), Dense(7, 5), Tanh(), loss=loss(base, change)(), seed=1)
    result = gradcheck(network)
    (found,) = result.faults
    assert (found.layer, found.equation, found.part) == ("output", "BP1", "loss")
    assert all(row.verdict is Verdict.DISAGREES for row in result.rows)
    assert len(found.mistakes) == 1
    assert mistake in found.mistakes[0].name


def test_targets_that_do_not_sum_to_one_are_named():
    network = Sequential(Dense(6, 7), Sigmoid(), Dense(7, 5), loss=CrossEntropy())
    x, _ = batch(network, 11)
    (found,) = gradcheck(network, x, np.random.default_rng(0).uniform(0, 1, (11, 5))).faults
    assert [m.name for m in found.mistakes] == ["targets that are no probabilities"]


def test_two_bugs_in_two_layers_are_both_found_and_named():
    network = Sequential(
        DENSE["BP3 mean"][0](6, 7), Sigmoid(), Dense(7, 5), activation(*ACTIVATION["missing"][:2])(), loss=Quadratic()
    )  # fmt: skip
    faults = gradcheck(network).faults
    assert [(f.layer, f.equation) for f in faults] == [("output", "BP1"), ("hidden1", "BP3")]
    assert all(f.mistakes for f in faults)
    assert not faults[1].isolated


def test_an_unknown_mistake_is_found_but_not_named():
    network = Sequential(
        Dense(6, 7), activation(Sigmoid, lambda s, u: np.sin(u))(), Dense(7, 5), loss=Quadratic()
    )
    result = gradcheck(network)
    (found,) = result.faults
    assert found.layer == "hidden1"
    assert found.mistakes == ()
    assert "No mistake in the catalogue reproduces your gradient." in str(result)


def test_several_matching_mistakes_are_all_named():
    network = Sequential(
        Dense(6, 7), activation(Sigmoid, lambda s, u: u / 2)(), Dense(7, 5), loss=Quadratic()
    )
    x, y = batch(network, 2)
    twice = Sequential(Dense(6, 7), Sigmoid(), DENSE["BP4 half"][0](7, 5), loss=Quadratic())
    (found,) = gradcheck(
        twice, x, y
    ).faults  # a batch of two: half is also one division by the batch too many
    assert len(found.mistakes) == 2
    assert "each of these 2" in str(gradcheck(twice, x, y))
    pairs = {mistake.name for mistake in gradcheck(network, x, y).faults[0].mistakes}
    assert "the activation's derivative missing, and a factor 2 missing" in pairs
    assert len(pairs) == 2
