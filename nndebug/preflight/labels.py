"""Do the targets belong to the inputs: a ridge regression, another order of the targets, and nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..chance import class_labels
from ..signals import Array
from .subject import NotApplicable, Subject

FIT, HELD = 2000, 1000
"""Rows that the probe is fitted on and judged on."""
LITTLE = 0.3
"""Skill of the probe below which other orders are tried."""
LEAST = 40
"""Rows below which a probe says nothing."""
MOST_FEATURES = 800
SHIFTS = 20
"""Places by which targets are moved, both ways, where they do not belong to their inputs as they stand."""


def labels(subject: Subject) -> dict[str, Any]:
    """How well a linear probe tells held-out targets, against knowing their shares alone.

    Where it does little better, the targets are moved against the inputs by 1 to 20 places both ways and put in reverse
    order: an order that fits far better says what happened to them. (Data that comes in an order of its own, as digits
    0 to 9 in turn, leaves moved labels a trace of meaning.) A nearest neighbour looks for what is not linear.
    """
    targets = subject.needs_targets
    if targets.ndim != 2:
        raise NotApplicable(f"targets of shape {targets.shape}")
    total = len(subject.x)
    if total < LEAST:
        raise NotApplicable(f"{total} samples are too few for a probe")
    probe = _Probe(subject.x, targets, subject.labels, subject.clock.check)
    found = _judged_by(probe, total, bool(subject.linear), subject.clock.check)
    return found | {"held_out_labels": _held_out(subject, probe)}


def signal(x: Array, targets: Array, labels: Array | None, linear: bool) -> dict[str, Any]:
    """The same of pairs that a running training was seen to be given; empty where they are too few or do not vary.

    Args:
        x: inputs (samples, …).
        targets: one-hot or values (samples, outputs).
        labels: class numbers (samples,); None if the targets are values.
        linear: whether it matters if there is more than a linear signal.
    """
    if len(x) < LEAST:
        return {}
    try:
        return _judged_by(_Probe(x, targets, labels, lambda: None), len(x), linear, lambda: None)
    except NotApplicable:
        return {}


def _judged_by(probe: _Probe, total: int, linear: bool, check: Callable[[], None]) -> dict[str, Any]:
    """What a probe says of the targets as they are, and of other orders where it understands little.

    Args:
        probe: fitted to the targets as they are.
        total: rows.
        linear: whether it matters if there is more than a linear signal.
        check: raises where the time is spent.
    """
    found: dict[str, Any] = probe.score(np.arange(total))
    related = found["score"] > found["baseline"] + 3 * found["error"]
    if linear or not related:
        found["neighbour"] = probe.neighbour()
    found["skill"] = _skill(found["score"], found["baseline"])
    if related and found["skill"] > LITTLE:
        return found
    check()
    orders = {f"shifted by {s:+d}": np.roll(np.arange(total), -s) for s in _shifts(total)}
    orders["in reverse order"] = np.arange(total)[::-1]
    best, name = -np.inf, ""
    for candidate, order in orders.items():
        check()
        score = probe.score(order)["score"]
        if score > best:
            best, name = score, candidate
    found["other_order"] = {
        "name": name,
        "score": best,
        "skill": _skill(best, found["baseline"]),
        "tried": len(orders),
    }
    return found


def _held_out(subject: Subject, probe: _Probe) -> dict[str, Any] | None:
    """How well the probe tells the held-out labels, as they are and moved by a number of classes; None without any."""
    if subject.labels is None or subject.validation is None or subject.outputs < 3:
        return None
    x, y = np.asarray(subject.validation[0])[:HELD], np.asarray(subject.validation[1])[:HELD]
    targets = np.asarray(subject.loss.encode(y, subject.outputs, subject.dtype))
    labels = class_labels(y, targets)
    if labels is None or len(labels) < 30 or x.shape[1:] != subject.x.shape[1:]:
        return None
    predicted = probe.predict(x).argmax(axis=1)
    classes = subject.outputs
    scores = [float(np.mean(predicted == (labels + k) % classes)) for k in range(classes)]
    best = int(np.argmax(scores))
    # As a small step up or down: one class on, or one back.
    offset = best if best <= classes // 2 else best - classes
    return {"as_they_are": scores[0], "score": scores[best], "offset": offset}


def _skill(score: float, baseline: float) -> float:
    """0 for knowing only the shares, 1 for knowing all."""
    return (score - baseline) / (1 - baseline) if baseline < 1 else 0.0


def _shifts(total: int) -> list[int]:
    most = min(SHIFTS, total // 4)
    return [s for d in range(1, most + 1) for s in (d, -d)]


class _Probe:
    """A ridge regression on standardised inputs, solved once for any order of the targets.

    Args:
        x: inputs (samples, …).
        targets: (samples, outputs).
        labels: class numbers (samples,), or None.
        check: raises where the time is spent.
    """

    def __init__(self, x: Array, targets: Array, labels: Array | None, check: Callable[[], None]) -> None:
        self.labels, self.targets = labels, targets
        total = len(x)
        order = np.random.default_rng(2).permutation(total)
        count = min(FIT, (2 * total) // 3)
        self.fitted, self.held = np.sort(order[:count]), np.sort(order[count : count + HELD])
        flat = x.reshape(total, -1)
        columns = np.arange(flat.shape[1])
        if len(columns) > MOST_FEATURES:
            columns = np.linspace(0, flat.shape[1] - 1, MOST_FEATURES).astype(int)
        fitted = np.asarray(flat[self.fitted][:, columns], np.float32)
        with np.errstate(all="ignore"):
            mean, std = fitted.mean(axis=0, dtype=np.float64), fitted.std(axis=0, dtype=np.float64)
            keep = std > 1e-9 * np.abs(mean)
            if not keep.any() or not np.isfinite(std[keep]).all():
                raise NotApplicable("the inputs do not vary, or are not finite")
        self._columns = columns[keep]
        self._mean, self._scale = mean[keep].astype(np.float32), (1 / std[keep]).astype(np.float32)
        self.x = (fitted[:, keep] - self._mean) * self._scale
        self.held_x = self._scaled(flat[self.held])
        self._few = len(self.x) < self.x.shape[1]
        gram = np.asarray(self.x @ self.x.T if self._few else self.x.T @ self.x, np.float64)
        check()
        # A tenth of the rows as the penalty: with as many features as rows an unpenalised fit is all noise.
        gram[np.diag_indices_from(gram)] += 0.1 * len(self.x) + 1e-6
        self._inverse = np.asarray(np.linalg.inv(gram), np.float32)
        self._products = self.held_x @ self.x.T if self._few else None
        # From the targets of the fitted rows to what the probe says of the held-out ones: once for all orders.
        self._to_held = None if self._products is None else self._products @ self._inverse

    def _scaled(self, rows: Array) -> Array:
        values = np.asarray(rows.reshape(len(rows), -1)[:, self._columns], np.float32)
        return np.asarray(np.clip((values - self._mean) * self._scale, -10, 10))

    def _weights(self, y: Array) -> Array:
        """Of the probe (columns, outputs) for centred targets (rows, outputs); solved where that is smaller, in rows or columns."""
        return np.asarray(self.x.T @ (self._inverse @ y) if self._few else self._inverse @ (self.x.T @ y))

    def predict(self, rows: Array) -> Array:
        """What the probe of the targets as they are says of other rows: (rows, outputs)."""
        y = np.asarray(self.targets[self.fitted], np.float32)
        centre = y.mean(axis=0)
        return np.asarray(self._scaled(rows) @ self._weights(y - centre) + centre)

    def score(self, order: Array) -> dict[str, float]:
        """Accuracy, or R² for values, on the held-out rows, if row i has the target of row order[i]."""
        y = np.asarray(self.targets[order[self.fitted]], np.float32)
        held = np.asarray(self.targets[order[self.held]], np.float64)
        centre = y.mean(axis=0)
        if self._to_held is not None:
            predicted = self._to_held @ (y - centre) + centre
        else:
            predicted = self.held_x @ self._weights(y - centre) + centre
        return self._judged(predicted, held, centre)

    def _judged(self, predicted: Array, held: Array, centre: Array) -> dict[str, float]:
        count = len(held)
        if self.labels is None:
            total = float(((held - held.mean(axis=0)) ** 2).sum())
            rest = float(((held - predicted) ** 2).sum())
            # Of a probe that knows nothing R² is 0 with about this error.
            return {
                "score": 1 - rest / total if total > 0 else 0.0,
                "baseline": 0.0,
                "error": float(1 / np.sqrt(count)),
                "held_out": count,
            }
        if held.shape[1] == 1:
            right = (predicted[:, 0] > 0.5) == (held[:, 0] > 0.5)
            share = float(max(held.mean(), 1 - held.mean()))
        else:
            right = predicted.argmax(axis=1) == held.argmax(axis=1)
            share = float(held.mean(axis=0).max())
        error = float(np.sqrt(max(share * (1 - share), 0.25 / count) / count))
        return {"score": float(right.mean()), "baseline": share, "error": error, "held_out": count}

    def neighbour(self) -> float | None:
        """The score of each held-out row's nearest fitted row: it sees what is not linear."""
        if self.x.size > 2_000_000:
            return None
        products = self.held_x @ self.x.T if self._products is None else self._products
        distance = (self.x**2).sum(axis=1)[None] - 2 * products
        nearest = distance.argmin(axis=1)
        y = np.asarray(self.targets[self.fitted], np.float64)
        held = np.asarray(self.targets[self.held], np.float64)
        return self._judged(y[nearest], held, y.mean(axis=0))["score"]
