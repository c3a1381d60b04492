"""For every check of losses and initialisers a minimal member that it must catch."""

import numpy as np

from nndebug.testing import case

# --- losses -------------------------------------------------------------------------------------------------------------


class Squared:
    """A right loss: the mean over the batch of ½ Σ (a - y)²."""

    nndebug_tags = ("regression",)

    def per_sample(self, output, target):
        if len(output) != len(target):
            raise ValueError(f"{len(output)} outputs and {len(target)} targets")
        return 0.5 * ((output - target) ** 2).sum(axis=1)

    def __call__(self, output, target):
        return float(self.per_sample(output, target).mean())

    def gradient(self, output, target):
        return (output - target) / output.dtype.type(len(output))


class Classes(Squared):
    """The same for classes, by number or one-hot."""

    nndebug_tags = ()

    def rows(self, output, target):
        return target if target.ndim == 2 else np.eye(output.shape[1], dtype=output.dtype)[target]

    def per_sample(self, output, target):
        return super().per_sample(output, self.rows(output, target))

    def gradient(self, output, target):
        return super().gradient(output, self.rows(output, target))


class NoNumber(Squared):
    def __call__(self, output, target):
        return self.per_sample(output, target)


class WrongSign(Squared):
    def gradient(self, output, target):
        return -super().gradient(output, target)


class Negative(Squared):
    def per_sample(self, output, target):
        return super().per_sample(output, target) - 1


class Offset(Squared):
    def per_sample(self, output, target):
        return super().per_sample(output, target) + 1


class Sums(Squared):
    def __call__(self, output, target):
        return float(self.per_sample(output, target).sum())

    def gradient(self, output, target):
        return output - target


class PerEntry(Squared):
    def per_sample(self, output, target):
        return 0.5 * ((output - target) ** 2)


class FirstCountsTwice(Squared):
    def __call__(self, output, target):
        return super().__call__(output, target) + float(self.per_sample(output, target)[0])


class WritesIntoOutput(Squared):
    def gradient(self, output, target):
        output -= target
        return output / len(output)


class DoubleGradient(Squared):
    def gradient(self, output, target):
        return super().gradient(output, target).astype(np.float64)


class Fourth(Squared):
    def per_sample(self, output, target):
        return np.exp(super().per_sample(output, target)) - 1


class Jitters(Squared):
    def __init__(self):
        self.calls = 0

    def __call__(self, output, target):
        self.calls += 1
        return super().__call__(output, target) + 1e-9 * self.calls


class ReadsMemory(Squared):
    def per_sample(self, output, target):
        return super().per_sample(np.ravel(output, order="K").reshape(output.shape), target)


class CountsFromOne(Classes):
    def rows(self, output, target):
        return target if target.ndim == 2 else super().rows(output, target - 1)


class Stretches(Squared):
    def per_sample(self, output, target):
        return 0.5 * ((output - np.resize(target, output.shape)) ** 2).sum(axis=1)


# --- initialisers -------------------------------------------------------------------------------------------------------


def right(rng, shape):
    return rng.normal(0, 0.1, shape)


def transposed(rng, shape):
    return rng.normal(size=shape[::-1])


def seedless(rng, shape):
    return np.random.default_rng().normal(size=shape)


def fixed_seed(rng, shape):
    return np.random.default_rng(0).normal(size=shape)


def from_global(rng, shape):
    return np.random.normal(size=shape)


def positive(rng, shape):
    return rng.random(shape)


def repeated_row(rng, shape):
    return np.broadcast_to(rng.normal(size=shape[1:]), shape).copy()


RIGHT = {"loss": [Squared, Classes], "initializer": [case(right, variance=lambda shape: 0.01)]}

FAULTY = {
    ("loss", "one_number"): NoNumber,
    ("loss", "gradient"): WrongSign,
    ("loss", "at_least_its_bound"): Negative,
    ("loss", "zero_at_target"): Offset,
    ("loss", "mean_over_batch"): Sums,
    ("loss", "per_sample"): PerEntry,
    ("loss", "sample_order"): FirstCountsTwice,
    ("loss", "inputs_unchanged"): WritesIntoOutput,
    ("loss", "gradient_dtype"): DoubleGradient,
    ("loss", "extreme_outputs"): Fourth,
    ("loss", "deterministic"): Jitters,
    ("loss", "awkward_arrays"): ReadsMemory,
    ("loss", "class_numbers"): CountsFromOne,
    ("loss", "counts_refused"): Stretches,
    ("loss", "reference"): case(Squared, reference=lambda a, y: ((a - y) ** 2).sum(axis=1)),
    ("initializer", "shape_and_numbers"): transposed,
    ("initializer", "deterministic"): seedless,
    ("initializer", "seed_decides"): fixed_seed,
    ("initializer", "global_state_kept"): from_global,
    ("initializer", "mean"): positive,
    ("initializer", "variance"): case(right, variance=lambda shape: 0.02),
    ("initializer", "independence"): repeated_row,
}
