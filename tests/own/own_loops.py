"""Training loops as people write them around the layouts of `own_layouts`: whole data sets, and one loop for each layout.

`LOOPS` has, by name of a layout, a function that makes (model, data, loop): `loop()` trains `EPOCHS` epochs.
"""

from types import SimpleNamespace

import numpy as np
from own_layouts import Attributes as Plain
from own_layouts import ColumnDicts, LayerObjects, MovesItself, Penalised, Slots, Vectors, sigmoid

SAMPLES, BATCH, EPOCHS, RATE = 140, 7, 2, 0.2
STEPS = EPOCHS * SAMPLES // BATCH


def data(outputs, seed=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(SAMPLES, 8))
    labels = (x @ rng.normal(size=(8, max(outputs, 2)))).argmax(axis=1)
    return x, labels, np.eye(max(outputs, 2))[labels]


def batches():
    for _ in range(EPOCHS):
        for start in range(0, SAMPLES, BATCH):
            yield slice(start, start + BATCH)


def fresh(kind, *arguments):
    """The layouts draw from a generator of their module: each gets its own."""
    import own_layouts

    own_layouts.RNG = np.random.default_rng(11)
    return kind(*arguments)


def attributes():
    model, (x, _, y) = fresh(Plain), data(3)

    def loop():
        for rows in batches():
            model.forward(x[rows])
            model.backward(x[rows], y[rows])
            model.step()

    return model, (x, y), loop


def penalised():
    model, (x, _, y) = fresh(Penalised), data(3)

    def loop():
        for rows in batches():
            model.update(x[rows], y[rows], RATE, 0.1, SAMPLES)

    return model, (x, y), loop


def column_dicts():
    model, (x, labels, _) = fresh(ColumnDicts), data(1)
    columns, y = x.T, labels[None].astype(float)

    def loop():
        for rows in batches():
            _, cache = model.forward_propagation(columns[:, rows])
            grads = model.backward_propagation(columns[:, rows], y[:, rows], cache)
            model.update_parameters(grads, RATE)

    return model, (columns, y), loop


def layer_objects():
    model, (x, _, y) = fresh(LayerObjects), data(3)

    def loop():
        for rows in batches():
            out = model.forward(x[rows])
            model.loss(out, y[rows])
            model.backward(model.loss_gradient(out, y[rows]))
            model.step(RATE)

    return model, (x, y), loop


def functions():
    """No class: functions that share what they close over, and a loop that updates by itself."""
    rng = np.random.default_rng(11)
    weights, biases = [rng.normal(size=(8, 4)), rng.normal(size=(4, 2))], [np.zeros(4), np.zeros(2)]

    def forward(x):
        return sigmoid(sigmoid(x @ weights[0] + biases[0]) @ weights[1] + biases[1])

    def loss(x, y):
        return 0.5 * np.mean(np.sum((forward(x) - y) ** 2, axis=1))

    def backward(x, y):
        a1 = sigmoid(x @ weights[0] + biases[0])
        a2 = sigmoid(a1 @ weights[1] + biases[1])
        delta2 = (a2 - y) * a2 * (1 - a2) / len(x)
        delta1 = delta2 @ weights[1].T * a1 * (1 - a1)
        return [x.T @ delta1, a1.T @ delta2], [delta1.sum(axis=0), delta2.sum(axis=0)]

    x, _, y = data(2)

    def train(model):
        for rows in batches():
            dw, db = model["backward"](x[rows], y[rows])
            for i in (0, 1):
                weights[i] -= RATE * dw[i]
                biases[i] = biases[i] - RATE * db[i]

    return {"forward": forward, "loss": loss, "backward": backward}, train, (x, y)


def closures():
    model, train, samples = functions()
    return model, samples, lambda: train(model)


def namespace():
    made, train, samples = functions()
    model = SimpleNamespace(**made)
    return model, samples, lambda: train({"backward": lambda x, y: model.backward(x, y)})


def vectors():
    model, (x, _, y) = fresh(Vectors), data(3)

    def loop():
        for rows in batches():
            total = None
            for one, target in zip(x[rows], y[rows]):
                grads = model.gradients(one, target)
                total = grads if total is None else [(a + c, b + d) for (a, b), (c, d) in zip(total, grads)]
            model.layers = [
                (w - RATE / BATCH * g, b - RATE / BATCH * h) for (w, b), (g, h) in zip(model.layers, total)
            ]

    return model, (list(x), list(y)), loop


def moves_itself():
    model, (x, labels, _) = fresh(MovesItself), data(1)
    y = labels[:, None].astype(float)

    def loop():
        for rows in batches():
            model.feedforward(x[rows])
            model.backprop(x[rows], y[rows])

    return model, (x, y), loop


def slots():
    rng = np.random.default_rng(11)
    x, labels, _ = data(3)
    model = Slots(rng.normal(size=(8, 3)), np.zeros(3), [np.zeros((8, 3)), np.zeros(3)])

    def loop():
        for rows in batches():
            model.forward(x[rows])
            model.backward(x[rows], labels[rows])
            model.update(0.05)

    return model, (x, labels), loop


LOOPS = {
    "attributes": attributes,
    "penalised": penalised,
    "dicts, columns": column_dicts,
    "layer objects": layer_objects,
    "closures": closures,
    "namespace": namespace,
    "vectors": vectors,
    "moves itself": moves_itself,
    "slots": slots,
}
