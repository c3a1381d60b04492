"""One of several processes: trains the scenarios that it is told of, one after the other. `RANK=0 WORLD_SIZE=2 … FOLDER SCENARIO …`"""

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from torch import distributed as dist
from torch import nn

import nndebug
from network.data import load_digits

STEPS, BATCH = 50, 64
ODD = 1
"""The rank that does something else."""
AT = 20
"""The step from which on it does, where it does not from the first."""


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 12), nn.Sigmoid(), nn.Linear(12, 10)
    ).double()


def digits():
    x, y = load_digits().train
    return torch.from_numpy(np.asarray(x, np.float64)), torch.from_numpy(np.asarray(y, np.int64))


def rows(step, samples, order_seed=0):
    """The samples of a global batch; every pass through the data has an order of its own."""
    per_pass = samples // BATCH
    generator = torch.Generator().manual_seed(order_seed + step // per_pass)
    return torch.randperm(samples, generator=generator)[step % per_pass * BATCH :][:BATCH]


def train(model, optimizer, folder, rank, world, scenario="plain", share=None):
    """50 updates, each of the rank's share of the global batch; `share` averages gradients where no wrapper does."""
    x, y = digits()
    with nndebug.watch(model, folder, optimizer=optimizer, strict=True, png=False, report=False):
        for step in range(STEPS):
            odd = rank == ODD and step >= AT
            if scenario == "killed" and odd:
                os.kill(os.getpid(), signal.SIGKILL)
            other_order = scenario == "order" and rank == ODD
            mine = rows(step, len(x), 1000 * other_order)[rank::world]
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[mine]), y[mine]).backward()
            if share is not None:
                share(model, keep=scenario == "skipped" and rank == ODD and step == AT)
            optimizer.step()


def average(model, keep=False):
    """The gradients of all ranks; one that keeps its own takes part in the exchange, so that nobody hangs."""
    for parameter in model.parameters():
        together = parameter.grad.clone()
        dist.all_reduce(together)
        if not keep:
            parameter.grad.copy_(together / dist.get_world_size())


def run(scenario, folder, rank, world):
    model, share = network(seed=7 if scenario == "seed" and rank == ODD else 0), None
    if scenario in ("plain", "order"):
        model = nn.parallel.DistributedDataParallel(model)
    elif scenario == "sharded":
        from torch.distributed.fsdp import fully_shard

        for layer in (model[0], model[2], model[4], model):
            fully_shard(layer)
    else:
        share = average
    train(model, torch.optim.SGD(model.parameters(), 0.5), folder, rank, world, scenario, share)


def main():
    folder, scenarios = Path(sys.argv[1]), sys.argv[2:]
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", timeout=timedelta(seconds=120),
                            rank=int(os.environ["RANK"]), world_size=int(os.environ["WORLD_SIZE"]))  # fmt: skip
    rank, world = dist.get_rank(), dist.get_world_size()
    for scenario in scenarios:
        try:
            run(scenario, folder / scenario, rank, world)
        except RuntimeError as error:
            if scenario != "killed":
                raise
            print(f"rank {rank} lost the others: {type(error).__name__}")
            os._exit(0)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
