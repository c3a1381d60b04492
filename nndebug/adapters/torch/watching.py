"""`watch` for a PyTorch model: ties adapter, recorder, rules and report to an unchanged loop."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...histogram import ExponentHistogram
from ...preflight.result import Preflight
from ...schedule import Schedule
from ...session import Session, named_figures
from ...signals import Array
from .adapter import TorchAdapter
from .epochs import Epochs
from .modules import describe, describe_sites, plain
from .ranks import is_sharded, local, rank_of

ENTRIES = 65_536
"""Entries of a parameter that its histogram is made of: a stride through it says the same as all of them."""


class TorchWatch(Session):
    """A PyTorch model being watched. See `nndebug.watch`.

    Args:
        model: a `torch.nn.Module`.
        folder, schedule, name, report, png, strict: see `Session`. One of several processes that train together records
            into `rank-NNNN` in the folder; only the first draws.
        optimizer: one, or several in the order in which they step; the first one counts the steps.
        loss: the loss module or function, for its name; what it is given is seen by itself.

    Raises:
        UserError: no optimiser was given, or something that is none.
    """

    def __init__(
        self,
        model: Any,
        folder: str | Path | None,
        schedule: Schedule,
        name: str | None = None,
        report: bool = True,
        png: bool = True,
        strict: bool = False,
        *,
        optimizer: Any = None,
        loss: Any = None,
    ) -> None:
        torch = sys.modules["torch"]
        self.model = model
        optimizers = _optimizers(torch, optimizer)
        manifest, rank = _manifest(torch, model, optimizers, loss), rank_of(torch)
        if rank is not None:
            manifest |= {"rank": rank.number, "world": rank.world, "sharded": is_sharded(model)}
            folder = None if folder is None else Path(folder) / rank.folder
            report = report and rank.number == 0  # the others' would be a thousand times the same page
        super().__init__(manifest, folder, schedule, name, report, png, strict)
        self._adapter = TorchAdapter(torch, model, optimizers, self._recorder, rank)
        self._epochs = Epochs(torch.utils.data.DataLoader, lambda: self._adapter.step, self._guarded_end)
        self._ended_at = 0
        self._recorder.epoch(0, 0, {}, {})
        self._adapter.attach()
        self._epochs.attach()
        self._started = time.perf_counter()

    def epoch(self, **facts: float) -> None:
        """Ends an epoch, where no `DataLoader` says so, and takes what is known of it.

        Args:
            facts: figures such as `accuracy=0.93` or `validation_loss=0.2`.
        """
        self._recorder.guard("the end of an epoch", lambda: self._end(facts), lambda: None)

    # --- inside -----------------------------------------------------------------------------------------------

    def _guarded_end(self) -> None:
        self._recorder.guard("the end of an epoch", lambda: self._end({}), lambda: None)

    def _end(self, facts: Mapping[str, float]) -> None:
        if self._adapter.step == self._ended_at:
            if facts:
                self._recorder.figures(self._adapter.epoch - 1, self._adapter.step, named_figures(facts))
            return
        self._count_time()
        self._adapter.settle()
        self._fly()
        targets = self._adapter.targets
        facts_of_targets = targets.facts() if targets.changed else {}
        self._recorder.update_manifest({"looked_at": self._adapter.states.samples, **facts_of_targets})
        self._recorder.epoch(self._adapter.epoch, self._adapter.step, named_figures(facts), self._arrays())
        self._adapter.epoch += 1
        self._ended_at = self._adapter.step
        self._conclude("running", draw=self._open)
        self._started = time.perf_counter()

    def _fly(self) -> None:
        """What the first batch said of loss, outputs and targets, in the form in which a preflight says it."""
        if self.run.preflight is not None:
            return
        last = self.run.sites[-1].name if self.run.sites else "run"
        uphill = bool(self._adapter.optimizers[0].param_groups[0].get("maximize"))
        fit, data = self._adapter.targets.fit(last, uphill), self._adapter.inputs.facts(self._first_kind())
        if data:
            data |= self._adapter.targets.scales()
            self._recorder.update_manifest({"input": self._adapter.inputs.extent()})
            fit["data"] = data
            chain = self._adapter.structure.linear()
            if labels := self._adapter.inputs.labels(self._adapter.targets.classes, bool(chain)):
                fit["labels"] = labels
            if "fit" in fit:
                fit["fit"]["linear"] = chain
        if fit:
            known = sorted({plain(name) for name in self._adapter.parameters()})
            held = {
                id(p) for o in self._adapter.optimizers for group in o.param_groups for p in group["params"]
            }
            unmoved = [name for name, value in self._adapter.parameters().items() if id(value) not in held]
            measured = {
                **fit,
                "optimizer": {"moved": [name for name in known if name not in unmoved], "unmoved": unmoved},
            }
            self._recorder.preflight(Preflight(measured, facts=dict(self.run.manifest)))

    def _first_kind(self) -> str:
        """Of the first layer that has parameters."""
        return next((site.kind for site in self.run.sites if site.parameters), "")

    def _arrays(self) -> dict[str, Array]:
        died_at = self._adapter.states.died_at()
        arrays: dict[str, Array] = {f"{site}/died_at": steps for site, steps in died_at.items()}
        for name, value in self._adapter.parameters().items():
            flat = local(value.detach()).reshape(-1)
            some = flat[:: max(1, flat.numel() // ENTRIES)].float().cpu().numpy()
            arrays[f"{name}/weight.histogram"] = ExponentHistogram.of(some).counts
        classes = int(self.run.manifest.get("classes") or 0)
        confusion = self._adapter.states.last.confusion(classes)
        if confusion is not None:
            arrays["run/confusion"] = confusion
        return arrays

    def _detach(self) -> None:
        self._epochs.detach()
        self._adapter.detach()
        self._recorder.guard("the last states", self._adapter.states.close, lambda: None)
        if self._adapter.step > self._ended_at:
            self._recorder.guard("the end of the last epoch", lambda: self._end({}), lambda: None)

    def _place(self) -> tuple[int, int]:
        return self._adapter.step, self._adapter.epoch

    def _recording_seconds(self) -> float:
        return self._adapter.seconds


def _optimizers(torch: Any, optimizer: Any) -> tuple[Any, ...]:
    given = tuple(optimizer) if isinstance(optimizer, Sequence) else (optimizer,)
    if not given or any(not isinstance(one, torch.optim.Optimizer) for one in given):
        got = "nothing" if optimizer is None else type(optimizer).__name__
        raise UserError(
            f"a PyTorch model is watched with its optimizer, got {got}",
            help="nndebug.watch(model, folder, optimizer=optimizer, loss=loss)",
        )
    return given


def _manifest(torch: Any, model: Any, optimizers: tuple[Any, ...], loss: Any) -> dict[str, Any]:
    sites = describe_sites(model, [], {}, {})
    parameters = [p for p in model.parameters() if type(p).__name__ != "UninitializedParameter"]
    first = optimizers[0]
    group = first.param_groups[0]
    options = {k: v for k, v in group.items() if isinstance(v, int | float) and not isinstance(v, bool) and v}
    return {
        "framework": f"torch {torch.__version__}",
        "network": {
            "description": describe(model, sites, []),
            "parameters": sum(p.numel() for p in parameters),
            "regularisation": {
                name: {"dropout": float(module.p)}
                for name, module in model.named_modules()
                if isinstance(module, torch.nn.modules.dropout._DropoutNd) and module.p > 0
            },
            "dtype": str(parameters[0].dtype).removeprefix("torch.") if parameters else "float32",
            "seed": int(torch.initial_seed()),
        },
        "sites": [site.to_json() for site in sites],
        "optimizer": {
            "kind": type(first).__name__.lower(),
            "rate": float(group.get("lr", 0.0)),
            "l2": float(group.get("weight_decay", 0.0) or 0.0),
            **{k: v for k, v in options.items() if k not in ("lr", "weight_decay")},
        },
        "loss": "" if loss is None else getattr(loss, "__name__", type(loss).__name__),
    }
