"""Reductions of tensors against NumPy's in double precision, and what is kept of the steps between two records."""

import math

import numpy as np
import pytest

from nndebug.adapters.torch.measuring import Measuring
from nndebug.adapters.torch.nonfinite import Lost
from nndebug.recorder import Recorder

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


def norms(**tensors):
    found, measuring = {}, Measuring(torch)
    measuring.norms(tensors, found.__setitem__)
    measuring.flush()
    return found


SCALES = {
    torch.float32: (1e-30, 1e-16, 1.0, 1e16, 1e25),
    torch.float64: (1e-30, 1e-16, 1.0, 1e16, 1e25),
    torch.bfloat16: (1e-16, 1.0, 1e16),  # beyond them PyTorch's own norm leaves its range
}


@pytest.mark.parametrize(
    ("dtype", "scale"), [(dtype, scale) for dtype, all in SCALES.items() for scale in all]
)
def test_a_norm_neither_overflows_nor_vanishes(dtype, scale):
    values = (torch.randn(60, 70, generator=torch.Generator().manual_seed(0)) * scale).to(dtype)
    expected = np.linalg.norm(values.double().numpy())
    assert norms(w=values, t=values.T) == pytest.approx(
        {"w": expected, "t": expected}, rel=1e-5 if dtype != torch.bfloat16 else 1e-2
    )


def test_the_norm_of_nothing_is_0_and_that_of_a_nan_is_none():
    found = norms(
        zero=torch.zeros(3),
        none=torch.empty(0),
        nan=torch.tensor([1.0, math.nan]),
        inf=torch.tensor([math.inf]),
    )
    assert found["zero"] == found["none"] == 0
    assert math.isnan(found["nan"]) and found["inf"] == math.inf


def lost(given, loss, spoil=False, before=()):
    recorder = Recorder(None, {"sites": []}, strict=True)
    watcher = Lost(torch, recorder)
    for tensor in before:  # another step's
        watcher.given(6, tensor)
        watcher.loss(6, torch.tensor(1.0))
        watcher.end()
    watcher.given(7, given)
    if spoil:
        given[0] = math.nan
    watcher.loss(7, torch.tensor(loss))
    watcher.end()
    watcher.judge(8, 1, {}, 0.0, ["hidden"])
    return [(event["step"], event["site"]) for event in recorder.run.events]


def test_a_nan_is_blamed_on_the_input_that_held_it_when_it_was_given():
    bad, good = torch.tensor([1.0, math.nan]), torch.ones(2)
    assert lost(bad, math.nan) == [(7, "hidden")]
    assert lost(good, math.nan) == [(7, "loss")]
    assert lost(good.clone(), math.nan, spoil=True) == [(7, "loss")]
    assert lost(good, math.nan, before=[bad]) == [(7, "loss")]  # that step's loss did not see it
    assert lost(bad, 1.0) == []
