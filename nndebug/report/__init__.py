"""Reports of a run: one self-contained HTML page, a PNG dashboard, a terminal summary, JSON."""

from __future__ import annotations
