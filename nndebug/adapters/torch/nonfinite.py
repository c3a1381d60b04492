"""Where the first numbers that are not finite came from."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from ...recorder import Recorder
from ...stats import Moments

_HELD = 4
"""Inputs of one step that are kept until it is over: with accumulation most are long gone when the update comes."""
_FORWARD = ("input.", "preactivation.", "activation.")


class Lost:
    """Looks for the first numbers that are not finite, and records the place.

    Of the steps between two records it sees one number of the input and one of the loss, where the tensors are. A single NaN
    in the data spoils every step that follows; at the next record nobody could tell where it came from.

    Args:
        torch: the module.
        recorder: where the event goes.
    """

    def __init__(self, torch: Any, recorder: Recorder) -> None:
        self._torch, self._recorder = torch, recorder
        self._given: dict[int, list[Any]] = {}
        self._held: deque[tuple[Any, int]] = deque(maxlen=_HELD)
        self._losses: dict[int, Any] = {}

    def given(self, step: int, tensor: Any) -> None:
        """Takes what the first module is given in a step."""
        if not tensor.is_floating_point() or not tensor.numel():
            return
        tensor = tensor.detach()
        if tensor.device.type == "cpu":  # where a loss can be looked at without waiting for it
            self._held.append((tensor, _version(tensor)))
        else:
            self._given.setdefault(step, []).extend(self._torch.aminmax(tensor))

    def loss(self, step: int, value: Any) -> None:
        """Takes a loss of a step: a tensor of one entry."""
        here = value.device.type == "cpu"
        value = value.detach()
        value = value.item() if here else value.reshape(())
        self._losses[step] = self._losses[step] + value if step in self._losses else value
        if here and not math.isfinite(value):
            for tensor, version in self._held:
                if _version(tensor) == version:  # else it may have been spoilt since
                    self._given.setdefault(step, []).extend(self._torch.aminmax(tensor))

    def end(self) -> None:
        """The step is over."""
        self._held.clear()

    def judge(
        self,
        step: int,
        epoch: int,
        moments: Mapping[tuple[str, str], Moments],
        loss: float,
        order: Sequence[str],
    ) -> None:
        """Records what was lost since the last record, or in this one.

        Args:
            step, epoch: of the record.
            moments, loss, order: see `first`; empty and 0 where there is no record.
        """
        between, found = self._between(), first(moments, loss, order)
        if any(event.get("event") == "nonfinite" for event in self._recorder.run.events):
            return
        if between is not None:
            step, of_data = between
            found = facts(order[0], "input.") if of_data else found or facts("loss", "loss.")
        if found:
            self._recorder.event("nonfinite", step, epoch, **found)

    def _between(self) -> tuple[int, bool] | None:
        """Where numbers were lost, and whether the input held them already; forgets all steps so far.

        A loss that is finite again, as with a scaler that leaves out a step, lost nothing.
        """
        losses, given = self._losses, self._given
        self._losses, self._given = {}, {}
        if not losses:
            return None
        home = next((value.device for value in losses.values() if not isinstance(value, float)), None)
        # One transfer, and most often the only one.
        if math.isfinite(sum(v if isinstance(v, float) else v.to(home) for v in losses.values())):
            return None
        bad = [step for step, value in losses.items() if not math.isfinite(value)]
        for step in bad:
            if not all(map(math.isfinite, given.get(step, ()))):
                return step, True
        steps = list(losses)
        while steps and steps[-1] in bad:
            step = steps.pop()
        return (step, False) if len(steps) < len(losses) else None


def _version(tensor: Any) -> int:
    """Grows whenever the tensor is written to; 0 where PyTorch does not count."""
    return 0 if tensor.is_inference() else tensor._version


def first(moments: Mapping[tuple[str, str], Moments], loss: float, order: Sequence[str]) -> dict[str, Any]:
    """The place of the first of them, forward before backward; empty where all are finite.

    Args:
        moments: (site, prefix) → moments of a step.
        loss: of that step.
        order: sites in the order in which they ran.
    """
    bad = [key for key, one in moments.items() if one.nonfinite]
    if not bad and math.isfinite(loss):
        return {}
    place = {name: number for number, name in enumerate(order)}
    forward = [key for key in bad if key[1] in _FORWARD]
    # Where all layers gave finite numbers and the loss did not, gradients that are not finite come from it.
    backward = bad if math.isfinite(loss) else []
    return facts(
        *min(
            forward or backward or [("loss", "loss.")],
            key=lambda key: (place.get(key[0], 1 << 30), key[1] != "input."),
        )
    )


def facts(site: str, prefix: str) -> dict[str, Any]:
    """The facts of an event for a place."""
    return {
        "site": site,
        "signal": prefix.removesuffix("."),
        "operation": f"{site} {'backward' if 'gradient' in prefix else 'forward'}",
        "entries": 0,
        "sample": None,
        "operands": {},
    }
