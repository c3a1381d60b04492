"""Cross-entropies on probabilities, as frameworks offer them beside those on logits.

They lose what the fused ones keep: clipping guards the logarithm, and an output that is clipped has no gradient. Prefer
`CrossEntropy` and `BinaryCrossEntropy` without a last activation.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..errors import NetworkError
from .base import Elementwise, Loss

CLIP = 1e-7
"""How far from 0 and 1 Keras keeps probabilities."""


class ProbabilityCrossEntropy(Loss):
    """−Σ y log p per sample, on probabilities p that are clipped to [clip, 1 − clip].

    Args:
        clip: guards the logarithm, 0 <= clip < 0.5; 0 leaves it without a guard.
        renormalise: divides the outputs of a sample by their sum first.
        reduction: see `Loss`.
        scale: see `Loss`.

    Raises:
        NetworkError: see `Loss`; or clip is out of range.
    """

    kind = "probability_cross_entropy"
    takes = "probabilities"
    clip = CLIP
    renormalise = True

    def __init__(
        self,
        *,
        clip: float = CLIP,
        renormalise: bool = True,
        reduction: str = "mean",
        scale: float = 1.0,
    ) -> None:
        super().__init__(reduction=reduction, scale=scale)
        self.clip, self.renormalise = _checked(clip), renormalise

    def per_sample_encoded(self, output: Array, target: Array) -> Array:
        p = output / output.sum(axis=1, keepdims=True) if self.renormalise else output
        each = target * np.log(_clipped(p, self.clip))
        return np.asarray(each.sum(axis=1) * -self.scale)

    def gradient_encoded(self, output: Array, target: Array, out: Array) -> Array:
        share = -self.share(len(output))
        if not self.renormalise:
            _log_slope(output, target, self.clip, out)
            return np.multiply(out, share, out=out)
        # With p = a / s, s = Σ a: dL/da = (dL/dp − Σ p dL/dp) / s.
        total = output.sum(axis=1, keepdims=True)
        p = output / total
        _log_slope(p, target, self.clip, out)
        inner = np.einsum("ij,ij->i", out, p)[:, None]
        np.subtract(out, inner, out=out)
        np.divide(out, total, out=out)
        return np.multiply(out, share, out=out)


class ProbabilityBinaryCrossEntropy(Elementwise):
    """−mean y log p + (1 − y) log(1 − p) over the outputs of a sample, p clipped to [clip, 1 − clip].

    Args:
        clip: guards the logarithms, 0 <= clip < 0.5; 0 leaves them without a guard.
        over_outputs: see `Elementwise`.
        reduction: see `Loss`.
        scale: see `Loss`.

    Raises:
        NetworkError: see `Elementwise`; or clip is out of range.
    """

    kind = "probability_binary_cross_entropy"
    takes = "probabilities"
    over_outputs = "mean"
    clip = CLIP

    def __init__(
        self,
        *,
        clip: float = CLIP,
        over_outputs: str | None = None,
        reduction: str = "mean",
        scale: float = 1.0,
    ) -> None:
        super().__init__(over_outputs=over_outputs, reduction=reduction, scale=scale)
        self.clip = _checked(clip)

    def values(self, output: Array, target: Array) -> Array:
        p = _clipped(output, self.clip)
        return np.asarray(-(target * np.log(p) + (1 - target) * np.log(1 - p)))

    def slopes(self, output: Array, target: Array, out: Array | None = None) -> Array:
        p = _clipped(output, self.clip)
        slope = np.asarray((1 - target) / (1 - p) - target / p)
        slopes: Array = np.multiply(slope, _inside(output, self.clip), out=out)
        return slopes


def _checked(clip: float) -> float:
    if not 0 <= clip < 0.5:
        raise NetworkError(f"clip {clip} is not in 0 <= clip < 0.5", help="1e-7 is usual")
    return float(clip)


def _clipped(p: Array, clip: float) -> Array:
    return np.asarray(np.clip(p, clip, 1 - clip)) if clip else p


def _inside(p: Array, clip: float) -> Array | bool:
    """Where clipping leaves a gradient."""
    return (p >= clip) & (p <= 1 - clip) if clip else True


def _log_slope(p: Array, target: Array, clip: float, out: Array) -> Array:
    """d(Σ y log clipped p)/dp, written into `out` (batch, outputs)."""
    np.divide(target, _clipped(p, clip), out=out)
    return np.multiply(out, _inside(p, clip), out=out)
