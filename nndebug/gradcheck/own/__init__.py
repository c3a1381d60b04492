"""Gradient and update checks of classes of a user's own, unedited."""

from __future__ import annotations

from .check import gradcheck_own

__all__ = ["gradcheck_own"]
