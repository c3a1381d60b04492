"""What a short training is judged by: its latest samples, as far as they are enough."""

import numpy as np
import pytest

import nndebug
from nndebug.adapters.torch.own_losses import OwnLoss
from nndebug.adapters.torch.states import States
from nndebug.recorder import Recorder

torch = pytest.importorskip("torch")


def trained(digits, steps, batch=32):
    """Watched, and the loss of every step. Batches of 32 fill windows at steps 15, 31 and 47."""
    x, y = digits
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        for step in range(steps):
            rows = torch.arange(step * batch, step * batch + batch) % len(x)
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return watching, losses


@pytest.mark.parametrize("batch", [8, 32])
def test_a_short_training_is_judged_by_its_latest_losses(digits, batch):
    watching, losses = trained(digits, 180, batch)
    recorded = [*range(50), *range(50, 180, 10)][-128 // batch :]
    loss = watching.run.series("probe.loss")
    assert loss.steps[-1] == 170
    assert loss.last == pytest.approx(np.mean([losses[step] for step in recorded]), rel=1e-5)
    assert watching.run.series("probe.accuracy").steps[-1] == 170
    assert "not half of chance" not in watching.result.verdict and watching.result.verdict.startswith(
        "Nothing is wrong"
    )


def test_its_units_are_judged_by_full_windows_only(digits):
    watching, _ = trained(digits, 180)
    assert watching.run.series("probe.silent_units", "0").steps.tolist() == [15, 31, 47]
    assert watching.run.series("probe.dead_units", "0").steps.tolist() == [0, 31, 47]


@pytest.mark.parametrize(
    ("samples", "loss", "told"),
    [(127, 0.1, False), (128, 0.1, True), (128, 0.49, True), (128, 0.51, False), (511, 0.1, True)],
)
def test_from_128_samples_on_and_below_half_of_chance(samples, loss, told):
    recorder = Recorder(None, {"sites": [], "loss_at_chance": 1.0}, strict=True)
    states = States(torch, recorder, None)
    states.judge(0, 1, {})
    states.window.loss(OwnLoss(torch.tensor(5.0), 300, None, None))  # of earlier steps
    states.window.loss(OwnLoss(torch.tensor(loss), samples, None, None))
    states.judge(9, 1, {})
    states.close()
    found = recorder.run.series("probe.loss")
    assert list(found) == ([(9, pytest.approx(loss))] if told else [])


def test_a_saved_run_says_the_same(digits, tmp_path):
    x, y = digits
    model = torch.nn.Linear(64, 10)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with nndebug.watch(model, tmp_path / "run", optimizer=optimizer, report=False) as watching:
        for _ in range(400):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[:32]), y[:32]).backward()
            optimizer.step()
    assert watching.run.series("probe.loss").steps[-1] == 390
    assert nndebug.check(tmp_path / "run").to_json() == nndebug.check(watching.run).to_json()
