"""Causes that cannot be, whatever a table holds likely: what is known of this very run excludes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..rules.batches import SUMMED
from ..rules.before import measured
from ..rules.outcome import not_learning
from ..wording import percent
from .vocabulary import Kind

if TYPE_CHECKING:
    from ..run import Run
    from ..signals import Site

PASSING = ("relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu")
"""Activations that suit a hidden layer: they are flat on one side at most."""
_BOUNDED = {"sigmoid": "0 to 1", "tanh": "-1 to 1"}
"""Last activations whose values end on both sides."""
_NORMALISING = ("batch_norm", "layer_norm")
_UNDERSTOOD, _MOSTLY = 0.3, 0.7
"""Skill of a linear probe above which there is something to be learned from the targets, and above which few can be wrong."""


def excluded(run: Run) -> Mapping[Kind, str]:
    """Kinds of causes that cannot be, with the reason as a note to the reader; empty where none is needed."""
    notes: dict[Kind, str] = {}
    if _suited(run):
        notes[Kind.WRONG_HIDDEN_ACTIVATION] = (
            "not the activations: every hidden layer ends in ReLU or its kin"
        )
    if (hidden := _hidden(run)) and all(site.activation not in (None, "linear") for site in hidden):
        notes[Kind.MISSING_HIDDEN_NONLINEARITY] = "not linear: an activation follows every hidden layer"
    if _gets_logits(run):
        for kind in (Kind.WRONG_OUTPUT_ACTIVATION, Kind.REDUNDANT_OUTPUT_ACTIVATION):
            notes[kind] = "not the last activation: the loss takes logits, and gets them"
    if measured(run, "batch").get("coupled_loss") is False:
        notes[Kind.TARGET_SHAPE_BROADCAST] = (
            "not the targets' shape: the loss of a sample depends on no other sample's target"
        )
    if within := _within(run):
        notes[Kind.WRONG_OUTPUT_ACTIVATION] = (
            f"not the last activation: the targets are values within its {within}"
        )
    labels = measured(run, "labels")
    if labels.get("skill", 0.0) > (_MOSTLY if not_learning(run) is None else _UNDERSTOOD):
        unit = "accuracy" if labels["baseline"] > 0 else "R²"
        score = percent(labels["score"], 0) if labels["baseline"] > 0 else f"{labels['score']:.2f}"
        notes[Kind.CORRUPTED_LABELS] = (
            f"not the targets: a linear probe learns from them ({unit} {score} on held-out rows)"
        )
    return dict.fromkeys(_not_built(run), "") | notes


def _not_built(run: Run) -> set[Kind]:
    """Kinds that a network of the core cannot have as it is put together; who knows that needs no note."""
    network, settings = run.manifest.get("network", {}), run.manifest.get("loss_settings", {})
    kinds: set[Kind] = set()
    if "framework" in run.manifest or "regularisation" not in network:
        return kinds  # of another make: a penalty or a softmax may be where nobody sees it
    if not network["regularisation"] and not run.manifest.get("optimizer", {}).get("l2", 1.0):
        kinds.add(Kind.EXCESS_REGULARISATION)
    growth = measured(run, "reduction").get("gradient_growth")
    if growth and max(growth) < SUMMED:
        kinds.add(Kind.WRONG_LOSS_REDUCTION)
    output = run.sites[-1] if run.sites else None
    if run.manifest.get("classes"):
        kinds.add(Kind.UNNORMALISED_TARGET)
    if settings.get("takes") in ("logits", "values"):
        kinds.add(Kind.UNSTABLE_LOSS)
    if output and output.activation is None and settings.get("takes") == "logits":
        kinds.add(Kind.REDUNDANT_OUTPUT_ACTIVATION)
        if run.manifest.get("classes") and run.manifest.get("loss") == _of_classes(output.units):
            kinds |= {Kind.WRONG_LOSS, Kind.WRONG_OUTPUT_ACTIVATION}
    return kinds


def _gets_logits(run: Run) -> bool:
    """Whether the loss was seen to be given the labels and the logits that it takes, one output a class or a single one."""
    fit = measured(run, "fit")
    fits = fit.get("takes") == "logits" and fit.get("output_activation") == "linear" and "labels" in fit
    return bool(fits and fit["loss"] == _of_classes(fit["outputs"]))


def _of_classes(outputs: int) -> str:
    """The loss that suits classes on so many outputs."""
    return "cross_entropy" if outputs > 1 else "binary_cross_entropy"


def _within(run: Run) -> str | None:
    """The range of the last activation, where the targets are values, not classes, and none lies outside it."""
    target = measured(run, "fit").get("target", {})
    activation = run.sites[-1].activation if run.sites else None
    values = run.manifest.get("classes") == 0 and measured(run, "fit").get("takes") == "values"
    return _BOUNDED.get(activation or "") if values and target.get("outside") == 0 else None


def _hidden(run: Run) -> list[Site]:
    """The hidden layers with weights, normalisation aside."""
    return [site for site in run.sites[:-1] if "weight" in site.parameters and site.kind not in _NORMALISING]


def _suited(run: Run) -> bool:
    """Whether every hidden layer is known to end in one of `PASSING`."""
    hidden = _hidden(run)
    others = any(site.activation not in (None, *PASSING) for site in run.sites[:-1])
    return bool(hidden) and not others and all(site.activation in PASSING for site in hidden)
