"""Evaluations on trial: seventeen faulty evaluations, written out sample by sample as people write them."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nndebug
from network import (
    SGD,
    BatchNorm,
    CrossEntropy,
    Dense,
    Dropout,
    Quadratic,
    ReLU,
    Sequential,
    Sigmoid,
    fit,
)
from network.data import load_digits
from network.errors import NetworkError
from nndebug.errors import UserError
from nndebug.evaluation import check_accuracy
from nndebug.evaluation.inputs import compare_inputs
from nndebug.evaluation.trial import renamed


class Trained(NamedTuple):
    net: Sequential
    x: np.ndarray
    y: np.ndarray
    outputs: np.ndarray
    stale: np.ndarray


@pytest.fixture(scope="module")
def trained():
    """A network at about 90 %, its test set without the last rows (so that counts divide by nothing), and older outputs."""
    digits = load_digits()
    net = Sequential(Dense(64, 30), Sigmoid(), Dense(30, 10), Sigmoid(), loss=Quadratic(), dtype="float64")
    x, y = digits.test[0][:347].astype(np.float64), digits.test[1][:347]
    stale = net.forward(x)
    fit(net, digits.train, SGD(1.0), epochs=6, batch=10)
    return Trained(net, x, y, net.forward(x), stale)


def columns(net):
    """The network as Nielsen's code has it: weights (units, inputs), biases (units, 1)."""
    dense = [layer for layer in net.layers if layer.kind == "dense"]
    return [(layer.parameters["weight"].T, layer.parameters["bias"][:, None]) for layer in dense]


def feedforward(net, a):
    for w, b in columns(net):
        a = 1 / (1 + np.exp(-(np.dot(w, a) + b)))
    return a


def one_hot(label):
    row = np.zeros(10)
    row[label] = 1
    return row


def over_samples(wrong):
    """An evaluation that counts, sample by sample, with column vectors."""
    return lambda net, x, y, stale: (
        sum(bool(wrong(feedforward(net, a[:, None]), t, a)) for a, t in zip(x, y)) / len(x)
    )


def shuffled(net, x, y, stale):
    other = np.random.default_rng(5).permutation(y)
    return np.mean(net.forward(x).argmax(axis=1) == other)


def over_full_batches(net, x, y, stale):
    return np.sum(net.forward(x).argmax(axis=1) == y) / (len(x) // 10 * 10)


FAULTY = {
    "argmax_wrong_axis": over_samples(lambda out, t, a: np.all(np.argmax(out, axis=1) == t)),
    "argmax_flattened": lambda net, x, y, stale: np.mean(net.forward(x[:1]).argmax() == y),
    "argmax_of_label": over_samples(lambda out, t, a: np.argmax(out) == np.argmax(t)),
    "argmin": over_samples(lambda out, t, a: np.argmin(out) == t),
    "index_against_one_hot_any": over_samples(lambda out, t, a: np.any(np.argmax(out) == one_hot(t))),
    "index_against_one_hot_all": lambda net, x, y, stale: np.mean(
        net.forward(x).argmax(axis=1)[:, None] == np.array([one_hot(t) for t in y])
    ),
    "column_against_row": lambda net, x, y, stale: np.mean(net.forward(x).argmax(axis=1)[:, None] == y),
    "labels_off_by_one": over_samples(lambda out, t, a: np.argmax(out) + 1 == t),
    "labels_shifted": lambda net, x, y, stale: np.mean(net.forward(x).argmax(axis=1)[:-1] == y[1:]),
    "labels_shuffled": shuffled,
    "wrong_denominator": over_full_batches,
    "stale_weights": lambda net, x, y, stale: np.mean(stale.argmax(axis=1) == y),
    "per_bit_accuracy": lambda net, x, y, stale: np.mean(
        (net.forward(x) > 0.5) == np.array([one_hot(t) for t in y])
    ),
    "argmax_of_input": over_samples(lambda out, t, a: np.argmax(a) == t),
    "rows_broadcast": over_samples(lambda out, t, a: np.argmax(feedforward_rows(a)) == t),
}  # fmt: skip


def feedforward_rows(a):
    """`feedforward` of a row (64,): biases make a matrix of it."""
    return feedforward(feedforward_rows.net, a)


def judge(trained, value, **more):
    net, x, y, outputs, stale = trained
    return check_accuracy(
        value, outputs, y, inputs=x, network=net, earlier={"the first epoch": stale}, **more
    )


@pytest.mark.parametrize("mistake", FAULTY)
def test_the_mistake_behind_a_number_is_the_first_named(trained, mistake):
    net, x, y, outputs, stale = trained
    feedforward_rows.net = net
    value = FAULTY[mistake](net, x, y, stale)
    if (
        mistake == "argmax_flattened"
    ):  # of all outputs at once: some index beyond the classes, unless the first row wins
        value = np.mean(outputs.argmax() == y)
    for unit, number in (("share", value), ("percent", 100 * value), ("count", len(y) * value)):
        found = judge(trained, number)
        assert not found and found.value == pytest.approx(value)
        zero = value == 0  # what gives 0 is given by several
        names = [m.name for m in found.mistakes]
        assert mistake in names if zero else names[0] == mistake, (number, found.accuracy, names)
        assert zero or found.unit == unit


def test_max_in_place_of_argmax_is_among_those_that_give_0(trained):
    y, outputs = trained.y, trained.outputs
    value = np.mean(outputs.max(axis=1) == y)
    assert "max_for_argmax" in [m.name for m in judge(trained, value).mistakes]


@pytest.mark.parametrize("layer", [Dropout, BatchNorm])
def test_training_mode_is_named(layer):
    digits = load_digits()
    extra = Dropout(0.5) if layer is Dropout else BatchNorm(30)
    net = Sequential(Dense(64, 30), extra, ReLU(), Dense(30, 10), loss=CrossEntropy())
    fit(net, digits.train, SGD(0.1), epochs=3, batch=10)
    x, y = digits.test
    wrong = net.copy()
    wrong.training = True
    parts = [np.array(wrong.forward(x[i : i + 10])) for i in range(0, len(x), 10)]
    value = np.mean(np.concatenate(parts).argmax(axis=1) == y)
    found = check_accuracy(value, net.forward(x), y, inputs=x, network=net)
    assert not found and found.mistakes[0].name == "training_mode"


class TestRight:
    def test_the_accuracy_is_right_as_share_and_as_count(self, trained):
        y, outputs = trained.y, trained.outputs
        right = int(np.sum(outputs.argmax(axis=1) == y))
        for value in (right / len(y), right, (right + 1) / len(y)):
            found = judge(trained, value)
            assert found and not found.mistakes
        assert found.accuracy == right / len(y)

    def test_it_is_right_as_percentage_and_says_so_in_the_unit_of_the_number(self, trained):
        y, outputs = trained.y, trained.outputs
        right = int(np.sum(outputs.argmax(axis=1) == y))
        said = {
            right: f"it says {right} of 347, as the accuracy is",
            float(right): f"it says {right} of 347, as the accuracy is",
            100 * right / 347: f"it says {100 * right / 347:.2f} %, as the accuracy is",
            right / 347: f"it says {right / 347:.6g}, as the accuracy is",
            (right + 1) / 347: f"the accuracy is {right / 347:.6g} ({right} of 347)",
        }
        for value, words in said.items():
            found = judge(trained, value)
            assert found and str(found) == f"○ Your evaluation is right: {words}."

    @pytest.mark.parametrize(
        ("value", "right"),
        [(97.2, True), (97.23, True), (97.0, True), (97, True), (0.972, True), (96, False), (97.1, False), (97.24, False), (96.0, False), (0.971, False)],
    )  # fmt: skip
    def test_a_percentage_may_be_rounded(self, value, right):
        """9,723 of 10,000: more than a sample is lost by rounding to one decimal."""
        labels = np.zeros(100_000, int)
        outputs = np.zeros((100_000, 2))
        outputs[:2_770, 1] = 1
        assert bool(check_accuracy(value, outputs, labels)) is right

    def test_a_share_of_few_digits_is_no_rounding(self):
        outputs = np.zeros((100_000, 2))
        outputs[:48_000, 1] = 1
        assert not check_accuracy(0.5, outputs, np.zeros(100_000, int))

    @pytest.mark.parametrize(
        ("rights", "samples", "value", "unit", "right"),
        [
            (1, 1, 1.0, "share", True),
            (1, 1, 1, "count", True),
            (1, 1, 100.0, "percent", True),
            (0, 1, 0, "share", True),
            (0, 300, 0, "share", True),
            (1, 300, 1, "count", True),
            (1, 300, 1.0, "count", True),  # what fits exactly is no coincidence
            (300, 300, 1, "share", True),
            (300, 300, 1.0, "share", True),
            (3, 300, 1.0, "percent", True),
            (200, 300, 1, "count", False),
            (200, 300, 1.0, "share", False),
            (50, 100, 50.0, "count", True),
            (50, 200, 50, "count", True),
            (50, 200, 25, "percent", True),
        ],
    )
    def test_boundaries_between_the_units(self, rights, samples, value, unit, right):
        outputs = np.zeros((samples, 3))
        outputs[:rights, 2] = outputs[rights:, 1] = 1
        found = check_accuracy(value, outputs, np.full(samples, 2))
        assert (found.unit, bool(found)) == (unit, right)

    def test_two_samples_off_are_wrong(self, trained):
        y, outputs = trained.y, trained.outputs
        assert not judge(trained, (np.sum(outputs.argmax(axis=1) == y) - 2) / len(y))

    @given(st.integers(0, 2**32 - 1), st.integers(2, 7), st.integers(1, 60))
    def test_no_right_number_is_ever_doubted(self, seed, classes, samples):
        rng = np.random.default_rng(seed)
        outputs, labels = rng.normal(size=(samples, classes)), rng.integers(0, classes, samples)
        assert check_accuracy(float(np.mean(outputs.argmax(axis=1) == labels)), outputs, labels)

    def test_one_hot_labels_and_a_single_output(self):
        outputs, labels = np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.5]]), np.array([0, 1, 1])
        assert check_accuracy(2 / 3, outputs, np.eye(2)[labels])
        assert check_accuracy(2 / 3, np.array([0.2, 0.9, 0.4]), labels)
        assert check_accuracy(2 / 3, np.array([[-0.2], [0.9], [-0.4]]), labels[:, None], threshold=0.0)


def test_it_prints_what_the_line_should_be(trained):
    outputs = trained.outputs
    value = float(np.mean(outputs.argmax(axis=1) == 0))
    text = str(judge(trained, value))
    assert text.startswith("▲ Your evaluation gives") and "exactly your number" in text
    assert "np.argmax(output) == np.argmax(label)" in text
    assert str(judge(trained, judge(trained, value).accuracy)).startswith("○ Your evaluation is right")
    assert "line by line" in str(judge(trained, 0.4321))


@pytest.mark.parametrize(
    ("value", "outputs", "labels", "message"),
    [
        (100.1, np.ones((3, 2)), [0, 1, 1], "no share of 1"),
        (301, np.ones((300, 2)), [0, 1, 1] * 100, "no count of 300 samples"),
        (np.ones(3), np.ones((3, 2)), [0, 1, 1], r"an array of shape \(3,\) is no number"),
        (float("inf"), np.ones((3, 2)), [0, 1, 1], "no share of 1"),
        (-0.1, np.ones((3, 2)), [0, 1, 1], "no share of 1"),
        (float("nan"), np.ones((3, 2)), [0, 1, 1], "no share of 1"),
        ("high", np.ones((3, 2)), [0, 1, 1], "no number"),
        (0.5, np.ones((3, 2)), [0, 1], "3 rows of outputs and labels of shape"),
        (0.5, np.ones((2, 3)).T, [0, 1], "3 rows of outputs"),
        (0.5, np.ones((0, 2)), [], "outputs have shape"),
        (0.5, np.ones((3, 2)), [0.5, 1, 1], "no class numbers"),
        (0.5, np.ones((3, 2)), ["cat", "dog", "dog"], "no class numbers"),
        (0.5, np.ones((3, 2)), [None, 1, 1], "no class numbers"),
        (0.5, np.ones((3, 2)), [-1, 1, 1], "a label is -1"),
    ],
)
def test_what_cannot_be_compared_is_refused(value, outputs, labels, message):
    with pytest.raises(UserError, match=message) as refused:
        check_accuracy(value, outputs, np.array(labels))
    assert refused.value.help


class TestWatched:
    def train(self, metric=None, epochs=3):
        digits = load_digits()
        net = Sequential(Dense(64, 30), ReLU(), Dense(30, 10), loss=CrossEntropy())
        with nndebug.watch(net, strict=True) as watching:
            fit(net, digits.train, SGD(0.1), epochs=epochs, batch=10, validation=digits.test, metric=metric)
        return watching

    def test_the_cores_own_evaluation_is_right(self):
        watching = self.train()
        assert watching.result and not [f for f in watching.result.findings if f.code.startswith("NND60")]
        assert {"NND601", "NND602", "NND604"} <= set(watching.result.passed)
        reported, true = (watching.run.series(f"evaluation.{n}") for n in ("reported", "accuracy"))
        assert list(reported) == list(true) and len(true) == 2

    def test_a_wrong_metric_is_the_cause_and_the_network_is_not(self):
        watching = self.train(lambda net, data: np.mean(net.twin().forward(data[0]).argmax(axis=1) == 0))
        first = watching.result.causes[0]
        assert (first.kind, len(watching.result.causes)) == ("wrong_metric", 1)
        assert "argmax of a label" in first.sentence and "the evaluation is wrong" in first.sentence.lower()
        assert [f.evidence["mistake"] for f in watching.result.findings if f.code == "NND602"] == [
            "argmax_of_label"
        ]

    @pytest.mark.parametrize(("times", "words"), [(100, "9.19 %"), ("samples", "33 of 359")])
    def test_a_wrong_metric_is_named_in_its_own_unit(self, times, words):
        def metric(net, data):
            share = np.mean(net.twin().forward(data[0]).argmax(axis=1) == 0)
            return share * (len(data[0]) if times == "samples" else times)

        watching = self.train(metric)
        said = next(f for f in watching.result.findings if f.code == "NND601")
        assert f"the evaluation says {words} at step 432; the accuracy is " in said.message, said.message
        assert said.message.count("359") == (2 if times == "samples" else 1)
        named = next(f for f in watching.result.findings if f.code == "NND602")
        assert named.evidence["mistake"] == "argmax_of_label" and words in named.message
        assert watching.result.causes[0].kind == "wrong_metric"

    @pytest.mark.parametrize("unit", ["percent", "rounded percent", "count"])
    def test_a_right_metric_is_right_in_any_unit_and_recorded_as_a_share(self, unit):
        say = {
            "percent": lambda right, n: 100.0 * right / n,
            "rounded percent": lambda right, n: round(100.0 * right / n, 1),
            "count": lambda right, n: int(right),
        }[unit]
        watching = self.train(
            lambda net, data: say(np.sum(net.twin().forward(data[0]).argmax(axis=1) == data[1]), len(data[1]))
        )
        assert watching.result and not [f for f in watching.result.findings if f.code in ("NND601", "NND902")]
        reported, true = (
            watching.run.series(name) for name in ("validation.accuracy", "evaluation.accuracy")
        )
        assert len(reported) == 3 and reported.values[-1] == pytest.approx(true.last, abs=6e-4)
        assert all(0.5 < value <= 1 for value in reported.values)
        assert [e["unit"] for e in watching.run.events if e["event"] == "evaluation"] == [
            unit.split()[-1]
        ] * 2

    @pytest.mark.parametrize(
        ("metric", "words"),
        [
            (lambda net, data: 360, "no count of 359 samples"),
            (lambda net, data: -3.2, "no share of 1"),
            (lambda net, data: float("nan"), "no share of 1"),
            (lambda net, data: np.mean(net.loss.per_sample(net.twin().forward(data[0]), data[1])), "the mean loss"),
        ],
    )  # fmt: skip
    def test_what_is_no_accuracy_is_told_once_and_all_else_goes_on(self, metric, words):
        with pytest.warns(RuntimeWarning, match=words) as told:
            watching = self.train(metric)
        (said,) = [str(w.message) for w in told]
        assert "switched off" not in said and "\n" not in said
        codes = [f.code for f in watching.result.findings]
        assert codes.count("NND902") == 1 and "NND601" not in codes and watching.result
        assert not watching.run.has("evaluation.accuracy")
        assert len(watching.run.series("validation.loss")) == 3

    def test_a_metric_that_returns_no_number_is_refused_by_the_training(self):
        with pytest.raises(NetworkError, match=r"the metric returned an array of shape \(3,\)") as refused:
            self.train(lambda net, data: np.ones(3))
        assert refused.value.help

    def test_weights_of_the_epoch_before(self):
        kept = []

        def stale(net, data):
            kept.append(net.copy())
            return np.mean(kept[max(0, len(kept) - 3)].forward(data[0]).argmax(axis=1) == data[1])

        watching = self.train(stale)
        found = [f.evidence for f in watching.result.findings if f.code == "NND602"]
        assert found and found[0]["mistake"] == "stale_weights" and "after epoch 2" in found[0]["formula"]

    def test_an_evaluation_of_ones_own_is_told(self):
        digits = load_digits()
        net = Sequential(Dense(64, 30), ReLU(), Dense(30, 10), loss=CrossEntropy())
        x, y = digits.test
        with nndebug.watch(net, strict=True) as watching:
            fit(net, digits.train, SGD(0.1), epochs=2, batch=10)
            assert watching.evaluated(float(np.mean(net.forward(x).argmax(axis=1) == y)), x, y)
            found = watching.evaluated(float(np.mean(net.forward(x).argmax(axis=1) == 0)), x, y)
        assert found.mistakes[0].name == "argmax_of_label"
        assert watching.result.causes[0].kind == "wrong_metric"

    def test_replayed_from_its_folder_it_is_the_same(self, tmp_path):
        digits = load_digits()
        net = Sequential(Dense(64, 30), ReLU(), Dense(30, 10), loss=CrossEntropy())
        with nndebug.watch(net, tmp_path / "run", report=False, strict=True) as watching:
            fit(net, digits.train, SGD(0.1), epochs=1, validation=digits.test, metric=lambda net, data: 0.25)
        assert nndebug.check(tmp_path / "run").to_json() == watching.result.to_json()


def test_held_out_inputs_are_compared_row_by_row():
    rng = np.random.default_rng(3)
    x, same, shifted = (rng.normal(size=(400, 5)) for _ in range(3))
    shifted[:, 2] += 3
    alike, off = compare_inputs(x, same), compare_inputs(x, shifted)
    assert alike["features_off"] == 0 and off["features_off"] == pytest.approx(0.2)
    np.testing.assert_allclose(alike["mean"], [x.mean(), same.mean()])
    np.testing.assert_allclose(alike["std"], [x.std(), same.std()])
    assert compare_inputs(x, None) is None and compare_inputs(x, same[:, :3]) is None


def test_renamed_classes_are_a_table_without_doubles():
    labels = np.arange(90) % 9
    assert renamed((labels + 1) % 9, labels) == {"accuracy": 1.0, "labels": [8, *range(8)]}
    assert renamed(labels, labels) is None  # their own names
    assert renamed(np.zeros(90, int), labels) is None  # a constant
    assert renamed(np.random.default_rng(0).integers(0, 9, 90), labels) is None  # a guess
