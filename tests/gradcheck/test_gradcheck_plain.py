"""The plain check says yes or nothing: where all is plain it agrees with the full one, and any doubt is left to that."""

import numpy as np
import pytest
from gradcheck_helpers import batch, networks
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from network import (
    Adam,
    BatchNorm,
    CrossEntropy,
    Dense,
    Dropout,
    LayerNorm,
    MaxPool2D,
    Quadratic,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from network.convolution import AvgPool2D, Conv2D
from network.layers import Flatten, Layer
from nndebug.gradcheck import Verdict, check, gradcheck, plain
from nndebug.gradcheck.claimed import BackwardError, Claimed
from nndebug.gradcheck.comparing import BLURRED
from nndebug.gradcheck.plain import plainly
from nndebug.gradcheck.plain.rows import Doubt, agreed
from nndebug.gradcheck.plain.slopes import differences, shifts, slopes
from nndebug.gradcheck.plain.unfolded import form_of
from nndebug.gradcheck.tape import Tape

EPS = float(np.finfo(float).eps)


@pytest.fixture
def only_plain(monkeypatch):
    def full(*_):
        raise AssertionError("the full check ran")

    monkeypatch.setattr(check, "_compare", full)


def images(network, channels=1, rows=5, side=8):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, channels, side, side))
    return x, rng.random((rows, network.forward(x).shape[1]))


def dense(*layers, loss=None):
    return Sequential(*layers, loss=loss or Quadratic(), dtype="float64")


PLAIN = {
    "sigmoid": (dense(Dense(7, 5), Sigmoid(), Dense(5, 3), Sigmoid()), None),
    "relu": (dense(Dense(7, 6), ReLU(), Dense(6, 5), ReLU(), Dense(5, 3), loss=CrossEntropy()), None),
    "max pool": (dense(Conv2D(1, 3, 3), MaxPool2D(2), ReLU(), Flatten(), Dense(27, 2)), 1),
    "no bias": (dense(Dense(7, 5, bias=False), Tanh(), Dense(5, 3, bias=False)), None),
    "softmax": (dense(Dense(7, 5), Sigmoid(), Dense(5, 3), Softmax()), None),
    "dropout": (dense(Dense(7, 5), Dropout(0.3), Sigmoid(), Dense(5, 3)), None),
    "layer norm": (dense(Dense(7, 5), LayerNorm(5), Sigmoid(), Dense(5, 3)), None),
    "batch norm": (dense(Dense(7, 5, bias=False), BatchNorm(5), Sigmoid(), Dense(5, 3)), None),
    "conv": (dense(Conv2D(1, 3, 3), Sigmoid(), AvgPool2D(2), Flatten(), Dense(27, 2)), 1),
    "conv, padding and stride": (dense(Conv2D(2, 3, (3, 2), stride=2, padding=1), Tanh(), Flatten(), Dense(60, 2)), 2),
    "conv, same, two": (
        dense(Conv2D(1, 2, 3, padding="same"), Sigmoid(), Conv2D(2, 3, 5, bias=False), Flatten(), Dense(48, 2)),
        1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_usual_networks_are_plain(name, only_plain):
    network, channels = PLAIN[name]
    x, y = images(network, channels) if channels else batch(network, 6, seed=1)
    result = gradcheck(network, x, y)
    assert result
    assert result.worst < 1e-6
    assert {f"{row.layer}.{row.parameter}" for row in result.rows} == set(network.parameters)
    assert sum(row.entries for row in result.rows) == network.flat_parameters.size


@settings(max_examples=8)
@given(networks(dtypes=("float64",)), st.integers(0, 100))
def test_what_it_says_is_what_the_full_check_says(network, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "_compare", lambda *_: pytest.fail("doubt"))
        try:
            plain = gradcheck(network, seed=seed)
        except pytest.fail.Exception:
            assume(False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "plainly", lambda *_: None)
        full = gradcheck(network, seed=seed)
    assert plain
    assert full.verdict is not Verdict.DISAGREES
    keys = [[(r.layer, r.parameter, r.equation) for r in (*c.rows, *c.parts)] for c in (plain, full)]
    assert keys[0] == keys[1]


@settings(max_examples=10)
@given(st.data())
def test_one_entry_that_is_off_by_a_millionth_is_no_plain_case(data):
    """Of every tensor, of any kind of layer: what the plain check passes is closer than a hundredth of that."""
    network, channels = PLAIN[data.draw(st.sampled_from(list(PLAIN)))]
    network = network.copy()
    key = data.draw(st.sampled_from(list(network.parameters)))
    at = data.draw(st.integers(0, network.parameters[key].size - 1))
    layer = next(a for a in network.layers if a.parameters and a.name == key.rpartition(".")[0])

    def backward(self, gradient):
        passed = type(layer).__mro__[1].backward(self, gradient)
        wrong = self.gradients[key.rpartition(".")[2]]
        wrong.flat[at] += 1e-6 * np.abs(wrong).max()
        return passed

    def backward_parameters(self, gradient):
        self.backward(gradient)

    methods = {"backward": backward, "backward_parameters": backward_parameters}
    layer.__class__ = type("Off", (type(layer),), methods)
    x, y = images(network, channels) if channels else batch(network, 6, seed=1)
    called = []
    with pytest.MonkeyPatch.context() as patch:
        full = check._compare
        patch.setattr(check, "_compare", lambda *a: called.append(1) or full(*a))
        gradcheck(network, x, y)
    assert called


class Cached(Dense):
    """Its forward uses the weights that it was built with: x @ weight + bias at first, not after an update."""

    def forward(self, x):
        if not hasattr(self, "first"):
            self.first = self.parameters["weight"].copy()
        kept, self.parameters["weight"] = self.parameters["weight"], self.first
        try:
            return super().forward(x)
        finally:
            self.parameters["weight"] = kept


class Neighbours(Layer):
    """y[i] = x[i] x[i + 1]: of the shape of its input, but not elementwise; its backward forgets the neighbour."""

    def forward(self, x):
        self.x = x
        return x * np.roll(x, -1, axis=1)

    def backward(self, gradient):
        return gradient * np.roll(self.x, -1, axis=1)


class Centred(Layer):
    """Subtracts the mean of the batch, and forgets it in its backward."""

    def forward(self, x):
        return x - x.mean(axis=0)

    def backward(self, gradient):
        return gradient.copy()


@pytest.mark.parametrize(
    "layers",
    [
        (Cached(7, 5), Sigmoid(), Dense(5, 3)),
        (Dense(7, 5), Neighbours(), Dense(5, 3)),
        (Dense(7, 5), Centred(), Dense(5, 3)),
    ],
    ids=["cached weights", "neighbours", "batch mean"],
)
def test_what_only_seems_plain_is_found(layers):
    network = dense(*layers)
    assert gradcheck(network, *batch(network, 6)).verdict is Verdict.DISAGREES


def test_the_optimizer_is_checked_too(only_plain):
    network = dense(Dense(7, 5), Sigmoid(), Dense(5, 3))
    result = gradcheck(network, *batch(network, 6), optimizer=Adam(0.01))
    assert result
    assert any(row.equation == "update" for row in result.rows)


def no_nearer():
    raise Doubt


@pytest.mark.parametrize("at", [-2.5, *np.linspace(-1.9, 1.9, 39), 2.5])
def test_a_kink_between_the_points_is_a_doubt(at):
    h = shifts(EPS)
    kink = at * h[2]
    values = np.maximum(h - kink, 0.0)[None, :, None]
    base = np.array([max(-kink, 0.0)])
    if abs(at) < 2:
        with pytest.raises(Doubt):
            slopes(differences(values, base, EPS), base, EPS, no_nearer)
    else:
        value, error, _ = slopes(differences(values, base, EPS), base, EPS, no_nearer)
        assert value == pytest.approx(1.0 if at < 0 else 0.0, abs=1e-12)
        assert error < 1e-9


@given(st.floats(-3, 3), st.sampled_from([np.sin, np.tanh, np.exp, np.square]))
def test_the_error_of_a_slope_covers_it(x, function):
    derivative = {
        np.sin: np.cos,
        np.tanh: lambda t: 1 / np.cosh(t) ** 2,
        np.exp: np.exp,
        np.square: lambda t: 2 * t,
    }
    values, base = function(x + shifts(EPS))[None, :, None], np.array([function(x)])
    try:
        value, error, _ = slopes(differences(values, base, EPS), base, EPS, no_nearer)
    except Doubt:
        assume(False)
    assert abs(value[0, 0] - derivative[function](x)) <= error + 1e-11


@settings(max_examples=30)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.integers(0, 2),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_a_convolution_is_a_dense_layer_on_what_it_sees(kernel, stride, padding, channels, units):
    assume(padding <= min(kernel))  # what is wider reads windows of nothing but padding
    layer = Conv2D(channels, units, kernel, stride=stride, padding=padding, bias_init="normal")
    layer.build(np.random.default_rng(0), np.dtype("float64"))
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4, channels, 5, 6))
    z = layer.forward(x)
    form, columns = form_of(layer, x, z, EPS)
    u = rng.normal(size=z.shape)
    back = layer.backward(u)
    weight = layer.parameters["weight"]
    rows = form.rows(u)
    assert np.allclose(form.kernel(columns.T @ rows, weight.shape), layer.gradients["weight"])
    assert np.allclose(form.folded(rows @ form.matrix(weight).T, x.shape), back)


# --- every guard is needed: what it keeps out would be called right ----------------------------------------------


@pytest.mark.parametrize("shape", [(1, 6), (6, 1), (2, 3), (3, 2, 1)])
def test_a_gradient_of_another_shape_is_a_doubt_however_many_entries_it_has(shape):
    right = np.arange(1.0, 7.0)
    assert agreed("a", "bias", "BP3", right, right, 0.0).entries == 6
    with pytest.raises(Doubt):
        agreed("a", "bias", "BP3", right.reshape(shape), right, 0.0)


def test_a_bias_gradient_that_kept_its_axis_is_wrong():
    class Kept(Dense):
        def backward_parameters(self, output_gradient):
            super().backward_parameters(output_gradient)
            self.gradients["bias"] = self.gradients["bias"][None]

    network = dense(Dense(7, 5), Sigmoid(), Kept(5, 3))
    row = next(
        r
        for r in gradcheck(network, *batch(network, 6)).rows
        if r.layer == "output" and r.parameter == "bias"
    )
    assert (row.verdict, row.reason[:39]) == (Verdict.DISAGREES, "your gradient has shape (1, 3), the par"), (
        row
    )


@pytest.mark.parametrize("given", [0.0, np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_nothing_and_what_is_not_finite_are_doubts(given):
    with pytest.raises(Doubt):
        agreed("a", "bias", "BP3", np.full(3, given), np.full(3, given), 0.0)


def test_a_gradient_that_is_not_known_well_enough_is_a_doubt():
    right = np.array([1.0, 2.0])
    assert agreed("a", "bias", "BP3", right, right, 0.9 * BLURRED * 2.0)
    for error in (1.1 * BLURRED * 2.0, np.inf, np.nan):
        with pytest.raises(Doubt):
            agreed("a", "bias", "BP3", right, right, error)


class Elsewhere(Quadratic):
    """Its gradient is another loss's."""

    def gradient(self, output, target, *buffer):
        return 2 * super().gradient(output, target)


class Halves(Sequential):
    """Its backward makes good what its loss does wrong: every parameter's gradient is right."""

    def differentiate(self, x, y, **how):
        output = super().differentiate(x, y, **how)
        for gradient in self.gradients.values():
            gradient /= 2
        return output


def test_a_wrong_gradient_of_the_loss_is_found_though_all_others_are_right():
    network = Halves(Dense(7, 5), Sigmoid(), Dense(5, 3), loss=Elsewhere(), dtype="float64")
    x, _ = batch(network, 6)
    result = gradcheck(network, x, np.ones((6, 3)))
    assert {row.verdict for row in result.rows} == {Verdict.AGREES}
    assert [(r.layer, r.parameter) for r in result.failures] == [("loss", "output")]


class Tap(Layer):
    """Passes its input on, and keeps a number for each row."""

    def forward(self, x):
        Tap.kept = x.sum(axis=1)
        return x.copy()

    def backward(self, gradient):
        return gradient.copy()


class Reads(Quadratic):
    """Adds what `Tap` kept: a way past the layers between, of which no backward knows."""

    def per_sample(self, output, target):
        return super().per_sample(output, target) + np.resize(Tap.kept, len(output))


def test_a_way_past_the_layers_is_no_plain_case():
    network = dense(Dense(7, 5), Tap(), Dense(5, 4), Sigmoid(), Dense(4, 3), loss=Reads())
    tape = Tape(network, *batch(network, 6))
    assert plainly(tape, Claimed(tape), np.random.default_rng(0)) is None


def plain_parts():
    network = dense(Dense(7, 5), Sigmoid(), Dense(5, 3))
    tape = Tape(network, *batch(network, 6))
    return tape, Claimed(tape)


def coarse(tape, claimed):
    tape.eps = float(np.finfo(np.float32).eps)


def broken(tape, claimed):
    claimed.broken = BackwardError(0, "backward", ValueError("no"))


def added_up(tape, claimed):
    claimed.again = {key: 2 * value for key, value in claimed.gradients.items()}


def other_without_input_gradient(tape, claimed):
    claimed.skipping = {key: 0 * value for key, value in claimed.gradients.items()}


@pytest.mark.parametrize("spoil", [coarse, broken, added_up, other_without_input_gradient])
def test_what_is_no_matter_for_four_points_is_not_looked_at(spoil, monkeypatch):
    tape, claimed = plain_parts()
    assert plainly(tape, claimed, np.random.default_rng(0)) is not None
    tape, claimed = plain_parts()
    spoil(tape, claimed)
    monkeypatch.setattr(plain, "_check", lambda *_: pytest.fail("it was looked at"))
    assert plainly(tape, claimed, np.random.default_rng(0)) is None
