"""Optimisers: gradient descent, and those that scale every entry's step."""

from __future__ import annotations

from .adaptive import Adadelta, Adam, RMSprop
from .base import Optimizer
from .descent import SGD, Momentum

OPTIMIZERS: dict[str, type[Optimizer]] = {c.kind: c for c in (SGD, Momentum, Adam, RMSprop, Adadelta)}

__all__ = ["OPTIMIZERS", "SGD", "Adadelta", "Adam", "Momentum", "Optimizer", "RMSprop"]
