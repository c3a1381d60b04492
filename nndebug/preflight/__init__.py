"""`nndebug.preflight`: what can be known of a network and its data before the first step, on copies."""

from .result import Preflight
from .running import preflight

__all__ = ["Preflight", "preflight"]
