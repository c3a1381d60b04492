"""The rules, one family a file. Importing this package registers all of them."""

from . import (
    activations,
    contract,
    dead_units,
    evaluation,
    first_steps,
    gradients,
    learning,
    numerics,
    tool,
    updates,
)

__all__ = [
    "activations",
    "contract",
    "dead_units",
    "evaluation",
    "first_steps",
    "gradients",
    "learning",
    "numerics",
    "tool",
    "updates",
]
