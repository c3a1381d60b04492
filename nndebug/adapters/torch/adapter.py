"""Watches a model through hooks of its modules, its optimisers and its loss.

For steps that the schedule names, hooks are attached for that one step; all others pay for one call per optimiser step. Every
hook reads and returns nothing. State k is the model before step k; a step is one call of the first optimiser's `step`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from ...look import ROWS
from ...recorder import Recorder
from ...signals import RUN
from ...stats import Moments
from . import nonfinite
from .cleared import Cleared
from .inputs import Inputs
from .losses import Backwards, LossCall, read
from .measuring import Measuring
from .modules import activation_of, describe, describe_sites, kind_of, named, own_parameters, plain
from .others import OtherOptimizers
from .own_losses import OwnLoss, OwnLosses
from .ranks import Rank, RankNotes, local
from .targets import Targets
from .window import Window

Values = dict[str, dict[str, float]]

UNCLEARED = 4
"""So many first steps are asked whether the gradients were the batch's own, and the mode the right one."""
OF_THE_MODE = ("batch_norm", "dropout", "dropout1d", "dropout2d", "dropout3d", "alphadropout")
"""Kinds of modules that compute something else in training than in evaluation."""


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
        self._modules = dict(named(model))
        self._order: list[str] = []
        self._follows: dict[str, str] = {}
        self._made: dict[int, str] = {}
        self._measuring = Measuring(torch)
        self._moments: dict[tuple[str, str], Moments] = {}
        self._tier: int | None = None
        self._updated: dict[str, Any] = {}
        self._with_closure = False
        self._row: Values = {}
        self._window = Window()
        self.last_window = Window()
        self._before: dict[str, Any] = {}
        self._cleared, self._losses = Cleared(torch), OwnLosses(torch, model)
        self._means: list[tuple[float, int]] = []
        self._rank, self._notes = rank, RankNotes(torch)
        # The windows of all ranks together are one.
        self._window_rows = ROWS / (rank.world if rank else 1)
        self._failed = False
        self._backwards = Backwards(torch.autograd, self._guarded(self._on_backward))
        self._others = OtherOptimizers(optimizers, lambda: self._tier == 1, self._guarded)
        self._always: list[Any] = []
        self._once: list[Any] = []
        self._compiled = any(type(m).__name__ == "OptimizedModule" for m in model.modules())

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
        def guarded(*values: Any) -> None:
            if not self._failed:
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
        self._tier = self.recorder.schedule.tier(self.step)
        if self._tier is None:
            return
        self._row, self._moments, self._means = {}, {}, []
        self._notes.begin()
        self._losses.begin()
        self._others.begin()
        if not self._compiled:  # a hook inside would make the compiler compile again
            for name, module in self._modules.items():
                if own_parameters(module) or activation_of(module) or not self._order:
                    observe = self._guarded(lambda m, i, o, n=name: self._on_forward(n, m, i, o))
                    self._once.append(module.register_forward_hook(observe))
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
        torch = self._torch
        if (
            not isinstance(output, torch.Tensor)
            or not torch.is_grad_enabled()
            or not output.is_floating_point()
        ):
            return
        if name not in self._order:
            self._order.append(name)
        given = next((value for value in inputs if isinstance(value, torch.Tensor)), None)
        activation = activation_of(module)
        if activation and given is not None and self.step == 0 and (host := self._made.get(given.data_ptr())):
            self._follows.setdefault(name, host)
        site = self._follows.get(name, name)
        if activation:
            self._ask(site, "activation.", output)
            host_kind = kind_of(self._modules[site])
            self._window.activation(site, activation, output.detach(), host_kind)
        elif own_parameters(module):
            self._made[output.data_ptr()] = name
            self._ask(site, "preactivation.", output)
            if output.requires_grad:
                output.register_hook(
                    self._guarded(lambda gradient: self._ask(site, "output_gradient.", gradient))
                )
        if given is not None and name == self._order[0]:
            if self._rank:
                self._notes.saw(given)
            self._window.rows += len(given) if given.ndim else 0
            if given.is_floating_point():
                self._ask(site, "input.", given)
                self.inputs.saw(given)
        if self.step < UNCLEARED:
            modes = any(kind_of(part) in OF_THE_MODE for part in self._modules.values())
            evaluating = float(modes and not self.model.training)
            self._values(RUN).update(
                {"replay.moved": 0.0, "replay.no_backward": 0.0, "replay.evaluating": evaluating}
            )

    def _on_backward(self, tensors: Any) -> None:
        """What the loss was, before its gradients are computed."""
        torch = self._torch
        root = tensors if isinstance(tensors, torch.Tensor) else next(iter(tensors), None)
        due = self._tier is not None
        if not isinstance(root, torch.Tensor) or root.numel() != 1 or not (due or self.targets.wanting):
            return
        if not self._losses.are(root, later=self.step > 0):
            return
        call = read(root)
        if call.target is None or call.output is None:
            call = LossCall("", None, None, "linear", root)
        self.targets.saw(call)
        if due:
            self._losses.take(call)
            if self._rank:
                self._notes.backward()

    def _settle_loss(self, loss: OwnLoss) -> None:
        """Takes a loss that the update is made of."""
        self._measuring.moments(loss.value.reshape(1), lambda m: self._means.append((m.mean, loss.size)))
        self._window.losses.append((loss.value, loss.size))
        if loss.predicted is not None:
            self._window.predicted.append(loss.predicted)
            self._window.labels.append(loss.labels)

    def _take_norm(self, name: str, norm: float) -> None:
        self._values(name)["gradient.norm"] = norm
        if not math.isfinite(norm):
            self._moments[name, "gradient."] = Moments(nonfinite=1)

    def _ask(self, site: str, prefix: str, tensor: Any) -> None:
        """Asks for the moments of a tensor, where this step's tier has them."""
        if self._tier == 0 and prefix not in ("input.", "preactivation."):  # they tell whose NaN it is
            return

        def use(moments: Moments) -> None:
            key = (site, prefix)
            if key in self._moments:
                self._moments[key].merge(moments)  # a module that runs several times in a step
            else:
                self._moments[key] = moments

        self._measuring.moments(tensor, use)

    def _values(self, site: str) -> dict[str, float]:
        return self._row.setdefault(site, {})

    def _before_step(self, with_closure: bool) -> None:
        started = time.perf_counter()
        if self._tier is not None:
            self._values(RUN)["learning_rate"] = float(self.optimizers[0].param_groups[0].get("lr", 0.0))
            self._updated, self._with_closure = self.parameters(), with_closure
            if self._tier == 1:
                self._before = {name: local(value.detach()).clone() for name, value in self._updated.items()}
            if not with_closure:
                self._take_gradients()
        self.seconds += time.perf_counter() - started

    def _take_gradients(self) -> None:
        """Takes the gradients that the update uses: before it, or after it where the passes run inside the step."""
        known = {n: p.grad for n, p in self._updated.items() if p.grad is not None and not p.grad.is_sparse}
        if self._tier == 1:
            for name, gradient in known.items():
                self._ask(name, "gradient.", gradient)
        else:
            self._measuring.norms(known, self._take_norm)
        if self.step < UNCLEARED:
            self._values(RUN).update(self._cleared.compare(self._updated))

    def _after_step(self) -> None:
        started = time.perf_counter()
        step, tier = self.step, self._tier
        lasted = self._notes.lasted()
        if tier is not None:
            self._disarm()
            if self._with_closure:
                self._take_gradients()
            for name, value in self._updated.items() if tier == 1 else ():
                if (before := self._before.get(name)) is not None:
                    self._ask(name, "weight.", before)
                    change = (
                        self._others.update(value)
                        if self._others.has(value)
                        else local(value.detach()) - before
                    )
                    if change is not None:  # else no optimiser that has it made a step yet
                        self._ask(name, "update.", change)
            if self._rank:
                self._values(RUN).update(self._notes.figures(lasted))
                for name, check in self._notes.checks(self._before).items():
                    self._values(name)["weight.check"] = check
            self._before = {}
            self._losses.settle(self._settle_loss)
            self._measuring.flush()
            self._write(step)
        self.step += 1
        self._arm()
        self._notes.end()
        self.seconds += time.perf_counter() - started

    def _write(self, step: int) -> None:
        if samples := sum(size for _, size in self._means):
            self._values(RUN)["loss"] = sum(mean * size for mean, size in self._means) / samples
            if self._rank:
                self._values(RUN)["loss.count"] = samples
        if step == 0:
            sites = describe_sites(self.model, self._order, self._follows)
            network = {
                **self.recorder.run.manifest["network"],
                "description": describe(self.model, sites, self._order),
            }
            self.recorder.update_manifest({"sites": [site.to_json() for site in sites], "network": network})
        for (site, prefix), moments in self._moments.items():
            self._values(site).update(moments.summary(prefix))
            if self._rank:
                self._values(site)[f"{prefix}count"] = moments.count
        for name in self._updated:
            before, change = self._moments.get((name, "weight.")), self._moments.get((name, "update."))
            if before and change and not name.endswith("bias") and before.norm > 0:
                self._values(name)["update_ratio"] = change.norm / before.norm
        if step == 0 or self._window.rows >= self._window_rows:
            self._judge(step)
        elif self._rank:
            self.recorder.of_rank(step, self.epoch, keys=self._notes.keys)
        self.recorder.step(step, self.epoch, self._row)
        self._find_nonfinite(step)
        self._moments = {}

    def _judge(self, step: int) -> None:
        """Writes what the window showed as the state before this step, and begins a new one."""
        look = self._window.look()
        if self._rank:
            self.recorder.of_rank(step, self.epoch, keys=self._notes.keys, look=look.to_json())
        rows: Values = look.figures()
        for (site, prefix), moments in self._moments.items():
            if prefix == "preactivation.":
                figures = moments.summary("probe.preactivation.")
                rows.setdefault(site, {}).update(
                    {k: v for k, v in figures.items() if not k.endswith((".norm", ".zero_share"))}
                )
        self.recorder.probe(step, self.epoch, rows)
        if self.targets.changed:
            self.recorder.update_manifest(self.targets.facts())
        if self._window.rows >= self._window_rows:
            self.last_window, self._window = self._window, Window()

    def _find_nonfinite(self, step: int) -> None:
        if any(event.get("event") == "nonfinite" for event in self.recorder.run.events):
            return
        loss = self._row.get(RUN, {}).get("loss", 0.0)
        if facts := nonfinite.first(self._moments, loss, self._order):
            self.recorder.event("nonfinite", step, self.epoch, **facts)
