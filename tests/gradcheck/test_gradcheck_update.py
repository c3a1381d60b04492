"""The optimiser: what it does to the parameters, and its L2 penalty, which the gradient of the loss would drown."""

import copy

import numpy as np
import pytest
from gradcheck_helpers import parameters

from network import SGD, Adadelta, Adam, Dense, Momentum, Quadratic, ReLU, RMSprop, Sequential, Sigmoid
from nndebug.gradcheck import Verdict, gradcheck


def net(dtype="float32"):
    return Sequential(Dense(6, 7), Sigmoid(), Dense(7, 3), loss=Quadratic(), dtype=dtype)


def check(optimizer, samples=1000):
    optimizer.samples = samples
    return gradcheck(net(), optimizer=optimizer)


RIGHT = {
    "sgd": SGD(0.1),
    "sgd l2": SGD(0.1, l2=5.0),
    "sgd tiny l2": SGD(1e-3, l2=1e-2),
    "momentum": Momentum(0.1),
    "momentum l2": Momentum(0.01, 0.5, l2=0.1),
    "adam": Adam(),
    "adam l2": Adam(0.01, l2=0.01),
    "nesterov l2": Momentum(0.1, l2=1.0, nesterov=True),
    "rmsprop l2": RMSprop(0.01, l2=0.01),
    "rmsprop momentum": RMSprop(0.01, momentum=0.9),
    "adadelta l2": Adadelta(l2=0.01),
    "clipped": SGD(0.1, clip_norm=0.5),
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_cores_optimisers_agree(name):
    optimizer = copy.deepcopy(RIGHT[name])
    result = check(optimizer)
    assert result, result
    kinds = [row.equation for row in result.rows[4:]]
    assert kinds == (["update", "penalty"] if optimizer.l2 else ["update"]) * 4
    assert "output   weight update" in str(result)


def test_optimiser_and_network_stay_as_they_were():
    network, optimizer = net(), Momentum(0.1, l2=1.0)
    network.differentiate(np.ones((4, 6), np.float32), np.ones((4, 3), np.float32))
    optimizer.step(network)
    before, state = parameters(network), {k: v.copy() for k, v in optimizer._state.items()}
    assert gradcheck(network, optimizer=optimizer)
    assert parameters(network) == before
    assert optimizer.l2 == 1.0
    assert state.keys() == optimizer._state.keys()
    assert all(np.array_equal(optimizer._state[k], state[k]) for k in state)


def penalised(change):
    """SGD whose penalised gradient is `change(optimizer, network)`."""

    class Changed(SGD):
        def gradient(self, network):
            return change(self, network) if self.l2 else network.flat_gradients

    return Changed(0.1, l2=0.01)


def decay(s, n, factor=1.0):
    return n.flat_gradients + factor * s.l2 / s.samples * n.weight_mask * n.flat_parameters


PENALTIES = {
    "missing": (lambda s, n: n.flat_gradients, "the penalty missing", {"weight"}),
    "sign": (lambda s, n: decay(s, n, -1), "the sign flipped", {"weight"}),
    "two": (lambda s, n: decay(s, n, 2), "a factor 2 too many", {"weight"}),
    "half": (lambda s, n: decay(s, n, 0.5), "a factor 2 missing", {"weight"}),
    "not divided": (lambda s, n: decay(s, n, s.samples), "l2 not divided by the number of samples", {"weight"}),
    "divided twice": (lambda s, n: decay(s, n, 1 / s.samples), "divided by the number of samples twice", {"weight"}),
    "biases": (
        lambda s, n: n.flat_gradients + s.l2 / s.samples * n.flat_parameters, "the penalty applied to biases", {"bias"},
    ),
    "a tenth": (lambda s, n: decay(s, n, 0.1), None, {"weight"}),
    "one in a thousand": (lambda s, n: decay(s, n, 1.001), None, {"weight"}),
}  # fmt: skip


@pytest.mark.parametrize("name", PENALTIES)
def test_a_wrong_penalty_of_a_hundred_thousandth_is_found_and_named(name):
    change, mistake, wrong = PENALTIES[name]
    result = check(penalised(change))  # l2 / samples = 1e-5
    assert result.exit_code == 1
    bad = [row for row in result.rows if row.verdict is Verdict.DISAGREES]
    assert {row.equation for row in bad} == {"penalty"}
    assert {row.parameter.split()[0] for row in bad} == wrong
    assert {fault.equation for fault in result.faults} == {"penalty"}
    for fault in result.faults:
        assert "the L2 penalty on its" in fault.sentence
        assert [m.name for m in fault.mistakes] == ([] if mistake is None else [fault.mistakes[0].name])
        assert mistake is None or mistake in fault.mistakes[0].name


def updating(change):
    class Changed(SGD):
        def update(self, parameters, gradient):
            change(self, parameters, gradient)

    return Changed(0.1, l2=0.01)


def step(parameters, change):
    parameters -= change


UPDATES = {
    "ascent": (lambda s, p, g: step(p, -s.rate * g), "gradient ascent"),
    "rate": (lambda s, p, g: step(p, g), "the rate missing"),
    "copy": (lambda s, p, g: step(p.copy(), s.rate * g), "nothing changed (an update of a copy?)"),
    "twice": (lambda s, p, g: step(p, 2 * s.rate * g), "a factor 2 too many"),
    "samples": (
        lambda s, p, g: step(p, s.rate * g / s.samples),
        "the gradient divided by the number of samples",
    ),
    "other": (lambda s, p, g: step(p, s.rate * np.sign(g)), None),
}


@pytest.mark.parametrize("name", UPDATES)
def test_a_wrong_update_is_found_and_named(name):
    change, mistake = UPDATES[name]
    result = check(updating(change))
    faults = [fault for fault in result.faults if fault.equation == "update"]
    assert len(faults) == 4
    assert all(row.verdict is Verdict.AGREES for row in result.rows[:4])
    for fault in faults:
        assert [mistake in m.name for m in fault.mistakes] == ([True] if mistake else [])


def test_an_update_of_the_last_layer_only():
    def last(s, p, g):
        p[-24:] -= s.rate * g[-24:]

    result = check(updating(last))
    assert {fault.layer for fault in result.faults} == {"hidden1"}


def test_momentum_that_forgets_is_named():
    class Forgets(Momentum):
        def update(self, parameters, gradient):
            parameters -= self.rate * gradient

    names = {m.name for f in check(Forgets(0.1)).faults for m in f.mistakes}
    assert names == {"the momentum missing"}


def test_adam_without_bias_correction_is_found():
    class Uncorrected(Adam):
        def update(self, parameters, gradient):
            first, second = self._scratch("first", parameters), self._scratch("second", parameters)
            first[...] = self.beta1 * first + (1 - self.beta1) * gradient
            second[...] = self.beta2 * second + (1 - self.beta2) * gradient**2
            parameters -= self.rate * first / (np.sqrt(second) + self.epsilon)

    assert {f.equation for f in check(Uncorrected()).faults} == {"update"}


@pytest.mark.parametrize("optimizer", [Momentum(0.1, nesterov=True), RMSprop(0.01), Adadelta()])
def test_a_step_that_forgets_what_was_before_is_found(optimizer):
    optimizer = copy.deepcopy(optimizer)

    class Forgetful(type(optimizer)):
        def update(self, parameters, gradient):
            self._state.clear()
            super().update(parameters, gradient)

    optimizer.__class__ = Forgetful
    assert {f.equation for f in check(optimizer).faults} == {"update"}


def test_a_kind_without_its_numbers_is_not_taken_for_it():
    class Own(SGD):
        kind = "rmsprop"

    assert "the update rule of rmsprop is not known" in str(gradcheck(net(), optimizer=Own(0.1)))


def test_an_unknown_rule_is_unresolved():
    class Own(SGD):
        kind = "own"

    result = gradcheck(net(), optimizer=Own(0.1))
    assert result.exit_code == 3
    assert "the update rule of own is not known" in str(result)


def test_a_network_without_biases():
    network = Sequential(Dense(6, 7, bias=False), ReLU(), Dense(7, 3, bias=False), loss=Quadratic())
    result = gradcheck(network, optimizer=SGD(0.1, l2=1.0))
    assert result, result
    assert len(result.rows) == 2 + 4
