"""The property-test kit: put your own layer, loss, optimiser or network through it.

    from nndebug.testing import check_layer, parametrize_with_checks

    check_layer(MyLayer(3, 4))                       # raises with the smallest input on which it is wrong

    @parametrize_with_checks([MyLayer(3, 4), MyLoss()])
    def test_mine(member, check):                    # one test of every check
        check(member)

A layer has `forward(x)` and `backward(output_gradient)`, and its parameters in dicts or lists (`parameters`, `gradients`;
`params`, `grads`) or as arrays of its own (`W` with `dW` or `grad_W`); what calls them otherwise goes through `adapt`. A loss is
called with (output, target) and has `gradient`, or has `forward(output, target)` and `backward()`. An optimiser has
`step(parameters, gradients)`, dicts of arrays.

Needs Hypothesis, and pytest for the decorator: `pip install nndebug[test]`.
"""

from __future__ import annotations

from .batteries import (
    Checked,
    check_activation,
    check_initializer,
    check_layer,
    check_loss,
    check_member,
    check_network,
    check_optimizer,
    parametrize_with_checks,
)
from .case import TAGS, Case, case
from .driver import CheckFailed
from .wrapping import adapt

__all__ = [
    "TAGS",
    "Case",
    "CheckFailed",
    "Checked",
    "adapt",
    "case",
    "check_activation",
    "check_initializer",
    "check_layer",
    "check_loss",
    "check_member",
    "check_network",
    "check_optimizer",
    "parametrize_with_checks",
]
