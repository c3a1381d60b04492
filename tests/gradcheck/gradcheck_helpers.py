"""What the tests of the gradient check share."""

import itertools

import numpy as np
from hypothesis import strategies as st

from network import Dense, Dropout, Flatten, Sequential
from network.activations import ACTIVATIONS
from network.losses import LOSSES


def parameters(network):
    """Bytes of everything that a check must leave as it was."""
    state = {key: value.tobytes() for key, value in network.parameters.items()}
    state |= {f"gradient of {key}": value.tobytes() for key, value in network.gradients.items()}
    for layer in network.layers:
        if hasattr(layer, "rng"):
            state[f"generator of {layer.name}"] = str(layer.rng.bit_generator.state)
    return state


def batch(network, rows, seed=0):
    """Random inputs and class numbers for a network of dense layers."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, network.inputs)), rng.integers(0, network.outputs, rows)


@st.composite
def networks(draw, dtypes=("float32", "float64"), losses=tuple(LOSSES)):
    """Correct networks of every layer, activation and loss of the core."""
    widths = draw(st.lists(st.integers(1, 9), min_size=2, max_size=5))
    layers = [Flatten()] if draw(st.booleans()) else []
    for inputs, units in itertools.pairwise(widths):
        init = draw(st.sampled_from(["he", "xavier", "normal", "zeros"]))
        bias = draw(st.booleans())
        layers.append(
            Dense(inputs, units, init=init, bias_init=draw(st.sampled_from(["zeros", "normal"])), bias=bias)
        )
        kind = draw(st.sampled_from([None, *ACTIVATIONS]))
        if kind:
            layers.append(ACTIVATIONS[kind]())
        if draw(st.booleans()):
            layers.append(Dropout(draw(st.sampled_from([0.2, 0.5])), seed=draw(st.integers(0, 9))))
    loss = LOSSES[draw(st.sampled_from(losses))]()
    if loss.takes == "probabilities":  # of other outputs it may be NaN
        layers.append(ACTIVATIONS["softmax" if loss.kind == "probability_cross_entropy" else "sigmoid"]())
    return Sequential(*layers, loss=loss, dtype=draw(st.sampled_from(dtypes)), seed=draw(st.integers(0, 99)))
