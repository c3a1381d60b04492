"""A small, fast neural-network core in NumPy whose every layer can be observed.

Rows are samples. A network owns its loss; `fit` trains it; hooks on every layer, on the loss, on the optimiser's
step and on epochs let others watch without changing a bit.
"""

from .activations import (
    ELU,
    GELU,
    SELU,
    Activation,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Softmax,
    Softsign,
    Tanh,
)
from .convolution import AvgPool2D, Conv2D, MaxPool2D
from .errors import DataError, ExperimentError, NetworkError, ShapeError
from .hooks import Handle, Hooks
from .layers import Dense, Dropout, Flatten, Layer
from .losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    Hinge,
    Loss,
    ProbabilityBinaryCrossEntropy,
    ProbabilityCrossEntropy,
    Quadratic,
)
from .model import Sequential
from .normalization import BatchNorm, LayerNorm
from .optimizers import SGD, Adadelta, Adam, Momentum, Optimizer, RMSprop
from .training import EpochResult, Evaluation, Training, evaluate, fit

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "SGD",
    "AbsoluteError",
    "Activation",
    "Adadelta",
    "Adam",
    "AvgPool2D",
    "BatchNorm",
    "BinaryCrossEntropy",
    "Conv2D",
    "CrossEntropy",
    "DataError",
    "Dense",
    "Dropout",
    "EpochResult",
    "Evaluation",
    "ExperimentError",
    "Flatten",
    "Handle",
    "Hinge",
    "Hooks",
    "Identity",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Loss",
    "MaxPool2D",
    "Momentum",
    "NetworkError",
    "Optimizer",
    "ProbabilityBinaryCrossEntropy",
    "ProbabilityCrossEntropy",
    "Quadratic",
    "RMSprop",
    "ReLU",
    "Sequential",
    "ShapeError",
    "Sigmoid",
    "Softmax",
    "Softsign",
    "Tanh",
    "Training",
    "evaluate",
    "fit",
]
