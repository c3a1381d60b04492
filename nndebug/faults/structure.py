"""Faults of the structure: parts that do not suit one another."""

from __future__ import annotations

from .fault import DEEP, PLAIN, Fault

CIRCLES = {"data": "circles", "layers": (2, 16, 2), "lr": 0.3, "epochs": 60}

FAULTS = (
    Fault("deep-sigmoid", "five hidden layers of sigmoids", "wrong_hidden_activation", "hidden1", DEEP,
          {"activation": "sigmoid", "init": "xavier"}),
    Fault("linear-layers", "the activation between two layers forgotten: one circle inside another",
          "missing_hidden_nonlinearity", "hidden1", CIRCLES, {"activation": "linear"}),
    Fault("softmax-twice", "softmax outputs, and a loss that makes softmax of them again", "redundant_output_activation",
          "output", PLAIN, {"output_activation": "softmax", "loss": "cce_logits"}),
    Fault("softmax-inside", "softmax as the activation of the hidden layers", "wrong_hidden_activation", "hidden1",
          {**PLAIN, "layers": (64, 30, 30, 10)}, {"activation": "softmax"}),
    Fault("relu-outputs", "ReLU on the logits: what is negative is cut", "wrong_output_activation", "output",
          {**PLAIN, "init": "xavier"}, {"output_activation": "relu", "bias_init": {"kind": "constant", "value": -3.0}}),
)  # fmt: skip
