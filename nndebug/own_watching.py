"""`watch` for a NumPy class of one's own: its methods are seen while it trains, and what they do is recorded as the core's is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from .adapters.attributes import OVERRIDES
from .adapters.nonfinite import found
from .adapters.own import Follower, Mirror, Step, Understood, Wrapped, understand
from .adapters.own.data import is_set, some_of, training_set
from .adapters.own.optimizer import OwnOptimizer, rule_of_steps
from .adapters.own.reading import Reader, ShapeChanged
from .adapters.own.roles import bound, method_as, parts_of
from .adapters.own.understanding import SAMPLES
from .errors import UserError
from .gradcheck import gradcheck
from .gradcheck.inspecting import Found
from .manifest import of_network, of_optimizer
from .own_epochs import OwnEpochs
from .preflight.result import Preflight
from .schedule import Schedule
from .session import Session
from .signals import Array, Site

ROWS = 512
"""Samples that stand for a training set that nobody has shown."""
MOST_WAITING = 2**28
"""Bytes of steps that wait for so many samples to be seen."""


class OwnWatch(OwnEpochs):
    """An object of the user's own being watched. See `nndebug.watch`.

    What the object is, is found out when its first samples are seen: at once where `data` is given, when its training method
    is called, or at its first update.

    Attributes:
        found: what was found in it, as `nndebug inspect` prints it; None before.
    """

    def __init__(
        self,
        model: Any,
        folder: str | Path | None,
        shapes: Mapping[str, str],
        schedule: Schedule,
        image_shape: tuple[int, int] | None,
        name: str | None,
        report: bool,
        png: bool,
        strict: bool,
        preflight: float = 0.0,
        *,
        data: tuple[Any, Any] | None = None,
        **given: Any,
    ) -> None:
        self._roles = parts_of(model, given)
        self._rate = given.pop("rate", None)
        self._given = {
            word: value for word, value in given.items() if word in OVERRIDES and value is not None
        }
        description = {
            "network": {"description": type(model).__name__},
            "sites": [],
            "framework": "own class",
        }
        Session.__init__(self, description, folder, schedule, name, report, png, strict)
        self.model = model
        self.found: Found | None = None
        self._image_shape, self._preflight, self._shapes_wanted = image_shape, preflight, shapes
        self._understood: Understood | None = None
        self._follower: Follower | None = None
        self._training: SimpleNamespace | None = None
        self._of_training: dict[str, Any] = {}
        self._failed = False
        self._waiting: list[Step] = []
        self._set: tuple[Array, Array, tuple[Array, Array] | None] | None = None
        self._since = self._ended_at = 0
        self._reported: float | None = None
        self._last_reported: float | None = None
        self._began = time.perf_counter()
        self._wrapped = Wrapped(model, self._roles, self._called)
        if data is not None:
            try:
                self._know(*some_of(*data, SAMPLES, given.get("batch_axis")))
                self._shown(*data)
            except BaseException:
                self._wrapped.take_off()
                self._recorder.close()
                raise

    # --- calls ------------------------------------------------------------------------------------------------

    def _called(
        self, name: str, function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        """One of the object's methods is called: calls it, and notes what it did."""
        if self._failed:
            return function(*arguments, **keywords)
        follower = self._follower
        if follower is not None and follower.unseen and self._roles[name] == "backward":
            returned = function(*arguments, **keywords)
            if not follower.finite(returned):
                self._guard(
                    lambda: self._after(
                        name, self._bound(name, function, arguments, keywords), returned, False
                    )
                )
            return returned
        given: dict[str, Any] = {}
        self._guard(lambda: given.update(self._bound(name, function, arguments, keywords)))
        self._guard(lambda: self._before(name, given))
        try:
            returned = function(*arguments, **keywords)
        except BaseException:
            self._guard(lambda: self._after(name, given, None, True))
            raise
        self._guard(lambda: self._after(name, given, returned, False))
        return returned

    def _bound(
        self, name: str, function: Callable[..., Any], arguments: Any, keywords: Any
    ) -> dict[str, Any]:
        own = self._understood.own if self._understood else None
        return bound(method_as(self._roles[name], name, function, own), arguments, keywords)

    def _guard(self, call: Callable[[], None]) -> None:
        if not self._failed:
            self._recorder.guard("watching your object", lambda: self._telling(call), self._fail)

    def _telling(self, call: Callable[[], None]) -> None:
        try:
            call()
        except ShapeChanged as changed:
            self._fail()
            step, epoch = self._place()
            self._recorder.event("shape", step, epoch, site=changed.site, message=str(changed))

    def _fail(self) -> None:
        self._failed = True
        self._wrapped.take_off()

    def _before(self, name: str, given: dict[str, Any]) -> None:
        if self._roles[name] == "train":
            self._training_begins(given)
            return
        if self._roles[name] in ("update", "backward"):
            self._arrive(self._roles[name], given)
        follower, role = self._follower, self._roles[name]
        if follower and role in ("update", "backward"):
            self._epoch_if_over()
            (follower.before_update if role == "update" else follower.before_backward)(given)

    def _after(self, name: str, given: dict[str, Any], returned: Any, raised: bool) -> None:
        follower, role = self._follower, self._roles[name]
        if role == "evaluate" and not raised:
            self._evaluated(given, returned)
        elif role == "train":
            self._training_ends()
        elif role in ("forward", "loss"):
            what = "x" if role == "forward" else "y"
            self._of_training[f"last {what}"] = given.get(what)
            if follower:
                (follower.forward if role == "forward" else follower.loss)(given)
        elif follower and role == "update":
            follower.after_update(raised)
        elif follower and role == "backward":
            follower.after_backward(given, returned, raised)

    # --- what it is -------------------------------------------------------------------------------------------

    def _arrive(self, role: str, given: dict[str, Any]) -> None:
        """The first samples are here: finds out what the object is."""
        if self._understood is not None:
            return
        x, y = (
            given.get("x", self._of_training.get("last x")),
            given.get("y", self._of_training.get("last y")),
        )
        if given.get("batch") is not None and given.get("x") is None:
            x, y = given["batch"], None
        if x is None or (y is None and given.get("batch") is None):
            if role == "update" or self._of_training.get("told"):
                return  # a step() by itself: its backward has shown what there was to see
            self._of_training["told"] = True
            raise UserError(
                f"no samples are seen in the calls of a {type(self.model).__name__}",
                help="nndebug.watch(model, folder, data=(x, y)), with the training set as its methods take it",
            )
        self._know(*some_of(x, y, SAMPLES, self._given.get("batch_axis")))

    def _know(self, x: Any, y: Any, at_last: bool = True) -> None:
        """Finds out what the object is; `at_last` says that nothing else will be seen that tells more."""
        try:
            understood = understand(self.model, x, y, self._given, self._wrapped.off)
        except UserError:
            if at_last:
                self._say_why(x, y)
            raise
        self._understood, self.found = understood, understood.found
        own = understood.own
        mirror = Mirror(understood)
        with self._wrapped.off():
            self._reader = Reader(understood, mirror.slices, mirror.dtype)
        mirror.flat_parameters[...] = self._reader.parameters()
        self._follow(mirror, self._shapes_wanted)
        self._optimizer = OwnOptimizer(own, understood.rule, self._rate)
        self._follower = Follower(understood, self._reader, self._wanted, self._done)
        # What was called before anybody knew what for.
        self._follower.forward({"x": self._of_training.get("last x")})
        self._follower.loss({"y": self._of_training.get("last y")})
        assert own.backward is not None
        played = {"backward": own.backward, "update": own.update}
        played |= {} if own.backward.takes("x") else {"forward": own.forward}
        parts = {method.name: part for part, method in played.items() if method is not None}
        loss = not own.backward.takes("y")
        for name, role in list(self._roles.items()):
            if role in ("update", "backward", "forward") or (role == "loss" and not loss):
                self._roles[name] = parts.get(name, "")
        self._wrapped.let_go(name for name, role in self._roles.items() if not role)
        self._recorder.update_manifest(
            {**of_network(mirror), "framework": "own class", "found": understood.found.to_json()}
        )

    def _say_why(self, x: Any, y: Any) -> None:
        """What cannot be understood may be wrong: a forward that mixes up samples, say. The gradient check tells."""
        try:
            with self._wrapped.off():
                checked = gradcheck(self.model, x, y, **self._given)
        except UserError:
            return
        if checked.faults:
            layers = dict.fromkeys(row.layer for row in checked.rows if row.layer)
            self._recorder.update_manifest({"sites": [Site(layer, "own").to_json() for layer in layers]})
            self._recorder.preflight(Preflight({}, checked, facts=dict(self.run.manifest)))

    def _training_begins(self, given: dict[str, Any]) -> None:
        """A method that is given everything: the training set, and perhaps what is held out."""
        x, y = given.get("x", given.get("batch")), given.get("y")
        self._of_training |= {name: value for name, value in given.items() if name not in ("x", "y", "batch")}
        if (
            self._training is not None
            or self._set is not None
            or not is_set(x)
            or (y is None and "batch" not in given)
        ):
            return
        if self._understood is None:
            try:
                size = given.get("size")
                # Code that runs at the size of its batches may raise at another one.
                most = (
                    int(size) if isinstance(size, int | np.integer) and 1 < size <= 4 * SAMPLES else SAMPLES
                )
                self._know(*some_of(x, y, most, self._given.get("batch_axis")), at_last=False)
            except UserError:
                return  # the first update shows what its samples are like
        held_out = given.get("held_out")
        self._shown(x, y, held_out if is_set(held_out) else None)

    def _training_ends(self) -> None:
        if self._follower is not None:
            self._follower.settle()

    def _shown(self, x: Any, y: Any, held_out: Any = None) -> None:
        """Somebody has shown the training set. It is begun with when the first update has shown batch and rate."""
        assert self._understood is not None
        rows, answers = training_set(self._understood.own, x, y)
        validation = None
        if held_out is not None:
            pair = held_out if isinstance(held_out, tuple) and len(held_out) == 2 else (held_out, None)
            validation = self._evaluation_set(*pair)
        self._set = (rows, answers, validation)

    def _begin_rows(self, x: Array, y: Array, validation: tuple[Array, Array] | None, batch: int) -> None:
        """The training set is known: tells everybody, as `network.fit` does at its beginning."""
        x = np.ascontiguousarray(x, self.network.dtype)
        epochs = self._of_training.get("epochs")
        if np.isnan(self._optimizer.rate):
            self._optimizer.learn(self._of_training)
        self._optimizer.samples = len(x)
        self._training = SimpleNamespace(
            network=self.network, optimizer=self._optimizer, x=x, y=y, validation=validation,
            epochs=int(epochs) if isinstance(epochs, int | np.integer) else 0, batch=batch, seed=None, results=[],
            interrupted=False, metric=None,
        )  # fmt: skip
        self._begin(self._training)
        self._began = time.perf_counter()

    # --- steps ------------------------------------------------------------------------------------------------

    def _wanted(self) -> bool:
        return self._training is None or self.network.watched or self._adapter.due

    def _done(self, step: Step) -> None:
        """An update has happened."""
        self._since += step.samples
        if self._training is None:
            self._waiting.append(step)
            kept = sum(step.before.nbytes * 3 for step in self._waiting if step.before is not None)
            enough = self._set is not None or sum(step.samples for step in self._waiting) >= ROWS
            enough = enough and (self._updates or len(self._waiting) > 1)
            if enough or kept > MOST_WAITING:
                self._begin_waiting()
            return
        self._play(step)

    def _begin_waiting(self) -> None:
        """Begins, and goes through the steps so far; where nobody has shown the training set, their samples stand for it."""
        steps, self._waiting = self._waiting, []
        shown = [step for step in steps if step.x is not None]
        if not shown or self._understood is None:
            return
        if not self._updates:
            self._optimizer = OwnOptimizer(self._understood.own, rule_of_steps(shown), self._rate)
        first = shown[0].before
        assert first is not None
        self.network.flat_parameters[...] = first
        self._optimizer.learn(shown[0].given)
        self._optimizer.infer(shown[0])
        if self._set is None:
            self._of_training["stand in"] = True
            self._set = np.concatenate([s.x for s in shown]), np.concatenate([s.y for s in shown]), None
        self._begin_rows(*self._set, max(step.samples for step in steps))
        self._set = None
        for step in steps:
            self._play(step)

    @property
    def _updates(self) -> bool:
        """Whether the object has an update of its own, which was looked at; else two steps of the user's loop tell its rule."""
        return self._understood is not None and self._understood.own.update is not None

    def _play(self, step: Step) -> None:
        optimizer, network = self._optimizer, self.network
        optimizer.learn(step.given, self._of_training.get("rate"))
        if step.before is None or step.after is None or step.x is None or step.y is None:
            if self._adapter.due:
                self._adapter.pass_over()
            else:
                network.skip(optimizer)
            return
        first = self._adapter.step == 0
        optimizer.infer(step)
        if first:
            self._recorder.update_manifest({"optimizer": of_optimizer(optimizer)})
        gradients = step.gradients
        if gradients is None:
            gradients = (step.before.astype(np.float64) - step.after) / (optimizer.rate or 1.0)
        targets = network.loss.encode(step.y, network.outputs, network.dtype)
        bad = ~np.isfinite(gradients)
        network.play(step.x, targets, gradients, step.before, step.after, optimizer)
        if bad.any() and self._adapter.searching:
            # Forward and loss are finite by their formulas: the user's backward has made it.
            name = next(name for name, part in network.slices.items() if bad[part].any())
            facts = found(name, "gradient", "the backward", gradients[network.slices[name]], {})
            self._adapter.nonfinite(self._adapter.step - 1, {**facts, "sample": None})
