"""Causes, one function each, in files by place in the chain: data, structure, output, initial values, backward,
update, dynamics.

Each looks for the findings that support it and says what it did, or nothing. Add yours to its file and to `LOOKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..findings import Cause, Finding, Severity
from . import backward, data, dynamics, evaluation, initial, length, output, ranks, structure, update
from .evidence import Findings, cause
from .excluded import excluded
from .vocabulary import Kind

if TYPE_CHECKING:
    from ..run import Run

__all__ = ["LOOKS", "Findings", "Kind", "Look", "excluded", "gravest", "told", "unexplained"]

Look = Callable[["Run", Findings], Cause | None]

LOOKS: tuple[Look, ...] = (
    structure.shape_mismatch,
    data.wrong_preprocessing,
    data.unnormalised_input,
    data.unnormalised_target,
    data.scaled_twice,
    data.corrupted_labels,
    data.class_imbalance,
    data.not_shuffled,
    data.train_test_overlap,
    output.target_shape_broadcast,
    output.wrong_axis,
    output.wrong_output_units,
    output.wrong_output_activation,
    output.redundant_output_activation,
    output.wrong_loss,
    output.unstable_loss,
    output.wrong_loss_reduction,
    structure.softmax_inside,
    structure.missing_hidden_nonlinearity,
    structure.missing_layer,
    initial.constant_init,
    initial.negative_biases,
    initial.init_too_large,
    initial.init_too_small,
    backward.wrong_gradient,
    update.wrong_penalty,
    update.missing_zero_grad,
    update.wrong_loop_order,
    update.wrong_update,
    update.wrong_slope,
    update.frozen_parameters,
    ranks.ranks_diverge,
    ranks.rank_stopped,
    ranks.rank_data,
    ranks.rank_slow,
    structure.wrong_hidden_activation,
    dynamics.lr_too_high,
    dynamics.lr_too_low,
    dynamics.rate_falls_away,
    dynamics.wrong_batch_size,
    length.excess_regularisation,
    length.too_few_epochs,
    evaluation.classes_renamed,
    evaluation.held_out_preprocessing,
    evaluation.wrong_metric,
)


def gravest(findings: Iterable[Finding]) -> Finding:
    """What a reader must know where no cause is sure: that nothing is learned, or else the worst finding, the earliest of them."""
    every = [f for f in findings if f.severity is not Severity.INFO]
    serious = [f for f in every if f.code in ("NND501", "NND502")] or every
    return min(
        serious, key=lambda f: (-f.severity.rank, f.first_step if f.first_step is not None else 1 << 60)
    )


def told(finding: Finding) -> str:
    """A finding with its place, without a full stop."""
    return finding.message if finding.site == "run" else f"{finding.site}: {finding.message}"


def unexplained(found: Findings) -> Cause:
    """What to say where no cause is known."""
    first = gravest(found.all)
    return cause(
        Kind.NOT_LEARNING,
        None if first.site == "run" else first.site.split(".")[0],
        found,
        [first],
        0.0,
        f"{told(first)}; its cause is not known.",
        help=first.help,
    )
