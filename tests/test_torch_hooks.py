"""What a program does with its model while it is watched: copies, files, traces. Nothing of the watch stands in its way."""

import copy
import io
import pickle
import subprocess
import sys

import pytest

import nndebug

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn, F = torch.nn, torch.nn.functional

STEPS = 60


def saved(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def mapped(model):
    """Gradients of single samples (`torch.func`)."""
    one = torch.func.grad(lambda p, x: torch.func.functional_call(model, p, (x[None],)).sum())
    torch.func.vmap(one, (None, 0))(dict(model.named_parameters()), torch.ones(4, 6))


USES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "torch.save": saved,
    "trace": lambda model: torch.jit.trace(model, torch.ones(2, 6)),
    "export": lambda model: torch.export.export(model, (torch.ones(2, 6),)).module(),
    "torch.func": mapped,
}


def train(model, watch, use=None):
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    draw = torch.Generator().manual_seed(1)
    made = []
    with watch(model, optimizer) as watching:
        for step in range(STEPS):
            x = torch.randn(16, 6, generator=draw)
            optimizer.zero_grad()
            F.cross_entropy(model(x), (x[:, 0] > 0).long()).backward()
            optimizer.step()
            if use and step in (0, 10, STEPS - 1):
                made.append(use(model))
    return watching, made


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))


def watch(model, optimizer):
    return nndebug.watch(model, optimizer=optimizer, strict=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "error::torch.jit.TracerWarning")
@pytest.mark.parametrize("use", USES)
def test_a_watched_model_may_be_used_otherwise(use):
    one, other = model(), model()
    plain, _ = train(one, watch)
    watching, made = train(other, watch, USES[use])
    assert watching.run.steps == plain.run.steps == STEPS
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    for copied in filter(None, made):
        assert torch.equal(copied(torch.ones(2, 6)), copied(torch.ones(2, 6)))


@pytest.mark.parametrize("use", ["deepcopy", "pickle", "torch.save"])
def test_what_a_copy_does_is_not_recorded(use):
    """Its batches are of another scale, and none of them is one that the model was given."""

    def run_copy(model):
        USES[use](model)(torch.full((500, 6), 1e6)).sum().backward()

    plain, _ = train(model(), watch)
    watching, _ = train(model(), watch, run_copy)
    for name in ("input.maximum", "preactivation.std"):
        assert (watching.run.series(name, "0").values == plain.run.series(name, "0").values).all()


def test_a_model_saved_whole_is_read_without_nndebug(tmp_path):
    file = tmp_path / "model.pt"
    train(model(), watch, lambda model: torch.save(model, file))
    program = f"""
import sys
sys.modules["nndebug"] = None
import torch
print(torch.load({str(file)!r}, weights_only=False)(torch.ones(2, 6)).shape)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "torch.Size([2, 2])\n", done.stderr


def test_layers_that_run_without_gradients_are_not_called_unused():
    torch.manual_seed(0)
    body, head, spare = nn.Linear(6, 8), nn.Linear(8, 2), nn.Linear(6, 8)
    model = nn.ModuleDict({"body": body, "head": head, "spare": spare})
    optimizer = torch.optim.SGD(model.parameters(), 0.001)
    with watch(model, optimizer) as watching:
        for _ in range(STEPS):
            x = torch.randn(16, 6)
            with torch.no_grad():
                features = body(x).relu()
            optimizer.zero_grad()
            F.cross_entropy(head(features), (x[:, 0] > 0).long()).backward()
            optimizer.step()
    told = {f.site: f.message for f in watching.result.findings if f.code == "NND803"}
    assert told["body"].startswith("it runs only where gradients are switched off")
    assert told["spare"].startswith("it is declared and never runs")
