"""The rules, one family a file. Importing this package registers all of them."""

from . import activations, contract, evaluation, gradients, learning, numerics, tool, updates

__all__ = ["activations", "contract", "evaluation", "gradients", "learning", "numerics", "tool", "updates"]
