"""For every check of optimisers and networks a minimal member that it must catch."""

import numpy as np
from faulty_losses import Classes

from nndebug.testing import case

# --- optimisers: of dicts of arrays -------------------------------------------------------------------------------------


class Descent:
    """A right optimiser."""

    def __init__(self, rate=0.1):
        self.rate = rate

    def step(self, parameters, gradients):
        for name, value in parameters.items():
            value -= value.dtype.type(self.rate) * gradients[name]


class Ascent(Descent):
    def step(self, parameters, gradients):
        for name, value in parameters.items():
            value += self.rate * gradients[name]


class FirstRowOnly(Descent):
    def step(self, parameters, gradients):
        for name, value in parameters.items():
            value[:1] -= self.rate * gradients[name][:1]


class CountsEveryParameter(Descent):
    """Adam's mistake: the count of steps stands in the loop over the parameters."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def step(self, parameters, gradients):
        for name, value in parameters.items():
            self.count += 1
            value -= self.rate / self.count * gradients[name]


class Shrinks(Descent):
    def step(self, parameters, gradients):
        super().step(parameters, gradients)
        for value in parameters.values():
            value *= 0.999


class ScalesTheGradient(Descent):
    def step(self, parameters, gradients):
        for name, value in parameters.items():
            gradients[name] *= self.rate
            value -= gradients[name]


class ChangesACopy(Descent):
    def step(self, parameters, gradients):
        for name, value in parameters.items():
            value = value - self.rate * gradients[name]


class SquaresTheRate(Descent):
    def step(self, parameters, gradients):
        for name, value in parameters.items():
            value -= self.rate**2 * gradients[name]


class Roots(Descent):
    def step(self, parameters, gradients):
        for name, value in parameters.items():
            value -= self.rate * np.sign(gradients[name]) * np.sqrt(np.abs(gradients[name]))


class NormsEverything(Descent):
    def step(self, parameters, gradients):
        norm = np.sqrt(sum(float((g**2).sum()) for g in gradients.values())) + 1
        super().step(parameters, {name: g / norm for name, g in gradients.items()})


class SharesVelocity(Descent):
    velocity = {}  # noqa: RUF012

    def step(self, parameters, gradients):
        for name, value in parameters.items():
            v = self.velocity.get(name, np.zeros_like(value))
            v = v if v.shape == value.shape else np.zeros_like(value)
            self.velocity[name] = 0.5 * v + gradients[name]
            value -= self.rate * self.velocity[name]


class Wanders(Descent):
    rng = np.random.default_rng(0)

    def step(self, parameters, gradients):
        super().step(parameters, {n: g * (1 + 0.1 * self.rng.random()) for n, g in gradients.items()})


class DividesByNorm(Descent):
    def step(self, parameters, gradients):
        for name, value in parameters.items():
            value -= self.rate * gradients[name] / np.abs(gradients[name]).max()


class RoundsInHalf(Descent):
    def step(self, parameters, gradients):
        for name, value in parameters.items():
            exact = value.dtype == np.float64
            value -= self.rate * (
                gradients[name] if exact else gradients[name].astype(np.float16) + np.float16(0.01)
            )


# --- networks -----------------------------------------------------------------------------------------------------------


class Net:
    """A right network: one dense layer with the loss above."""

    def __init__(self):
        self.parameters = {"weight": np.linspace(-1, 1, 6).reshape(3, 2), "bias": np.zeros(2)}
        self.gradients = {}
        self.loss = Classes()

    def forward(self, x):
        if x.shape[1] != 3:
            raise ValueError(f"expects (batch, 3), got {x.shape}")
        self.x = x
        return x @ self.parameters["weight"] + self.parameters["bias"]

    def backward(self, output_gradient):
        self.gradients = {"weight": self.x.T @ output_gradient, "bias": output_gradient.sum(axis=0)}


class MeanOfBias(Net):
    def backward(self, output_gradient):
        super().backward(output_gradient)
        self.gradients["bias"] = output_gradient.mean(axis=0)


class Uphill(Net):
    def backward(self, output_gradient):
        super().backward(-output_gradient)


class CentresTheBatch(Net):
    def forward(self, x):
        return super().forward(x - x.sum(axis=0))


class ForgetsTheMean(Net):
    def backward(self, output_gradient):
        super().backward(output_gradient * len(output_gradient))


class AddsUp(Net):
    def backward(self, output_gradient):
        before = self.gradients
        super().backward(output_gradient)
        self.gradients = {name: g + before.get(name, 0) for name, g in self.gradients.items()}


class ScalesInPlace(Net):
    def forward(self, x):
        x *= 0.5
        return super().forward(x.copy())


class Trembles(Net):
    rng = np.random.default_rng(0)

    def forward(self, x):
        return super().forward(x) + 1e-3 * self.rng.random()


class SharesWithCopies(Net):
    def __deepcopy__(self, memo):
        other = SharesWithCopies()
        other.parameters = dict(self.parameters)
        return other


class Forgetful(Net):
    def __init__(self):
        super().__init__()
        self.hidden = np.random.random()

    def forward(self, x):
        return super().forward(x) + self.hidden


class Overflows(Net):
    def forward(self, x):
        return np.exp(super().forward(x))


class TakesAnything(Net):
    def forward(self, x):
        return super().forward(np.resize(x, (len(x), 3)))


RIGHT = {"optimizer": [Descent], "network": [case(Net, takes=(3,))]}

FAULTY = {
    ("optimizer", "descends"): Ascent,
    ("optimizer", "every_entry_descends"): FirstRowOnly,
    ("optimizer", "frozen_left_alone"): Shrinks,
    ("optimizer", "gradients_unchanged"): ScalesTheGradient,
    ("optimizer", "in_place"): ChangesACopy,
    ("optimizer", "rate_scales_the_step"): SquaresTheRate,
    ("optimizer", "scale_consistent"): Roots,
    ("optimizer", "entries_apart"): NormsEverything,
    ("optimizer", "parameter_order"): CountsEveryParameter,
    ("optimizer", "starts_afresh"): SharesVelocity,
    ("optimizer", "deterministic"): Wanders,
    ("optimizer", "extreme_gradients"): DividesByNorm,
    ("optimizer", "single_precision"): RoundsInHalf,
    ("optimizer", "reference"): case(Descent, reference=lambda start, history: start),
    ("network", "gradients"): MeanOfBias,
    ("network", "descends"): Uphill,
    ("network", "sample_independence"): CentresTheBatch,
    ("network", "gradient_is_the_mean"): ForgetsTheMean,
    ("network", "gradients_fresh"): AddsUp,
    ("network", "inputs_unchanged"): ScalesInPlace,
    ("network", "deterministic"): Trembles,
    ("network", "copy_is_independent"): SharesWithCopies,
    ("network", "save_and_load"): Forgetful,
    ("network", "extreme_inputs"): Overflows,
    ("network", "shapes_refused"): TakesAnything,
}
