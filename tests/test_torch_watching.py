"""PyTorch models: training is not changed by a bit, nothing stays attached, and the classics are named."""

import copy

import numpy as np
import pytest

import nndebug
from network import SGD, CrossEntropy, Dense, ReLU, Sequential, fit
from nndebug.errors import UserError

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn, F = torch.nn, torch.nn.functional


def loader(digits, batch=32):
    return torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(*digits), batch_size=batch, shuffle=True
    )


def mlp(last=(), seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 10), *last)


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.drop, self.out = nn.Dropout(0.2), nn.Linear(6 * 64, 10)

    def forward(self, x):
        return self.out(self.drop(torch.relu(self.norm(self.conv(x.view(-1, 1, 8, 8))))).flatten(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.out = nn.GRU(8, 16, batch_first=True), nn.Linear(16, 10)

    def forward(self, x):
        return self.out(self.gru(x.view(-1, 8, 8))[0][:, -1])


class Attentive(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.out = nn.Linear(64, 10)

    def forward(self, x):
        return self.out(self.block(x.view(-1, 8, 8)).flatten(1))


def train(model, optimizer, digits, steps=60, loss=F.cross_entropy, clear=True):
    torch.manual_seed(5)
    done = 0
    while done < steps:
        for x, y in loader(digits):
            if clear:
                optimizer.zero_grad()
            loss(model(x), y).backward()
            optimizer.step()
            done += 1
            if done == steps:
                break


def hooks_of(model):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, kind)) for module in model.modules() for kind in kinds)


@pytest.mark.parametrize("make", [mlp, Convolutional, Recurrent, Attentive])
def test_training_is_bit_identical_and_nothing_stays_attached(make, digits, tmp_path):
    torch.manual_seed(1)
    alone = make()
    watched = copy.deepcopy(alone)
    adam = [torch.optim.Adam(model.parameters(), 3e-3) for model in (alone, watched)]
    train(alone, adam[0], digits)
    after_alone = torch.get_rng_state()
    backward, start = torch.autograd.backward, torch.utils.data.DataLoader.__iter__
    with nndebug.watch(watched, tmp_path / "run", optimizer=adam[1], png=False, strict=True) as watching:
        train(watched, adam[1], digits)
    assert torch.equal(after_alone, torch.get_rng_state())
    for name, value in alone.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name
    for mine, theirs in zip(adam[0].state_dict()["state"].values(), adam[1].state_dict()["state"].values()):
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    assert hooks_of(watched) == 0
    assert not adam[1]._optimizer_step_pre_hooks and not adam[1]._optimizer_step_post_hooks
    assert torch.autograd.backward is backward and torch.utils.data.DataLoader.__iter__ is start
    assert watching.run.steps == 60 and len(watching.run.epochs) == 1 + 2
    assert nndebug.check(tmp_path / "run").to_json() == nndebug.check(watching.run).to_json()


def test_statistics_are_those_of_the_core(digits):
    """The same network, weights and batches through both."""
    x, y = (part.numpy() for part in digits)
    core = Sequential(Dense(64, 30), ReLU(), Dense(30, 10), loss=CrossEntropy(), dtype="float64")
    model = mlp().double()
    with torch.no_grad():
        for layer, dense in ((model[0], "hidden1"), (model[2], "output")):
            layer.weight.copy_(torch.from_numpy(core.parameters[f"{dense}.weight"].T.copy()))
            layer.bias.copy_(torch.from_numpy(core.parameters[f"{dense}.bias"]))
    with nndebug.watch(core, strict=True) as theirs:
        fit(core, (x.astype(np.float64), y), SGD(0.1), epochs=5, batch=32, shuffle=False)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as mine:
        for _ in range(5):
            for start in range(0, len(x), 32):
                optimizer.zero_grad()
                rows = slice(start, start + 32)
                F.cross_entropy(model(digits[0][rows].double()), digits[1][rows]).backward()
                optimizer.step()
            mine.epoch()
    assert mine.run.steps == theirs.run.steps > 200
    pairs = {"0": "hidden1", "2": "output"}
    compared = 0
    for site, name in pairs.items():
        for part in ("", ".weight", ".bias"):
            for figure in mine.run.names(site + part):
                if figure.startswith("probe.") or not theirs.run.has(figure, name + part):
                    continue
                one, other = mine.run.series(figure, site + part), theirs.run.series(figure, name + part)
                steps = np.intersect1d(one.steps, other.steps)
                steps = steps[steps < 200]
                a = np.array([one.at(int(step)) for step in steps])
                b = np.array([other.at(int(step)) for step in steps])
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-9, err_msg=f"{site}{part} {figure}")
                compared += len(steps)
    assert compared > 1200
    assert mine.run.manifest["loss_at_chance"] == pytest.approx(
        theirs.run.manifest["loss_at_chance"], rel=1e-4
    )
    assert mine.result and theirs.result and not mine.result.causes and not theirs.result.causes


class TestClassics:
    """Each is the first cause, with the module's own name."""

    def diagnosed(self, model, digits, optimizer=None, **options):
        optimizer = optimizer or torch.optim.SGD(model.parameters(), 0.1)
        with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
            train(model, optimizer, digits, **options)
        return watching.result

    def test_a_healthy_program_is_silent(self, digits):
        result = self.diagnosed(mlp(), digits, steps=400)
        assert result and not result.causes, result.verdict

    def test_gradients_that_nobody_clears(self, digits):
        result = self.diagnosed(mlp(), digits, steps=100, clear=False)
        assert result.causes[0].kind == "missing_zero_grad"

    def test_softmax_before_a_loss_that_applies_it(self, digits):
        result = self.diagnosed(mlp([nn.Softmax(dim=1)]), digits, steps=400)
        assert result.causes[0].kind == "redundant_output_activation"

    def test_targets_that_broadcast(self, digits):
        x, y = digits
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 1))
        with pytest.warns(UserWarning, match="target size"):
            result = self.diagnosed(model, (x, y.float()), steps=400, loss=F.mse_loss)
        assert result.causes[0].kind == "target_shape_broadcast"

    def test_parameters_that_the_optimiser_does_not_have(self, digits):
        model = mlp()
        result = self.diagnosed(model, digits, torch.optim.SGD(model[2].parameters(), 0.1), steps=100)
        assert result.causes[0].kind == "frozen_parameters" and result.causes[0].layer == "0"

    def test_training_in_evaluation_mode(self, digits):
        model = Convolutional().eval()
        result = self.diagnosed(model, digits, steps=100)
        # It learns in spite of it: a note, and no alarm.
        assert [(f.code, f.severity.value) for f in result.findings] == [("NND407", "info")]
        assert result.findings[0].evidence["what"] == "mode" and not result.causes

    @pytest.mark.parametrize("forgets", [True, False])
    def test_who_evaluates_and_does_not_go_back_to_training(self, forgets, digits):
        torch.manual_seed(1)
        model = Convolutional()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
            for _ in range(4):
                train(model, optimizer, digits, steps=45)
                model.eval()
                model(digits[0])  # with gradients: also who forgets `no_grad` trains on in the right mode
                if not forgets:
                    model.train()
        found = [f for f in watching.result.findings if f.code == "NND407"]
        assert [(f.evidence["what"], f.first_step) for f in found] == ([("mode", 45)] if forgets else [])
        assert not forgets or "since step 45" in found[0].message

    def test_functional_activations_and_losses_bound_early_are_seen_too(self, digits):
        class Functional(nn.Module):
            def __init__(self):
                super().__init__()
                self.one, self.two = nn.Linear(64, 20), nn.Linear(20, 10)

            def forward(self, x):
                return torch.softmax(self.two(torch.relu(self.one(x))), dim=1)

        result = self.diagnosed(Functional(), digits, steps=400)
        assert result.causes[0].kind == "redundant_output_activation" and result.causes[0].layer == "two"

    @pytest.mark.parametrize(
        ("last", "kind"), [(nn.Sigmoid, "redundant_output_activation"), (nn.ReLU, "wrong_output_activation")]
    )
    def test_an_activation_before_a_loss_that_takes_logits(self, last, kind, digits):
        x, y = digits
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 1), last())
        odd = (x, (y % 2).float()[:, None])
        result = self.diagnosed(model, odd, steps=400, loss=F.binary_cross_entropy_with_logits)
        assert (result.causes[0].kind, result.causes[0].layer) == (kind, "2"), result.verdict

    def test_a_layer_made_anew_after_the_optimiser(self, digits):
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        model[2] = nn.Linear(30, 10)
        result = self.diagnosed(model, digits, optimizer, steps=400)
        assert (result.causes[0].kind, result.causes[0].layer) == ("frozen_parameters", "2"), result.verdict

    def test_initial_weights_that_are_all_zero(self, digits):
        model = mlp()
        for parameter in model.parameters():
            nn.init.zeros_(parameter)
        result = self.diagnosed(model, digits, steps=400)
        assert (result.causes[0].kind, result.causes[0].layer) == ("constant_init", "0"), result.verdict

    def test_what_killed_all_units_is_not_called_alive(self, digits):
        model = mlp()
        result = self.diagnosed(model, digits, torch.optim.SGD(model.parameters(), 20.0), steps=400)
        dead = next(f for f in result.findings if f.code == "NND201")
        assert dead.evidence["dead"] >= 24 and result.causes[0].kind == "lr_too_high"
        assert not any("dying ReLU" in note for note in result.causes[0].against + result.causes[0].ruled_out)

    def test_a_rate_that_is_too_high(self, digits):
        model = mlp()
        result = self.diagnosed(model, digits, torch.optim.SGD(model.parameters(), 300.0), steps=400)
        assert result.causes[0].kind == "lr_too_high"

    def test_a_body_that_is_detached(self, digits):
        class Detached(nn.Module):
            def __init__(self):
                super().__init__()
                self.one, self.two, self.head = nn.Linear(64, 30), nn.Linear(30, 20), nn.Linear(20, 10)

            def forward(self, x):
                return self.head(torch.relu(self.two(torch.relu(self.one(x)))).detach())

        torch.manual_seed(0)
        result = self.diagnosed(Detached(), digits, steps=400)
        assert (result.causes[0].kind, result.causes[0].layer) == ("frozen_parameters", "two"), result.verdict

    def test_a_rate_that_is_too_low(self, digits):
        model = mlp()
        result = self.diagnosed(model, digits, torch.optim.SGD(model.parameters(), 1e-6), steps=400)
        assert result.causes[0].kind == "lr_too_low", result.verdict

    def test_many_layers_of_sigmoid(self, digits):
        torch.manual_seed(0)
        layers = [part for _ in range(5) for part in (nn.Linear(30, 30), nn.Sigmoid())]
        model = nn.Sequential(nn.Linear(64, 30), nn.Sigmoid(), *layers, nn.Linear(30, 10))
        result = self.diagnosed(model, digits, steps=400)
        assert (result.causes[0].kind, result.causes[0].layer) == ("wrong_hidden_activation", "0"), (
            result.verdict
        )

    def test_a_penalty_that_is_too_strong(self, digits):
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), 0.1, weight_decay=1.0)
        result = self.diagnosed(model, digits, optimizer, steps=400)
        assert (result.causes[0].kind, result.causes[0].layer) == ("excess_regularisation", "0"), (
            result.verdict
        )

    def test_values_behind_a_sigmoid(self, digits):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 1), nn.Sigmoid())
        values = (digits[0], digits[1].float()[:, None])
        result = self.diagnosed(model, values, steps=400, loss=F.mse_loss)
        assert (result.causes[0].kind, result.causes[0].layer) == ("wrong_output_units", "2"), result.verdict


def test_a_failing_observer_leaves_the_training_alone(digits, monkeypatch):
    def broken(*_):
        raise RuntimeError("no")

    alone, watched = mlp(), mlp()
    train(alone, torch.optim.SGD(alone.parameters(), 0.1), digits, steps=30)
    optimizer = torch.optim.SGD(watched.parameters(), 0.1)
    monkeypatch.setattr("nndebug.adapters.torch.adapter.TorchAdapter._write", broken)
    with (
        pytest.warns(RuntimeWarning, match="recording failed and is switched off"),
        nndebug.watch(watched, optimizer=optimizer),
    ):
        train(watched, optimizer, digits, steps=30)
    assert all(torch.equal(a, b) for a, b in zip(alone.parameters(), watched.parameters()))
    assert hooks_of(watched) == 0


@pytest.mark.parametrize("optimizer", [None, "adam"])
def test_without_an_optimiser_there_is_an_error_with_help(optimizer):
    with pytest.raises(UserError, match="is watched with its optimizer") as error:
        nndebug.watch(mlp(), optimizer=optimizer)
    assert "optimizer=optimizer" in error.value.help
