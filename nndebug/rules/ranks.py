"""NND4: what should be the same on every one of several processes, or should not."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..findings import Severity, Symptom
from ..registry import rule
from ..run import Run
from ..signals import RUN
from ..wording import percent

_GRADIENT, _PARAMETER = "ranks.gradient_difference", "ranks.parameter_difference"


def _first_differing(run: Run, name: str, least: float) -> tuple[int, dict[str, float]] | None:
    """The first step at which tensors differ, and those that do with how far they are apart, in the order of the network."""
    firsts: dict[str, tuple[int, float]] = {}
    for site in run.where(name):
        series = run.series(name, site)
        beyond = series.values > least
        if beyond.any():
            firsts[site] = int(series.steps[beyond][0]), float(series.values[beyond][0])
    if not firsts:
        return None
    step = min(first for first, _ in firsts.values())
    return step, {site: difference for site, (first, difference) in firsts.items() if first == step}


def _since(run: Run, name: str, site: str, step: int) -> str:
    """From which step on a tensor differs; between two records it may have begun at any step."""
    earlier = [int(at) for at in run.series(name, site).steps if at < step]
    return f"from step {step:,} on" + (
        f" (equal at step {earlier[-1]:,})" if earlier and earlier[-1] < step - 1 else ""
    )


def _more(tensors: dict[str, float]) -> str:
    return f" (and {len(tensors) - 1} more)" if len(tensors) > 1 else ""


@rule("NND421", "rank-gradient-differs", needs=(_GRADIENT,))
def rank_gradient_differs(run: Run, *, least: float = 1e-6) -> Iterator[Symptom]:
    """A rank updates its parameters with another gradient than the other ranks.

    What it measures: the norm of every parameter's gradient at the recorded updates, on all ranks; relative to it.

    Why it matters: the replicas part at this update and never meet again; what is saved is one of them.

    What to try: wrap the model in DistributedDataParallel before the first pass and call the wrapper, not the model in
    it; average all gradients before every update; leave `no_sync` before the last backward pass.

    False alarms: none known where ranks are replicas: the average is the same bits on all of them. With two ranks the
    longer gradient is taken for the one that was not averaged.

    References: Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel Training", VLDB 2020.
    """
    found = _first_differing(run, _GRADIENT, least)
    if found is None:
        return
    step, tensors = found
    site = next(iter(tensors))
    rank = int(run.series("ranks.gradient_rank", site).at(step))
    who = (
        f"rank {rank} has another gradient than the other ranks"
        if rank >= 0
        else "every rank has a gradient of its own"
    )
    yield Symptom(
        site,
        f"{who} {_since(run, _GRADIENT, site, step)}: {'its norm differs' if rank >= 0 else 'the norms differ'} by "
        f"{tensors[site]:.2g} of {'theirs' if rank >= 0 else 'that of the first'}{_more(tensors)}",
        Severity.ERROR,
        first_step=step,
        last_step=run.steps,
        evidence={
            "rank": max(rank, 0),
            "alone": rank >= 0,
            "difference": tensors[site],
            "tensors": list(tensors),
            "series": [{"name": _GRADIENT, "site": site}],
            "threshold": least,
            "threshold_label": "equal",
        },
        help="average every gradient over all ranks before the update",
    )


@rule("NND422", "rank-parameters-differ", needs=(_PARAMETER,))
def rank_parameters_differ(run: Run, *, least: float = 1e-6) -> Iterator[Symptom]:
    """The parameters of a rank are not those of the other ranks.

    What it measures: of every parameter a sum of its entries with fixed random signs before the recorded updates, on all
    ranks; relative to the parameter's size.

    Why it matters: every rank trains another network with gradients that are averages over different ones.

    What to try: broadcast rank 0's parameters before the first step (DistributedDataParallel does), or give all ranks one
    seed; see NND421 where they part later.

    False alarms: ranks that average their parameters now and then (local SGD) differ in between by design: suppress it.

    References: Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel Training", VLDB 2020.
    """
    found = _first_differing(run, _PARAMETER, least)
    if found is None:
        return
    step, tensors = found
    site = next(iter(tensors))
    rank = int(run.series("ranks.parameter_rank", site).at(step))
    seeds = {int(one["rank"]): one.get("seed") for one in run.manifest.get("ranks", ())}
    seeded, who = "", "every rank has parameters of its own"
    if rank >= 0:
        who = f"rank {rank} has other parameters than the other ranks"
        other = next((seed for number, seed in seeds.items() if number != rank), None)
        if step == 0 and seeds.get(rank) != other:
            seeded = f"; its seed is {seeds[rank]}, theirs {other}"
    elif step == 0 and len(set(seeds.values())) > 1:
        seeded = "; so is its seed"
    yield Symptom(
        site,
        f"{who} {_since(run, _PARAMETER, site, step)}: they differ by "
        f"{tensors[site]:.2g} of their size{_more(tensors)}{seeded}",
        Severity.ERROR,
        first_step=step,
        last_step=run.steps,
        evidence={
            "rank": max(rank, 0),
            "alone": rank >= 0,
            "difference": tensors[site],
            "tensors": list(tensors),
            "seeded": bool(seeded),
            "series": [{"name": _PARAMETER, "site": site}],
            "threshold": least,
            "threshold_label": "equal",
        },
        help="broadcast the parameters of rank 0 before the first step"
        if step == 0
        else "average every gradient over all ranks before every update",
    )


@rule("NND423", "rank-samples-shared", needs=("ranks.same_samples",))
def rank_samples_shared(run: Run, *, least: float = 0.05) -> Iterator[Symptom]:
    """Ranks train on the same samples within an epoch.

    What it measures: keys of the first samples of the recorded batches: the share of a rank's samples that another rank
    has in the same epoch, too.

    Why it matters: what should be a larger batch holds samples twice, and others never come up.

    What to try: a DistributedSampler with the same seed on every rank, and `set_epoch` on all of them.

    False alarms: ranks that draw from an endless stream with replacement; data sets with many equal samples are left out
    where a rank meets them by itself.

    References: PyTorch documentation, torch.utils.data.distributed.DistributedSampler.
    """
    shares, ranks = run.series("ranks.same_samples"), run.series("ranks.same_samples_rank")
    beyond = shares.values >= least
    if not beyond.any():
        return
    step, share = int(shares.steps[beyond][0]), float(shares.values[beyond][0])
    rank = int(ranks.at(step))
    who = (
        f"rank {rank} trains on samples that other ranks have"
        if rank >= 0
        else "ranks train on the same samples"
    )
    yield Symptom(
        RUN,
        f"{who} in the same epoch, from step {step:,} on: {percent(share, 0)} of those that were looked at",
        Severity.WARNING,
        first_step=step,
        last_step=run.steps,
        evidence={"rank": rank, "share": share, "series": [{"name": "ranks.same_samples", "site": RUN}],
                  "threshold": least, "threshold_label": "disjoint"},
        help="a DistributedSampler with one seed for all ranks, and set_epoch on every rank",
    )  # fmt: skip


@rule("NND424", "rank-loss-apart", needs=("ranks.loss_ratio",))
def rank_loss_apart(
    run: Run, *, ratio: float = 1.5, distance: float = 4.0, times: int = 2
) -> Iterator[Symptom]:
    """The loss of one rank stays far from that of the others.

    What it measures: the mean loss of eight recorded batches of every rank; the farthest against the median of the
    others, as a ratio and in standard errors, twice in a row.

    Why it matters: one rank's data, targets or preprocessing are others: it pulls all ranks with it.

    What to try: look at the samples, the targets and the files of that rank.

    False alarms: shards that differ on purpose, as by language or source.

    References: none.
    """
    ratios, distances, ranks = (run.series(f"ranks.loss_{n}") for n in ("ratio", "distance", "rank"))
    in_a_row: list[int] = []
    for (step, value), (_, far), (_, rank) in zip(ratios, distances, ranks):
        off = max(value, 1 / value if value > 0 else math.inf) >= ratio and far >= distance
        same = not in_a_row or ranks.at(in_a_row[0]) == rank
        in_a_row = ([*in_a_row, step] if same else [step]) if off else []
        if len(in_a_row) == times:
            break
    if len(in_a_row) < times:
        return
    first = in_a_row[0]
    rank, value = int(ranks.at(first)), ratios.at(first)
    yield Symptom(
        RUN,
        f"the loss of rank {rank} is {value:.3g} times that of the other ranks from step {first:,} on",
        Severity.WARNING,
        first_step=first,
        last_step=run.steps,
        evidence={"rank": rank, "ratio": value, "series": [{"name": "ranks.loss_ratio", "site": RUN}],
                  "threshold": ratio, "threshold_label": f"apart: {ratio:g} times"},
        help="look at the samples and targets of that rank",
    )  # fmt: skip


@rule("NND425", "rank-slow", needs=("ranks.slower",))
def rank_slow(
    run: Run, *, ratio: float = 2.0, share: float = 0.2, seconds: float = 0.01, times: int = 2
) -> Iterator[Symptom]:
    """All ranks wait for one that takes longer.

    What it measures: the time from one update to the next backward pass, before which no rank waits for another: the
    median of eight recorded steps, the slowest rank's against the median of the others, twice in a row; and what it
    costs of a step.

    Why it matters: every update takes as long as on the slowest rank.

    What to try: look at the loading of its data, its device's clock and temperature, and what else runs there.

    False alarms: a machine that other programs use (less than 10 ms a step is not told); the first eight records, which build caches, are left out. On a GPU
    only what the host waits for is seen.

    References: none.
    """
    slower, more, cost, ranks = (run.series(f"ranks.slower{n}") for n in ("", "_seconds", "_share", "_rank"))
    in_a_row: list[int] = []
    for (step, value), (_, longer), (_, part), (_, rank) in zip(slower, more, cost, ranks):
        same = not in_a_row or ranks.at(in_a_row[0]) == rank
        off = value >= ratio and part >= share and longer >= seconds
        in_a_row = ([*in_a_row, step] if same else [step]) if off else []
        if len(in_a_row) == times:
            break
    if len(in_a_row) < times:
        return
    first = in_a_row[0]
    rank = int(ranks.at(first))
    yield Symptom(
        RUN,
        f"rank {rank} takes {slower.at(first):.1f} times as long as the others before its backward pass, from step "
        f"{first:,} on: {percent(cost.at(first), 0)} of every step is spent waiting for it",
        Severity.WARNING,
        first_step=first,
        last_step=run.steps,
        evidence={"rank": rank, "ratio": slower.at(first), "series": [{"name": "ranks.slower", "site": RUN}],
                  "threshold": ratio, "threshold_label": f"slow: {ratio:g} times"},
        help="look at how that rank loads its data, and at its machine",
    )  # fmt: skip


@rule("NND426", "rank-stopped", needs=("ranks.present",))
def rank_stopped(run: Run, *, behind: int = 50) -> Iterator[Symptom]:
    """A rank ended before the others, or left no record at all.

    What it measures: the last update that each rank recorded, and how its run ended.

    Why it matters: without it the others train on other data than you think, or hang at the next exchange.

    What to try: look at the output and the memory of that rank: a process that is killed says nothing.

    False alarms: while the training runs, ranks write a second or two apart; only a rank that is far behind is told.

    References: none.
    """
    told = {int(one["rank"]): one for one in run.manifest.get("ranks", ())}
    world = int(run.manifest.get("world") or len(told))
    most = max((int(one["steps"]) for one in told.values()), default=0)
    over = any(one.get("status") != "running" for one in told.values())
    for rank in range(world):
        one = told.get(rank)
        steps = int(one["steps"]) if one else 0
        late = most - steps > (0 if over and one and one.get("status") == "running" else behind)
        if one is not None and not late:
            continue
        yield Symptom(
            RUN,
            f"rank {rank} stopped after {steps:,} of {most:,} steps"
            if one
            else f"rank {rank} of {world} left no record",
            Severity.ERROR,
            first_step=steps,
            last_step=run.steps,
            evidence={"rank": rank, "steps": steps},
            help="look at the output and the memory of that rank",
        )
