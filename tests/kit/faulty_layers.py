"""For every check of layers and activations a minimal member that it must catch, and nothing else wrong with it."""

import numpy as np

from nndebug.testing import case


class Scale:
    """A right layer: y = x * factor."""

    def __init__(self, units=3):
        self.parameters = {"factor": np.linspace(0.5, 2, units)}
        self.gradients = {"factor": np.zeros(units)}

    def forward(self, x):
        if x.shape[1:] != self.parameters["factor"].shape:
            raise ValueError(f"expects (batch, {len(self.parameters['factor'])}), got {x.shape}")
        self.x = x
        return x * self.parameters["factor"]

    def backward(self, output_gradient):
        self.gradients["factor"][...] = (output_gradient * self.x).sum(axis=0)
        return output_gradient * self.parameters["factor"]


class Double:
    """A right layer without parameters, of two modes."""

    training = False

    def forward(self, x):
        return 2 * x

    def backward(self, output_gradient):
        return 2 * output_gradient


class Noise(Double):
    """A right random layer: drops half, and doubles the rest."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        self.mask = np.ones(x.shape, x.dtype)
        if self.training:
            self.mask = 2 * (self.rng.random(x.shape) > 0.5).astype(x.dtype)
        return x * self.mask

    def backward(self, output_gradient):
        return output_gradient * self.mask


class Centre:
    """A right batch-coupled layer: takes the mean over the batch off, and a running mean in evaluation."""

    nndebug_tags = ("batch_coupled", "stateful")
    keep = 0.9

    def __init__(self):
        self.training = False
        self.state = {"mean": np.zeros(3)}

    def forward(self, x):
        if x.shape[1:] != (3,):
            raise ValueError(f"expects (batch, 3), got {x.shape}")
        if self.training:
            mean = x.mean(axis=0)
            self.state["mean"][...] = self.keep * self.state["mean"] + (1 - self.keep) * mean
        return (x - (mean if self.training else self.state["mean"])).astype(x.dtype)

    def backward(self, output_gradient):
        return output_gradient - (output_gradient.mean(axis=0) if self.training else 0)


class LosesRows(Double):
    def forward(self, x):
        return 2 * x[: max(1, len(x) - 1)]


class Upcasts(Double):
    def forward(self, x):
        return x * np.full(x.shape, 2.0)


class KeepsAnAxis(Scale):
    def backward(self, output_gradient):
        back = super().backward(output_gradient)
        self.gradients["factor"] = (output_gradient * self.x).sum(axis=0, keepdims=True)
        return back


class ForgetsTheFactor(Double):
    def backward(self, output_gradient):
        return output_gradient


class Clips(Double):
    def backward(self, output_gradient):
        return np.clip(2 * output_gradient, -1, 1)


class Squares:
    nndebug_tags = ("linear",)

    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, output_gradient):
        return 2 * self.x * output_gradient


class CentresUntagged(Double):
    def forward(self, x):
        return x - x.sum(axis=0)

    def backward(self, output_gradient):
        return output_gradient - output_gradient.sum(axis=0)


class SqueezesOne(Double):
    def forward(self, x):
        return 2 * x if len(x) > 1 else 2 * x + 1


class NeedsASample(Double):
    def forward(self, x):
        return 2 * x + 0 * x.reshape(len(x), -1).max(axis=0)[0]


class WeighsByPlace(Double):
    def forward(self, x):
        return x * np.arange(1, len(x) + 1, dtype=x.dtype).reshape(-1, *(1,) * (x.ndim - 1))

    def backward(self, output_gradient):
        return self.forward(output_gradient)


class WritesIntoInput(Double):
    def forward(self, x):
        x *= 2
        return x.copy()


class ReusesItsOutput(Double):
    def __init__(self):
        self.out = {}

    def forward(self, x):
        out = self.out.setdefault((x.shape, x.dtype), np.empty_like(x))
        return np.multiply(x, 2, out=out)


class LearnsByItself(Scale):
    def backward(self, output_gradient):
        back = super().backward(output_gradient)
        self.parameters["factor"] -= 0.1 * self.gradients["factor"]
        return back


class Accumulates(Scale):
    def backward(self, output_gradient):
        self.gradients["factor"] += (output_gradient * self.x).sum(axis=0)
        return output_gradient * self.parameters["factor"]


class KeepsTheFirstBatch(Scale):
    def forward(self, x):
        y = super().forward(x)
        self.first = self.x = (
            x if getattr(self, "first", None) is None or self.first.shape != x.shape else self.first
        )
        return y


class NeedsToWrite(Double):
    def forward(self, x):
        x += 0
        return 2 * x


class ReadsMemory(Double):
    def forward(self, x):
        return 2 * np.ravel(x, order="K").reshape(x.shape)


class Exponentiates(Double):
    def forward(self, x):
        self.y = np.exp(x)
        return self.y

    def backward(self, output_gradient):
        return output_gradient * self.y


class Broadcasts(Scale):
    def forward(self, x):
        self.x = x
        return x * self.parameters["factor"]


class LearnsInSecret(Scale):
    def __init__(self):
        super().__init__()
        self.secret = None

    def forward(self, x):
        if self.secret is None:
            self.secret = float(np.random.random())
        return super().forward(x) + self.secret * x

    def backward(self, output_gradient):
        return super().backward(output_gradient) + self.secret * output_gradient


class DrawsGlobally(Noise):
    nndebug_tags = ("random",)

    def __init__(self):
        self.training = False

    def forward(self, x):
        self.mask = np.ones(x.shape, x.dtype)
        if self.training:
            self.mask = 2 * (np.random.random(x.shape) > 0.5).astype(x.dtype)
        return x * self.mask


class CountsInEvaluation(Centre):
    def forward(self, x):
        self.state["mean"] += 1
        return super().forward(x)


class TriplesInTraining(Double):
    def forward(self, x):
        self.factor = 3 if self.training else 2
        return self.factor * x

    def backward(self, output_gradient):
        return self.factor * output_gradient


class DropsUnscaled(Noise):
    def forward(self, x):
        super().forward(x)
        self.mask = np.minimum(self.mask, 1)
        return x * self.mask


class DropsTheSame(Noise):
    def forward(self, x):
        self.rng = np.random.default_rng(0)
        return super().forward(x)


class NeverFollows(Centre):
    keep = 1.0


class Square:
    """A right activation with value and derivative."""

    def value(self, z, out=None):
        return np.multiply(z, z, out=out)

    def derivative(self, z, a, out=None):
        return np.multiply(z, 2, out=out)

    def forward(self, x):
        self.x = x
        return self.value(x)

    def backward(self, output_gradient):
        return output_gradient * self.derivative(self.x, self.x)


class SumsUnits(Square):
    def value(self, z, out=None):
        return np.multiply(z, z.reshape(len(z), -1).sum(axis=1).reshape(-1, *(1,) * (z.ndim - 1)), out=out)


class Linear(Square):
    def derivative(self, z, a, out=None):
        return np.multiply(a, 2, out=out)


class IgnoresOut(Square):
    def value(self, z, out=None):
        return z * z


class HidesNaN(Square):
    def value(self, z, out=None):
        return np.where(z > 0, z, 0)

    def derivative(self, z, a, out=None):
        return np.where(z > 0, 1.0, 0.0).astype(z.dtype)


class OverflowsInside(Square):
    def value(self, z, out=None):
        return np.tanh(np.exp(z), out=out)

    def derivative(self, z, a, out=None):
        return np.multiply(1 - np.tanh(np.exp(z)) ** 2, np.exp(np.minimum(z, 50)), out=out)


RIGHT = {"layer": [Scale, Double, Noise, case(Centre, takes=(3,))], "activation": [Square]}

FAULTY = {
    ("layer", "output_shape"): LosesRows,
    ("layer", "output_dtype"): Upcasts,
    ("layer", "gradient_shapes"): KeepsAnAxis,
    ("layer", "gradients"): ForgetsTheFactor,
    ("layer", "backward_linear"): Clips,
    ("layer", "linear"): Squares,
    ("layer", "sample_independence"): CentresUntagged,
    ("layer", "batch_of_one"): SqueezesOne,
    ("layer", "empty_batch"): NeedsASample,
    ("layer", "sample_order"): WeighsByPlace,
    ("layer", "inputs_unchanged"): WritesIntoInput,
    ("layer", "output_kept"): ReusesItsOutput,
    ("layer", "parameters_unchanged"): LearnsByItself,
    ("layer", "gradients_fresh"): Accumulates,
    ("layer", "nothing_left_over"): KeepsTheFirstBatch,
    ("layer", "read_only_input"): NeedsToWrite,
    ("layer", "non_contiguous_input"): ReadsMemory,
    ("layer", "extreme_values"): Exponentiates,
    ("layer", "shapes_refused"): Broadcasts,
    ("layer", "save_and_load"): LearnsInSecret,
    ("layer", "reference"): case(Double, reference=lambda x: 3 * x),
    ("layer", "deterministic"): DrawsGlobally,
    ("layer", "evaluation_mode"): case(CountsInEvaluation, takes=(3,)),
    ("layer", "training_mode"): TriplesInTraining,
    ("layer", "keeps_the_mean"): DropsUnscaled,
    ("layer", "draws_anew"): DropsTheSame,
    ("layer", "evaluation_follows_training"): case(NeverFollows, takes=(3,)),
    ("activation", "elementwise"): SumsUnits,
    ("activation", "derivative"): Linear,
    ("activation", "out_is_written"): IgnoresOut,
    ("activation", "not_a_number_stays"): HidesNaN,
    ("activation", "flat_ends_are_finite"): OverflowsInside,
}
