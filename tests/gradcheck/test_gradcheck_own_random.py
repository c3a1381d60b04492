"""Random networks of one's own: the right ones agree, whatever their style; one mistake is found where it is."""

import numpy as np
import pytest
from own_random import draw, draw_mistaken

from nndebug.gradcheck import gradcheck


def check_right(seed):
    target, words = draw(np.random.default_rng(seed))
    result = gradcheck(*target)
    assert result, f"{words}\n{result}"
    assert "array by array" not in result.network, words


def check_mistaken(seed):
    """Whether the mistake was named; it must be found, and in the right place."""
    drawn = draw_mistaken(np.random.default_rng(seed))
    if drawn is None:
        return None
    (model, x, y), words, layer, equation = drawn
    result = gradcheck(model, x, y)
    assert result.exit_code == 1, f"{words}\n{result}"
    first = not model.biases and layer == ("hidden1" if len(model.weights) > 1 else "output")
    accused = [(fault.layer, fault.equation) for fault in result.faults]
    if first:
        assert [place for place, _ in accused] == [layer], f"{words}\n{result}"
    else:
        assert accused == [(layer, equation)], f"{words}\n{result}"
    return bool(result.faults[0].mistakes)


@pytest.mark.parametrize("start", range(0, 60, 20))
def test_right_networks_agree(start):
    for seed in range(start, start + 20):
        check_right(seed)


@pytest.mark.parametrize("start", range(0, 60, 20))
def test_a_mistake_is_found_in_its_place(start):
    named = [check_mistaken(seed) for seed in range(start, start + 20)]
    assert sum(filter(None, named)) >= 0.8 * len([n for n in named if n is not None])


@pytest.mark.slow
def test_a_thousand_right_networks_agree():
    for seed in range(1000, 2000):
        check_right(seed)


@pytest.mark.slow
def test_of_a_thousand_mistakes_all_are_found_and_nearly_all_named():
    named = [n for seed in range(1000, 2000) if (n := check_mistaken(seed)) is not None]
    assert np.mean(named) > 0.95
