"""How fast is the core beside PyTorch? `python -m benchmarks.throughput [--rounds 5]`

One epoch of MNIST's 50,000 training images, the two in turn in one process, one thread, float32, CPU time, median of the rounds.
Both gather shuffled batches, compute the gradient of the mean cross-entropy and take a plain SGD step.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from benchmarks.setting import SETTINGS, Setting, data, ratio, rounds, versions

import torch  # isort: skip  (after the setting, which fixes the number of threads)


def ours(setting: Setting, train):
    network = setting.network()
    return lambda: setting.train(network, train, epochs=1)


def theirs(setting: Setting, train):
    layers: list = []
    for inputs, units in zip(setting.widths, setting.widths[1:]):
        layers += [torch.nn.Linear(inputs, units), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer, loss = torch.optim.SGD(model.parameters(), lr=setting.rate), torch.nn.CrossEntropyLoss()
    x, y = (torch.from_numpy(part.copy()) for part in train)

    def epoch() -> None:
        order = torch.randperm(len(x))
        for start in range(0, len(x), setting.batch):
            rows = order[start : start + setting.batch]
            optimizer.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            optimizer.step()

    return epoch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    count = parser.parse_args().rounds
    torch.set_num_threads(1)
    print(versions(torch))
    print(f"{'network':32} {'network.fit':>12} {'PyTorch':>9} {'PyTorch / ours':>15}")
    train = data()
    for setting in SETTINGS:
        mine, peer = rounds(count, ours(setting, train), theirs(setting, train))
        medians = f"{statistics.median(mine):10.3f} s {statistics.median(peer):7.3f} s"
        print(f"{setting.name:32} {medians} {ratio(peer, mine):14.2f}×", flush=True)


if __name__ == "__main__":
    main()
