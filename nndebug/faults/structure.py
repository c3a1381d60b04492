"""Faults of the structure: parts that do not suit one another."""

from __future__ import annotations

from dataclasses import replace

from .fault import DEEP, PLAIN, Fault, Parts

CIRCLES = {"data": "circles", "layers": (2, 16, 2), "lr": 0.3, "epochs": 60}

SINE = {
    "data": "sine",
    "layers": (1, 30, 1),
    "activation": "tanh",
    "init": "xavier",
    "loss": "mse",
    "lr": 0.1,
    "epochs": 200,
}


def _below_zero(parts: Parts) -> None:
    """Targets from -2 to 0."""
    parts.dataset = replace(
        parts.dataset,
        **{
            name: (part[0], part[1] - 1)
            for name in ("train", "validation", "test")
            if (part := getattr(parts.dataset, name)) is not None
        },
    )


FAULTS = (
    Fault("deep-sigmoid", "five hidden layers of sigmoids", "wrong_hidden_activation", "hidden1", DEEP,
          {"activation": "sigmoid", "init": "xavier"}),
    Fault("linear-layers", "the activation between two layers forgotten: one circle inside another",
          "missing_hidden_nonlinearity", "hidden1", CIRCLES, {"activation": "linear"}),
    Fault("softmax-twice", "softmax outputs, and a loss that makes softmax of them again", "redundant_output_activation",
          "output", PLAIN, {"output_activation": "softmax", "loss": "cce_logits"}),
    Fault("softmax-inside", "softmax as the activation of the hidden layers", "wrong_hidden_activation", "hidden1",
          {**PLAIN, "layers": (64, 30, 30, 10)}, {"activation": "softmax"}),
    Fault("relu-outputs", "ReLU outputs for targets below zero", "wrong_output_activation", "output", SINE,
          {"output_activation": "relu"}, patch=_below_zero),
)  # fmt: skip
