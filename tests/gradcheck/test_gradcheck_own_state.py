"""Classes of one's own that keep something: random masks, the state of a recurrent network, indices, gradients that pile up."""

import numpy as np
import pytest
from own_layouts import Attributes, rows, softmax

from nndebug.gradcheck import gradcheck

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(9, 6)), np.eye(3)[np.arange(9) % 3]


class Dropped:
    """Its backward runs its forward, which draws a mask."""

    forgets = False

    def __init__(self, draw=None):
        rng = np.random.default_rng(0)
        self.W1, self.b1, self.W2 = rng.normal(size=(6, 5)), np.full(5, 0.1), rng.normal(size=(5, 3))
        self.rng = np.random.default_rng(1)
        self.draw = draw or self.rng.random

    def forward(self, x):
        self.z = x @ self.W1 + self.b1
        self.mask = 2.0 * (self.draw(self.z.shape) < 0.5)
        self.h = np.maximum(self.z, 0) * self.mask
        return softmax(self.h @ self.W2)

    def loss(self, x, y):
        return -np.mean(np.sum(y * np.log(self.forward(x)), axis=1))

    def backward(self, x, y):
        delta = (self.forward(x) - y) / len(x)
        below = delta @ self.W2.T * (self.z > 0) * (1 if self.forgets else self.mask)
        return {"W2": self.h.T @ delta, "W1": x.T @ below, "b1": below.sum(axis=0)}


@pytest.mark.parametrize("draw", [None, lambda shape: np.random.random_sample(shape)])
def test_a_backward_that_draws_its_mask_again_draws_that_of_the_loss(draw):
    model = Dropped(draw)
    assert gradcheck(model, X, Y), gradcheck(model, X, Y)
    model.forgets = True
    assert gradcheck(model, X, Y).exit_code == 1


class Recurrent:
    """Goes on from the state in which the batch before has left it; samples are steps of time."""

    def __init__(self, mistake=""):
        rng = np.random.default_rng(0)
        self.Wxh, self.Whh = 0.5 * rng.normal(size=(6, 4)), 0.5 * rng.normal(size=(4, 4))
        self.Why, self.bh = 0.5 * rng.normal(size=(4, 3)), 0.1 * rng.normal(size=4)
        self.state, self.mistake = np.full(4, 0.3), mistake

    def forward(self, xs):
        self.h = [self.state]
        for x in xs:
            self.h.append(np.tanh(x @ self.Wxh + self.h[-1] @ self.Whh + self.bh))
        self.state = self.h[-1]
        return softmax(np.array(self.h[1:]) @ self.Why)

    def backward(self, xs, ys):
        delta, later = self.forward(xs) - ys, np.zeros(4)
        grads = {"Wxh": 0, "Whh": 0, "bh": 0, "Why": np.array(self.h[1:]).T @ delta}
        for t in reversed(range(len(xs))):
            here = (delta[t] @ self.Why.T + later) * (1 - self.h[t + 1] ** 2)
            later = here @ (self.Whh if self.mistake == "transposed" else self.Whh.T)
            later = later * (self.mistake != "cut")
            grads["Wxh"] += np.outer(xs[t], here)
            grads["Whh"] += np.outer(self.h[t], here)
            grads["bh"] += here
        return grads


@pytest.mark.parametrize(("mistake", "code"), [("", 0), ("transposed", 1), ("cut", 1)])
def test_a_state_that_moves_on_is_no_false_alarm(mistake, code):
    """The forward that comes before backward here has moved it; a first argument `m` is the object."""
    loss = lambda m, x, y: float(-np.sum(y * np.log(m.forward(x))))  # noqa: E731
    result = gradcheck(Recurrent(mistake), X, Y, loss=loss)
    assert result.exit_code == code, result


class Embedded:
    lost, sign = False, 1.0

    def __init__(self):
        rng = np.random.default_rng(0)
        self.E, self.W = rng.normal(size=(10, 4)), rng.normal(size=(4, 3))

    def forward(self, words):
        self.h = self.E[words].mean(axis=1)
        return softmax(self.h @ self.W)

    def loss(self, words, y):
        return -np.mean(np.log(self.forward(words)[np.arange(len(y)), y]))

    def backward(self, words, y):
        delta = (self.forward(words) - np.eye(3)[y]) / len(y)
        below = np.repeat((delta @ self.W.T / words.shape[1])[:, None], words.shape[1], axis=1)
        self.dW, self.dE = self.h.T @ delta, np.zeros_like(self.E)
        if self.lost:
            self.dE[words] += below  # a word that comes twice counts once
        else:
            np.add.at(self.dE, words, below)

    def train_step(self, words, y, lr):
        self.backward(words, y)
        self.W, self.E = self.W - self.sign * lr * self.dW, self.E - self.sign * lr * self.dE


def test_whole_numbers_that_are_indices_stay_so():
    words, y, model = RNG.integers(0, 10, (9, 5)), RNG.integers(0, 3, 9), Embedded()
    assert gradcheck(model, words, y), gradcheck(model, words, y)
    model.sign = -1.0
    assert "ascent" in str(gradcheck(model, words, y))
    model.sign, model.lost = 1.0, True
    result = gradcheck(model, words, y)
    assert [row.parameter for row in result.rows if row.verdict.value == "disagrees"] == ["E"]


NOTE = "A second backward(X, y) adds to the gradients of the first: clear them before every batch."


def test_gradients_that_pile_up_are_told_where_no_update_shows_it():
    class Piles(Attributes):
        def backward(self, X, y):
            before = {n: getattr(self, "d" + n, 0) for n in ("W1", "b1", "W2", "b2")}
            super().backward(X, y)
            for name, gradient in before.items():
                setattr(self, "d" + name, getattr(self, "d" + name) + gradient)

        step = None

    class Clears(Attributes):
        step = None

    piles, clears = gradcheck(Piles(), *rows(8, 3)), gradcheck(Clears(), *rows(8, 3))
    assert piles, piles
    assert NOTE in piles.notes
    assert clears, clears
    assert NOTE not in clears.notes
