"""What all tests share: no deadlines on a noisy machine, no windows, and in CI no test that quietly stays out."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from network.data import load_digits

os.environ.setdefault("MPLBACKEND", "Agg")
settings.register_profile("nndebug", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=10_000)
settings.load_profile("nndebug")

NO_SKIPS = os.environ.get("NNDEBUG_NO_SKIPS") == "1"
"""Set by .ci/run once everything optional is there: a test that is skipped then has failed."""


MAY_STAY_OUT = ("root may write anywhere",)
"""Reasons that lie in who runs the tests, and not in something that could have been installed."""


def _refuse_skip(report):
    if NO_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr)
        if reason.removeprefix("Skipped: ") in MAY_STAY_OUT:
            return report
        report.outcome = "failed"
        report.longrepr = f"skipped, where nothing may be: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return _refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return _refuse_skip((yield))


@pytest.fixture(scope="session")
def mnist_dir():
    """Folder of the real MNIST files: NNDEBUG_DATA, or shared/data/mnist beside the repository."""
    given = os.environ.get("NNDEBUG_DATA")
    folder = Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist"
    if not (folder / "train-images-idx3-ubyte.gz").is_file():
        reason = f"MNIST is not in {folder}: set NNDEBUG_DATA to its folder"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return folder


@pytest.fixture(scope="module")
def digits():
    """The training digits as tensors of PyTorch: images (1437, 64) and their classes."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, y = load_digits().train
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.int64)


@pytest.fixture(autouse=True)
def same_weights():
    """Every test draws the same weights in PyTorch, whatever ran before it in the same process."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)
