"""Finds out by itself which model a program trains, and with which optimisers, before its first step."""

from __future__ import annotations

import functools
import gc
import sys
import warnings
import weakref
from collections.abc import Callable
from typing import Any

Found = Callable[[Any, list[Any]], None]


class FirstTraining:
    """Waits for optimisers, then for the first pass through a module whose parameters one of them has.

    Until that pass one global hook looks at calls of modules; after it nothing is left but the note of later optimisers.

    Args:
        optimizer: the class `torch.optim.Optimizer`.
        found: called once with the model and its optimisers, before the pass.

    Attributes:
        others: optimisers that made a step of something else than this model.
    """

    def __init__(self, optimizer: Any, found: Found) -> None:
        self._class, self._found = optimizer, found
        self._optimizers: list[Any] = []
        self._handles: list[Any] = []
        self._done = False
        self._own: set[int] = set()
        self.others = 0
        self._quiet: list[Any] = []
        self._original = original = optimizer.__init__

        @functools.wraps(original)
        def init(this: Any, *arguments: Any, **keywords: Any) -> None:
            original(this, *arguments, **keywords)
            self._made(this)

        self._wrapper = optimizer.__init__ = init

    @property
    def missed(self) -> bool:
        """Whether there were optimisers, and no training of a module was seen."""
        return bool(self._optimizers) and not self._done

    def detach(self) -> None:
        """Takes everything off; may be called any number of times."""
        self._stop_looking()
        self._made = lambda optimizer: None  # type: ignore[method-assign]
        if self._class.__init__ is self._wrapper:
            self._class.__init__ = self._original

    def _stop_looking(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        for entry in self._quiet:
            if entry in warnings.filters:
                warnings.filters.remove(entry)  # type: ignore[attr-defined]
        self._quiet = []

    def _made(self, optimizer: Any) -> None:
        if self._done:
            self._look_at_other(optimizer)
            return
        self._optimizers.append(weakref.ref(optimizer))
        if not self._handles:
            module = sys.modules["torch"].nn.modules.module
            self._handles.append(module.register_module_forward_pre_hook(self._called))
            # A compiled model warns of global hooks that fire twice; ours does not, and is gone after its first call.
            warnings.filterwarnings("ignore", r"Using `torch\.compile\(module\)` when there are global hooks")
            self._quiet = list(warnings.filters[:1])
        # A model that is never called as one (`model.forward(x)`) is found when it is too late for the first step only.
        self._handles.append(optimizer.register_step_pre_hook(lambda *_: self._look(None)))

    def _look_at_other(self, optimizer: Any) -> None:
        """Notes the first step of an optimiser that has no parameter of the model."""

        def stepped(*_: Any) -> None:
            handle.remove()
            self.others += 1

        if self._own.isdisjoint(id(p) for group in optimizer.param_groups for p in group["params"]):
            handle = optimizer.register_step_pre_hook(stepped)

    def _called(self, module: Any, inputs: Any) -> None:
        if sys.modules["torch"].is_grad_enabled():
            self._look(module)

    def _look(self, called: Any) -> None:
        alive = [one for ref in self._optimizers if (one := ref()) is not None]
        held = [{id(p) for group in one.param_groups for p in group["params"]} for one in alive]
        every = set().union(*held)
        if self._done or (called is not None and every.isdisjoint(map(id, called.parameters()))):
            return
        model = outermost(every if called is None else {id(p) for p in called.parameters()} & every)
        if model is None:
            return
        self._done = True
        self._stop_looking()
        self._own = {id(p) for p in model.parameters()}
        for one in alive:
            self._look_at_other(one)
        self._found(model, [one for one, some in zip(alive, held, strict=True) if self._own & some])


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
