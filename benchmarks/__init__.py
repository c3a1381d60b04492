"""Measurements behind the figures in the docs; run as modules from the repository's root."""
