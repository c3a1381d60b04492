"""Random correct networks, each from its number alone: every layer, activation and loss of the core.

Sizes are small, since many networks say more than large ones; scales of inputs and weights are spread over two decades.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from network import (
    SGD,
    Adam,
    AvgPool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    Momentum,
    Sequential,
)
from network.activations import ACTIVATIONS
from network.losses import LOSSES, Loss
from network.optimizers import Optimizer

Array = np.ndarray
Shape = tuple[int, ...]

SEED = 20_240
INITIALISERS = ("he", "xavier", "lecun", "normal")


@dataclass
class Case:
    """One random network with a batch for it.

    Attributes:
        number: what it was made from.
        network: correct.
        x, y: inputs (batch, …) and targets.
        optimizer: with an L2 penalty or without; None for half of the cases.
    """

    number: int
    network: Sequential
    x: Array
    y: Array
    optimizer: Optimizer | None

    @property
    def parameters(self) -> int:
        return self.network.flat_parameters.size


def case(number: int, dtype: str = "float64", activations: tuple[str, ...] = tuple(ACTIVATIONS)) -> Case:
    """The random network of this number: 1 to 6 layers with weights, batches of 1 to 64 rows.

    Args:
        number: any whole number from 0.
        dtype: of the network.
        activations: kinds to choose from.
    """
    rng = np.random.default_rng([SEED, number])
    depth = int(rng.integers(1, 7))
    images = depth > 1 and rng.random() < 0.35
    layers: list[Layer] = []
    shape: Shape = (int(rng.integers(1, 13)),)
    if images:
        shape = start = (int(rng.integers(1, 4)), int(rng.integers(3, 8)), int(rng.integers(3, 8)))
        for _ in range(int(rng.integers(1, min(depth, 3)))):
            shape = _image_block(layers, shape, rng, activations)
        layers.append(Flatten())
        shape = (int(np.prod(shape)),)
        depth -= 1
    elif rng.random() < 0.1:
        start, layers = (*shape, 1, 1), [Flatten()]
    else:
        start = shape
    loss = LOSSES[str(rng.choice(list(LOSSES)))]()
    # A loss of probabilities is given some: it takes the logarithm of its input.
    ends = ("sigmoid", "softmax") if loss.takes == "probabilities" else ()
    for left in reversed(range(max(depth, 1))):
        shape = _dense_block(layers, shape, rng, activations, ends, last=not left)
    network = Sequential(*layers, loss=loss, dtype=dtype, seed=number)
    _move_norms(network, rng)
    rows = int(rng.integers(1, 65))
    x = 10 ** rng.uniform(-1, 1) * rng.normal(size=(rows, *start))
    return Case(number, network, x.astype(dtype), _targets(loss, rows, shape[0], rng, dtype), _optimizer(rng))


def _image_block(
    layers: list[Layer], shape: Shape, rng: np.random.Generator, kinds: tuple[str, ...]
) -> Shape:
    """Adds a convolution with what may follow it; gives the shape of its output."""
    kernel = tuple(int(rng.integers(1, min(4, side + 1))) for side in shape[1:])
    stride = tuple(int(s) for s in rng.integers(1, 3, 2))
    padding = _padding(kernel, rng)
    conv = Conv2D(
        shape[0], int(rng.integers(1, 4)), kernel, stride, padding,
        init=str(rng.choice(INITIALISERS)), bias_init=_bias_init(rng), bias=rng.random() < 0.8,
    )  # fmt: skip
    layers.append(conv)
    shape = (conv.out_channels, *(axis.outputs for axis in conv.axes((1, *shape))))
    if rng.random() < 0.3:
        layers.append(BatchNorm(shape[0]) if rng.random() < 0.5 else LayerNorm(shape))
    _activate(layers, rng, kinds)
    if rng.random() < 0.4:
        window = tuple(int(rng.integers(1, min(4, side + 1))) for side in shape[1:])
        stride = None if rng.random() < 0.5 else tuple(int(s) for s in rng.integers(1, 3, 2))
        padding = "same" if rng.random() < 0.3 else tuple(int(rng.integers(0, k // 2 + 1)) for k in window)
        pool = (MaxPool2D if rng.random() < 0.5 else AvgPool2D)(window, stride, padding)
        layers.append(pool)
        shape = (shape[0], *(axis.outputs for axis in pool.axes((1, *shape))))
    return shape


def _dense_block(
    layers: list[Layer],
    shape: Shape,
    rng: np.random.Generator,
    kinds: tuple[str, ...],
    ends: tuple[str, ...],
    last: bool,
) -> Shape:
    units = shape[0] if rng.random() < 0.25 and shape[0] < 13 else int(rng.integers(1, 13))
    layers.append(
        Dense(
            shape[0], units, init=str(rng.choice(INITIALISERS)), bias_init=_bias_init(rng),
            bias=rng.random() < 0.85,
        )
    )  # fmt: skip
    if not last and rng.random() < 0.15:
        layers.append(BatchNorm(units) if rng.random() < 0.5 else LayerNorm(units))
    if last and ends:
        layers.append(ACTIVATIONS[str(rng.choice(ends))]())
    else:
        _activate(layers, rng, kinds)
    if not last and rng.random() < 0.15:
        layers.append(Dropout(float(rng.choice([0.2, 0.5])), seed=int(rng.integers(100))))
    return (units,)


def _activate(layers: list[Layer], rng: np.random.Generator, kinds: tuple[str, ...]) -> None:
    kind = str(rng.choice([*kinds, ""]))
    if kind:
        steep = kind == "leaky_relu" and rng.random() < 0.5
        layers.append(LeakyReLU(0.3) if steep else ACTIVATIONS[kind]())


def _padding(kernel: tuple[int, ...], rng: np.random.Generator) -> str | tuple[int, ...]:
    choice = rng.random()
    if choice < 0.4:
        return "same" if choice < 0.2 else "valid"
    return tuple(int(rng.integers(0, k + 1)) for k in kernel)


def _bias_init(rng: np.random.Generator) -> str:
    return "normal" if rng.random() < 0.7 else "zeros"


def _move_norms(network: Sequential, rng: np.random.Generator) -> None:
    """Scales and shifts that are not 1 and 0, as after some training."""
    for layer in network.layers:
        if isinstance(layer, BatchNorm | LayerNorm):
            for value in layer.parameters.values():
                value += rng.normal(0, 0.3, value.shape)


def _targets(loss: Loss, rows: int, outputs: int, rng: np.random.Generator, dtype: str) -> Array:
    if loss.kind.endswith("cross_entropy") and "binary" not in loss.kind and outputs == 1:
        return np.ones((rows, 1), dtype)
    if outputs > 1 and rng.random() < 0.6:
        return rng.integers(0, outputs, rows)
    values = rng.uniform(0.05, 0.95, (rows, outputs))
    if loss.kind == "hinge":
        values = np.round(values)
    if loss.kind.endswith("cross_entropy") and "binary" not in loss.kind:
        values /= values.sum(axis=1, keepdims=True)
    return values.astype(dtype)


def _optimizer(rng: np.random.Generator) -> Optimizer | None:
    if rng.random() < 0.5:
        return None
    rate, l2 = 10 ** rng.uniform(-3, 0), 10 ** rng.uniform(-3, 1) if rng.random() < 0.6 else 0.0
    kind = rng.integers(3)
    optimizer: Optimizer = (SGD(rate, l2=l2), Momentum(rate, 0.9, l2=l2), Adam(rate, l2=l2))[kind]
    optimizer.samples = int(rng.integers(100, 60_000))
    return optimizer
