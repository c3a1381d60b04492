"""Finds out by itself which models a program trains, and with which optimisers, before their first steps."""

from __future__ import annotations

import functools
import gc
import sys
import warnings
import weakref
from collections.abc import Callable
from typing import Any

Found = Callable[[Any, list[Any]], None]

_CALLS = 10_000
"""Calls of modules that are looked at for an optimiser that nothing uses; then it is left to its own first step."""


class FirstTraining:
    """Waits for optimisers, then for the first pass through a module whose parameters one of them has.

    While an optimiser waits for its model one global hook looks at calls of modules; else there is none.

    Args:
        optimizer: the class `torch.optim.Optimizer`.
        found: called once for every model with it and its optimisers, before its pass.

    Attributes:
        others: optimisers that made a step, and whose parameters belong to no module.
    """

    def __init__(self, optimizer: Any, found: Found) -> None:
        self._class, self._found = optimizer, found
        self._waiting: list[Any] = []
        self._known: set[int] = set()
        self._looking: Any = None
        self._stepping: Any = None
        self._calls = 0
        self._any = False
        self._quiet: list[Any] = []
        self.others = 0
        self._original = original = optimizer.__init__

        @functools.wraps(original)
        def init(this: Any, *arguments: Any, **keywords: Any) -> None:
            original(this, *arguments, **keywords)
            self._made(this)

        self._wrapper = optimizer.__init__ = init

    @property
    def missed(self) -> bool:
        """Whether there were optimisers, and no training of a module was seen."""
        return self._any and not self._known

    def detach(self) -> None:
        """Takes everything off; may be called any number of times."""
        self._stop_looking()
        if self._stepping is not None:
            self._stepping.remove()
        self._stepping = None
        self._made = lambda optimizer: None  # type: ignore[method-assign]
        if self._class.__init__ is self._wrapper:
            self._class.__init__ = self._original

    def _stop_looking(self) -> None:
        if self._looking is not None:
            self._looking.remove()
        self._looking = None
        for entry in self._quiet:
            if entry in warnings.filters:
                warnings.filters.remove(entry)  # type: ignore[attr-defined]
        self._quiet = []

    def _made(self, optimizer: Any) -> None:
        torch = sys.modules["torch"]
        self._any = True
        if self._known & _parameters(optimizer):
            return  # a second one for a model that is watched already
        self._waiting.append(weakref.ref(optimizer))
        if self._looking is None:
            self._calls = 0
            self._looking = torch.nn.modules.module.register_module_forward_pre_hook(self._called)
            # A compiled model warns of global hooks that fire twice; ours does not, and is gone after its first call.
            warnings.filterwarnings("ignore", r"Using `torch\.compile\(module\)` when there are global hooks")
            self._quiet = list(warnings.filters[:1])
        if self._stepping is None:
            # A model that is never called as one (`model.forward(x)`) is found when it is too late for the first step only.
            # A global hook: an optimiser's own cannot be added to while they run.
            home = sys.modules[self._class.__module__]
            self._stepping = home.register_optimizer_step_pre_hook(self._steps)

    def _steps(self, optimizer: Any, *_: Any) -> None:
        if self._waiting and any(ref() is optimizer for ref in self._waiting):
            self._look(_parameters(optimizer))
            if any(ref() is optimizer for ref in self._waiting):
                self.others += 1
                self._no_longer_wait([optimizer])

    def _called(self, module: Any, inputs: Any) -> None:
        self._calls += 1
        if self._calls > _CALLS:
            self._stop_looking()
        elif sys.modules["torch"].is_grad_enabled():
            self._look({id(p) for p in module.parameters()})

    def _look(self, parameters: set[int]) -> None:
        """Finds the model that has these parameters, as far as optimisers that wait have them."""
        alive = [one for ref in self._waiting if (one := ref()) is not None]
        held = set().union(*(_parameters(one) for one in alive)) & parameters
        model = outermost(held) if held else None
        if model is None:
            return
        own = {id(p) for p in model.parameters()}
        self._known |= own
        mine = [one for one in alive if own & _parameters(one)]
        self._no_longer_wait(mine)
        self._found(model, mine)

    def _no_longer_wait(self, optimizers: list[Any]) -> None:
        self._waiting = [
            ref
            for ref in self._waiting
            if (one := ref()) is not None and not any(one is o for o in optimizers)
        ]
        if not self._waiting:
            self._stop_looking()


def _parameters(optimizer: Any) -> set[int]:
    return {id(p) for group in optimizer.param_groups for p in group["params"]}


def outermost(parameters: set[int]) -> Any:
    """The live module that holds most of these parameters (ids) and is part of no other that does."""
    module = sys.modules["torch"].nn.Module
    shares: dict[int, tuple[int, Any]] = {}
    # By type: what stands in for another object would be made to answer by `isinstance`.
    for thing in [thing for thing in gc.get_objects() if issubclass(type(thing), module)]:
        if share := len(parameters & {id(p) for p in thing.parameters()}):
            shares[id(thing)] = share, thing
    most = max((share for share, _ in shares.values()), default=0)
    candidates = [thing for share, thing in shares.values() if share == most]
    inner = {id(part) for thing in candidates for part in list(thing.modules())[1:]}
    return next((thing for thing in candidates if id(thing) not in inner), None)
