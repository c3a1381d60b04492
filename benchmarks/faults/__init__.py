"""Faulty programs that others published, trained on the core and diagnosed: `run`, then `score`."""
