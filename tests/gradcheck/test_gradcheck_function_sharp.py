"""Functions that bend within the usual step, tie, or are very large: no right gradient is called wrong, no wrong one right."""

import numpy as np
import pytest

import nndebug

TIMES = np.linspace(0, 100, 40)
RNG = np.random.default_rng(0)


def pooled(p):
    return float(p.reshape(-1, 2).max(axis=1).sum())


def winners(p):
    pairs = p.reshape(-1, 2)
    return (pairs == pairs.max(axis=1, keepdims=True)).astype(float)


def first_winner(p):
    return np.where(np.cumsum(winners(p), axis=1) == 1, winners(p), 0.0).ravel()


def shared(p):
    return (winners(p) / winners(p).sum(axis=1, keepdims=True)).ravel()


def every_winner(p):
    return winners(p).ravel()


TIED = {
    "one window": np.array([1.0, 1.0, 2.0, 3.0]),
    "two windows": np.array([1.0, 1.0, 2.0, 3.0, 0.0, 0.0]),
    "all windows": np.repeat(RNG.normal(size=50), 2),
}


@pytest.mark.parametrize("name", TIED)
def test_a_tie_has_one_winner_or_shares_and_not_two_winners(name):
    """Each of the two may have the gradient 1, and not both."""
    assert nndebug.gradcheck(pooled, TIED[name], first_winner)
    assert nndebug.gradcheck(pooled, TIED[name], shared)
    result = nndebug.gradcheck(pooled, TIED[name], every_winner)
    assert result.exit_code == 3
    count = {"one window": 2, "two windows": 4}.get(name)
    if count:  # where all entries tie, all of them are at a kink together
        assert f"{count} entries together: yours is {count}, the derivative {count // 2}" in str(result)


def wave(amplitude, frequency, wrong=0.0):
    y = amplitude * np.sin(frequency * 1.01 * TIMES + 0.3)

    def loss(p):
        return float(((p[0] * np.sin(p[1] * TIMES + p[2]) - y) ** 2).mean())

    def grads(p):
        a = p[1] * TIMES + p[2]
        r = 2 * (p[0] * np.sin(a) - y) / len(TIMES)
        by = (r * np.sin(a), r * p[0] * TIMES * np.cos(a), r * p[0] * np.cos(a))
        return np.array([part.sum() for part in by]) * [1, 1 + wrong, 1]

    return loss, np.array([amplitude, frequency, 0.2]), grads


@pytest.mark.parametrize("sizes", [(1e3, 0.3), (1e6, 0.3), (1e8, 0.3), (1.0, 1e3), (1.0, 1e6)])
def test_entries_of_very_different_sizes_in_one_array_are_no_false_alarm(sizes):
    """A step that suits an amplitude of a million goes round and round with a phase."""
    loss, params, grads = wave(*sizes)
    result = nndebug.gradcheck(loss, params, grads)
    assert result.exit_code == 3
    assert nndebug.gradcheck(loss, params, grads, exhaustive=True).exit_code != 1
    assert result.rows[0].reason.endswith("make large and small ones arrays of their own")


@pytest.mark.parametrize("amplitude", [1.0, 1e3, 1e6])
def test_as_arrays_of_their_own_they_are_checked(amplitude):
    for wrong, code in ((0.0, 0), (1e-3, 1)):
        loss, params, grads = wave(amplitude, 0.3, wrong)
        apart = [np.array([value]) for value in params]
        result = nndebug.gradcheck(
            lambda p, f=loss: f(np.concatenate(p)),
            apart,
            lambda p, g=grads: [np.array([value]) for value in g(np.concatenate(p))],
        )
        assert result.exit_code == code, result


@pytest.mark.parametrize("size", [1e-200, 1e-9, 1e9, 1e200])
def test_a_loss_of_any_size_is_checked(size):
    w = RNG.normal(size=4)
    assert nndebug.gradcheck(lambda p: size * float(p @ p), w, lambda p: 2 * size * p)
    assert nndebug.gradcheck(lambda p: size * float(p @ p), w, lambda p: 2.001 * size * p).exit_code == 1
