"""What does watching a PyTorch model cost? `python -m benchmarks.torch_overhead [--memory] [--rounds 5] [--steps 600]`

784-512-512-10, batch 128, SGD, random inputs, one thread, float32: the same training alone, under `nndebug.watch` with its
defaults and a run folder (the last report left out), under `torch.autograd.set_detect_anomaly(True)`, and, where they are
installed, under `wandb.watch` (offline, all defaults; and once a step, which is about what our first steps record) and
torchmortem's `Autopsy`. In turn in one process, CPU time, median of the ratios. Peak memory: of a fresh process each.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # so that it also runs as a file

from benchmarks.setting import ratio, rounds, versions

import nndebug  # isort: skip  (after the setting, which fixes the number of threads)
import torch
from torch import nn

BATCH, SAMPLES = 128, 12_800
After = Callable[[float], None]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(SAMPLES, 784, generator=generator)
    return x, (x[:, :100] @ torch.randn(100, 10, generator=generator)).argmax(dim=1)


@contextlib.contextmanager
def alone(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    yield None


@contextlib.contextmanager
def watched(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    with (
        tempfile.TemporaryDirectory() as folder,
        nndebug.watch(model, folder, optimizer=optimizer, report=False),
    ):
        yield None


@contextlib.contextmanager
def anomalies(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    with torch.autograd.set_detect_anomaly(True):
        yield None


@contextlib.contextmanager
def wandb_watch(model: nn.Module, optimizer: torch.optim.Optimizer, **options: int | str) -> Iterator[After]:
    import wandb

    with tempfile.TemporaryDirectory() as folder:
        run = wandb.init(mode="offline", dir=folder, settings=wandb.Settings(silent=True))
        run.watch(model, **options)
        yield lambda loss: run.log({"loss": loss})
        run.unwatch(model)
        run.finish()


@contextlib.contextmanager
def torchmortem(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[After]:
    from torchmortem import Autopsy

    with Autopsy(model, optimizer=optimizer) as autopsy:
        yield lambda loss: autopsy.step(loss=loss)


WAYS = {
    "alone": alone,
    "nndebug.watch": watched,
    "set_detect_anomaly": anomalies,
    "wandb.watch": wandb_watch,
    "wandb.watch(log='all', log_freq=10)": lambda *who: wandb_watch(*who, log="all", log_freq=10),
    "torchmortem.Autopsy": torchmortem,
}


def train(way: str, steps: int, set_: tuple[torch.Tensor, torch.Tensor]) -> None:
    model, (x, y) = network(), set_
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with WAYS[way](model, optimizer) as after:
        for step in range(steps):
            rows = slice(step * BATCH % SAMPLES, step * BATCH % SAMPLES + BATCH)
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            if after is not None:
                after(loss.item())


def installed(way: str) -> bool:
    name = way.partition(".")[0]
    try:
        return name not in ("wandb", "torchmortem") or bool(__import__(name))
    except ImportError:
        return False


def peak(way: str, steps: int) -> float:
    """Largest resident memory of a process that trains this way, in MB."""
    command = [sys.executable, "-m", "benchmarks.torch_overhead", "--peak", way, "--steps", str(steps)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--only", nargs="+", default=list(WAYS), choices=list(WAYS), metavar="WAY")
    parser.add_argument("--memory", action="store_true", help="measure peak memory, and not time")
    parser.add_argument("--peak", choices=list(WAYS), metavar="WAY", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["WANDB_SILENT"] = "true"
    if arguments.peak:
        # What all of them load is no cost of watching.
        importlib.import_module("nndebug.adapters.torch")
        importlib.import_module("nndebug.checking")
        train(arguments.peak, arguments.steps, data())
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    ways = [way for way in dict.fromkeys(["alone", *arguments.only]) if installed(way)]
    set_ = data()
    print(f"{versions(nndebug, torch)}; 784-512-512-10, batch {BATCH}, {arguments.steps} steps", flush=True)
    if arguments.memory:
        memory = {way: peak(way, arguments.steps) for way in ways}
        for way, most in memory.items():
            print(f"{way:36} {most:6.0f} MB {most / memory['alone'] - 1:+6.1%}")
        return
    seconds = rounds(arguments.rounds, *[lambda way=way: train(way, arguments.steps, set_) for way in ways])
    print(f"{'':36} {'median':>9} {'overhead':>9}")
    for way, taken in zip(ways, seconds):
        share = ratio(taken, seconds[0]) - 1
        print(f"{way:36} {statistics.median(taken):7.2f} s {share:8.1%}")


if __name__ == "__main__":
    main()
