"""The gradient check on correct networks: it agrees, touches nothing, and prints what the design says."""

import itertools
import json

import numpy as np
import pytest
from gradcheck_helpers import batch, networks, parameters
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import DerivativeMissing

import nndebug
from network import SGD, CrossEntropy, Dense, Dropout, Flatten, Quadratic, ReLU, Sequential, Sigmoid, fit
from network.activations import ACTIVATIONS
from network.losses import LOSSES
from nndebug.errors import UserError
from nndebug.gradcheck import GradCheck, Row, Verdict, gradcheck


def blog_network(dtype="float32", seed=0):
    return Sequential(
        Dense(784, 30), Sigmoid(), Dense(30, 10), Sigmoid(), loss=Quadratic(), dtype=dtype, seed=seed
    )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_layer_activation_and_loss_of_the_core_agrees(activation, loss, dtype):
    network = Sequential(
        Flatten(), Dense(12, 9), ACTIVATIONS[activation](), Dropout(0.3), Dense(9, 8), ACTIVATIONS[activation](),
        Dense(8, 5), loss=LOSSES[loss](), dtype=dtype,
    )  # fmt: skip
    result = gradcheck(network, np.random.default_rng(1).normal(size=(10, 3, 4)))
    assert result, result
    assert result.worst < 1e-6
    assert [row.entries for row in result.rows] == [40, 5, 72, 8, 108, 9]
    assert sum(row.entries for row in result.rows) == sum(v.size for v in network.parameters.values())


@pytest.mark.parametrize("count", [150, pytest.param(2000, marks=pytest.mark.slow)])
def test_no_false_alarm_on_correct_networks(count):
    open_ones = []

    @settings(max_examples=count)
    @given(networks(), st.integers(0, 1000))
    def check(network, seed):
        result = gradcheck(network, seed=seed)
        assert result.verdict is not Verdict.DISAGREES, result
        assert not result.faults
        if not result:
            open_ones.append(f"{network.describe()}, {network.loss.kind}, seed {seed}\n{result}")

    check()
    assert len(open_ones) <= max(1, count / 1000), "\n\n".join(open_ones)


@settings(max_examples=40)
@given(networks(), st.integers(1, 14), st.integers(0, 1000))
def test_no_false_alarm_on_a_batch_of_any_size(network, rows, seed):
    result = gradcheck(network, samples=rows, seed=seed)
    assert result, result
    assert result.samples == rows


@settings(max_examples=40)
@given(networks(), st.integers(0, 1000))
def test_the_network_is_bit_identical_afterwards(network, seed):
    network.training = True
    network.forward(np.random.default_rng(seed).normal(size=(3, network.inputs)).astype(network.dtype))
    before = parameters(network)
    gradcheck(network, seed=seed, optimizer=SGD(0.1, l2=0.5))
    assert parameters(network) == before
    assert network.training


def test_training_goes_on_as_if_there_had_been_no_check():
    def trained(check):
        network = Sequential(Dense(6, 7), ReLU(), Dropout(0.5), Dense(7, 3), loss=CrossEntropy())
        data, optimizer = batch(network, 40), SGD(0.1, l2=0.1)
        for _ in range(3):
            fit(network, data, optimizer)
            if check:
                assert gradcheck(network, *data, optimizer=optimizer)
        return parameters(network)

    assert trained(check=True) == trained(check=False)


def test_agrees_with_plain_central_differences():
    network = Sequential(Dense(4, 3), Sigmoid(), Dense(3, 2), Sigmoid(), loss=Quadratic(), dtype="float64")
    x, y = batch(network, 5)
    result = gradcheck(network, x, y)
    for row in result.rows:
        values, h = network.parameters[f"{row.layer}.{row.parameter}"], 1e-5
        kept = values[row.index]
        losses = []
        for shift in (h, -h):
            values[row.index] = kept + shift
            losses.append(network.loss(network.forward(x), y))
        values[row.index] = kept
        assert row.numeric == pytest.approx((losses[0] - losses[1]) / (2 * h), rel=1e-6, abs=1e-11)


@settings(max_examples=60)
@given(networks(dtypes=("float64",)), st.integers(0, 1000), st.data())
def test_one_entry_that_is_off_by_a_hundred_thousandth_is_found(network, seed, data):
    key = data.draw(st.sampled_from(list(network.parameters)))
    layer = next(a for a in network.layers if a.parameters and a.name == key.rpartition(".")[0])
    name = key.rpartition(".")[2]
    at = data.draw(st.integers(0, layer.parameters[name].size - 1))

    class OneEntryOff(Dense):
        def backward_parameters(self, output_gradient):
            super().backward_parameters(output_gradient)
            gradient = self.gradients[name]
            gradient.flat[at] += 1.2e-5 * np.abs(gradient).max()

    layer.__class__ = OneEntryOff
    x, y = network_batch(network, seed)
    result = gradcheck(network, x, y, seed=seed)
    assert not result
    row = next(row for row in result.rows if f"{row.layer}.{row.parameter}" == key)
    assert {f.layer for f in result.faults} == {layer.name}  # the layer by itself shows it in any case
    # Zero weights put every unit on ELU's bend, where no second derivative is: sums that cancel are known less well there.
    if "nothing flows" not in row.reason and "as far as rounding lets it be known" not in row.reason:
        assert (row.wrong, row.index) == (1, np.unravel_index(at, layer.parameters[name].shape))


def network_batch(network, seed, rows=11):
    rng = np.random.default_rng(seed)
    output = network.forward(rng.normal(size=(rows, network.inputs)))
    targets = rng.uniform(0.1, 0.9, output.shape)
    return rng.normal(size=(rows, network.inputs)), targets / targets.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(5))
def test_the_worst_of_23860_entries_is_right_to_seven_digits(seed):
    # The smallest entries are a millionth of the largest: four points alone give them to five digits.
    assert gradcheck(blog_network(seed=seed), seed=seed).worst < 3e-7


def test_result_is_the_same_every_time():
    network = blog_network()
    assert str(gradcheck(network, seed=4)) == str(gradcheck(network, seed=4))
    assert gradcheck(network, seed=4).rows[0].index != gradcheck(network, seed=5).rows[0].index


def test_all_entries_of_the_blogs_network_are_checked():
    network = blog_network()
    result = gradcheck(network, *batch(network, 10))
    assert result
    assert sum(row.entries for row in result.rows) == 23_860


def test_prints_the_table_of_the_design():
    network = Sequential(Dense(784, 30), DerivativeMissing(), Dense(30, 10), Sigmoid(), loss=Quadratic())
    lines = str(gradcheck(network)).splitlines()
    assert lines[0] == "layer    parameter  entries   worst relative error   verdict"
    assert lines[1].startswith("output   weight         300   ")
    assert lines[1].endswith("○ agrees")
    assert lines[1].index("○") == lines[0].index("verdict")
    assert lines[3].startswith("hidden1  weight      23,520   ")
    assert lines[3].endswith("▲ disagrees in 23,520 of 23,520")
    assert " at [" in lines[3]
    assert " ± " in lines[1]
    assert lines[6] == "▲ hidden1: its backward is wrong (BP2). The layers after it agree."
    assert lines[7].startswith("  Your gradient equals, entry by entry (residual ")
    assert lines[7].endswith(", the one with the activation's derivative missing:")
    assert lines[8] == "     yours      delta1 = delta2 @ W2.T"
    assert lines[9] == (
        "     should be  delta1 = delta2 @ W2.T * sigmoid'(z1)      (rows are samples, as in your code)"
    )
    assert "float64 copy of your float32 network, which is untouched" in lines[-1]


def test_result_is_truthy_and_has_exit_codes():
    good = gradcheck(blog_network())
    assert good
    assert (good.exit_code, good.failures, good.unresolved) == (0, (), ())
    bad = gradcheck(Sequential(Dense(5, 4), DerivativeMissing(), Dense(4, 3), loss=Quadratic()))
    assert not bad
    assert bad.exit_code == 1
    assert {row.layer for row in bad.failures} == {"hidden1"}
    nan = blog_network()
    nan.parameters["hidden1.weight"][3, 4] = np.nan
    lost = gradcheck(nan)
    assert not lost
    assert lost.exit_code == 3
    assert "the loss is nan" in str(lost)
    assert GradCheck("nothing", ()).exit_code == 3


@pytest.mark.parametrize("activation", [Sigmoid, DerivativeMissing])
def test_json_is_strict_and_round_trips(activation):
    result = gradcheck(
        Sequential(Dense(5, 4), activation(), Dense(4, 3), loss=Quadratic()), optimizer=SGD(1.0, l2=1.0)
    )
    text = json.dumps(result.to_json(), allow_nan=False)
    assert GradCheck.from_json(json.loads(text)) == result
    assert json.loads(text)["verdict"] == result.verdict.value


def test_json_of_what_is_not_finite_round_trips():
    network = blog_network()
    network.parameters["output.bias"][0] = np.inf
    result = gradcheck(network)
    text = json.dumps(result.to_json(), allow_nan=False)
    assert str(GradCheck.from_json(json.loads(text))) == str(result)
    assert '"NaN"' in text


def test_html_is_escaped_and_text_has_no_control_characters():
    network = Sequential(
        Dense(4, 3, name="<script>alert(1)</script>\x1b[31m"), DerivativeMissing(), Dense(3, 2)
    )
    result = gradcheck(network)
    html = result._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "sigmoid&#x27;(z1)" in html
    assert "\x1b" not in html + str(result)


def test_row_says_where_and_what():
    result = gradcheck(Sequential(Dense(5, 4), DerivativeMissing(), Dense(4, 3), loss=Quadratic()))
    row = next(row for row in result.rows if (row.layer, row.parameter) == ("hidden1", "weight"))
    assert isinstance(row, Row)
    assert row.equation == "BP4"
    assert row.worst == pytest.approx(
        abs(row.analytic - row.numeric) / max(abs(row.analytic), abs(row.numeric))
    )


def test_callable_as_nndebug_gradcheck():
    assert nndebug.gradcheck(blog_network())


def test_probe_batch_is_no_size_of_a_layer():
    network = Sequential(Dense(10, 11), Sigmoid(), Dense(11, 12), loss=CrossEntropy())
    assert gradcheck(network).samples == 13
    x, y = batch(network, 500)
    result = gradcheck(network, x, y)
    assert result.samples == 13
    assert "13 of 500 rows" in result.notes[-1]
    assert gradcheck(network, x, y, samples=7).samples == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, np.zeros(3)), "y without x"),
        ((np.zeros((3, 5)), np.zeros(4, int)), "3 rows and y has 4"),
        ((np.zeros((0, 5)),), "no rows"),
        ((np.zeros((3, 6)),), r"expects \(batch, 5\)"),
        ((np.array([["a"] * 5]),), "not numbers"),
        (("rows",), "not numbers"),
        ((np.array([[0.0] * 5, [0.0, np.nan] + [0.0] * 3]),), r"x has NaN or infinity, first at \[1, 1\]"),
        (
            (np.zeros((2, 5)), np.array([[0, np.inf, 0], [0, 0, 1]])),
            r"y has NaN or infinity, first at \[0, 1\]",
        ),
    ],
)
def test_bad_input_is_a_user_error_with_help(arguments, message):
    network = Sequential(Dense(5, 4), Sigmoid(), Dense(4, 3), loss=CrossEntropy())
    with pytest.raises((UserError, ValueError), match=message) as caught:
        gradcheck(network, *arguments)
    assert caught.value.help


def test_what_is_no_network_is_a_user_error():
    for thing in (3, "network", object(), Dense(3, 2)):
        with pytest.raises(UserError, match="no layers or no loss"):
            gradcheck(thing)


def test_a_network_without_dense_layers_needs_x():
    network = Sequential(Sigmoid(), loss=Quadratic())
    with pytest.raises(UserError, match="width of the input cannot be guessed"):
        gradcheck(network)
    result = gradcheck(network, np.random.default_rng(0).normal(size=(4, 3)))
    assert (result.rows, result.exit_code) == ((), 3)
    assert {row.verdict for row in result.parts} == {Verdict.AGREES}


def test_deep_networks_agree():
    widths = [6, 7, 8, 9, 8, 7, 6, 5]
    layers = [part for a, b in itertools.pairwise(widths) for part in (Dense(a, b, init="normal"), Sigmoid())]
    result = gradcheck(Sequential(*layers, loss=Quadratic(), seed=1))
    assert result, result
