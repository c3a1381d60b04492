"""Right networks of one's own at random: style, depth, widths, activations, loss, batch, with and without biases."""

import itertools

import numpy as np

ACTIVATIONS = {
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z, a: a * (1 - a)),
    "tanh": (np.tanh, lambda z, a: 1 - a * a),
    "relu": (lambda z: np.maximum(z, 0), lambda z, a: z > 0),
    "leaky": (lambda z: np.where(z > 0, z, 0.1 * z), lambda z, a: np.where(z > 0, 1, 0.1)),
    "identity": (lambda z: z, lambda z, a: np.ones_like(z)),
}


class Random:
    """Layers with whatever activation, samples in rows or columns, one or many."""

    def __init__(self, sizes, hidden, last, columns, bias, seed):
        rng = np.random.default_rng(seed)
        self.columns, self.hidden, self.last = columns, hidden, last
        self.weights = [
            rng.normal(size=(n, m) if columns else (m, n)) / np.sqrt(m) for m, n in itertools.pairwise(sizes)
        ]
        self.biases = [0.3 * rng.normal(size=(n, 1) if columns else n) for n in sizes[1:]] if bias else []

    def _passed(self, x):
        zs, activations = [], [x]
        for i, w in enumerate(self.weights):
            z = w @ activations[-1] if self.columns else activations[-1] @ w
            z = z + self.biases[i] if self.biases else z
            final = i == len(self.weights) - 1
            zs.append(z)
            activations.append(self._last(z) if final else ACTIVATIONS[self.hidden][0](z))
        return zs, activations

    def _last(self, z):
        if self.last == "softmax":
            axis = 0 if self.columns else -1
            e = np.exp(z - z.max(axis=axis, keepdims=True))
            return e / e.sum(axis=axis, keepdims=True)
        return ACTIVATIONS[self.last][0](z)

    def forward(self, x):
        return self._passed(x)[1][-1]

    def backward(self, x, y):
        zs, activations = self._passed(x)
        count = self._count(x)
        a = activations[-1]
        delta = (a - y) / count  # softmax with cross-entropy
        if self.last != "softmax":
            delta = delta * ACTIVATIONS[self.last][1](zs[-1], a)
        weights, biases = [], []
        for i in reversed(range(len(self.weights))):
            before = activations[i]
            if self.columns:
                weights.insert(0, delta @ before.T)
                biases.insert(0, delta.sum(axis=1, keepdims=True))
                delta = self.weights[i].T @ delta
            else:
                weights.insert(0, np.outer(before, delta) if delta.ndim == 1 else before.T @ delta)
                biases.insert(0, delta if delta.ndim == 1 else delta.sum(axis=0))
                delta = delta @ self.weights[i].T
            if i:
                delta = delta * ACTIVATIONS[self.hidden][1](zs[i - 1], before)
        return {"weights": weights, "biases": biases} if self.biases else {"weights": weights}

    def _count(self, x):
        return x.shape[1] if self.columns else len(x) if x.ndim > 1 else 1

    def update(self, x, y, lr):
        given = self.backward(x, y)
        for name in given:
            for value, gradient in zip(getattr(self, name), given[name], strict=True):
                value -= lr * gradient


class WithLoss(Random):
    def loss(self, x, y):
        a = self.forward(x)
        if self.last == "softmax":
            return -np.sum(y * np.log(a)) / self._count(x)
        return 0.5 * np.sum((a - y) ** 2) / self._count(x)


def draw(rng):
    """(model, x, y) and words that describe it."""
    depth = int(rng.integers(1, 5))
    sizes = [int(n) for n in rng.integers(1, 9, depth + 1)]
    hidden = str(rng.choice(list(ACTIVATIONS)))
    last = str(rng.choice(["sigmoid", "softmax", "identity", "tanh"]))
    if last == "softmax":
        sizes[-1] = max(2, sizes[-1])
    columns, bias, told = bool(rng.integers(2)), rng.random() < 0.85, bool(rng.integers(2))
    form = str(rng.choice(["batch", "list"]))
    samples = int(rng.integers(1, 14))
    model = (WithLoss if told else Random)(sizes, hidden, last, columns, bias, int(rng.integers(1 << 30)))
    x = rng.normal(size=(samples, sizes[0]))
    y = (
        np.eye(sizes[-1])[rng.integers(0, sizes[-1], samples)]
        if last == "softmax"
        else rng.uniform(0.05, 0.95, (samples, sizes[-1]))
    )
    if form == "list":
        x, y = ([v[:, None] for v in x], [v[:, None] for v in y]) if columns else (list(x), list(y))
    elif columns:
        x, y = x.T, y.T
    words = (
        f"{sizes} {hidden}/{last} {'columns' if columns else 'rows'} {form} {samples} bias={bias} loss={told}"
    )
    return (model, x, y), words


class Mistaken(Random):
    """The same with one mistake at one layer. `MISTAKES` says which equation it is of."""

    mistake, at = "", 0

    def backward(self, x, y):
        zs, activations = self._passed(x)
        count, last = self._count(x), len(self.weights) - 1
        a, m = activations[-1], self.mistake
        delta = (a - y) / count
        if self.last != "softmax" and not (m == "derivative missing" and self.at == last):
            delta = delta * ACTIVATIONS[self.last][1](zs[-1], a)
        weights, biases = [], []
        for i in reversed(range(len(self.weights))):
            here, before = self.at == i, activations[i]
            if here and m in DELTA:
                delta = DELTA[m](delta)
            d = delta
            if self.columns:
                w, b = d @ before.T, d.sum(axis=1, keepdims=True)
            else:
                w, b = (np.outer(before, d), d) if d.ndim == 1 else (before.T @ d, d.sum(axis=0))
            if here and m in WEIGHT:
                w = WEIGHT[m](w)
            if here and m in BIAS:
                b = BIAS[m](b)
            weights.insert(0, w)
            biases.insert(0, b)
            if i:
                w = self.weights[i]
                if m == "transpose forgotten" and self.at == i - 1 and w.shape[0] == w.shape[1]:
                    w = w.T
                delta = w.T @ d if self.columns else d @ w.T
                if not (m == "derivative missing" and self.at == i - 1):
                    delta = delta * ACTIVATIONS[self.hidden][1](zs[i - 1], before)
        return {"weights": weights, "biases": biases} if self.biases else {"weights": weights}


DELTA = {"sign": lambda d: -d, "doubled": lambda d: 2 * d, "zero": lambda d: 0 * d}
WEIGHT = {
    "weight sign": lambda w: -w,
    "weight transposed": lambda w: w.T,
    "weight doubled": lambda w: 2 * w,
    "weight zero": lambda w: 0 * w,
}
BIAS = {
    "bias sign": lambda b: -b,
    "bias half": lambda b: b / 2,
    "bias zero": lambda b: 0 * b,
    "bias mean": lambda b: 0 * b + b.mean(),
}
EQUATIONS = {
    "derivative missing": "delta",
    "transpose forgotten": "delta",
    **dict.fromkeys(DELTA, "delta"),
    **dict.fromkeys(WEIGHT, "BP4"),
    **dict.fromkeys(BIAS, "BP3"),
}


def draw_mistaken(rng):
    """(model, x, y), words, the layer's name and equation at fault; None where the mistake changes nothing."""
    (right, x, y), words = draw(rng)
    depth = len(right.weights)
    mistake, at = str(rng.choice(list(EQUATIONS))), int(rng.integers(depth))
    wrong = object.__new__(type("Mine", (Mistaken, type(right)), {}))
    wrong.__dict__ = dict(right.__dict__) | {"mistake": mistake, "at": at}
    rows = (x, y) if not isinstance(x, list) else (x[0], y[0])
    g, h = right.backward(*rows), wrong.backward(*rows)

    def far(a, b):
        return a.shape != b.shape or np.abs(a - b).max(initial=0) > 1e-3 * np.abs(a).max(initial=0)

    if not any(far(a, b) for name in g for a, b in zip(g[name], h[name], strict=True)):
        return None
    if not all(np.abs(a).max(initial=0) > 1e-6 for name in g for a in g[name]):
        return None  # dead units hide everything
    if not hasattr(wrong, "loss") and at == depth - 1 and mistake in ("doubled", "derivative missing"):
        return None  # without a loss it is right for another one: sum((a - y)**2), binary cross-entropy
    layer = "output" if at == depth - 1 else f"hidden{at + 1}"
    equation = EQUATIONS[mistake]
    if equation == "delta":
        equation = "BP1" if at == depth - 1 else "BP2"
    return (wrong, x, y), f"{words} {mistake} at {layer}", layer, equation
