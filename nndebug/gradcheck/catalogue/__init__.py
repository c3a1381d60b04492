"""The mistakes themselves, by the part of the gradient in which they show; one file for each kind of layer."""

from __future__ import annotations

from ..mistakes import Catalogue
from .activation import activation, dropout
from .dense import bias, dense_input, weight
from .images import conv_bias, conv_input, conv_weight, max_pool, mean_pool
from .loss import elementwise_loss, loss
from .norm import norm_bias, norm_input, norm_weight

__all__ = ["CATALOGUES", "elementwise_loss"]

CATALOGUES: dict[str, Catalogue] = {
    "activation": activation,
    "dropout": dropout,
    "input": dense_input,
    "bias": bias,
    "weight": weight,
    "conv input": conv_input,
    "conv bias": conv_bias,
    "conv weight": conv_weight,
    "max pool": max_pool,
    "mean pool": mean_pool,
    "norm input": norm_input,
    "norm bias": norm_bias,
    "norm weight": norm_weight,
    "loss": loss,
}
