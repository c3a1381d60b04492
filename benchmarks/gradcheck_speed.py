"""How fast is the gradient check beside PyTorch's? `python -m benchmarks.gradcheck_speed [--rounds 5]`

Every entry of the gradients of a network (ours), one random direction (PyTorch's fast mode) and every entry (its slow mode):
float64, one thread, CPU time, in turn in one process, medians: in every round ours and the fast mode 20 times in turn and
the slow mode once. Then the time of ours against width, depth and batch, with the exponent of a fitted power.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from benchmarks.setting import ratio, rounds, versions
from network import CrossEntropy, Dense, Layer, Quadratic, ReLU, Sequential, Sigmoid
from network.convolution import AvgPool2D, Conv2D
from network.layers import Flatten

import nndebug  # isort: skip  (after the setting, which fixes the number of threads)
import torch  # isort: skip


TURNS = 20
"""How often ours and the fast mode take turns in a round, which the slow mode takes thousands of times as long for."""


def blog() -> tuple[Sequential, torch.nn.Module, tuple[int, ...]]:
    net = Sequential(Dense(784, 30), Sigmoid(), Dense(30, 10), Sigmoid(), loss=Quadratic(), dtype="float64")
    linear, sigmoid = torch.nn.Linear, torch.nn.Sigmoid
    return net, torch.nn.Sequential(linear(784, 30), sigmoid(), linear(30, 10), sigmoid()), (784,)


def convolutional() -> tuple[Sequential, torch.nn.Module, tuple[int, ...]]:
    layers = Conv2D(1, 8, 3), Sigmoid(), AvgPool2D(2), Flatten(), Dense(72, 12), Sigmoid(), Dense(12, 4)
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3), torch.nn.Sigmoid(), torch.nn.AvgPool2d(2), torch.nn.Flatten(),
        torch.nn.Linear(72, 12), torch.nn.Sigmoid(), torch.nn.Linear(12, 4),
    )  # fmt: skip
    return Sequential(*layers, loss=Quadratic(), dtype="float64"), theirs, (1, 8, 8)


def ours(net: Sequential, x: np.ndarray, y: np.ndarray):
    def run() -> None:
        assert nndebug.gradcheck(
            net, x, y, samples=len(x)
        )  # all of them: it would take 10 or so of more than 32

    return run


def theirs(model: torch.nn.Module, x: np.ndarray, y: np.ndarray, fast: bool):
    model = model.double()
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
    names = [name for name, _ in model.named_parameters()]
    parameters = [p.detach().clone().requires_grad_() for p in model.parameters()]

    def loss(*values: torch.Tensor) -> torch.Tensor:
        output = torch.func.functional_call(model, dict(zip(names, values, strict=True)), inputs)
        return 0.5 * ((output - targets) ** 2).sum(1).mean()

    def run() -> None:
        assert torch.autograd.gradcheck(loss, parameters, fast_mode=fast)

    return run


def compare(name: str, net: Sequential, model: torch.nn.Module, shape: tuple[int, ...], count: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((10, *shape)), rng.random((10, net.outputs or 1))
    entries = net.flat_parameters.size
    mine, fast, slow = [], [], []
    run_ours, run_fast, run_slow = ours(net, x, y), theirs(model, x, y, True), theirs(model, x, y, False)
    for _ in range(count):
        for into, seconds in zip((mine, fast), rounds(TURNS, run_ours, run_fast), strict=True):
            into.append(statistics.median(seconds))
        start = time.process_time()
        run_slow()
        slow.append(time.process_time() - start)
    medians = [1e3 * statistics.median(times) for times in (mine, fast, slow)]
    figures = f"{medians[0]:8.1f} ms {medians[1]:8.1f} ms {medians[2]:9.0f} ms"
    print(f"{name:24} {entries:8,} {figures} {ratio(fast, mine):8.1f}× {ratio(slow, mine):9.0f}×", flush=True)


def growth(count: int) -> None:
    rng = np.random.default_rng(0)

    def run(widths: list[int], batch: int):
        layers: list[Layer] = []
        for inputs, units in pairwise(widths):
            layers += [Dense(inputs, units), ReLU()]
        net = Sequential(*layers[:-1], loss=CrossEntropy(), dtype="float64")
        return ours(net, rng.standard_normal((batch, widths[0])), rng.integers(0, widths[-1], batch))

    sizes = {
        "width (3 layers)": {w: run([w, w, w, 10], 10) for w in (32, 64, 128, 256)},
        "depth (width 32)": {d: run([32] * d + [10], 10) for d in (2, 4, 8, 16)},
        "batch (64-64-10)": {b: run([64, 64, 10], b) for b in (8, 16, 32, 64, 128)},
    }
    print(f"\n{'growth with':20} {'at':>24} {'ms':>30} {'exponent':>9}")
    for name, runs in sizes.items():
        at, times = list(runs), [statistics.median(seconds) for seconds in rounds(count, *runs.values())]
        exponent = np.polyfit(np.log(at), np.log(times), 1)[0]
        steps, figures = ", ".join(f"{a:g}" for a in at), ", ".join(f"{1e3 * t:.1f}" for t in times)
        print(f"{name:20} {steps:>24} {figures:>30} {exponent:9.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    count = parser.parse_args().rounds
    torch.set_num_threads(1)
    print(versions(torch))
    heads = f"{'ours':>11} {'fast mode':>11} {'slow mode':>12} {'fast/ours':>9} {'slow/ours':>10}"
    print(f"{'network, batch 10':24} {'entries':>8} {heads}")
    compare("784-30-10 sigmoid", *blog(), count)
    compare("conv, pool, 2 dense", *convolutional(), count)
    growth(TURNS)


if __name__ == "__main__":
    main()
