"""Gradient checking: every entry of a network's gradient, which layer and equation is wrong, and which mistake it is.

`nndebug.gradcheck(network, x, y)` is truthy when everything agrees and prints as a table.
"""

from __future__ import annotations

from .check import gradcheck
from .result import Fault, GradCheck, Mistake, Row, Verdict

__all__ = ["Fault", "GradCheck", "Mistake", "Row", "Verdict", "gradcheck"]
