"""Networks that bend too sharply for differences through all of them: it takes the slopes of each layer."""

import numpy as np
import pytest

from network import (
    GELU,
    SGD,
    BatchNorm,
    Conv2D,
    CrossEntropy,
    Dense,
    Flatten,
    LayerNorm,
    Quadratic,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from nndebug.gradcheck import Verdict, gradcheck


def constant_features(second=Dense, norm=BatchNorm):
    """A softmax of one unit is 1 whatever comes: the norm divides by the root of its epsilon."""
    return Sequential(
        Dense(6, 1), Softmax(), Dense(1, 4), Sigmoid(), second(4, 4), norm(4), Tanh(), Dense(4, 9), ReLU(),
        Dense(9, 4), GELU(), loss=CrossEntropy(), seed=117,
    )  # fmt: skip


def test_a_norm_over_a_constant_agrees():
    results = [gradcheck(constant_features(), samples=23, seed=seed) for seed in range(5)]
    assert all(results), results


class OneEntryOff(Dense):
    def backward_parameters(self, output_gradient):
        super().backward_parameters(output_gradient)
        self.gradients["weight"][1, 2] += 2e-5 * np.abs(output_gradient).max()


class Halved(BatchNorm):
    def backward(self, output_gradient):
        return 0.5 * super().backward(output_gradient)


@pytest.mark.parametrize("mistake", [{"second": OneEntryOff}, {"norm": Halved}])
def test_a_mistake_there_is_not_waved_through(mistake):
    assert gradcheck(constant_features(**mistake), samples=23).exit_code == 1


class OnlyHere(Conv2D):
    """Wrong for the recorded images only: no random point shows it."""

    def backward(self, output_gradient):
        passed = super().backward(output_gradient)
        if self._padded.max() > 50:
            self.gradients["weight"][0, 0, 1, 1] *= 1 + 3e-5
        return passed

    def backward_parameters(self, output_gradient):
        self.backward(output_gradient)


@pytest.mark.parametrize(("conv", "code"), [(Conv2D, 0), (OnlyHere, 1)])
def test_what_is_wrong_at_the_recorded_point_only_stays_wrong(conv, code):
    network = Sequential(
        conv(1, 2, 3), BatchNorm(2), ReLU(), Flatten(), Dense(18, 3), loss=Quadratic(), seed=1
    )
    x = 60 + np.random.default_rng(0).normal(size=(12, 1, 5, 5))
    assert gradcheck(network, x).exit_code == code


@pytest.mark.parametrize("norm", [BatchNorm, LayerNorm])
def test_a_batch_of_one_is_not_normalised_with_its_copies(norm):
    network = Sequential(Dense(5, 4), norm(4), Sigmoid(), Dense(4, 3), loss=Quadratic())
    result = gradcheck(network, samples=1)
    assert result, result


def test_a_layer_norm_over_two_features_is_as_sharp_as_a_sign():
    for seed in range(10):
        network = Sequential(
            Dense(3, 2), LayerNorm(2), Sigmoid(), Dense(2, 3), loss=CrossEntropy(), seed=seed
        )
        assert gradcheck(network, samples=40, seed=seed)


def test_a_tiny_rate_and_penalty_are_resolved():
    optimizer = SGD(1e-3, l2=1e-3)
    optimizer.samples = 50_000  # 2e-8: the penalty moves a weight of 1 by 2e-11
    result = gradcheck(Sequential(Dense(5, 4), Tanh(), Dense(4, 3)), optimizer=optimizer)
    assert result, result
    assert {row.verdict for row in result.rows if row.equation == "penalty"} == {Verdict.AGREES}
