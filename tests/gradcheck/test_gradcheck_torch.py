"""The numbers that the check takes for right, against PyTorch's automatic derivatives."""

import numpy as np
import pytest

from network import (
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    LeakyReLU,
    Quadratic,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from nndebug.gradcheck import gradcheck

torch = pytest.importorskip("torch")

FUNCTIONS = {
    Sigmoid: torch.sigmoid,
    Tanh: torch.tanh,
    ReLU: torch.relu,
    LeakyReLU: lambda z: torch.nn.functional.leaky_relu(z, 0.01),
    Softmax: lambda z: torch.softmax(z, dim=1),
}
LOSSES = {
    Quadratic: lambda a, y: 0.5 * ((a - y) ** 2).sum(1).mean(),
    CrossEntropy: lambda a, y: torch.nn.functional.cross_entropy(a, y),
    BinaryCrossEntropy: lambda a, y: (
        torch.nn.functional.binary_cross_entropy_with_logits(a, y, reduction="none").sum(1).mean()
    ),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize("wrong", [False, True])
def test_the_right_number_of_every_row_is_pytorchs(activation, loss, wrong):
    class Broken(activation):
        def backward(self, output_gradient):
            return 1.5 * super().backward(output_gradient)

    layer = Broken if wrong else activation
    network = Sequential(
        Dense(7, 6), layer(), Dense(6, 5), layer(), Dense(5, 4), loss=loss(), dtype="float64", seed=2
    )
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 7)), rng.uniform(0.1, 0.9, (9, 4))
    y /= y.sum(axis=1, keepdims=True)
    result = gradcheck(network, x, y)
    assert bool(result) is not wrong

    tensors = {k: torch.tensor(v, requires_grad=True) for k, v in network.parameters.items()}
    a = torch.tensor(x)
    for name in ("hidden1", "hidden2", "output"):
        a = a @ tensors[f"{name}.weight"] + tensors[f"{name}.bias"]
        a = FUNCTIONS[activation](a) if name != "output" else a
    LOSSES[loss](a, torch.tensor(y)).backward()
    for row in result.rows:
        right = tensors[f"{row.layer}.{row.parameter}"].grad.numpy()
        assert row.numeric == pytest.approx(right[row.index], rel=1e-6, abs=1e-9 * np.abs(right).max())
        if row.verdict == "disagrees":
            assert row.analytic == pytest.approx(
                right[row.index] * 1.5 ** {"hidden2": 1, "hidden1": 2}[row.layer]
            )
