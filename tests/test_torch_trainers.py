"""Lightning's and Hugging Face's trainers, the real ones: one callback records what `watch` records around a loop."""

import numpy as np
import pytest

import nndebug
import nndebug.huggingface
import nndebug.lightning
from network.data import load_digits
from nndebug.errors import UserError

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn, F = torch.nn, torch.nn.functional

ROWS, BATCH, EPOCHS = 320, 32, 2


def digits():
    x, y = load_digits().train
    return torch.from_numpy(np.asarray(x, np.float32))[:ROWS], torch.from_numpy(np.asarray(y, np.int64))[
        :ROWS
    ]


def mlp():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 10))


def by_hand(clear=True):
    """The same training in a loop of one's own; its run."""
    model, (x, y) = mlp(), digits()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as session:
        for _ in range(EPOCHS):
            for start in range(0, ROWS, BATCH):
                if clear:
                    optimizer.zero_grad()
                F.cross_entropy(model(x[start : start + BATCH]), y[start : start + BATCH]).backward()
                optimizer.step()
            session.epoch()
    return session.run, model


def same(run, expected, prefix):
    """Every quantity of steps, in both runs alike."""
    compared = 0
    for site in ("run", *(f"{layer}{part}" for layer in ("0", "2") for part in ("", ".weight", ".bias"))):
        place = site if site == "run" else prefix + site
        for name in expected.names(site):
            if name.startswith("probe.") or not run.has(name, place):
                assert name.startswith(("probe.", "replay.")), f"{place} has no {name}"
                continue
            one, other = expected.series(name, site), run.series(name, place)
            np.testing.assert_array_equal(one.steps, other.steps, err_msg=f"{place} {name}")
            np.testing.assert_allclose(other.values, one.values, 1e-5, 1e-7, err_msg=f"{place} {name}")
            compared += len(one)
    assert compared > 1000


@pytest.fixture
def lightning():
    pytest.importorskip("pytorch_lightning", reason="Lightning is not installed", exc_type=ImportError)
    import pytorch_lightning

    return pytorch_lightning


def fit_lightning(pl, callbacks, fail_at=None, epochs=EPOCHS):
    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = mlp()

        def training_step(self, batch, number):
            if number == fail_at:
                raise ZeroDivisionError("planted")
            loss = F.cross_entropy(self.net(batch[0]), batch[1])
            self.log("train_loss", loss.detach(), on_epoch=True, on_step=False)
            return loss

        def validation_step(self, batch, number):
            self.log("val_loss", F.cross_entropy(self.net(batch[0]), batch[1]))

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*digits()), batch_size=BATCH)
    module = Module()
    trainer = pl.Trainer(
        max_epochs=epochs, callbacks=callbacks, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu", devices=1,
    )  # fmt: skip
    trainer.fit(module, data, data)
    return module


@pytest.mark.filterwarnings("ignore")
def test_lightning(lightning, tmp_path):
    callback = nndebug.lightning.Callback(tmp_path / "run", strict=True, report=False)
    module = fit_lightning(lightning, [callback])
    expected, model = by_hand()
    assert all(torch.equal(a, b) for a, b in zip(module.net.parameters(), model.parameters()))
    run = nndebug.Run.load(tmp_path / "run")
    assert run.manifest["status"] == "finished" and run.steps == expected.steps == EPOCHS * ROWS // BATCH
    same(run, expected, "net.")
    assert len(run.epochs) == 1 + EPOCHS and len(run.series("validation.loss")) == EPOCHS
    assert run.series("train.loss").last < run.series("train.loss").first


@pytest.mark.filterwarnings("ignore")
def test_a_lightning_training_that_fails(lightning, tmp_path):
    callback = nndebug.lightning.Callback(tmp_path / "run", report=False)
    with pytest.raises(ZeroDivisionError):
        fit_lightning(lightning, [callback], fail_at=5)
    run = nndebug.Run.load(tmp_path / "run")
    assert run.steps == 5 and run.manifest["status"] == "interrupted"
    assert any(event["event"] == "crashed" for event in run.events)


@pytest.mark.filterwarnings("ignore")
def test_hugging_face(tmp_path):
    transformers = pytest.importorskip(
        "transformers", reason="transformers is not installed", exc_type=ImportError
    )
    pytest.importorskip("accelerate", reason="accelerate is not installed", exc_type=ImportError)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = mlp()

        def forward(self, x, labels=None):
            logits = self.net(x)
            return {"loss": F.cross_entropy(logits, labels), "logits": logits}

    x, y = digits()
    rows = [{"x": a, "labels": b} for a, b in zip(x, y)]

    class InOrder(transformers.Trainer):
        def _get_train_sampler(self, *_):
            return torch.utils.data.SequentialSampler(rows)

    arguments = transformers.TrainingArguments(
        str(tmp_path / "out"), num_train_epochs=EPOCHS, per_device_train_batch_size=BATCH, learning_rate=0.1,
        lr_scheduler_type="constant", max_grad_norm=0, report_to=[], save_strategy="no", eval_strategy="epoch",
        use_cpu=True, disable_tqdm=True, optim="sgd", remove_unused_columns=False, logging_strategy="no",
    )  # fmt: skip
    callback = nndebug.huggingface.Callback(tmp_path / "run", strict=True, report=False)
    model = Model()
    InOrder(model, arguments, train_dataset=rows, eval_dataset=rows[:64], callbacks=[callback]).train()
    expected, alone = by_hand()
    assert all(torch.equal(a, b) for a, b in zip(model.net.parameters(), alone.parameters()))
    run = nndebug.Run.load(tmp_path / "run")
    assert run.manifest["status"] == "finished" and run.steps == expected.steps
    same(run, expected, "net.")
    assert len(run.epochs) == 1 + EPOCHS and len(run.series("validation.loss")) == EPOCHS


def test_a_closure_hides_no_gradient():
    expected, _ = by_hand()
    model, (x, y) = mlp(), digits()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as session:
        for _ in range(EPOCHS):
            for start in range(0, ROWS, BATCH):

                def closure(rows=slice(start, start + BATCH)):
                    optimizer.zero_grad()
                    loss = F.cross_entropy(model(x[rows]), y[rows])
                    loss.backward()
                    return loss

                optimizer.step(closure)
    same(session.run, expected, "")


@pytest.mark.parametrize("module", [nndebug.lightning, nndebug.huggingface])
def test_where_the_trainer_is_not_installed_there_is_one_line(module, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("lightning.pytorch", "pytorch_lightning"):
        monkeypatch.delitem(__import__("sys").modules, name, raising=False)
    if module is nndebug.huggingface:
        module._callback.cache_clear()
    with pytest.raises(UserError, match="not installed") as error:
        module.Callback  # noqa: B018
    assert "pip install" in error.value.help
    with pytest.raises(AttributeError):
        module.Callbak  # noqa: B018
