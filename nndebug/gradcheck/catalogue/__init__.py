"""The mistakes themselves, by the part of the gradient in which they show; one file for each kind of layer."""

from __future__ import annotations

from ..mistakes import Catalogue
from .activation import activation, dropout
from .dense import bias, dense_input, weight
from .loss import elementwise_loss, loss

__all__ = ["CATALOGUES", "elementwise_loss"]

CATALOGUES: dict[str, Catalogue] = {
    "activation": activation,
    "dropout": dropout,
    "input": dense_input,
    "bias": bias,
    "weight": weight,
    "loss": loss,
}
