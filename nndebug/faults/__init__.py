"""Deliberately planted faults: small changes of healthy experiments on the embedded digits, each with its true cause.

`nndebug demo` trains one and checks that the diagnosis names it; `--fixed` trains the healthy twin. One family a file.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import backward, data, dynamics, evaluation, initial, structure, update
from .fault import Fault

__all__ = ["DEFAULT", "FAMILIES", "FAULTS", "Fault"]

DEFAULT = "dying-relu"

FAMILIES: Mapping[str, tuple[Fault, ...]] = {
    "Rate, regularisation, length": dynamics.FAULTS,
    "Initial values": initial.FAULTS,
    "Backward pass": backward.FAULTS,
    "Update": update.FAULTS,
    "Evaluation": evaluation.FAULTS,
    "Data": data.FAULTS,
    "Structure": structure.FAULTS,
}

FAULTS: Mapping[str, Fault] = {fault.name: fault for family in FAMILIES.values() for fault in family}
