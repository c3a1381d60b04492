"""Puts layers and activations of other people's micro-libraries through the kit: python scripts/kit_on_others.py [NAME ...]

Needs `pip install numpy-ml==0.1.2 blocknn==0.2.2` (without their dependencies: `--no-deps`). What was found, and confirmed by
hand, is in docs/kit-on-others.md.
"""

from __future__ import annotations

import collections
import collections.abc
import copy
import sys
import warnings

import blocknn.layers
import numpy as np

collections.Hashable = collections.abc.Hashable  # numpy-ml imports it from where it was up to Python 3.9
from numpy_ml.neural_nets import activations, layers  # noqa: E402

from nndebug.testing import CheckFailed, adapt, case  # noqa: E402
from nndebug.testing.driver import run  # noqa: E402
from nndebug.testing.registry import battery  # noqa: E402


class NumpyML:
    """A layer of numpy-ml, which adds gradients up by design: they are flushed before every pass."""

    def __init__(self, layer):
        self.layer = layer
        self.nndebug_label = f"numpy-ml {type(layer).__name__}"

    def __deepcopy__(self, memo):
        return NumpyML(copy.deepcopy(self.layer, memo))

    @property
    def parameters(self):
        return {
            n: v
            for n, v in self.layer.parameters.items()
            if n in self.layer.gradients and isinstance(v, np.ndarray)
        }

    @property
    def gradients(self):
        return self.layer.gradients

    def forward(self, x):
        self.layer.flush_gradients() if getattr(self.layer, "is_initialized", False) else None
        self.x = x
        return self.layer.forward(x)

    def backward(self, g):
        self.layer.flush_gradients()
        self.layer.forward(self.x)
        return self.layer.backward(g)


class NumpyMLActivation:
    """An activation of numpy-ml: fn and grad, both of z."""

    def __init__(self, made):
        self.made = made
        self.nndebug_label = f"numpy-ml {type(made).__name__}"

    def value(self, z):
        return self.made.fn(z)

    def derivative(self, z, a):
        return self.made.grad(z)

    def forward(self, x):
        self.z = x
        return self.value(x)

    def backward(self, g):
        return g * self.derivative(self.z, None)


def dense():
    """blocknn's, with its parameters where the kit looks for them."""
    layer = blocknn.layers.Dense(3, lambda z: z)
    layer.build(4)
    made = adapt(layer)
    type(made).parameters = property(lambda self: self.layer.params if hasattr(self.layer, "params") else {})
    type(made).gradients = property(lambda self: self.layer.grad if hasattr(self.layer, "grad") else {})
    return made


LAYERS = {
    "FullyConnected": (lambda: layers.FullyConnected(3), (4,), {"tags": {"linear"}}),
    "FullyConnected, ReLU": (lambda: layers.FullyConnected(3, act_fn="ReLU"), (4,), {}),
    "Softmax": (lambda: layers.Softmax(), (4,), {}),
    "BatchNorm1D": (lambda: layers.BatchNorm1D(), (4,), {"tags": {"batch_coupled", "stateful"}}),
    "LayerNorm1D": (lambda: layers.LayerNorm1D(), (4,), {}),
    "BatchNorm2D": (lambda: layers.BatchNorm2D(), (4, 3, 2), {"tags": {"batch_coupled", "stateful"}}),
    "LayerNorm2D": (lambda: layers.LayerNorm2D(), (4, 3, 2), {}),
    "Conv2D": (lambda: layers.Conv2D(3, (2, 2)), (4, 5, 2), {"tags": {"linear"}}),
    "Pool2D max": (lambda: layers.Pool2D((2, 2), stride=2), (4, 4, 2), {}),
    "Pool2D average": (lambda: layers.Pool2D((2, 2), stride=2, mode="average"), (4, 4, 2), {}),
    "Flatten": (lambda: layers.Flatten(), (2, 3), {}),
}
ACTIVATIONS = (
    "Sigmoid",
    "ReLU",
    "LeakyReLU",
    "Tanh",
    "ELU",
    "Exponential",
    "SELU",
    "HardSigmoid",
    "SoftPlus",
    "Identity",
)


def cases():
    for name, (make, takes, options) in LAYERS.items():
        yield lambda m=make, t=takes, n=name, o=options: case(
            NumpyML(m()), kind="layer", takes=t, name=n, **o
        )
    for name in ACTIVATIONS:
        yield lambda n=name: case(
            NumpyMLActivation(getattr(activations, n)()), kind="activation", takes=(3,), name=n
        )
    yield lambda: case(dense(), kind="layer", takes=(4,), name="blocknn Dense")


def main() -> None:
    warnings.simplefilter("ignore")
    wanted = sys.argv[1:]
    for make in cases():
        made = make()
        if wanted and made.name not in wanted:
            continue
        passed, failed = 0, []
        for check in battery(made.kind):
            if check.applies(made):
                continue
            try:
                run(check, made, examples=10)
                passed += 1
            except CheckFailed as found:
                f = found.failure
                failed.append(f"    {check.name}: {f.what}; expected {f.expected}, got {f.got}"[:230])
            except Exception as error:
                failed.append(f"    {check.name}: {type(error).__name__}: {error}"[:200])
        print(
            f"{made.label} [{made.name}]: {passed} passed, {len(failed)} failed",
            *failed,
            sep="\n",
            flush=True,
        )


if __name__ == "__main__":
    main()
