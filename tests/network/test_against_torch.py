"""The whole core against PyTorch: values, gradients, and hundreds of steps of every optimiser, in float64."""

from itertools import pairwise

import numpy as np
import pytest
from core_helpers import samples

from network import (
    SGD,
    Adam,
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    Identity,
    LeakyReLU,
    Momentum,
    Quadratic,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'nndebug[torch]'")
functional = torch.nn.functional
torch.set_num_threads(1)  # on matrices this small a second thread only waits

ACTIVATIONS = {
    "identity": (Identity, lambda z: z),
    "sigmoid": (Sigmoid, torch.sigmoid),
    "tanh": (Tanh, torch.tanh),
    "relu": (ReLU, torch.relu),
    "leaky_relu": (lambda: LeakyReLU(0.1), lambda z: functional.leaky_relu(z, 0.1)),
    "softmax": (Softmax, lambda z: torch.softmax(z, dim=1)),
}
LOSSES = {
    "quadratic": (Quadratic, lambda a, y: 0.5 * ((a - y) ** 2).sum(dim=1).mean()),
    "cross_entropy": (CrossEntropy, functional.cross_entropy),
    "binary_cross_entropy": (
        BinaryCrossEntropy,
        lambda z, y: functional.binary_cross_entropy_with_logits(z, y, reduction="none").sum(dim=1).mean(),
    ),
}
DTYPES = {"float32": (torch.float32, 2e-6), "float64": (torch.float64, 1e-14)}

SIZES = np.concatenate([[0.0], np.logspace(-3, 4, 50)])
Z = np.concatenate([SIZES, -SIZES]).reshape(-1, 6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations_and_their_derivatives(kind, dtype):
    (make, theirs), (torch_dtype, tolerance) = ACTIVATIONS[kind], DTYPES[dtype]
    layer, z = make(), torch.tensor(Z, dtype=torch_dtype, requires_grad=True)
    g = np.random.default_rng(0).normal(size=Z.shape).astype(dtype)
    right = theirs(z)
    right.backward(torch.tensor(g))
    output = layer.forward(Z.astype(dtype))
    np.testing.assert_allclose(output, right.detach(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(layer.backward(g), z.grad, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("size", [1.0, 30.0, 1e4])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", LOSSES)
def test_losses_and_their_gradients(kind, dtype, size):
    (make, theirs), (torch_dtype, tolerance) = LOSSES[kind], DTYPES[dtype]
    rng = np.random.default_rng(0)
    output, target = size * rng.normal(size=(50, 4)), rng.dirichlet(np.ones(4), 50)
    target[:25] = np.eye(4)[rng.integers(0, 4, 25)]
    z = torch.tensor(output, dtype=torch_dtype, requires_grad=True)
    right = theirs(z, torch.tensor(target, dtype=torch_dtype))
    right.backward()
    loss, output, target = make(), output.astype(dtype), target.astype(dtype)
    assert loss(output, target) == pytest.approx(right.item(), rel=5 * tolerance)
    gradient = loss.gradient(output, target)
    scale = np.abs(gradient).max()
    np.testing.assert_allclose(gradient, z.grad, rtol=5 * tolerance, atol=5 * tolerance * scale)


def test_cross_entropy_of_class_numbers():
    output, labels = np.random.default_rng(0).normal(size=(20, 5)), np.arange(20) % 5
    right = functional.cross_entropy(torch.tensor(output), torch.tensor(labels))
    assert CrossEntropy()(output, labels) == pytest.approx(right.item(), rel=1e-14)


# --- whole networks -----------------------------------------------------------------------------------------------------


class Pair:
    """One network twice: ours, and PyTorch's with the same parameters."""

    def __init__(self, activation, loss, dtype="float64", widths=(6, 9, 7, 3)):
        make, self.activation = ACTIVATIONS[activation]
        make_loss, self.loss = LOSSES[loss]
        layers = [Dense(widths[0], widths[1], bias_init="normal")]
        for inputs, units in pairwise(widths[1:]):
            layers += [make(), Dense(inputs, units, init="xavier", bias_init="normal")]
        self.ours = Sequential(*layers, loss=make_loss(), dtype=dtype, seed=5)
        self.ours.training = True
        copies = [torch.tensor(value, requires_grad=True) for value in self.ours.parameters.values()]
        self.weights, self.biases = copies[::2], copies[1::2]

    @property
    def theirs(self):
        """PyTorch's parameters under our names."""
        ordered = [each for pair in zip(self.weights, self.biases, strict=True) for each in pair]
        return dict(zip(self.ours.parameters, ordered, strict=True))

    def differentiate(self, x, target):
        """Both passes on both sides; both outputs."""
        for parameter in self.theirs.values():
            parameter.grad = None
        value = torch.tensor(x)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            value = self.activation(value @ weight + bias)
        value = value @ self.weights[-1] + self.biases[-1]
        self.loss(value, torch.tensor(target)).backward()
        return self.ours.differentiate(x, target), value.detach().numpy()


def data(dtype="float64"):
    x, y = samples(120)
    return x.astype(dtype), np.eye(3, dtype=dtype)[y]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-5), ("float64", 1e-13)])
def test_forward_and_backward(activation, loss, dtype, tolerance):
    pair = Pair(activation, loss, dtype)
    ours, theirs = pair.differentiate(*data(dtype))
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    for name, parameter in pair.theirs.items():
        np.testing.assert_allclose(pair.ours.gradients[name], parameter.grad, rtol=tolerance, atol=tolerance)


RATE, L2, BATCH, STEPS = 0.05, 3.0, 8, 300

OPTIMIZERS = {
    "sgd": (lambda l2: SGD(RATE, l2), lambda groups: torch.optim.SGD(groups, lr=RATE)),
    "momentum": (
        lambda l2: Momentum(RATE, 0.8, l2),
        lambda groups: torch.optim.SGD(groups, lr=RATE, momentum=0.8),
    ),
    "adam": (
        lambda l2: Adam(0.005, 0.85, 0.98, 1e-7, l2),
        lambda groups: torch.optim.Adam(groups, lr=0.005, betas=(0.85, 0.98), eps=1e-7),
    ),
}


@pytest.mark.parametrize(("loss", "l2"), [*((loss, L2) for loss in LOSSES), ("cross_entropy", 0.0)])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_hundreds_of_steps(optimizer, loss, l2):
    """tanh, since a kink would turn a difference in the last place into another path."""
    pair, (x, target) = Pair("tanh", loss), data()
    start = pair.ours.flat_parameters.copy()
    make, theirs = OPTIMIZERS[optimizer]
    ours = make(l2)
    ours.samples = len(x)
    groups = [
        {"params": pair.weights, "weight_decay": l2 / len(x)},
        {"params": pair.biases, "weight_decay": 0},
    ]
    stepper, rng = theirs(groups), np.random.default_rng(0)
    for _ in range(STEPS):
        rows = rng.integers(0, len(x), BATCH)
        pair.differentiate(x[rows], target[rows])
        ours.step(pair.ours)
        stepper.step()
    for name, parameter in pair.theirs.items():
        np.testing.assert_allclose(pair.ours.parameters[name], parameter.detach(), rtol=1e-10, atol=1e-10)
    assert np.abs(pair.ours.flat_parameters - start).max() > 0.1


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_single_precision_stays_close(optimizer):
    pair, (x, target) = Pair("sigmoid", "cross_entropy", "float32"), data("float32")
    make, theirs = OPTIMIZERS[optimizer]
    ours, stepper, rng = make(0.0), theirs([*pair.weights, *pair.biases]), np.random.default_rng(0)
    for _ in range(100):
        rows = rng.integers(0, len(x), BATCH)
        pair.differentiate(x[rows], target[rows])
        ours.step(pair.ours)
        stepper.step()
    for name, parameter in pair.theirs.items():
        assert pair.ours.parameters[name].dtype == np.float32
        np.testing.assert_allclose(pair.ours.parameters[name], parameter.detach(), rtol=1e-3, atol=1e-4)
