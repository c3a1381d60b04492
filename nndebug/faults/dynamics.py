"""Faults of rate, regularisation and length."""

from __future__ import annotations

from .fault import LAST, PLAIN, Fault

FAULTS = (
    Fault("dying-relu", "ReLU with He weights, but the learning rate left at 10, which suited the sigmoids before",
          "lr_too_high", "hidden1", {**LAST, "batch": 10}, {"lr": 10.0}),
    Fault("huge-rate", "a learning rate of 30 for cross-entropy", "lr_too_high", None, PLAIN, {"lr": 30.0}),
    Fault("huge-rate-adam", "Adam with a learning rate of 1", "lr_too_high", None,
          {**PLAIN, "optimizer": "adam", "lr": 1e-3}, {"lr": 1.0}),
    Fault("tiny-rate", "a learning rate of 1e-6", "lr_too_low", None, PLAIN, {"lr": 1e-6}),
    Fault("penalty-too-strong", "an L2 penalty that pulls harder than the data", "excess_regularisation", None, PLAIN,
          {"l2": 1000.0}),
    Fault("one-epoch", "one pass in batches of 100: training stops after 15 steps", "too_few_epochs", None,
          {**PLAIN, "epochs": 30}, {"epochs": 1, "batch": 100}),
)  # fmt: skip
