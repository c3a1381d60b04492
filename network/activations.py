"""Activations: `value(z)` with `derivative(z, a)` right below it, and the layer around the two.

All are stable at |z| = 1000 and beyond. Functions write into `out` where it is given.
"""

from __future__ import annotations

import numpy as np

from .arrays import Array
from .error_function import normal_cdf
from .errors import NetworkError
from .layers import Layer


class Activation(Layer):
    """An elementwise activation a = value(z). Softmax, which is not elementwise, overrides `backward`."""

    kind = "activation"

    def value(self, z: Array, out: Array | None = None) -> Array:
        """a, of the shape of z."""
        raise NotImplementedError(f"{type(self).__name__} has no value")

    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        """da/dz, of the shape of z, from z and a = value(z)."""
        raise NotImplementedError(f"{type(self).__name__} has no derivative")

    def forward(self, x: Array) -> Array:
        self._z = x
        self._a = self.value(x, out=self.buffer("a", x.shape, x.dtype))
        return self._a

    def backward(self, output_gradient: Array) -> Array:
        out = self.buffer("dz", output_gradient.shape, output_gradient.dtype)
        self.derivative(self._z, self._a, out=out)
        return np.multiply(out, output_gradient, out=out)


class Identity(Activation):
    """a = z."""

    kind = "identity"

    def value(self, z: Array, out: Array | None = None) -> Array:
        return np.positive(z, out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        if out is None:
            return np.ones_like(z)
        out.fill(1)
        return out


class Sigmoid(Activation):
    """a = 1 / (1 + exp(-z))."""

    kind = "sigmoid"

    def value(self, z: Array, out: Array | None = None) -> Array:
        # exp must not overflow. Where z is cut, a is below 1e-34 (float32) or 1e-304 (float64) either way.
        limit = 80.0 if z.dtype.itemsize <= 4 else 700.0
        out = np.maximum(z, -limit, out=out)
        np.negative(out, out=out)
        np.exp(out, out=out)
        np.add(out, 1, out=out)
        return np.divide(1, out, out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        out = np.subtract(1, a, out=out)
        return np.multiply(out, a, out=out)


class Tanh(Activation):
    """a = tanh(z)."""

    kind = "tanh"

    def value(self, z: Array, out: Array | None = None) -> Array:
        return np.tanh(z, out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        out = np.multiply(a, a, out=out)
        return np.subtract(1, out, out=out)


_FEW = 4096
"""Entries up to which copying under a mask is the fastest selection; beyond, it is ten times slower than one by bits."""


class ReLU(Activation):
    """a = max(z, 0); the derivative at 0 is 0."""

    kind = "relu"

    def value(self, z: Array, out: Array | None = None) -> Array:
        return np.maximum(z, 0, out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        return np.greater(z, 0, out=np.empty_like(z) if out is None else out)

    def backward(self, output_gradient: Array) -> Array:
        # Selected, not multiplied: the derivative of a silent unit is exactly 0, also where the error is not finite.
        mask = np.greater(self._z, 0, out=self.buffer("mask", self._z.shape, np.bool_))
        out = self.buffer("dz", output_gradient.shape, output_gradient.dtype)
        if out.size < _FEW:
            out.fill(0)
            np.copyto(out, output_gradient, where=mask)
            return out
        # As integers of the same width, and with a mask whose bits are all 1 or all 0: no slower than a product.
        bits = mask.view(np.int8)
        np.negative(bits, out=bits)
        integers = f"i{out.itemsize}"
        np.bitwise_and(output_gradient.view(integers), bits, out=out.view(integers))
        return out


class LeakyReLU(Activation):
    """a = z where z > 0, else slope · z.

    Args:
        slope: slope at z <= 0, 0 <= slope <= 1.
        name: site name; automatic if None.
    """

    kind = "leaky_relu"

    def __init__(self, slope: float = 0.01, name: str | None = None) -> None:
        super().__init__(name)
        if not 0 <= slope <= 1:
            raise NetworkError(f"LeakyReLU slope {slope} is not in 0 <= slope <= 1", help="0.01 is usual")
        self.slope = slope

    def value(self, z: Array, out: Array | None = None) -> Array:
        out = np.multiply(z, self.slope, out=out)
        return np.maximum(z, out, out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        out = np.greater(z, 0, out=np.empty_like(z) if out is None else out)
        return np.maximum(out, self.slope, out=out)


class ELU(Activation):
    """a = z where z > 0, else exp(z) − 1 (Clevert et al. 2015, arXiv:1511.07289)."""

    kind = "elu"
    scale, alpha = 1.0, 1.0

    def value(self, z: Array, out: Array | None = None) -> Array:
        # The exponential of what is positive is not needed, and would overflow.
        below = np.expm1(np.minimum(z, 0))
        np.multiply(below, self.scale * self.alpha, out=below)
        out = np.multiply(np.maximum(z, 0), self.scale, out=out)
        return np.add(out, below, out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        # exp(z) = (exp(z) − 1) + 1, and the first is a without its factors.
        below = np.add(a, self.scale * self.alpha, out=out)
        np.copyto(below, self.scale, where=z > 0)
        return below


class SELU(ELU):
    """ELU with the two constants that keep mean 0 and variance 1 (Klambauer et al. 2017, arXiv:1706.02515)."""

    kind = "selu"
    scale, alpha = 1.0507009873554805, 1.6732632423543772


class Softsign(Activation):
    """a = z / (1 + |z|)."""

    kind = "softsign"

    def value(self, z: Array, out: Array | None = None) -> Array:
        size = np.abs(z)
        np.add(size, 1, out=size)
        return np.divide(z, size, out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        # 1 − |a| = 1 / (1 + |z|), but keeps its digits where |a| rounds to 1.
        out = np.abs(z, out=out)
        np.add(out, 1, out=out)
        np.reciprocal(out, out=out)
        return np.multiply(out, out, out=out)


class GELU(Activation):
    """a = z · Φ(z), Φ the distribution function of the standard normal: the exact form (Hendrycks & Gimpel 2016,
    arXiv:1606.08415), not the approximation by tanh."""

    kind = "gelu"

    def value(self, z: Array, out: Array | None = None) -> Array:
        # Where Φ is 0, so is a: also at -inf, where the product is none.
        return np.multiply(np.maximum(z, -1e4), normal_cdf(z), out=out)

    def derivative(self, z: Array, a: Array, out: Array | None = None) -> Array:
        # Φ(z) + z φ(z); beyond 40 the density underflows, and z² must not overflow.
        near = np.minimum(np.maximum(z, -40), 40)
        out = np.multiply(near, near, out=out)
        np.multiply(out, -0.5, out=out)
        np.exp(out, out=out)
        np.multiply(out, near, out=out)
        np.multiply(out, float(1 / np.sqrt(2 * np.pi)), out=out)
        return np.add(out, normal_cdf(z), out=out)


class Softmax(Activation):
    """a = exp(z) / sum(exp(z)) over the units: the columns of rows, the channels of images at every place.

    With cross-entropy, leave it out: that loss takes logits.
    """

    kind = "softmax"

    def value(self, z: Array, out: Array | None = None) -> Array:
        return softmax(z, out, axis=1 if z.ndim > 1 else 0)

    def backward(self, output_gradient: Array) -> Array:
        # J v = a * (v - <a, v>): every output depends on every input of the row.
        inner: Array = np.einsum("ij...,ij...->i...", output_gradient, self._a)[:, None]
        out = np.subtract(output_gradient, inner, out=self.buffer("dz", self._a.shape, self._a.dtype))
        return np.multiply(out, self._a, out=out)


def softmax(z: Array, out: Array | None = None, axis: int = -1) -> Array:
    """Softmax over one axis of z, the last of (batch, classes); its maximum is subtracted first."""
    out = np.asarray(np.subtract(z, np.maximum.reduce(z, axis=axis, keepdims=True), out=out))
    np.exp(out, out=out)
    return np.divide(out, np.add.reduce(out, axis=axis, keepdims=True), out=out)


ACTIVATIONS: dict[str, type[Activation]] = {
    c.kind: c for c in (Identity, Sigmoid, Tanh, ReLU, LeakyReLU, ELU, SELU, Softsign, GELU, Softmax)
}
