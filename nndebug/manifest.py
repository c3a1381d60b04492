"""What the manifest of a run says of network, loss, optimiser and inputs before the first step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .adapters.sites import describe_sites
from .signals import Array
from .stats import Moments


def of_network(network: Any) -> dict[str, Any]:
    """Its architecture, its sites and its loss."""
    return {
        "network": {
            "description": network.describe(),
            "parameters": int(network.flat_parameters.size),
            "dtype": str(network.dtype),
            "init": {
                layer.name: getattr(layer.init, "__name__", str(layer.init))
                for layer in network.layers
                if hasattr(layer, "init")
            },
            "seed": network.seed,
            "regularisation": _regularisation(network),
        },
        "sites": [site.to_json() for site in describe_sites(network)],
        **of_loss(network.loss),
    }


def of_experiment(experiment: Any) -> dict[str, Any]:
    """What it takes to train it again: its specification, and which planted fault comes after it."""
    if experiment is None:
        return {}
    fault = getattr(experiment, "name", "")
    return {"experiment": {"spec": experiment.to_dict(), **({"fault": fault} if fault else {})}}


def _regularisation(network: Any) -> dict[str, dict[str, float]]:
    """Layer → its dropout rate and the factors of its own penalties l1 Σ |w| + l2 Σ w², as far as it has any."""
    found: dict[str, dict[str, float]] = {}
    for layer in network.layers:
        numbers = {"dropout": layer.rate} if layer.kind == "dropout" and hasattr(layer, "rate") else {}
        numbers |= {name: value for name in ("l1", "l2") if (value := getattr(layer, name, 0.0))}
        if numbers:
            found.setdefault(layer.name, {}).update({name: float(value) for name, value in numbers.items()})
    return found


def of_loss(loss: Any) -> dict[str, Any]:
    """Its kind, what it reads the outputs as, and the settings that are not usual."""
    settings = {"takes": getattr(loss, "takes", None), **getattr(loss, "settings", {})}
    return {"loss": loss.kind, "loss_settings": settings}


def of_optimizer(optimizer: Any) -> dict[str, Any]:
    """Its kind, rate and penalty, and the other numbers that are not 0."""
    numbers = {
        name: value
        for name, value in vars(optimizer).items()
        if not name.startswith("_") and name != "samples" and isinstance(value, int | float) and value
    }
    return {"kind": optimizer.kind, "rate": optimizer.rate, "l2": optimizer.l2, **numbers}


def square(probe: Array) -> list[int] | None:
    """(side, side) if rows look like flat square grey images: at least 8 × 8, no negative value, many zeros."""
    side = math.isqrt(probe.shape[1]) if probe.ndim == 2 else 0
    looks = side >= 8 and side * side == probe.shape[1] and probe.min() >= 0 and np.mean(probe == 0) > 0.2
    return [side, side] if looks else None


def extent(x: Array, rows: Array) -> dict[str, float]:
    """Smallest and largest input, over all; mean and spread on the probe's rows, which cost no pass in float64."""
    some = Moments.of(rows)
    return {"mean": some.mean, "std": some.std, "minimum": float(x.min()), "maximum": float(x.max())}
