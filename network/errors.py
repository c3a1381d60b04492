"""Errors a user can cause, each with one line that says what to do about it."""

from __future__ import annotations


class NetworkError(ValueError):
    """A mistake in what the caller asked for.

    Args:
        message: what was expected and what came, in one line.
        help: the next thing to try, in one line; empty if there is none.
    """

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.help = help


class ShapeError(NetworkError):
    """An array does not have the shape that a layer or a loss needs."""


class DataError(NetworkError):
    """A data set is missing, damaged or not what it claims to be."""


class ExperimentError(NetworkError):
    """An experiment file has an unknown or wrong field, or asks for what the core cannot do."""
