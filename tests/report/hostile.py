"""Names, numbers and evidence as nobody means them, and a tiny run made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from nndebug.findings import Cause, CheckResult, Finding, Severity, Skipped
from nndebug.histogram import ExponentHistogram
from nndebug.run import Run

NASTY = (
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "\"' onmouseover='alert(1)",
    "\u202egnp.exe",
    "שלום عليكم",
    "x" * 10_000,
    "line\nbreak\r\ttab",
    "\ud800 lone \udfff",
    "nul\x00 bell\x07 escape\x1b[31m",
    "$\\frac{1}{0}$ $_$",
    "[bold red]markup[/] :boom: [/",
    "{{ 7*7 }} {% raw %}",
    "z̷̢̨̛̛̛̛̛̛" * 30,
    "-->]]>&amp;&#x3c;",
    "",
    " ",
)
any_text = st.one_of(
    st.sampled_from(NASTY), st.text(max_size=60), st.text(st.characters(codec=None), max_size=30)
)
any_float = st.floats(width=64) | st.sampled_from(
    [float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 5e-324, 0.0]
)
any_value = st.recursive(
    st.none() | st.booleans() | st.integers() | any_float | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def run_of(name: str, values: list[float]) -> Run:
    """A run in memory of one layer with this name and these values, at steps 0, 1, ..."""
    manifest = {
        "name": name, "status": "running", "command": name, "versions": {name: name}, "loss": name, "classes": 3,
        "class_shares": [0.5, 0.3, 0.2], "loss_at_chance": 0.6, "network": {"description": name}, "init": {name: name},
        "optimizer": {"kind": name, "rate": 0.1}, "batch": name,
        "sites": [{"name": name, "kind": name, "activation": "relu", "inputs": 4, "units": 3, "parameters": ["weight", name]}],
    }  # fmt: skip
    run = Run(manifest)
    for step, value in enumerate(values):
        site = {"activation.std": value, "shift": value, "probe.silent_units": 1}
        data = {
            "run": {"probe.loss": value, "loss": value},
            name: site,
            f"{name}.weight": {"gradient.norm": value, "update_ratio": value, "weight.mean": value},
        }
        run.add({"kind": "step", "step": step, "epoch": 1, "data": data})
    finite = np.nan_to_num(np.clip(values, -1e300, 1e300)) if values else np.zeros(1)
    for number in range(3):
        run.add_epoch(number, number, {
            f"{name}/activity": np.array([0.0, 0.5, np.nan]), f"{name}/dead": np.array([True, False, False]),
            f"{name}/preactivation.histogram": ExponentHistogram.of(finite).to_array(),
            f"{name}.weight/images": np.zeros((3, 2, 2)), "run/confusion": np.eye(3, dtype=int),
            "run/hardest": np.array([[7.0, values[0] if values else np.nan, 2, 1], [0, 1.0, -1, np.inf]]),
            "run/hardest.images": np.zeros((2, 3, 3), np.uint8),
        })  # fmt: skip
    run.add({"kind": "event", "event": "crashed", "step": 1, "message": name})
    return run


def result_of(name: str, evidence: dict[str, Any]) -> CheckResult:
    """A result whose every text is this name."""
    findings = tuple(
        Finding("NND411", name, severity, name, name, 0, 3, evidence, name) for severity in Severity
    )
    cause = Cause(
        name, name, 0, 0.5, name, tuple(f.fingerprint for f in findings[:1]), (name,), (name,), name
    )
    skipped = (Skipped(name, name, name),)
    return CheckResult(
        name, Severity.ERROR, (cause,), findings, (name,), skipped, skipped, skipped, {name: name}
    )
