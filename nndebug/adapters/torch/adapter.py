"""Watches a model through hooks of its modules, its optimisers and its loss.

For steps that the schedule names, hooks are attached for that one step; all others pay for one call per optimiser step. Every
hook reads and returns nothing. State k is the model before step k; a step is one call of the first optimiser's `step`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ...recorder import Recorder
from ...signals import MOVED, RUN
from .cleared import Cleared
from .functional import applied
from .hooks import Hook, is_traced
from .inputs import Inputs
from .loop import Loop
from .losses import Backwards, LossCall, read
from .modules import activation_of, kind_of, own_parameters, plain
from .nonfinite import Lost
from .others import OtherOptimizers
from .own_losses import OwnLoss, OwnLosses
from .ranks import Rank, RankNotes, is_sharded
from .record import Record
from .shifts import Shifts
from .states import States
from .structure import Structure
from .targets import Targets
from .updates import Updates

UNCLEARED = 4
"""So many first steps are asked whether the gradients were the batch's own."""
DENSE = 20
"""So many first steps get a full record, as long as rules look at updates and states one by one; until step 50 the rest is
recorded by its norms."""
WHOLE, WHOLE_LATER = 5, 100
"""The first two full records, every so many among the dense ones and later have the moments of all that is given, parameters,
gradients, updates and activations. The others tell them by norms, and have the moments of pre-activations: a third of the cost."""


class TorchAdapter:
    """Turns the life of one model into rows.

    Args:
        torch: the module.
        model: a `torch.nn.Module`.
        optimizers: those that train it; the first one counts the steps.
        recorder: where rows go.
        rank: which of several processes this is; None where it trains alone.

    Attributes:
        step: the next update.
        epoch: the epoch of the next update, from 1.
        seconds: time spent on recorded steps.
    """

    def __init__(
        self,
        torch: Any,
        model: Any,
        optimizers: tuple[Any, ...],
        recorder: Recorder,
        rank: Rank | None = None,
    ) -> None:
        self._torch, self.model, self.optimizers, self.recorder = torch, model, optimizers, recorder
        self.step, self.epoch, self.seconds = 0, 1, 0.0
        self.targets, self.inputs = Targets(), Inputs()
        self.states = States(torch, recorder, rank)
        self.structure = Structure(model)
        self._nodes: dict[Any, str] = {}
        self._shifts = Shifts(torch, rank.world if rank else 1)
        self._cleared, self._losses = Cleared(torch), OwnLosses(torch, model)
        self._rank, self._notes = rank, RankNotes(torch)
        self._record = Record(torch, counts=rank is not None)
        self._others = OtherOptimizers(optimizers, lambda: self._record.tier == 1, self._guarded)
        self._updates = Updates(self._record, self._others)
        self._backwards = Backwards(torch.autograd, self._guarded(self._on_backward))
        self._lost, self._loop = Lost(torch, recorder), Loop()
        self._with_closure = self._failed = False
        self._always: list[Any] = []
        self._once: list[Any] = []
        # What is dropped or normalised anew each time moves by itself; what is sharded cannot be run by one process.
        self._shifting = not (self.structure.has_modes or is_sharded(model))

    # --- on and off -------------------------------------------------------------------------------------------

    def attach(self) -> None:
        """Starts watching."""
        self._backwards.attach()
        self._others.attach()
        before, after = self._guarded(self._before_step), self._guarded(self._after_step)
        first = self.optimizers[0]
        # With a closure (LBFGS) the passes run inside the step, and gradients are not there before it.
        self._always = [
            first.register_step_pre_hook(lambda _, given, named: before(len(given) > 1 or bool(named))),
            first.register_step_post_hook(lambda *_: after()),
        ]
        self._arm()

    def detach(self) -> None:
        """Takes every hook off; may be called any number of times."""
        self._backwards.detach()
        self._others.detach()
        for handle in (*self._always, *self._once):
            handle.remove()
        self._always, self._once = [], []

    def _guarded(self, observe: Callable[..., None]) -> Callable[..., None]:
        compiling = self._torch.compiler.is_compiling

        def guarded(*values: Any) -> None:
            # Where a compiled function calls the model, the compiler reads the hooks with it: to it they are empty.
            if not compiling() and not self._failed and not is_traced(self._torch):
                self.recorder.guard("recording", lambda: observe(*values), self._fail)

        return guarded

    def _fail(self) -> None:
        self._failed = True
        self.detach()

    def parameters(self) -> dict[str, Any]:
        """All trainable parameters by plain name, each once."""
        found = self.model.named_parameters()
        return {
            plain(name): value
            for name, value in found
            if value.requires_grad and type(value).__name__ != "UninitializedParameter"
        }

    # --- a step that the schedule names -----------------------------------------------------------------------

    def _arm(self) -> None:
        """Attaches what the step that comes now is to be observed by."""
        tier = self.recorder.schedule.tier(self.step)
        step = self.step
        self._record.begin(tier, whole=step < 2 or step % (WHOLE if step < DENSE else WHOLE_LATER) == 0)
        self._saw_batch = False
        if tier is None:
            return
        for part in (self._notes, self._losses, self._others, self.structure, self._shifts):
            part.begin()
        self._nodes = {}
        if not self.structure.compiled:  # a hook inside would make the compiler compile again
            again = self._shifting and tier == 1
            for name, module in self.structure.modules.items():
                if self.structure.wanted(name) or (again and self._shifts.traceless(module)):
                    observe = self._guarded(lambda m, i, o, n=name: self._on_forward(n, m, i, o))
                    self._once.append(module.register_forward_hook(Hook(observe)))
        if self.step < UNCLEARED:
            for name, parameter in self.parameters().items():
                if not hasattr(parameter, "to_local"):  # a sharded one takes no part in the pass itself
                    own = self._guarded(lambda g, n=name, p=parameter: self._cleared.added(n, p, g))
                    self._once.append(parameter.register_hook(own))

    def _disarm(self) -> None:
        for handle in self._once:
            handle.remove()
        self._once = []

    def _on_forward(self, name: str, module: Any, inputs: Any, output: Any) -> None:
        torch, record = self._torch, self._record
        if not torch.is_grad_enabled():
            self.structure.ungraded.add(name)
            return
        self._loop.forward()
        given = next((value for value in inputs if isinstance(value, torch.Tensor)), None)
        if given is not None and self.structure.is_data(name, given):
            self._on_data(name, given)
        if not isinstance(output, torch.Tensor) or not output.is_floating_point():
            return
        maker = self.structure.ran(name, given, output)
        if given is not None and name == self.structure.order[0]:
            self._saw_batch = True
            self.states.window.rows += len(given) if given.ndim else 0
        if self._shifting and record.tier == 1 and given is not None:
            self._shifts.saw(name, module, given, output)
        if activation := activation_of(module):
            if site := self.structure.site_of(name, maker, self.step == 0):
                self._take_activation(site, activation, output)
        elif own_parameters(module):
            self._ask(name, "preactivation.", output)
            self._nodes[output.grad_fn] = name
            if output.requires_grad and record.whole:
                observe = self._guarded(lambda gradient: record.ask(name, "output_gradient.", gradient))
                output.register_hook(observe)
        if self.step < UNCLEARED:
            record.values(RUN)["replay.moved"] = 0.0

    def _on_data(self, name: str, given: Any) -> None:
        """What the first module of the model is given, be it a recurrent one that gives several tensors."""
        if self._rank:
            self._notes.saw(given)
        if given.is_floating_point():
            self._ask(name, "input.", given)
            self.inputs.saw(given)

    def _take_activation(self, site: str, kind: str, values: Any) -> None:
        if self._record.whole:
            self._record.ask(site, "activation.", values)
        self.states.activation(site, kind, values.detach(), kind_of(self.structure.modules[site]), self.step)

    def _ask(self, site: str, prefix: str, tensor: Any) -> None:
        """Asks for moments where this step's row or the state before it is made of them, else whose NaN it would be."""
        of_the_state = prefix == "preactivation." and (self._record.tier == 1 or self.states.full)
        if self._record.whole or of_the_state:
            self._record.ask(site, prefix, tensor)
        else:
            self._record.check(site, prefix, tensor)

    def _on_backward(self, tensors: Any) -> None:
        """What the loss was, before its gradients are computed."""
        self._loop.backward()
        torch = self._torch
        root = tensors if isinstance(tensors, torch.Tensor) else next(iter(tensors), None)
        due = self._record.tier is not None
        if not isinstance(root, torch.Tensor) or root.numel() != 1:
            return
        if not due:
            self._lost.loss(self.step, root)
        if not (due or self.targets.wanting) or not self._losses.are(root, later=self.step > 0):
            return
        call = read(root)
        if call.target is None or call.output is None:
            call = LossCall("", None, None, "linear", root)
        uphill = call.negated or self.optimizers[0].param_groups[0].get("maximize", False)
        self.targets.saw(call, against=uphill and self._losses.adversarial(root))
        self.inputs.answered(call.target if call.output is None or call.output.ndim < 3 else None)
        self._shifts.stop()
        if due:
            self._losses.take(call)
            for found in applied(root, self._nodes):
                if self.structure.is_activation(found, self.step == 0) and found.values is not None:
                    self._take_activation(found.site, found.kind, found.values)
            if self._rank:
                self._notes.backward()

    def _settle_loss(self, loss: OwnLoss) -> None:
        """Takes a loss that the update is made of."""
        self._record.loss(loss.value, loss.size)
        self.states.window.loss(loss)
        if not self._saw_batch:  # the modules run without hooks: only the loss tells of samples
            self.states.window.rows += loss.size

    def _before_step(self, with_closure: bool) -> None:
        started = time.perf_counter()
        if self._record.tier is not None:
            rate = self.optimizers[0].param_groups[0].get("lr", 0.0)
            self._record.values(RUN)["learning_rate"] = float(rate)
            if self.structure.has_modes or self.step < UNCLEARED:
                # At every record: who evaluates after an epoch may not go back to training.
                evaluating = self.structure.has_modes and not self.model.training
                self._record.values(RUN)["replay.evaluating"] = float(evaluating)
            self._updates.begin(self.parameters())
            self._with_closure = with_closure
            if not with_closure:
                self._take_gradients()
        self.seconds += time.perf_counter() - started

    def _take_gradients(self) -> None:
        """Takes the gradients that the update uses: before it, or after it where the passes run inside the step."""
        self._updates.gradients()
        if self.step < UNCLEARED:
            row, cleared = self._record.values(RUN), self._cleared.compare(self._updates.parameters)
            given = self._cleared.given or any(p.grad is not None for p in self._updates.parameters.values())
            order = self._loop.update(self.step == 0, given)
            row.update(cleared | order if "replay.moved" in row else cleared)  # else no pass was seen

    def _after_step(self) -> None:
        started = time.perf_counter()
        lasted = self._notes.lasted()
        if self._record.tier is not None:
            self._disarm()
            self._end_record(lasted)
        self.step += 1
        self._lost.end()
        self._arm()
        self._notes.end()
        self.seconds += time.perf_counter() - started

    def _end_record(self, lasted: float) -> None:
        record, step = self._record, self.step
        if self._with_closure:
            self._take_gradients()
        if self._rank:
            record.values(RUN).update(self._notes.figures(lasted))
            for name, check in self._notes.checks(self._updates.before).items():
                record.values(name)["weight.check"] = check
        self._updates.after()
        for name, moved in self._shifts.moved().items():
            record.ask(name, MOVED, moved)
        self._losses.settle(self._settle_loss)
        record.finish(self._updates.parameters)
        self._write(step)

    def _write(self, step: int) -> None:
        if step == 0:
            sites, description = self.structure.described()
            network = {**self.recorder.run.manifest["network"], "description": description}
            self.recorder.update_manifest(
                {
                    "sites": [site.to_json() for site in sites],
                    "network": network,
                    "without_gradients": sorted(self.structure.ungraded),
                }
            )
            if self.structure.order and not self.structure.compiled:
                observe = self._guarded(lambda _, inputs: self._on_given(inputs))
                handle = self.structure.modules[self.structure.order[0]].register_forward_pre_hook(
                    Hook(observe)
                )
                self._always.append(handle)
                self._shifts.ours.add(handle.id)
        judged = self.states.judge(step, self.epoch, self._record.moments, self._notes.keys)
        if judged and self.targets.doubled:  # the rest at the end of the epoch: each time it is written anew
            self.recorder.update_manifest(self.targets.facts())
        self.recorder.step(step, self.epoch, self._record.row)
        loss = self._record.row.get(RUN, {}).get("loss", 0.0)
        self._lost.judge(step, self.epoch, self._record.moments, loss, self.structure.order)

    def _on_given(self, inputs: Any) -> None:
        """Looks at the input of a step that is not recorded."""
        torch = self._torch
        if self._record.tier is None and torch.is_grad_enabled():
            given = next((value for value in inputs if isinstance(value, torch.Tensor)), None)
            if given is not None:
                self._lost.given(self.step, given)

    def settle(self) -> None:
        """Judges what was seen since the last record: nothing more may come."""
        self._lost.judge(self.step, self.epoch, {}, 0.0, self.structure.order)
