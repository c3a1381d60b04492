"""What the tests of the core share: derivatives by differences, exact values by decimal arithmetic."""

from decimal import Decimal, localcontext

import numpy as np

from network import Adam, CrossEntropy, Dense, Dropout, ReLU, Sequential, Sigmoid, fit
from network.layers import LAYER_EVENTS
from network.model import NETWORK_EVENTS

DTYPES = ("float32", "float64")


def differences(function, x, step=1e-3):
    """d function(x) / dx for a scalar function of an array, by fourth-order central differences.

    Args:
        function: of an array like x; looks at it now and keeps nothing.
        x: float64; its entries are moved one by one, and put back.
    """
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        here, values = x[index], []
        for move in (-2, -1, 1, 2):
            x[index] = here + move * step
            values.append(function(x))
        x[index] = here
        gradient[index] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
    return gradient


def exactly(function, z, digits=60):
    """function(Decimal) of every entry of z in so many digits, rounded to float64 at the end."""
    with localcontext() as context:
        context.prec, context.Emin, context.Emax = digits, -(10**6), 10**6
        flat = [float(function(Decimal(float(value)))) for value in np.ravel(z)]
    return np.array(flat).reshape(np.shape(z))


def small(dtype="float32", seed=1, dropout=True, features=6, classes=3):
    """A network with one layer of each sort that fit meets: 6 → 5 relu → dropout → 4 sigmoid → 3."""
    dropped = [Dropout(0.3, seed=7)] if dropout else []
    layers = [Dense(features, 5), ReLU(), *dropped, Dense(5, 4), Sigmoid(), Dense(4, classes)]
    return Sequential(*layers, loss=CrossEntropy(), dtype=dtype, seed=seed)


def samples(count=50, features=6, classes=3, seed=0):
    """Inputs (count, features) float64 and the class numbers (count,) of a random linear map."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, features))
    return x, (x @ rng.standard_normal((features, classes))).argmax(axis=1)


def state(network):
    """Bytes of everything that a look from outside must leave as it was."""
    found = {"mode": network.training, "hooks": dict(network.observed)}
    for name, value in (*network.parameters.items(), *network.gradients.items()):
        found[name, id(value)] = value.tobytes()
    for layer in network.layers:
        for name, value in vars(layer).items():
            if isinstance(value, np.ndarray):
                found[layer.name, layer.kind, name] = (id(value), value.tobytes())
            elif isinstance(value, np.random.Generator):
                found[layer.name, name] = str(value.bit_generator.state)
        found[layer.name, layer.kind, "buffers"] = {
            key: (id(value), value.tobytes()) for key, value in layer._buffers.items()
        }
    return found


def observe_everything(network, observer):
    """Attaches to every event of the network and of every layer."""
    handles = [network.hook(kind, observer) for kind in NETWORK_EVENTS]
    return handles + [layer.hook(kind, observer) for layer in network.layers for kind in LAYER_EVENTS]


def train(network, optimizer=None, epochs=3, **options):
    """A short training with everything that fit does; returns its results."""
    x, y = samples()
    return fit(
        network,
        (x, y),
        optimizer or Adam(0.01, l2=0.1),
        epochs=epochs,
        batch=8,
        validation=samples(9),
        **options,
    )
