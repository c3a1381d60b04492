"""What does the report cost? `python -m benchmarks.report_cost [--skip-large] [--epochs N]`

Size of the page and CPU seconds to make it: from an open run folder for a training of MNIST, and from a folder of 300
layers and 1,000 epochs, read, judged and drawn. Then the share of a training's wall time that rewriting the report and
its pictures takes, and what is drawn after its end.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

import numpy as np

import nndebug
from benchmarks.setting import SETTINGS, data, versions
from nndebug.histogram import ExponentHistogram
from nndebug.report import build, html
from nndebug.run import Run
from nndebug.signals import Site
from nndebug.storage import RunFolder

LAYERS, EPOCHS, STEPS = 300, 1000, 20_000


def write_large(folder: Path) -> None:
    """A run of 300 ReLU layers over 1,000 epochs, with all that a real one records."""
    rng = np.random.default_rng(0)
    sites = [Site(f"hidden{i}", "dense", "relu", 64, 64, ("weight", "bias")) for i in range(LAYERS)]
    run = RunFolder.create(folder, {
        "name": "large", "sites": [site.to_json() for site in sites], "loss_at_chance": 2.3, "classes": 10,
        "class_shares": [0.1] * 10, "optimizer": {"kind": "sgd", "rate": 0.1}, "status": "finished",
    })  # fmt: skip
    columns = [
        f"{s}.{c}"
        for s in ("weight", "gradient", "update")
        for c in ("mean", "std", "minimum", "maximum", "norm")
    ]
    for step in sorted({*range(50), *range(0, 1000, 50), *range(1000, STEPS, 500)}):
        noise = np.exp(rng.normal(size=LAYERS)).tolist()
        values: dict[str, dict[str, float]] = {
            "run": {"loss": 2.3 / (1 + step / 500), "probe.loss": 2.3 / (1 + step / 500)}
        }
        for site, scale in zip(sites, noise):
            values[site.name] = {
                "activation.std": scale,
                "probe.zero_share": 0.5,
                "probe.preactivation.std": scale,
            }
            values[f"{site.name}.weight"] = {**dict.fromkeys(columns, scale), "update_ratio": 1e-3 * scale}
        run.append({"kind": "step", "step": step, "epoch": step // 20 + 1, "data": values})
    counts = [ExponentHistogram.of(rng.normal(size=4096)).counts for _ in range(LAYERS)]
    for epoch in range(EPOCHS + 1):
        arrays = {"run/confusion": np.eye(10, dtype=int) * 50}
        for site, histogram in zip(sites, counts):
            arrays[f"{site.name}/preactivation.histogram"] = arrays[f"{site.name}/activation.histogram"] = (
                histogram
            )
            arrays[f"{site.name}.weight/weight.histogram"] = histogram
            arrays[f"{site.name}/activity"] = np.linspace(0.1, 1, 64)
        run.write_epoch(epoch, arrays, 20 * epoch)
        if epoch:
            facts = {"validation.accuracy": 0.9, "validation.loss": 0.3}
            run.append({"kind": "epoch", "step": 20 * epoch, "epoch": epoch, "data": {"run": facts}})
    run.close()


def once(folder: Path) -> tuple[float, float, float, int]:
    """CPU seconds to read, to judge, and to build and render; bytes of the page."""
    marks = [time.process_time()]
    run = Run.load(folder)
    marks.append(time.process_time())
    result = nndebug.check(run)
    marks.append(time.process_time())
    page = html.render(build(run, result)).encode()
    marks.append(time.process_time())
    return marks[1] - marks[0], marks[2] - marks[1], marks[3] - marks[2], len(page)


def tell(name: str, folder: Path) -> None:
    once(folder)  # what is imported and compiled the first time
    read, judge, draw, size = once(folder)
    print(f"{name:34} {read:6.2f} s {judge:6.2f} s {draw:6.2f} s {size / 1000:8.0f} kB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--skip-large", action="store_true", help="writing 1,000 epochs of 300 layers takes minutes"
    )
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    print(versions(nndebug))
    train = data()
    with tempfile.TemporaryDirectory() as scratch:
        shares = []
        for setting in SETTINGS:
            network, folder = setting.network(), Path(scratch) / setting.name
            started = time.perf_counter()
            with nndebug.watch(network, folder) as watching:
                setting.train(network, train, arguments.epochs)
                ended = time.perf_counter()
            shares.append((setting.name, ended - started, watching))
        print(f"\n{'page':34} {'read':>8} {'judge':>8} {'draw':>8} {'size':>11}")
        for setting in SETTINGS:
            tell(f"{setting.name}, {arguments.epochs} epochs", Path(scratch) / setting.name)
        if not arguments.skip_large:
            write_large(Path(scratch) / "large")
            tell(f"{LAYERS} layers, {EPOCHS} epochs", Path(scratch) / "large")
        print(f"\n{'while training':34} {'training':>9} {'drawing':>8} {'share':>7} {'after':>8}")
        for name, seconds, watching in shares:
            print(
                f"{name:34} {seconds:7.1f} s {watching.report_seconds:6.2f} s {watching.report_seconds / seconds:6.1%}"
                f" {watching.drawn_after:6.1f} s"
            )


if __name__ == "__main__":
    main()
