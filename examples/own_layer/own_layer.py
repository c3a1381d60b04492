"""A layer as one writes it after a paper: it normalises every sample to length 1, and learns a gain for each feature.

`Normalise` has one subtle mistake; `Mended` is its twin without it. Both train; the first one a little worse.
"""

import numpy as np


class Mended:
    """y = gain * x / √(Σ x² + epsilon), with x (batch, features)."""

    def __init__(self, features, epsilon=1e-5):
        self.features, self.epsilon = features, epsilon
        self.parameters = {"gain": np.ones(features)}
        self.gradients = {"gain": np.zeros(features)}

    def forward(self, x):
        if x.shape[1:] != (self.features,):
            raise ValueError(f"expects (batch, {self.features}), got {x.shape}")
        self.length = np.sqrt((x * x).sum(axis=1, keepdims=True) + self.epsilon)
        self.direction = x / self.length
        return self.parameters["gain"] * self.direction

    def backward(self, output_gradient):
        self.gradients["gain"][...] = (output_gradient * self.direction).sum(axis=0)
        g = output_gradient * self.parameters["gain"]
        # The length depends on x as well: what points along x changes nothing and is taken off.
        along = (g * self.direction).sum(axis=1, keepdims=True)
        return (g - self.direction * along) / self.length


class Normalise(Mended):
    """The same as it was first written: the length is treated as if it were a constant."""

    def backward(self, output_gradient):
        self.gradients["gain"][...] = (output_gradient * self.direction).sum(axis=0)
        return output_gradient * self.parameters["gain"] / self.length
