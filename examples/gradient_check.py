"""A gradient check of a network, and of a layer of one's own in it.

python examples/gradient_check.py
"""

import numpy as np

import nndebug
from network import CrossEntropy, Dense, Layer, Sequential


class Square(Layer):
    """y = x²; its backward forgets the factor 2."""

    kind = "square"

    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, output_gradient):
        return self.x * output_gradient


rng = np.random.default_rng(0)
x, y = rng.normal(size=(7, 4)), rng.integers(0, 3, 7)
print(nndebug.gradcheck(Sequential(Dense(4, 5), Square(), Dense(5, 3), loss=CrossEntropy()), x, y))
