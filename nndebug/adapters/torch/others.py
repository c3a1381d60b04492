"""Updates by optimisers beside the first: each is measured around its own step, wherever in the loop that comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .ranks import local

Guard = Callable[[Callable[..., None]], Callable[..., None]]


class OtherOptimizers:
    """Watches the steps of the optimisers after the first.

    Args:
        optimizers: all of them; the first is watched by whoever counts steps.
        wanted: whether updates are to be measured now.
        guard: what keeps an error in here from the training.
    """

    def __init__(self, optimizers: tuple[Any, ...], wanted: Callable[[], bool], guard: Guard) -> None:
        self._others, self._wanted, self._guard = optimizers[1:], wanted, guard
        self._of_first = {id(p) for p in _parameters(optimizers[:1])}
        self._before: dict[int, Any] = {}
        self._updates: dict[int, Any] = {}
        self._handles: list[Any] = []

    def attach(self) -> None:
        for other in self._others:
            before, after = self._guard(self._starts), self._guard(self._ends)
            self._handles += [
                other.register_step_pre_hook(lambda one, *_, f=before: f(one)),
                other.register_step_post_hook(lambda one, *_, f=after: f(one)),
            ]

    def detach(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def begin(self) -> None:
        """A step that is recorded comes now."""
        self._before, self._updates = {}, {}

    def has(self, parameter: Any) -> bool:
        """Whether another optimiser than the first moves it."""
        return id(parameter) not in self._of_first and any(
            parameter is one for one in _parameters(self._others)
        )

    def update(self, parameter: Any) -> Any:
        """What the others changed it by since `begin`; None if they made no step."""
        return self._updates.get(id(parameter))

    def _starts(self, optimizer: Any) -> None:
        if self._wanted():
            own = [p for p in _parameters((optimizer,)) if id(p) not in self._of_first]
            self._before = {id(p): local(p.detach()).clone() for p in own}

    def _ends(self, optimizer: Any) -> None:
        for parameter in _parameters((optimizer,)) if self._before else ():
            if (before := self._before.get(id(parameter))) is not None:
                change, so_far = local(parameter.detach()) - before, self._updates.get(id(parameter))
                self._updates[id(parameter)] = change if so_far is None else so_far + change
        self._before = {}


def _parameters(optimizers: Iterable[Any]) -> list[Any]:
    return [p for one in optimizers for group in one.param_groups for p in group["params"]]
