"""NumPy classes of a user's own, watched while their own code trains them; nothing in them is edited."""

from __future__ import annotations

from .calls import Follower, Step
from .mirror import Mirror
from .understanding import Understood, understand
from .wrapping import Wrapped

__all__ = ["Follower", "Mirror", "Step", "Understood", "Wrapped", "understand"]
