"""Experiments: all that is needed to train a network again, as plain data."""

from __future__ import annotations

from .experiment import Experiment

__all__ = ["Experiment"]
