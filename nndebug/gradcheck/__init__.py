"""Gradient checking: every entry of a network's gradient, which layer and equation is wrong, and which mistake it is.

`nndebug.gradcheck(network, x, y)` is truthy when everything agrees and prints as a table. So is
`nndebug.gradcheck(loss, params, grads)` of any function of arrays, which names the entries that are wrong.
"""

from __future__ import annotations

from .dispatch import gradcheck
from .own_update import check_update
from .result import Fault, GradCheck, Mistake, Row, Verdict

__all__ = ["Fault", "GradCheck", "Mistake", "Row", "Verdict", "check_update", "gradcheck"]
