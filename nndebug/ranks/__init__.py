"""Several processes that trained one network: their run folders, `rank-0000`, `rank-0001`, …, read as one run.

Statistics merge exactly, and what should be the same on every rank is compared.
"""

from __future__ import annotations

from .folders import is_parent, rank_folders
from .merging import merged, write

__all__ = ["is_parent", "merged", "rank_folders", "write"]
