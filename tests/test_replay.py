"""The replay of the first steps on real trainings: exact where all is right, and it names what is not."""

import numpy as np
import pytest

import nndebug
from network import (
    SGD,
    Adadelta,
    Adam,
    BatchNorm,
    CrossEntropy,
    Dense,
    Dropout,
    LayerNorm,
    Momentum,
    Quadratic,
    ReLU,
    RMSprop,
    Sequential,
    Sigmoid,
    Tanh,
    fit,
)
from nndebug.replay import Replay

from .watching import data


def network(*, dense=Dense, activation=Sigmoid, loss=CrossEntropy, dtype="float32", seed=1):
    return Sequential(dense(12, 16), activation(), dense(16, 4), loss=loss(), dtype=dtype, seed=seed)


def watched(net, optimizer, epochs=2, batch=7):
    with np.errstate(all="ignore"), nndebug.watch(net, strict=True) as watching:
        fit(net, data(), optimizer, epochs=epochs, batch=batch)
    return watching


HEALTHY = {
    "plain": lambda: network(activation=ReLU),
    "dropout": lambda: Sequential(
        Dropout(0.2), Dense(12, 16), ReLU(), Dropout(0.5), Dense(16, 4), loss=CrossEntropy()
    ),
    "batch norm": lambda: Sequential(Dense(12, 16), BatchNorm(16), Tanh(), Dense(16, 4), loss=CrossEntropy()),
    "layer norm": lambda: Sequential(
        Dense(12, 16), LayerNorm(16), Sigmoid(), Dense(16, 4), Sigmoid(), loss=Quadratic()
    ),
    "float64": lambda: network(dtype="float64"),
}
OPTIMIZERS = {
    "sgd": lambda: SGD(0.1),
    "sgd with penalty": lambda: SGD(0.1, l2=3.0),
    "momentum": lambda: Momentum(0.05, l2=1.0),
    "adam": lambda: Adam(1e-2),
    "nesterov": lambda: Momentum(0.05, l2=1.0, nesterov=True),
    "rmsprop": lambda: RMSprop(1e-3, momentum=0.5),
    "adadelta": lambda: Adadelta(l2=1.0),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", HEALTHY)
def test_what_is_right_is_exact(kind, optimizer):
    run = watched(HEALTHY[kind](), OPTIMIZERS[optimizer]()).run
    slope, claimed = run.series("replay.slope"), run.series("replay.claimed")
    assert len(slope) == 5
    np.testing.assert_allclose(slope.values, claimed.values, rtol=2e-4)
    assert run.series("replay.own").maximum < 1e-5
    assert run.series("replay.leftover").minimum > 0.1
    assert run.series("replay.moved").maximum == 0 and run.series("replay.no_backward").maximum == 0
    errors = [run.series("update.error", name) for name in run.where("update.error")]
    assert len(errors) >= 4 and max(series.maximum for series in errors) < 1e-4


def test_the_slope_is_that_of_the_loss():
    """Against a difference quotient taken without any of nndebug, on the very first batch."""
    net = network(dtype="float64")
    x, y = data()
    rows = np.random.default_rng(0).permutation(len(x))[:7]
    first = net.copy()
    run = watched(net, SGD(0.1)).run
    after = first.copy()
    after.differentiate(x[rows], y[rows])
    step = -0.1 * after.flat_gradients
    length = np.linalg.norm(step)

    def loss(t):
        moved = first.copy()
        moved.flat_parameters[...] += t * step / length
        return float(moved.loss(moved.forward(x[rows]), y[rows]))

    assert run.series("replay.slope").first == pytest.approx((loss(1e-4) - loss(-1e-4)) / 2e-4, rel=1e-6)


class TestAtAKink:
    """Inputs of zero and biases of zero put every ReLU at its kink, where ahead and behind are two slopes."""

    @staticmethod
    def replayed(dense=Dense):
        net = network(dense=dense, activation=ReLU)
        x, y = data()
        x[:, 1:] = 0.0
        x[::2] = 0.0
        with nndebug.watch(net, strict=True) as watching:
            fit(net, (x, y), SGD(0.1), epochs=1, batch=7)
        return watching.run

    def test_the_doubt_covers_what_the_slope_is_off(self):
        run = self.replayed()
        slope, claimed, doubt = (run.series(f"replay.{name}") for name in ("slope", "claimed", "doubt"))
        off = np.abs(slope.values - claimed.values)
        assert np.any(off > 0.005 * np.abs(slope.values))  # else this is no kink
        assert np.all(off <= doubt.values + 1e-4 * np.abs(slope.values))
        assert "NND307" not in {finding.code for finding in nndebug.check(run).findings}

    def test_a_wrong_gradient_is_seen_beside_it(self):
        class Tenfold(Dense):
            def backward_parameters(self, output_gradient):
                super().backward_parameters(output_gradient)
                self.gradients["weight"] *= 10

        assert "NND307" in {finding.code for finding in nndebug.check(self.replayed(Tenfold)).findings}

    def test_where_the_loss_is_smooth_there_is_hardly_a_doubt(self):
        run = watched(network(), SGD(0.1)).run
        assert np.all(run.series("replay.doubt").values < 1e-3 * np.abs(run.series("replay.slope").values))


class Uphill(SGD):
    def update(self, parameters, gradient):
        parameters += self.rate * gradient


class Piling(SGD):
    def update(self, parameters, gradient):
        total = self._scratch("sum", parameters)
        total += gradient
        super().update(parameters, total)


class Summed(SGD):
    def update(self, parameters, gradient):
        super().update(parameters, 7 * gradient)


class OnlyLast(SGD):
    def update(self, parameters, gradient):
        kept = parameters[: 13 * 16].copy()
        super().update(parameters, gradient)
        parameters[: 13 * 16] = kept


class Accumulating(Dense):
    def backward_parameters(self, output_gradient):
        before = {name: value.copy() for name, value in self.gradients.items()}
        super().backward_parameters(output_gradient)
        for name, value in self.gradients.items():
            value += before.get(name, 0)


class NoDerivative(Sigmoid):
    def backward(self, output_gradient):
        return output_gradient


class Reversed(CrossEntropy):
    def gradient_encoded(self, output, target, out):
        return np.negative(super().gradient_encoded(output, target, out), out=out)


@pytest.mark.parametrize(
    ("net", "optimizer", "kind", "layer"),
    [
        (network(), Uphill(0.1), "wrong_update_sign", None),
        (network(), Piling(0.01), "missing_zero_grad", None),
        (network(dense=Accumulating), SGD(0.01), "missing_zero_grad", None),
        (network(dense=Accumulating), Adam(1e-3), "missing_zero_grad", None),
        (network(), Summed(0.1), "wrong_update", None),
        (network(), OnlyLast(0.1), "frozen_parameters", "hidden1"),
        (network(activation=NoDerivative), SGD(0.1), "wrong_gradient", None),
        (network(loss=Reversed), SGD(0.1), "wrong_gradient_sign", None),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_planted_mistake_is_the_first_cause(net, optimizer, kind, layer):
    first = watched(net, optimizer).result.causes[0]
    assert (first.kind, first.layer) == (kind, layer)
    assert first.certainty > 0.95


def own_loop(net, optimizer, steps, order):
    x, y = data(dtype=np.float32)
    with nndebug.watch(net, strict=True) as watching:
        for step in range(steps):
            rows = slice(7 * step, 7 * step + 7)
            order(net, optimizer, x[rows], net.loss.encode(y[rows], 4, net.dtype))
    return watching


def update_first(net, optimizer, x, y):
    output = net.forward(x)
    optimizer.step(net)
    net.backward(net.loss.gradient(output, y))


def moved_between(net, optimizer, x, y):
    output = net.forward(x)
    net.flat_parameters *= 0.99
    net.backward(net.loss.gradient(output, y))
    optimizer.step(net)


def right(net, optimizer, x, y):
    net.backward(net.loss.gradient(net.forward(x), y))
    optimizer.step(net)


@pytest.mark.parametrize(
    ("order", "found"),
    [(update_first, "order"), (moved_between, "moved"), (right, None)],
    ids=["late", "moved", "right"],
)
def test_the_order_of_a_loop_of_ones_own(order, found):
    net = network()
    for value in net.gradients.values():
        value[...] = 0.01  # as a step before would have left them
    result = own_loop(net, SGD(0.1), 12, order).result
    assert [f.evidence["what"] for f in result.findings if f.code == "NND407"] == [found] * bool(found)
    assert [cause.kind for cause in result.causes[:1]] == ["wrong_loop_order"] * bool(found)


def test_training_in_evaluation_mode_is_found():
    net = Sequential(Dense(12, 16), ReLU(), Dropout(0.5), Dense(16, 4), loss=CrossEntropy())
    result = own_loop(net, SGD(0.1), 12, right).result
    assert result.causes[0].kind == "wrong_mode"


def test_an_optimiser_that_goes_on_from_before_is_not_judged():
    net, optimizer = network(), Momentum(0.1)
    fit(net, data(), optimizer, epochs=1, batch=7)
    watching = watched(net, optimizer)
    assert not watching.run.has("update.error") and watching.run.has("replay.slope")
    assert not [f for f in watching.result.findings if f.code == "NND406"]


def test_what_fails_in_the_replay_costs_the_replay_only(monkeypatch):
    monkeypatch.setattr(Replay, "before_update", lambda *_: 1 / 0)
    with (
        pytest.warns(RuntimeWarning, match="replaying the first steps failed"),
        nndebug.watch(network()) as watching,
    ):
        fit(watching.network, data(), SGD(0.1), epochs=2, batch=7)
    assert watching.run.has("probe.loss") and watching.run.has("update_ratio")
    assert {"NND404", "NND405", "NND406", "NND407"} <= {s.code for s in watching.result.not_applicable}
