"""Judges the states of a model by what the last few hundred training samples showed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...look import ROWS, Look
from ...recorder import Recorder
from ...signals import RUN, Array
from ...stats import Moments
from .ranks import Rank
from .window import Window

LEARNED = 0.5
"""Share of the loss at chance below which rules take a model to have learned."""
FEWEST = 128
"""Samples whose mean loss is told at the end of a training: its noise is about a tenth of the spread of single losses."""


class States:
    """Fills windows, one after the other, and records what each of them says.

    A ReLU unit that fired for no sample of the last two full windows and since counts as dead: since the step after the
    last one at which it fired, or since birth.

    Args:
        torch: the module.
        recorder: where rows go.
        rank: of several processes.

    Attributes:
        window: the one being filled.
        last: the full one before it.
    """

    def __init__(self, torch: Any, recorder: Recorder, rank: Rank | None) -> None:
        self._torch, self._recorder, self._rank = torch, recorder, rank
        self.window, self.last = Window(), Window()
        # The windows of all ranks together are one.
        self._rows = ROWS / (rank.world if rank else 1)
        self._fired_at: dict[str, Any] = {}
        self._since: int | None = None
        self._look: Look | None = None
        self._at = 0, 0

    @property
    def full(self) -> bool:
        """Whether enough samples were seen to judge by."""
        return self.window.rows >= self._rows

    def activation(self, site: str, kind: str, values: Any, host: str, step: int) -> None:
        """Takes the values (batch, …) of an activation of this kind behind a layer of kind `host`."""
        fired = self.window.activation(site, kind, values, host)
        if fired is not None:
            before = self._fired_at.get(site)
            if before is None or before.shape != fired.shape:
                before = self._torch.full(fired.shape, -1, device=fired.device)
            self._fired_at[site] = self._torch.where(fired, step, before)

    def judge(
        self, step: int, epoch: int, moments: Mapping[tuple[str, str], Moments], keys: str = ""
    ) -> bool:
        """Records what the window says of the state before a step, where it is full or that state is the first.

        Args:
            step, epoch: which state.
            moments: (site, prefix) → moments of the step.
            keys: of the rank's samples.

        Returns:
            Whether it said anything.
        """
        self._at = step, epoch
        if not (step == 0 or self.full):
            if self._rank:
                self._recorder.of_rank(step, epoch, keys=keys)
            return False
        look = self.window.look()
        if self._rank:
            self._recorder.of_rank(step, epoch, keys=keys, look=look.to_json())
        rows = look.figures()
        for (site, prefix), one in moments.items():
            if prefix == "preactivation." and one.count:
                figures = one.summary("probe.preactivation.")
                rows.setdefault(site, {}).update(
                    {k: v for k, v in figures.items() if not k.endswith((".norm", ".zero_share"))}
                )
        self._recorder.probe(step, epoch, rows)
        if self.full:
            if not self._rank:  # those of several ranks are counted together
                self._recorder.probe(step if self._look else 0, epoch, look.dead(self._look))
            self._look = look
            self._since = self.last.first if self.last.rows else None
            self.last, self.window = self.window, Window(first=step + 1)
        return True

    def close(self) -> None:
        """Records loss and accuracy of the latest samples of a window that is not full, if they say that the model has learned.

        Nothing more may come, and a short training, or one with small batches, would else be judged by its first steps. So few
        samples speak for it only: that it was still on its way is nothing to hold against it, nor do they tell of units. Several
        ranks' windows are put together elsewhere.
        """
        chance = self._recorder.run.manifest.get("loss_at_chance")
        if self._rank is not None or not chance:
            return
        latest, (step, epoch) = self.window.latest(FEWEST).look(), self._at
        if latest.losses >= FEWEST and latest.loss / latest.losses < LEARNED * chance:
            self._recorder.probe(step, epoch, {RUN: latest.figures()[RUN]})

    @property
    def samples(self) -> int:
        """Samples for none of which a dead unit fired, at least."""
        return self.last.rows + self.window.rows

    def died_at(self) -> dict[str, Array]:
        """Site → (units,): -1 for the living, 0 for dead since birth, else the step at which a unit died.

        Empty before two windows were full.
        """
        if self._since is None:
            return {}
        last = {site: fired.cpu().numpy() for site, fired in self._fired_at.items()}
        return {site: np.where(steps < self._since, steps + 1, -1) for site, steps in last.items()}
