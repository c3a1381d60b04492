"""A run in short statements, those that certainties add up over: what rules said, what is built, figures beyond a mark.

A figure becomes several statements, `last loss / chance > 0.9` for every mark that it is beyond, so that their weights
together can follow any curve; a figure that is not known says so. `weighing.py` adds them up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from .causes.evidence import CHAIN, PATTERN
from .figures import OF_THE_PREFLIGHT, Figures, entry, figures
from .findings import Cause, Finding, Severity
from .weighing import LOOKS_LIKE

if TYPE_CHECKING:
    from .run import Run

_SHARES = (0.05, 0.2, 0.5, 0.8, 0.95)
_TO_CHANCE = (0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 1.03, 1.3, 3, 10)
_RATIO = (0.1, 0.5, 0.9, 0.99, 1.01, 1.1, 2, 10)
_DECADES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10)
_SIZES = (1e-4, 1e-3, 1e-2, 0.1, 0.5, 2, 5, 20, 100)
_TIMES = (1e-3, 1e-2, 0.05, 0.2, 5, 20, 100, 1e3)

MARKS: dict[str, tuple[float, ...]] = {
    "first loss / chance": (*_TO_CHANCE, 100),
    "last loss / chance": _TO_CHANCE,
    "best loss / chance": _TO_CHANCE[:-2],
    "last loss / first": _RATIO,
    "last loss / best": (1.01, 1.1, 1.5, 3, 10),
    "last loss / loss at 3/4": (0.5, 0.8, 0.9, 0.97, 1.0, 1.03, 1.3),
    "learned in the first tenth": (0.02, 0.1, 0.3, 0.6, 0.9),
    "validation loss / chance": _TO_CHANCE,
    "validation loss / loss": (0.5, 0.9, 1.1, 1.5, 3, 10, 100),
    "validation loss / its best": (1.01, 1.1, 1.5, 3),
    "accuracy above chance": (0.02, 0.1, 0.3, 0.6, 0.9),
    "validation accuracy above chance": (0.02, 0.1, 0.3, 0.6, 0.9),
    "share of one class": (0.5, 0.9, 0.999),
    "loss at chance": (0.01, 0.1, 3, 50, 1e3),
    "updates": (5, 20, 60, 150, 400),
    "epochs": (1.5, 3.5, 10),
    **{
        f"{place} {name}": marks
        for place in ("first", "last")
        for name, marks in {
            "update / weight, early": _DECADES,
            "update / weight, late": _DECADES,
            "largest update / weight": _DECADES,
            "gradient, late / early": _TIMES,
            "gradient's zeros": (0.2, 0.6, 0.9, 0.999),
            "weight, last / first": (0.1, 0.5, 0.9, 1.1, 2, 10, 100),
            "pre-activations, first": _SIZES,
            "pre-activations, last": (*_SIZES, 1e4),
            "variation, first": (1e-4, 1e-2, 0.1, 0.3),
            "variation, last": (1e-4, 1e-2, 0.1, 0.3),
            "weight × √inputs": (1e-4, 1e-2, 0.1, 0.4, 2.5, 6, 20),
        }.items()
    },
    "gradient, first / last layer": (1e-6, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100),
    "largest shift": (1e-3, 1e-2, 0.1, 0.5, 2, 5, 20),
    "noise of the loss": (0.01, 0.05, 0.2, 0.5, 1),
    **{f"hidden {what}, {time}": _SHARES for what in ("saturated", "silent") for time in ("first", "last")},
    "outputs saturated, first": _SHARES,
    "outputs saturated, last": _SHARES,
    "outputs' zeros, last": _SHARES,
    "largest input": (0.01, 0.1, 0.5, 2, 20, 50, 150, 1000),
    "input's deviation": (1e-4, 1e-3, 1e-2, 0.1, 2, 5, 20, 100),
    "rate": (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 2, 10),
    "rate × input²": (1e-7, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100),
    "rate, last / first": (0.02, 0.2, 0.8),
    "penalty": (1e-6, 1e-3, 0.03, 0.3),
    "dropout": (0.05, 0.4, 0.7),
    "epsilon": (1e-5, 1e-3, 0.05),
    "layers": (1.5, 2.5, 3.5),
    "batch / samples": (0.1, 0.3, 0.9),
    "held-out input / training input": (0.05, 0.5, 2, 20),
    "by heart: loss left": (0.1, 0.2, 0.5, 0.9, 0.99),
    "by heart: best rate / rate": _TIMES[1:-1],
    "by heart: blind / seeing": (1.05, 1.5, 5, 50),
    "by heart: loss left at its own rate": (0.1, 0.5, 0.9, 1.01, 3),
    "labels' signal": (0.02, 0.05, 0.1, 0.3, 0.6),
    "sweep: lowest rate that learns / rate": _TIMES,
    "sweep: best rate / rate": _TIMES,
    "sweep: best loss / start": (0.1, 0.3, 0.6, 0.9, 0.98),
    "gradient's growth with the batch": (1.5, 3),
    "scales of the features": (10, 100, 1000),
    "target's deviation": (0.01, 0.1, 5, 50, 1e3),
    "lowest target": (-0.01,),
}
"""Figure → the marks that it is held against."""

_OF_A_TRAINING = [name for name in MARKS if name not in OF_THE_PREFLIGHT]


def facts(run: Run, findings: Sequence[Finding], looks: Sequence[Cause]) -> frozenset[str]:
    """Everything that is stated of a run.

    Args:
        run: the run.
        findings: what the rules found in it.
        looks: what each cause's own look made of that.
    """
    return frozenset(
        {*_of_rules(run, findings), *_of_looks(looks), *_of_structure(run), *_of_figures(figures(run))}
    )


def known(fact: str) -> bool:
    """Whether a statement is one that a run can make; those of rules, looks and structure by their form."""
    figure, beyond, mark = fact.partition(" > ")
    if beyond:
        return figure in MARKS and mark in {f"{m:g}" for m in MARKS[figure]}
    return fact.startswith(_FORMS) or fact.removesuffix(_UNKNOWN) in MARKS


def tells_enough(stated: Collection[str]) -> bool:
    """Whether a run tells so many of its figures that it can be compared with others: half of those of a training."""
    unknown = sum(name + _UNKNOWN in stated for name in _OF_A_TRAINING)
    return unknown <= len(_OF_A_TRAINING) / 2


_FORMS = ("NND", LOOKS_LIKE, "output ", "loss ", "hidden ", "optimiser ", "task ")
_UNKNOWN = " unknown"


def _of_rules(run: Run, findings: Sequence[Finding]) -> Iterable[str]:
    """A rule's finding, how bad, since when, where."""
    layers = [site.name for site in run.sites]
    for code in {finding.code for finding in findings}:
        of_rule = [f for f in findings if f.code == code]
        yield code
        worst = max(f.severity.rank for f in of_rule)
        if worst >= Severity.WARNING.rank:
            yield f"{code} is a warning"
        if worst >= Severity.ERROR.rank:
            yield f"{code} is an error"
        if any(f.first_step == 0 for f in of_rule):
            yield f"{code} at step 0"
        places = {f.site.split(".")[0] for f in of_rule} & set(layers)
        if len(layers) > 1 and places:
            if layers[0] in places:
                yield f"{code} at the first layer"
            if layers[-1] in places:
                yield f"{code} at the last layer"
        if len(of_rule) > 2:
            yield f"{code} three times"


def _of_looks(looks: Sequence[Cause]) -> Iterable[str]:
    """What looks like what, how clearly, and the clearest."""
    for cause in looks:
        yield f"{LOOKS_LIKE}{cause.kind}"
        if cause.certainty >= PATTERN:
            yield f"{LOOKS_LIKE}{cause.kind}, as a pattern"
        if cause.certainty >= CHAIN:
            yield f"{LOOKS_LIKE}{cause.kind}, as a chain"
    if looks:
        yield f"{LOOKS_LIKE}{max(looks, key=lambda c: c.certainty).kind} most of all"


def _of_structure(run: Run) -> Iterable[str]:
    loss = str(run.manifest.get("loss", "none"))
    output = (run.sites[-1].activation or "linear") if run.sites else "none"
    yield f"loss {loss}"
    settings = entry(run.manifest, "loss_settings")
    if settings.get("reduction") == "sum":
        yield "loss summed over the batch"
    if settings.get("clip") == 0:
        yield "loss without a guard"
    yield f"output {output}"
    yield f"output {output}, loss {loss}"
    classes = run.manifest.get("classes")
    if isinstance(classes, int):
        yield f"task of {'values' if not classes else 'two classes' if classes == 2 else 'several classes'}"
        yield f"output {output}, loss {loss}, {'values' if not classes else 'classes'}"
    yield f"optimiser {entry(run.manifest, 'optimizer').get('kind')}"
    hidden = [site.activation or site.kind for site in run.sites[:-1]]
    yield from {f"hidden {kind}" for kind in hidden}
    if not hidden:
        yield "hidden layers: none"
    elif len(set(hidden)) == 1 and len(hidden) > 1:
        yield f"hidden {hidden[0]} throughout"


def _of_figures(values: Figures) -> Iterable[str]:
    for name, marks in MARKS.items():
        value = values.get(name)
        if value is None:
            yield name + _UNKNOWN
        else:
            yield from (f"{name} > {mark:g}" for mark in marks if value > mark)
