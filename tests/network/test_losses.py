"""Losses: values in closed form and in decimal arithmetic, gradients against differences, and what targets may be."""

import numpy as np
import pytest
from core_helpers import DTYPES, differences, exactly
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from network import BinaryCrossEntropy, CrossEntropy, DataError, Loss, Quadratic, ShapeError
from network.activations import softmax
from network.losses import LOSSES, one_hot

ALL = [Quadratic, CrossEntropy, BinaryCrossEntropy]


pytestmark = pytest.mark.filterwarnings("error")


def batch(rows=6, outputs=4, seed=0, size=1.0):
    """Outputs (rows, outputs) and class numbers (rows,)."""
    rng = np.random.default_rng(seed)
    return size * rng.normal(size=(rows, outputs)), rng.integers(0, outputs, rows)


# --- values -------------------------------------------------------------------------------------------------------------


def test_quadratic_is_half_the_squared_distance():
    output, target = np.array([[1.0, 2], [0, 0]]), np.array([[0.0, 4], [3, 4]])
    np.testing.assert_array_equal(Quadratic().per_sample(output, target), [2.5, 12.5])
    assert Quadratic()(output, target) == 7.5
    np.testing.assert_array_equal(Quadratic().gradient(output, target), [[0.5, -1], [-1.5, -2]])


def test_the_blogs_ten_outputs_at_one_half():
    """½ · 10 · 0.25: the quadratic loss of a network that knows nothing."""
    assert Quadratic()(np.full((3, 10), 0.5), np.array([0, 5, 9])) == 1.25


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_cross_entropy_of_equal_logits_is_the_logarithm_of_the_classes(classes):
    logits = np.full((4, classes), 123.0)
    np.testing.assert_allclose(
        CrossEntropy().per_sample(logits, np.arange(4) % classes), np.log(classes), rtol=1e-15
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_against_decimal_arithmetic(dtype):
    logits = np.array([[0, 1, 2], [-3, 7, 7], [30, -30, 0], [1000, 998, 1001], [1e4, 0, -1e4]], dtype)
    for label in range(3):
        lost = CrossEntropy().per_sample(logits, np.full(5, label))
        right = [_exact_cross_entropy(row, label) for row in logits]
        # What rounds to 0 beside 1 is lost, as in every fused cross-entropy.
        eps = 4 * np.finfo(dtype).eps
        np.testing.assert_allclose(lost, right, rtol=eps, atol=eps)


def _exact_cross_entropy(row, label):
    others = [int(z) for z in row]
    return exactly(lambda z: sum((other - z).exp() for other in others).ln(), row[label]).item()


@pytest.mark.parametrize("dtype", DTYPES)
def test_binary_cross_entropy_against_decimal_arithmetic(dtype):
    sizes = np.concatenate([[0, 1e-3, 0.5, 1, 2, 5, 20, 40, 80, 90, 700, 750, 1000, 1e4]])
    z = np.concatenate([sizes, -sizes])[:, None].astype(dtype)
    for label, exact in {1: lambda z: (1 + (-z).exp()).ln(), 0: lambda z: (1 + z.exp()).ln()}.items():
        lost = BinaryCrossEntropy().per_sample(z, np.full(len(z), label))
        right = exactly(exact, z, digits=350)[:, 0]  # 1 + exp(-750) must not be 1
        np.testing.assert_allclose(lost, right, rtol=8 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny)


def test_binary_cross_entropy_sums_over_the_outputs():
    output, labels = batch()
    target = one_hot(labels, 4)
    single = [BinaryCrossEntropy().per_sample(output[:, [i]], target[:, [i]]) for i in range(4)]
    np.testing.assert_allclose(BinaryCrossEntropy().per_sample(output, target), sum(single), rtol=1e-14)


@pytest.mark.parametrize("make", ALL)
def test_the_loss_is_the_mean_over_the_samples(make):
    output, labels = batch()
    loss = make()
    each = [loss(output[[i]], labels[[i]]) for i in range(len(output))]
    np.testing.assert_allclose(loss.per_sample(output, labels), each, rtol=1e-14)
    assert isinstance(loss(output, labels), float)
    assert loss(output, labels) == pytest.approx(np.mean(each), rel=1e-14)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("make", ALL)
def test_everything_is_finite_and_silent_up_to_ten_thousand(make, dtype, training):
    output = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 1e4], [-1e4, -1e4, -1e4], [1e3, 1e3, -1e3]], dtype)
    for labels in ([0, 0, 0, 0], [1, 1, 1, 1], [2, 2, 2, 2]):
        target = np.array(labels)
        out = np.empty_like(output) if training else None
        gradient = make().gradient(output, target, out)
        assert np.isfinite(make().per_sample(output, target)).all()
        assert np.isfinite(gradient).all()
        assert np.isfinite(make().probabilities(output)).all()
        assert gradient.dtype == dtype


def test_saturated_and_wrong_still_costs_and_still_pulls():
    """What a loss on probabilities would lose: the logits are off by ten thousand, and the gradient says so."""
    z = np.array([[1e4, -1e4]], np.float32)
    assert CrossEntropy()(z, np.array([1])) == 2e4
    np.testing.assert_array_equal(CrossEntropy().gradient(z, np.array([1])), [[1, -1]])
    assert BinaryCrossEntropy()(z[:, :1], np.array([0])) == 1e4
    np.testing.assert_array_equal(BinaryCrossEntropy().gradient(z[:, :1], np.array([0])), [[1]])


# --- gradients ----------------------------------------------------------------------------------------------------------

outputs = arrays(np.float64, (3, 4), elements=st.floats(-15, 15))


@pytest.mark.parametrize("make", ALL)
@given(output=outputs, labels=st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_gradients_agree_with_differences(make, output, labels):
    loss, target = make(), np.array(labels)
    gradient = loss.gradient(output, target)
    np.testing.assert_allclose(
        gradient, differences(lambda z: loss(z, target), output, 1e-3), rtol=1e-8, atol=1e-9
    )


@pytest.mark.parametrize("make", ALL)
def test_gradients_of_soft_targets_agree_with_differences(make):
    output, _ = batch()
    target = softmax(np.random.default_rng(1).normal(size=output.shape))
    loss = make()
    np.testing.assert_allclose(
        loss.gradient(output, target), differences(lambda z: loss(z, target), output.copy()), atol=1e-10
    )


@pytest.mark.parametrize("make", ALL)
def test_class_numbers_and_one_hot_rows_are_the_same(make):
    output, labels = batch()
    rows, loss = np.eye(4)[labels], make()
    for form in (labels, labels.astype(np.uint8), labels.astype(float), labels.tolist()):
        np.testing.assert_array_equal(loss.per_sample(output, form), loss.per_sample(output, rows))
        np.testing.assert_array_equal(loss.gradient(output, form), loss.gradient(output, rows))
    np.testing.assert_array_equal(loss.gradient(output, rows.astype(int)), loss.gradient(output, rows))


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("target_dtype", ["int64", "float32", "float64"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_gradient_has_the_dtype_of_the_output(make, dtype, target_dtype):
    output, labels = batch()
    output, target = output.astype(dtype), np.eye(4)[labels].astype(target_dtype)
    assert make().gradient(output, target).dtype == dtype
    out = np.empty_like(output)
    assert make().gradient(output, target, out) is out
    np.testing.assert_array_equal(out, make().gradient(output, target))


@pytest.mark.parametrize("make", ALL)
def test_nothing_that_is_given_is_written(make):
    output, labels = batch()
    target = np.eye(4)[labels]
    before = output.copy(), target.copy()
    loss = make()
    loss(output, target)
    loss.gradient(output, target)
    loss.probabilities(output)
    loss.predictions(output)
    np.testing.assert_array_equal(output, before[0])
    np.testing.assert_array_equal(target, before[1])


# --- predictions --------------------------------------------------------------------------------------------------------


def test_predictions_and_probabilities():
    output = np.array([[0.1, 0.7, 0.2], [3, 1, -1]])
    for make in ALL:
        np.testing.assert_array_equal(make().predictions(output), [1, 0])
    np.testing.assert_array_equal(Quadratic().probabilities(output), output)
    np.testing.assert_array_equal(CrossEntropy().probabilities(output), softmax(output))
    np.testing.assert_allclose(
        BinaryCrossEntropy().probabilities(output), 1 / (1 + np.exp(-output)), rtol=1e-15
    )


def test_one_logit_predicts_by_its_sign():
    predicted = BinaryCrossEntropy().predictions(np.array([[-0.1], [0.1], [0.0]]))
    np.testing.assert_array_equal(predicted, [0, 1, 0])
    assert predicted.dtype == np.int64


# --- targets ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "float32", "float64", "bool"])
def test_one_hot(dtype):
    labels = np.array([1, 0, 1]).astype(dtype)
    rows = one_hot(labels, 2, np.float32)
    np.testing.assert_array_equal(rows, np.array([[0, 1], [1, 0], [0, 1]], np.float32), strict=True)
    assert one_hot(labels[:0], 5).shape == (0, 5)


def test_encode():
    loss = Quadratic()
    np.testing.assert_array_equal(
        loss.encode([2, 0], 3, np.float32), np.eye(3, dtype="f")[[2, 0]], strict=True
    )
    np.testing.assert_array_equal(loss.encode([0.5, -7], 1, np.float64), [[0.5], [-7]], strict=True)
    values = np.array([[0.5, 2], [1, 3]])
    assert loss.encode(values, 2, np.float64) is values
    assert loss.encode(values, 2, np.float32).dtype == np.float32


OUT_OF_RANGE = "number the classes from 0, and give the last layer one output per class"
NO_NUMBERS = "number the classes from 0; for regression give targets (batch, outputs)"


@pytest.mark.parametrize(
    ("labels", "message", "help"),
    [
        (np.arange(1, 11), "label 10 is out of range 0 to 9", "count classes from 0"),
        (np.array([0, -1, 3]), "label -1 is out of range 0 to 9", OUT_OF_RANGE),
        (np.array([0, 12]), "label 12 is out of range 0 to 9", OUT_OF_RANGE),
        (np.array([0.0, 10.0]), "label 10 is out of range 0 to 9", "count classes from 0"),
        (np.array([255], np.uint8), "label 255 is out of range 0 to 9", OUT_OF_RANGE),
        (np.array([1e300]), f"label {int(1e300)} is out of range 0 to 9", OUT_OF_RANGE),
        (np.array([3, 0.5]), "labels must be whole numbers 0 to 9, got 0.5", NO_NUMBERS),
        (np.array([3, np.nan]), "labels must be whole numbers 0 to 9, got nan", NO_NUMBERS),
        (np.array([np.inf, 1]), "labels must be whole numbers 0 to 9, got inf", NO_NUMBERS),
        (np.array(["cat", "dog"]), "labels must be whole numbers 0 to 9, got cat", NO_NUMBERS),
    ],
)
@pytest.mark.parametrize("make", ALL)
def test_labels_that_are_no_class_numbers(make, labels, message, help):
    with pytest.raises(DataError) as caught:
        make().encode(labels, 10, np.float32)
    assert str(caught.value) == message
    assert caught.value.help == help
    with pytest.raises(DataError):
        make().gradient(np.zeros((len(labels), 10)), labels)


@given(
    labels=arrays(np.int64, st.integers(1, 6), elements=st.integers(-3, 12)),
    classes=st.integers(2, 9),
)
def test_labels_are_refused_exactly_where_they_do_not_fit(labels, classes):
    fits = all(0 <= label < classes for label in labels)
    if fits:
        np.testing.assert_array_equal(one_hot(labels, classes), np.eye(classes)[labels])
    else:
        with pytest.raises(DataError, match=f"is out of range 0 to {classes - 1}"):
            one_hot(labels, classes)


def test_targets_of_the_wrong_shape():
    with pytest.raises(ShapeError) as caught:
        CrossEntropy().gradient(np.zeros((4, 3)), np.zeros((4, 5)))
    assert str(caught.value) == "cross_entropy of 3 outputs got targets of shape (4, 5)"
    assert caught.value.help == "give class numbers (batch,) or one column per output (batch, 3)"
    with pytest.raises(ShapeError, match=r"quadratic of 3 outputs got targets of shape \(4, 1\)"):
        Quadratic()(np.zeros((4, 3)), np.zeros((4, 1)))


def test_another_number_of_targets():
    with pytest.raises(ShapeError) as caught:
        Quadratic().per_sample(np.zeros((4, 3)), np.zeros(5, int))
    assert str(caught.value) == "quadratic got 4 outputs and 5 targets"
    assert caught.value.help == "one target per sample"


def test_a_column_never_broadcasts_against_a_row():
    """(n,) targets against (n, 1) outputs are n values, not n × n."""
    output, target = np.array([[1.0], [2], [3]]), np.array([1.0, 2, 3])
    assert Quadratic()(output, target) == 0
    np.testing.assert_array_equal(Quadratic().gradient(output, target), np.zeros((3, 1)))


def test_two_classes_with_one_output():
    with pytest.raises(DataError) as caught:
        BinaryCrossEntropy().encode(np.array([1, 2, 1]), 1, np.float32)
    assert str(caught.value) == "label 2 is out of range 0 to 1"
    assert caught.value.help == "count classes from 0"
    np.testing.assert_array_equal(BinaryCrossEntropy().encode([0.1, 0.9], 1, np.float64), [[0.1], [0.9]])


def test_cross_entropy_of_one_output_is_refused():
    with pytest.raises(ShapeError, match="cross_entropy of a single output is always 0") as caught:
        CrossEntropy().encode(np.array([0, 1]), 1, np.float32)
    assert caught.value.help == "use BinaryCrossEntropy, or an output per class"


@pytest.mark.parametrize("row", [[1.0, 1, 0], [0, 0, 0], [0.5, 0.4, 0], [np.nan, 0, 1]])
def test_cross_entropy_wants_probabilities(row):
    target = np.array([[0.2, 0.3, 0.5], row])
    with pytest.raises(DataError) as caught:
        CrossEntropy().check(target)
    total = f"{sum(row):g}"
    assert (
        str(caught.value)
        == f"targets of cross_entropy are probabilities that sum to 1, row 1 sums to {total}"
    )
    assert caught.value.help == "for several labels per row use BinaryCrossEntropy"
    for other in (Quadratic(), BinaryCrossEntropy()):
        other.check(target)


@given(z=arrays(np.float32, (4, 10), elements=st.floats(-20, 20, width=32)))
def test_probabilities_in_float32_pass(z):
    CrossEntropy().check(softmax(z))
    CrossEntropy().check(softmax(z).astype(np.float16))


def test_the_table_of_losses():
    assert {kind: make().kind for kind, make in LOSSES.items()} == {
        kind: kind
        for kind in (
            *("quadratic", "absolute_error", "hinge", "cross_entropy", "binary_cross_entropy"),
            *("probability_cross_entropy", "probability_binary_cross_entropy"),
        )
    }


def test_a_loss_without_a_body_says_so():
    with pytest.raises(NotImplementedError, match="Loss has no value"):
        Loss()(np.zeros((1, 2)), np.array([0]))
    with pytest.raises(NotImplementedError, match="Loss has no gradient"):
        Loss().gradient(np.zeros((1, 2)), np.array([0]))
