"""A training script with hooks: one that nndebug attaches, and one of your own.

python examples/script_with_hooks.py
"""

import nndebug
from network import SGD, CrossEntropy, Dense, ReLU, Sequential, fit
from network.data import load_digits

digits = load_digits()
net = Sequential(Dense(64, 30), ReLU(), Dense(30, 10), loss=CrossEntropy(), seed=0)


def largest(layer, output_gradient, input_gradient):
    """An observer sees read-only arrays, and what it returns is ignored."""
    steps.append(float(abs(layer.gradients["weight"]).max()))


steps = []
with net.layers[0].hook("backward", largest), nndebug.watch(net) as watch:
    fit(net, digits.train, SGD(0.1), epochs=2, validation=digits.test)

print(f"{len(steps)} steps; the largest weight gradient of hidden1 was {max(steps):.2g}")
print(nndebug.check(watch.run).verdict)
