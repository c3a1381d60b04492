"""Evaluation on trial: is the number that an evaluation gave the accuracy, and if not, which mistake gives it?"""

from .check import EvaluationCheck, Replayed, check_accuracy

__all__ = ["EvaluationCheck", "Replayed", "check_accuracy"]
