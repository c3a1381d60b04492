"""Six classic bugs, planted into the core's own classes, and what a check must say about each."""

from dataclasses import dataclass

import numpy as np

from network import Dense, Quadratic, Sequential, Sigmoid


class CostForDerivative(Quadratic):
    """The cost C where dC/da belongs."""

    def gradient_encoded(self, output, target, out=None):
        return np.full_like(output, np.mean(self.per_sample_encoded(output, target)) / len(output))


class TransposeForgotten(Dense):
    """delta @ W where delta @ W.T belongs: silent on a square layer only."""

    def backward(self, output_gradient):
        self.backward_parameters(output_gradient)
        return output_gradient @ self.parameters["weight"]


class DerivativeMissing(Sigmoid):
    """sigmoid'(z) left out of the error."""

    def backward(self, output_gradient):
        return output_gradient


class SignFlipped(Sigmoid):
    """The error with the wrong sign."""

    def backward(self, output_gradient):
        return -super().backward(output_gradient)


class DividedTwice(Dense):
    """Divides by the batch although the loss is a mean already."""

    def backward_parameters(self, output_gradient):
        super().backward_parameters(output_gradient)
        for gradient in self.gradients.values():
            gradient /= len(output_gradient)


class BiasAxis(Dense):
    """The bias gradient summed over the units: silent where the batch is as large as the layer is wide."""

    def backward_parameters(self, output_gradient):
        super().backward_parameters(output_gradient)
        self.gradients["bias"][...] = output_gradient.sum(axis=1)


@dataclass(frozen=True)
class Planted:
    """A network with one bug, and what it is.

    Attributes:
        name: short name.
        layer: the layer at fault.
        equation: the equation at fault.
        part: the part of the layer.
        mistake: what the name of the mistake must contain.
        wrong: parameters whose gradients are wrong.
        network: makes the network.
        batch: rows on which the bug raises nothing.
    """

    name: str
    layer: str
    equation: str
    part: str
    mistake: str
    wrong: tuple[str, ...]
    network: object
    batch: int = 11


def _net(
    hidden1=Dense, act1=Sigmoid, hidden2=Dense, act2=Sigmoid, output=Dense, act3=Sigmoid, loss=Quadratic
):
    return lambda dtype="float64", seed=3: Sequential(
        hidden1(9, 8),
        act1(),
        hidden2(8, 8),
        act2(),
        output(8, 5),
        act3(),
        loss=loss(),
        dtype=dtype,
        seed=seed,
    )


_HIDDEN1 = ("hidden1.weight", "hidden1.bias")
_HIDDEN2 = ("hidden2.weight", "hidden2.bias")
_OUTPUT = ("output.weight", "output.bias")

PLANTED = (
    Planted(
        "cost for its derivative", "output", "BP1", "loss", "cost's value (a scalar) in place of its derivative",
        _HIDDEN1 + _HIDDEN2 + _OUTPUT, _net(loss=CostForDerivative),
    ),
    Planted(
        "missing transpose", "hidden2", "BP2", "input", "transpose forgotten", _HIDDEN1,
        _net(hidden2=TransposeForgotten),
    ),
    Planted(
        "missing derivative", "hidden1", "BP2", "activation", "activation's derivative missing", _HIDDEN1,
        _net(act1=DerivativeMissing),
    ),
    Planted("sign", "hidden2", "BP2", "activation", "sign flipped", _HIDDEN1 + _HIDDEN2, _net(act2=SignFlipped)),
    Planted(
        "divided twice", "hidden2", "BP4", "weight", "divided by the batch twice", _HIDDEN2, _net(hidden2=DividedTwice)
    ),
    Planted(
        "bias axis", "hidden1", "BP3", "bias", "sum over the wrong axis", ("hidden1.bias",), _net(hidden1=BiasAxis), 8
    ),
)  # fmt: skip
