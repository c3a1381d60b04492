"""The loss's derivative where it bends on the scale of a small output: as good as it says."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from network import Dense, Quadratic, Sequential
from network.losses import ProbabilityBinaryCrossEntropy, ProbabilityCrossEntropy
from nndebug.gradcheck import Verdict, gradcheck
from nndebug.gradcheck.comparing import LEAPS, MARGIN
from nndebug.gradcheck.ending import Ending
from nndebug.gradcheck.ladder import RESOLUTION, by_ladder
from nndebug.gradcheck.tape import Tape

LOSSES = [
    ProbabilityCrossEntropy(),
    ProbabilityCrossEntropy(renormalise=False, clip=0),
    ProbabilityBinaryCrossEntropy(),
]


@given(st.sampled_from(LOSSES), st.integers(1, 4), st.integers(-300, 0), st.integers(0, 10_000))
def test_gradient_of_tiny_probabilities_is_covered_and_another_is_not(loss, outputs, decades, seed):
    rng = np.random.default_rng(seed)
    output = 10 ** rng.uniform(max(decades, -14) - 1, decades / 20, (3, outputs)) * 0.9
    if seed % 2:
        output *= 10.0 ** -rng.integers(0, 30, (3, 1))
    target = rng.dirichlet(np.ones(outputs), 3)
    tape = Tape(SimpleNamespace(layers=[], loss=loss), output, target)
    claimed = loss.gradient(output, target)
    value, error = by_ladder(Ending(tape, claimed), claimed)
    scale = np.abs(claimed).max(initial=1e-300)
    assert np.all(np.abs(value - claimed) <= np.maximum(MARGIN * error, 1e-6 * scale))
    at = np.unravel_index(np.abs(claimed).argmax(), claimed.shape)
    if error[at] < RESOLUTION * scale:
        assert abs(2 * claimed[at] - value[at]) > MARGIN * error[at]


@pytest.mark.parametrize("total", [1.0, 1e-6, 1e-12, 1e-30, 1e-300])
def test_cross_entropy_of_outputs_with_a_tiny_sum_is_resolved(total):
    output = total * np.array([[0.9, 0.1], [0.3, 0.7]])
    loss, target = ProbabilityCrossEntropy(), np.array([0, 1])
    tape = Tape(SimpleNamespace(layers=[], loss=loss), output, target)
    claimed = loss.gradient(output, target)
    value, error = by_ladder(Ending(tape, claimed), claimed)
    assert np.abs(value - claimed).max() <= 1e-7 * np.abs(claimed).max()
    assert error.max() <= RESOLUTION * np.abs(claimed).max()


class Leap(Quadratic):
    """One more for every output above 1: no gradient there, though each side has one."""

    def values(self, output, target):
        return super().values(output, target) + (output > 1.0)


def test_a_loss_that_leaps_at_its_output_is_unresolved_and_not_called_wrong():
    network = Sequential(Dense(3, 2), loss=Leap(), dtype="float64")
    network.parameters["output.weight"][...] = 0
    network.parameters["output.bias"][...] = 1
    tape = Tape(network, np.ones((4, 3)), np.zeros((4, 2)))
    value, error = by_ladder(Ending(tape, None), network.loss.gradient(tape.output, tape.y))
    assert np.isinf(error).all()
    assert np.isfinite(value).all()
    check = gradcheck(network, np.ones((4, 3)), np.zeros((4, 2)))
    assert check.verdict is not Verdict.DISAGREES, check


def test_a_leap_is_called_one():
    from nndebug.gradcheck.comparing import compare

    row = compare("loss", "output", "BP1", np.ones(3), np.ones(3), np.array([0.0, np.inf, 0.0]))
    assert row.verdict is Verdict.UNRESOLVED
    assert row.reason == f"{LEAPS} 1 entries"
    assert row.index == (1,)
