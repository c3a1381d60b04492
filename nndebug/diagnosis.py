"""From symptoms to causes: what happened first, and what explains the rest. Orders; does not measure.

A cause is an entry of the closed vocabulary `causes.Kind`. Each has a look of its own, which says what it found. A proof
decides; without one the certainties are those of the looks, or (where they are to be weighed and the run tells enough) of the
measured table (`weighing.py`). The surest comes first, and of two equally sure ones the one further up the chain (data, initial
values, backward, update).
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from .causes import LOOKS, Findings, Kind, excluded, gravest, told, unexplained
from .causes.evidence import LIKELIEST, PERHAPS, PROOF, UNSURE
from .facts import facts, tells_enough
from .findings import Cause, Finding, Severity
from .weighing import HEALTHY, Table, measured
from .wording import percent

if TYPE_CHECKING:
    from .run import Run

SUREST = 0.98
"""No certainty that was added up is as large as that of a proof."""
CLEAR = 0.9
"""A look as clear as this, and clearer than all others, comes first whatever a table says."""
NOT_HEALTHY = 0.003
"""Certainty of health below which causes are named although no rule is alarmed. By tables that never saw the data set of a run the
least certain of 137 healthy trainings is held healthy at more than 0.01."""
SURE = 0.7
"""Of a cause that a table gives this certainty no clear look takes the first place, where no preflight has looked."""
LIKELY = 0.5
"""A first cause that is less certain is more likely wrong than right: its sentence begins with what was found."""
_PACE = ("NND306", "NND509")
"""What rules say of how evenly and how far the loss fell."""
FAINT = 0.25
"""A first cause that is less certain than this is not in the verdict: where several are as likely, one of them would mislead."""
WORTH_NAMING = 0.05
"""A cause that is less certain is named only if there is no other."""


def diagnose(
    run: Run, findings: Sequence[Finding], table: Table | None = None, weigh: bool = True
) -> tuple[tuple[Cause, ...], str, Severity | None]:
    """Names the causes behind findings.

    Args:
        run: the run.
        findings: what the rules found in it.
        table: the measured weights; those of the package if None.
        weigh: take the certainties from the table; else they are those of the looks.

    Returns:
        The causes, surest first; the verdict in one sentence; and the severity of the worst finding. Where there is none
        above info it is None; or info with causes, where the figures of a training are by far not those of a healthy one.
    """
    worst = max((f.severity for f in findings), key=lambda s: s.rank, default=None)
    looks = candidates(run, findings)
    if worst is None or worst is Severity.INFO:
        causes = _suspected(run, findings, looks, table or measured()) if weigh and run.steps else []
        return (
            (tuple(causes), causes[0].sentence, Severity.INFO)
            if causes
            else ((), _healthy(run, findings), None)
        )
    serious = {f.fingerprint for f in findings if f.severity is not Severity.INFO}
    causes = [cause for cause in looks if serious & set(cause.explains)]
    if weigh and not any(cause.certainty >= PROOF for cause in causes):
        stated = facts(run, findings, looks)
        if tells_enough(stated):
            causes = weighed(findings, looks, stated, table or measured(), excluded(run))
    order = [kind.value for kind in Kind]
    causes.sort(key=lambda cause: (-cause.certainty, order.index(cause.kind)))
    if not causes:
        causes = [unexplained(Findings(findings))]
    if causes[0].certainty >= PROOF:
        # Beside a proof, guesses at the same consequences are noise.
        causes[0] = _slowed(causes[0], findings)
        told = set(causes[0].explains)
        causes = [
            cause for cause in causes if cause.certainty >= PROOF or (serious & set(cause.explains)) - told
        ]
    causes[0] = replace(causes[0], ruled_out=(*causes[0].ruled_out, *_ruled_out(run)))
    return tuple(causes[:3]), causes[0].sentence, worst


def _slowed(cause: Cause, findings: Sequence[Finding]) -> Cause:
    """A proven cause with what it does to how fast and how evenly the loss falls: nobody can judge that before it is mended."""
    order = [kind.value for kind in Kind]
    if order.index(cause.kind) >= order.index(Kind.LR_TOO_HIGH):
        return cause
    pace = [f.fingerprint for f in findings if f.code in _PACE]
    return replace(cause, explains=tuple(dict.fromkeys([*cause.explains, *pace])))


def weighed(
    findings: Sequence[Finding],
    looks: Sequence[Cause],
    stated: Collection[str],
    table: Table,
    impossible: Mapping[Kind, str] = MappingProxyType({}),
) -> list[Cause]:
    """The causes that a table holds likely, with its certainties; as their looks tell them where there is one.

    Args:
        findings: what the rules found in a run.
        looks: what each cause's own look made of that.
        stated: all that is stated of the run.
        table: the measured weights.
        impossible: kinds that are excluded, and why; the others share their certainty.
    """
    certainties = table.certainties(stated)
    own = {cause.kind: cause for cause in reversed(looks)}
    meanings = {kind.value: kind.meaning for kind in Kind}
    serious = tuple(f.fingerprint for f in findings if f.severity is not Severity.INFO)
    causes: list[Cause] = []
    for kind, certainty in ranking(
        {kind: cause.certainty for kind, cause in own.items()},
        _without(certainties, impossible),
        seeing=BLIND not in stated,
    ):
        supports, against = table.reasons(kind, stated)
        cause = own.get(kind) or Cause(
            kind, None, 0, 0.0, _guess(meanings[kind], bool(causes), certainty, findings)
        )
        cause = replace(
            cause,
            certainty=certainty,
            # What no cause explains is laid at the door of the first.
            explains=cause.explains if causes else tuple(dict.fromkeys([*cause.explains, *serious])),
            supports=tuple(supports),
            against=(*cause.against, *against),
        )
        causes.append(cause)
    notes = tuple(
        why for kind, why in impossible.items() if why and certainties.get(kind, 0.0) >= WORTH_NAMING
    )
    return [replace(causes[0], ruled_out=notes), *causes[1:]]


def _without(certainties: Mapping[str, float], impossible: Collection[str]) -> dict[str, float]:
    left = {kind: share for kind, share in certainties.items() if kind not in impossible}
    whole = sum(left.values())
    return {kind: share / whole for kind, share in left.items()} if whole > 0 else dict(certainties)


def _guess(meaning: str, follows: bool, certainty: float, findings: Sequence[Finding]) -> str:
    """How a cause is told that the table alone holds likely; after what was found, where others together are likelier."""
    if follows:
        return f"{PERHAPS}{meaning}."
    if certainty >= LIKELY or all(f.severity is Severity.INFO for f in findings):
        return f"{LIKELIEST}{meaning}."
    rest = f"{UNSURE}; the likeliest: {meaning}." if certainty >= FAINT else f"{UNSURE}."
    return textwrap.shorten(f"{told(gravest(findings))}.", 200 - len(rest), placeholder=" …") + rest


def ranking(
    looks: Mapping[str, float], certainties: Mapping[str, float], seeing: bool = True
) -> list[tuple[str, float]]:
    """Kinds with their certainties, the surest first: a table's, and those of looks at kinds that it does not have.

    Args:
        looks: kind → certainty by hand.
        certainties: kind → certainty by the table.
        seeing: a preflight has looked. Without one a clear look at what steps do says less than a table that is sure of another
            cause: a summed loss, targets that are not scaled and a logarithm without a guard all look like a rate too high.
    """
    order = [kind.value for kind in Kind]
    found = {kind: min(share, SUREST) for kind, share in certainties.items() if kind != HEALTHY}
    first = max(looks, key=lambda kind: looks[kind], default="")
    rivals = [kind for kind, certainty in looks.items() if certainty >= looks[first]]
    unsure = seeing or max(found.values(), default=0.0) < SURE
    if unsure and first in found and looks[first] >= CLEAR and rivals == [first]:
        # What looks so by itself stays first: programs of another make than those of the table lie outside what it knows.
        share, both = found[first], max((found[first] + looks[first]) / 2, 0.51)
        found = {kind: other * (1 - both) / max(1 - share, 1e-9) for kind, other in found.items()}
        found[first] = min(both, SUREST)
    clearest, likeliest = max(looks.values(), default=0.0), max(found.values(), default=0.0)
    for kind in looks.keys() - certainties.keys():
        # Never measured: it keeps its own certainty where nothing looks clearer, else what the table leaves over.
        found[kind] = looks[kind] if looks[kind] >= clearest else looks[kind] * (1 - likeliest)
    ranked = sorted(found.items(), key=lambda pair: (-pair[1], order.index(pair[0])))
    return ranked[:1] + [pair for pair in ranked[1:] if pair[1] >= WORTH_NAMING]


def _suspected(run: Run, findings: Sequence[Finding], looks: Sequence[Cause], table: Table) -> list[Cause]:
    """Likely causes of a training in which no rule saw a fault, if it is far from a healthy one."""
    stated = facts(run, findings, looks)
    if not tells_enough(stated) or not suspicious(stated, table.certainties(stated)):
        return []
    first, *others = weighed(findings, looks, stated, table, excluded(run))
    sentence = f"No rule is sure, but this is unlike a healthy training. {first.sentence}"
    return [replace(first, sentence=sentence if len(sentence) <= 200 else sentence[:199] + "…"), *others[:2]]


def suspicious(stated: Collection[str], certainties: Mapping[str, float]) -> bool:
    """Whether a training is far from a healthy one, and one cause likelier than all others.

    It is none without what a preflight finds: a training of another make than those of the table, a short one of a model in
    PyTorch for instance, is unlike the healthy ones in many figures at once.
    """
    likeliest = max(share for kind, share in certainties.items() if kind != HEALTHY)
    return BLIND not in stated and certainties.get(HEALTHY, 0.0) < NOT_HEALTHY and likeliest > 0.5


BLIND = "by heart: loss left unknown"
"""Said of a run that no preflight has tried to learn by heart: a table knows it by what was watched alone."""


def candidates(run: Run, findings: Sequence[Finding]) -> list[Cause]:
    """What every cause's own look makes of the findings."""
    found = Findings(findings)
    return [cause for look in LOOKS if (cause := look(run, found))]


def _ruled_out(run: Run) -> tuple[str, ...]:
    """What a reader may suspect, with the figure that excludes it."""
    notes = []
    for site in run.sites:
        zeros, silent = run.series("probe.zero_share", site.name), run.series("probe.silent_units", site.name)
        dead = run.series("probe.dead_units", site.name) or silent  # the probe can only count too many
        if site.activation == "relu" and zeros and dead and dead.last == 0 and zeros.last >= 0.3:
            notes.append(
                f"not dying ReLU: {percent(zeros.last, 0)} of {site.name}'s activations are zero, yet every unit fires for "
                "some samples"
            )
    return tuple(notes)


def _healthy(run: Run, findings: Sequence[Finding]) -> str:
    notes = f" ({len(findings)} {'note' if len(findings) == 1 else 'notes'})" if findings else ""
    accuracy = run.series("validation.accuracy")
    reached = f"; validation accuracy {percent(accuracy.last)}" if accuracy else ""
    loss, chance = run.series("probe.loss"), run.manifest.get("loss_at_chance")
    if not run.steps and run.preflight is None:
        return "Nothing could be checked: no step was recorded."
    if stopped := next((f for f in findings if f.code == "NND902"), None):
        return f"No rule found a fault in what was recorded, but not all was: {stopped.message}."
    if not run.steps:
        return f"No rule found a fault before training{notes}."
    unseen = run.series("validation.loss")
    torn = next((f for f in findings if f.code == "NND705" and f.evidence.get("unrelated")), None)
    if torn and not (chance and unseen and unseen.last < chance):
        return (
            f"No rule found a fault{notes}, but the targets may not belong to their inputs: {torn.message}."
        )
    if chance and unseen and not unseen.last < chance:
        return f"No rule found a fault{notes}, but on validation the loss, {unseen.last:.3g}, is no better than chance ({chance:.3g})."
    if chance and loss and not loss.last < chance / 2:
        # Silence is not health: it may be too early to tell, or a fault that no rule knows.
        return f"No rule found a fault{notes}, but the loss, {loss.last:.3g}, is not half of chance yet ({chance:.3g})."
    return f"Nothing is wrong{notes}{reached}."
