"""What is measured of one step, until it is a row of figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ...signals import MOVED, RUN
from ...stats import Moments, shift
from .measuring import Measuring

Values = dict[str, dict[str, float]]


class Record:
    """Collects the figures of a step; tensors are reduced where they are.

    Args:
        torch: the module.
        counts: store how many entries every figure is of, so that those of several ranks can be merged.

    Attributes:
        tier: of the step; None where nothing is recorded.
        whole: whether it has the moments of everything. A full record that has not tells parameters, gradients and updates by
            their norms, and of what layers give the pre-activations only.
        row: site → figures.
        moments: (site, prefix) → moments of what was asked for; complete after `finish`.
    """

    def __init__(self, torch: Any, counts: bool) -> None:
        self._measuring, self._counts = Measuring(torch), counts
        self.begin(None)

    def begin(self, tier: int | None, whole: bool = True) -> None:
        """The next step comes."""
        self.tier, self.whole = tier, whole and tier == 1
        self.row: Values = {}
        self.moments: dict[tuple[str, str], Moments] = {}
        self._means: list[tuple[float, int]] = []

    def values(self, site: str) -> dict[str, float]:
        """The figures of a site."""
        return self.row.setdefault(site, {})

    def ask(self, site: str, prefix: str, tensor: Any) -> None:
        """Asks for the moments of a tensor as it is now."""
        self._measuring.moments(tensor, lambda moments: self._take(site, prefix, moments))

    def check(self, site: str, prefix: str, tensor: Any) -> None:
        """Asks whether all of a tensor is finite, which costs a fraction of its moments; none are kept if it is."""
        self._measuring.check(tensor, lambda: self._take(site, prefix, Moments(nonfinite=1)))

    def parameters(self, prefix: str, tensors: Mapping[str, Any]) -> None:
        """Takes parameters, their gradients or updates by their sites' names: moments, or in a fifth of the time norms."""
        if self.whole:
            for site, tensor in tensors.items():
                self.ask(site, prefix, tensor)
            return

        def take(site: str, norm: float) -> None:
            self.values(site)[f"{prefix}norm"] = norm
            if not math.isfinite(norm):
                self._take(site, prefix, Moments(nonfinite=1))

        if self._counts:
            for site, tensor in tensors.items():
                self.values(site)[f"{prefix}count"] = tensor.numel()
        self._measuring.norms(tensors, take)

    def loss(self, value: Any, samples: int) -> None:
        """Takes the mean loss of some of the samples that the update is made of."""
        self._measuring.moments(value.reshape(1), lambda m: self._means.append((m.mean, samples)))

    def finish(self, parameters: Iterable[str]) -> None:
        """Completes the row.

        Args:
            parameters: names of those that the update was to change.
        """
        self._measuring.flush()
        if samples := sum(size for _, size in self._means):
            self.values(RUN)["loss"] = sum(mean * size for mean, size in self._means) / samples
            if self._counts:
                self.values(RUN)["loss.count"] = samples
        for (site, prefix), moments in self.moments.items():
            if prefix != MOVED or self._counts:
                self.values(site).update(moments.summary(prefix))
            if self._counts:
                self.values(site)[f"{prefix}count"] = moments.count
            if prefix == MOVED and (signal := self.moments.get((site, "preactivation."))):
                self.values(site)["shift"] = shift(moments, signal)
        for name in parameters:
            figures = self.row.get(name, {})
            size, change = figures.get("weight.norm", 0.0), figures.get("update.norm")
            if change is not None and not name.endswith("bias") and size > 0:
                figures["update_ratio"] = change / size

    def _take(self, site: str, prefix: str, moments: Moments) -> None:
        if (site, prefix) in self.moments:
            self.moments[site, prefix].merge(moments)  # a module that runs several times in a step
        else:
            self.moments[site, prefix] = moments
