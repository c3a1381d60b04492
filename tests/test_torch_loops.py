"""PyTorch loops that are not the plain one: each is recorded as it is, or says in one line what cannot be seen."""

import copy
import logging
import sys
from contextlib import nullcontext

import numpy as np
import pytest

import nndebug

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn, F = torch.nn, torch.nn.functional


def batches(digits, steps, size=32):
    x, y = digits
    for step in range(steps):
        start = step * size % (len(x) - size)
        yield x[start : start + size], y[start : start + size]


def mlp():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 10))


def both(make, loop, optimizer=lambda model: torch.optim.SGD(model.parameters(), 0.5)):
    """Runs a loop without and with watching: equal to the bit, and what was recorded."""
    alone = make()
    watched = copy.deepcopy(alone)
    one, other = optimizer(alone), optimizer(watched)
    torch.manual_seed(3)
    loop(alone, one)
    torch.manual_seed(3)
    with nndebug.watch(watched, optimizer=other, strict=True) as watching:
        loop(watched, other)
    for name, value in alone.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name
    return watching


def kinds(watching):
    return [cause.kind for cause in watching.result.causes]


def test_gradient_accumulation_is_no_missing_zero_grad(digits):
    def loop(model, optimizer):
        for step, (x, y) in enumerate(batches(digits, 1600, 16)):
            (F.cross_entropy(model(x), y) / 4).backward()
            if step % 4 == 3:
                optimizer.step()
                optimizer.zero_grad()

    watching = both(mlp, loop)
    assert watching.run.steps == 400 and kinds(watching) == []
    # The loss is that of the batches and not a quarter of it: at first that of a guess.
    assert watching.run.series("loss").first == pytest.approx(np.log(10), abs=0.5)


def test_lbfgs_with_its_closure(digits):
    x, y = digits[0][:300], digits[1][:300]

    def loop(model, optimizer):
        for _ in range(12):

            def closure():
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                return loss

            optimizer.step(closure)

    watching = both(mlp, loop, lambda model: torch.optim.LBFGS(model.parameters(), 0.5, max_iter=5))
    loss = watching.run.series("loss")
    assert watching.run.steps == 12 and loss.last < 0.2 < loss.first and kinds(watching) == []


def test_autocast_and_scaler(digits):
    def loop(model, optimizer):
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        for x, y in batches(digits, 150):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = F.cross_entropy(model(x), y)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()

    watching = both(mlp, loop)
    assert watching.run.steps == 150 and kinds(watching) == []
    # The loss as the user wrote it, and the gradients of the update: neither is scaled by 1,024.
    assert watching.run.series("loss").first == pytest.approx(np.log(10), abs=0.5)
    assert watching.run.series("gradient.norm", "2.weight").first < 10


def test_a_scaled_step_that_is_skipped_is_no_update(digits):
    x, y = digits[0][:32], digits[1][:32]
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        for step in range(20):
            optimizer.zero_grad()
            scaler.scale(F.cross_entropy(model(x), y)).backward()
            if step == 5:
                model[0].weight.grad[0, 0] = torch.inf
            scaler.step(optimizer)
            scaler.update()
    assert watching.run.steps == 19


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_a_compiled_model(backend, digits):
    model = mlp()
    try:
        compiled = torch.compile(copy.deepcopy(model), backend=backend)
        compiled(digits[0][:32]).sum().backward()
    except Exception as error:  # no compiler on this machine
        pytest.skip(f"torch.compile does not work here: {type(error).__name__}")
    torch._dynamo.reset()

    def loop(model, optimizer):
        for x, y in batches(digits, 60):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

    alone, watched = (
        torch.compile(copy.deepcopy(model), backend=backend),
        torch.compile(copy.deepcopy(model), backend=backend),
    )
    one, other = (torch.optim.SGD(m.parameters(), 0.1) for m in (alone, watched))
    loop(alone, one)
    with nndebug.watch(watched, optimizer=other, strict=True) as watching:
        loop(watched, other)
    assert all(torch.equal(a, b) for a, b in zip(alone.parameters(), watched.parameters()))
    run = watching.run
    assert run.steps == 60 and run.has("update_ratio", "0.weight") and kinds(watching) == []


@pytest.mark.parametrize("rate", [0.1, 0.0])
def test_of_a_compiled_model_the_loss_tells_whether_it_learns(rate, digits):
    """Its modules run without hooks: how many samples were seen only the loss tells."""
    model = torch.compile(mlp(), backend="eager")
    optimizer = torch.optim.SGD(model.parameters(), rate)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        plain_loop(digits, 400)(model, optimizer)
    torch._dynamo.reset()
    loss = watching.run.series("probe.loss")
    assert loss.steps[-1] > 300 and (loss.last < 0.5 * loss.first) == (rate > 0)
    assert bool(watching.result.causes) == (rate == 0), watching.result.verdict


@pytest.mark.parametrize("fullgraph", [False, True])
def test_a_compiled_function_that_calls_the_model(fullgraph, digits, caplog):
    """The compiler reads the hooks together with the model: nothing in them stops it or makes it compile again."""

    def trained(watch):
        torch._dynamo.reset()
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)

        @torch.compile(backend="eager", fullgraph=fullgraph)
        def loss(x, y):
            return F.cross_entropy(model(x), y)

        with nndebug.watch(model, optimizer=optimizer, strict=True) if watch else nullcontext() as watching:
            for x, y in batches(digits, 60):
                optimizer.zero_grad()
                loss(x, y).backward()
                optimizer.step()
        return model, watching

    (alone, _), (watched, watching) = trained(False), trained(True)
    torch._dynamo.reset()
    assert all(torch.equal(a, b) for a, b in zip(alone.parameters(), watched.parameters()))
    run = watching.run
    assert run.steps == 60 and run.has("update_ratio", "0.weight") and run.has("loss")
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


class Twice(nn.Module):
    """One module that runs twice in a pass."""

    def __init__(self):
        super().__init__()
        self.first, self.shared, self.last = nn.Linear(64, 30), nn.Linear(30, 30), nn.Linear(30, 10)

    def forward(self, x):
        h = torch.relu(self.first(x))
        return self.last(torch.relu(self.shared(torch.relu(self.shared(h)))))


def plain_loop(digits, steps=120):
    def loop(model, optimizer):
        for x, y in batches(digits, steps):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

    return loop


def test_a_module_used_twice(digits):
    torch.manual_seed(1)
    # At a rate of 0.5 it learns too, with 22 of its 30 first units dead.
    watching = both(Twice, plain_loop(digits, 1500), lambda model: torch.optim.SGD(model.parameters(), 0.1))
    assert kinds(watching) == []
    torch.manual_seed(1)
    seen = []
    model = Twice()
    model.shared.register_forward_hook(lambda m, i, o: seen.append(o.detach()))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as other:
        plain_loop(digits, 1)(model, optimizer)
    # Both passes together.
    expected = float(torch.cat(seen).std(correction=0))
    assert other.run.series("preactivation.std", "shared").first == pytest.approx(expected, rel=1e-5)


class OneReLU(nn.Module):
    """One activation for every layer, whose widths differ."""

    def __init__(self, inplace=False):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(64, 30), nn.Linear(30, 20), nn.Linear(20, 10)
        self.relu = nn.ReLU(inplace=inplace)

    def forward(self, x):
        return self.last(self.relu(self.second(self.relu(self.first(x)))))


@pytest.mark.parametrize("inplace", [False, True])
def test_an_activation_that_all_layers_share_counts_for_each(inplace, digits):
    torch.manual_seed(1)
    model = OneReLU(inplace)
    with torch.no_grad():
        model.second.bias[:13] = -50.0
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        plain_loop(digits, 150)(model, optimizer)
    assert [(s.name, s.activation) for s in watching.run.sites] == [
        ("first", "relu"), ("second", "relu"), ("last", None)
    ]  # fmt: skip
    died_at = {name: watching.run.last_array(f"{name}/died_at") for name in ("first", "second")}
    assert len(died_at["first"]) == 30 and len(died_at["second"]) == 20
    assert (died_at["second"][:13] == 0).all() and (died_at["second"][13:] == -1).sum() >= 4
    born = next(f for f in watching.result.findings if f.code == "NND202")
    assert born.site == "second" and born.evidence["dead"] >= 13


def test_what_moves_is_measured_by_layers_that_leave_no_trace(digits):
    """Against running the model itself before and after a step."""
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(36, 20), nn.Tanh(), torch.nn.utils.parametrizations.weight_norm(nn.Linear(20, 10)),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    (x, y) = next(iter(batches(digits, 1)))
    twin, seen = copy.deepcopy(model), {}
    for place in (1, 5, 7):
        twin[place].register_forward_hook(
            lambda m, i, o, p=place: seen.setdefault(p, []).append(o.detach().clone())
        )
    twin(x)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    twin.load_state_dict(model.state_dict())
    twin(x)
    for place in (1, 5):
        before, after = seen[place]
        expected = float((after - before).std(correction=0) / before.std(correction=0))
        assert watching.run.series("shift", str(place)).first == pytest.approx(expected, rel=1e-4)
    assert not watching.run.has("shift", "7")  # a weight that is computed anew in every pass may leave traces


def test_layers_frozen_on_purpose(digits):
    def make():
        model = mlp()
        for parameter in model[0].parameters():
            parameter.requires_grad_(False)
        return model

    watching = both(
        make,
        plain_loop(digits, 600),
        lambda m: torch.optim.SGD([p for p in m.parameters() if p.requires_grad], 0.5),
    )
    assert kinds(watching) == [] and not watching.run.has("gradient.norm", "0.weight")


def test_lazy_modules(digits):
    def make():
        return nn.Sequential(nn.LazyLinear(30), nn.ReLU(), nn.LazyLinear(10))

    model = make()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        plain_loop(digits)(model, optimizer)
    assert [(site.name, site.inputs, site.units) for site in watching.run.sites] == [
        ("0", 64, 30),
        ("2", 30, 10),
    ]
    assert kinds(watching) == [] and watching.run.series("gradient.norm", "0.weight").steps[0] == 0


def test_an_evaluation_in_between_is_no_training(digits):
    torch.manual_seed(0)
    x, y = digits

    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.norm, self.two = nn.Linear(64, 30), nn.BatchNorm1d(30), nn.Linear(30, 10)

        def forward(self, x):
            return self.two(torch.relu(self.norm(self.one(x))))

    def loop(evaluate):
        def run(model, optimizer):
            for step, (a, b) in enumerate(batches(digits, 100)):
                optimizer.zero_grad()
                F.cross_entropy(model(a), b).backward()
                optimizer.step()
                if evaluate and step % 3 == 0:
                    model.eval()
                    with torch.no_grad():
                        F.cross_entropy(model(100 * x), y)
                    model.train()

        return run

    one, other = both(Normed, loop(False)), both(Normed, loop(True))
    assert one.run.steps == other.run.steps == 100 and kinds(other) == []
    torch.manual_seed(0)
    model = Normed()
    recorded = []
    for evaluate in (False, True):
        this = copy.deepcopy(model)
        optimizer = torch.optim.SGD(this.parameters(), 0.1)
        with nndebug.watch(this, optimizer=optimizer, strict=True) as watching:
            loop(evaluate)(this, optimizer)
        recorded.append(watching.run)
    for name, site in (
        ("preactivation.std", "one"),
        ("input.std", "one"),
        ("loss", "run"),
        ("probe.loss", "run"),
    ):
        a, b = (run.series(name, site) for run in recorded)
        np.testing.assert_array_equal(a.values, b.values)
        assert len(a) > 1


FIRST_TRAINING = """
import torch
from torch import nn
x = torch.randn(64, 20)
model, other = nn.Sequential(nn.Linear(20, 10), nn.ReLU(), nn.Linear(10, 1)), nn.Linear(1, 1)
loose = nn.Parameter(torch.zeros(1))
optimizer, second = torch.optim.SGD(model[2].parameters(), 0.1), torch.optim.SGD(other.parameters(), 0.1)
third = torch.optim.SGD([loose], 0.1)
for _ in range(20):
    optimizer.zero_grad()
    {call}(x).square().mean().backward()
    optimizer.step()
    {more}
"""


@pytest.mark.parametrize(
    ("call", "more", "models", "others"),
    [
        ("model", "", 1, 0),
        ("model.forward", "", 1, 0),
        ("model", "second.step()", 2, 0),
        ("model", "other(x[:, :1]).sum().backward(); second.step()", 2, 0),
        ("model", "third.step()", 1, 1),
    ],
)
def test_the_models_are_found_with_all_their_layers(call, more, models, others):
    from nndebug.adapters.torch.first_training import FirstTraining

    found = []
    before = torch.optim.Optimizer.__init__
    first = FirstTraining(torch.optim.Optimizer, lambda *what: found.append(what))
    try:
        space = {}
        exec(FIRST_TRAINING.format(call=call, more=more), space)
    finally:
        first.detach()
    # Also the layer that the optimiser does not have: else nobody could say that it is missing.
    expected = [(space["model"], [space["optimizer"]]), (space["other"], [space["second"]])]
    assert found == expected[:models]
    assert first.others == others and not first.missed
    assert torch.optim.Optimizer.__init__ is before
    assert not sys.modules[torch.optim.Optimizer.__module__]._global_optimizer_pre_hooks
    assert (
        not space["optimizer"]._optimizer_step_pre_hooks and not nn.modules.module._global_forward_pre_hooks
    )


def two_models(steps, watching=lambda *models: None):
    """A generator and a discriminator, as everybody writes them; returns the losses that the updates were made of."""
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    judge = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    of_g, of_d = (torch.optim.Adam(m.parameters(), 2e-3, betas=(0.5, 0.999)) for m in (generator, judge))
    watching(generator, of_g, judge, of_d)
    criterion, told = nn.BCEWithLogitsLoss(), {"generator": [], "judge": []}
    for _ in range(steps):
        of_d.zero_grad()
        real = criterion(judge(torch.randn(64, 2) + 3), torch.ones(64, 1))
        real.backward()
        made = generator(torch.randn(64, 4))
        fake = criterion(judge(made.detach()), torch.zeros(64, 1))
        fake.backward()
        of_d.step()
        of_g.zero_grad()
        fooled = criterion(judge(made), torch.ones(64, 1))
        fooled.backward()
        of_g.step()
        told["judge"].append((real.item() + fake.item()) / 2)
        told["generator"].append(fooled.item())
    return told, [generator, judge]


def test_a_generator_and_its_judge_have_their_own_losses():
    runs = []

    def watch(generator, of_g, judge, of_d):
        runs.extend(
            nndebug.watch(model, optimizer=optimizer, strict=True)
            for model, optimizer in ((generator, of_g), (judge, of_d))
        )

    _, alone = two_models(60)
    told, models = two_models(60, watch)
    for session in runs:
        session.close()
    for name, session in zip(told, runs):
        loss = session.run.series("loss")
        expected = [told[name][step] for step in loss.steps]
        np.testing.assert_allclose(loss.values, expected, rtol=1e-6, err_msg=name)
        assert len(loss) > 50 and session.run.steps == 60
        # What the generator's loss leaves in the judge's gradients is cleared before the judge's own.
        assert "NND404" in session.result.passed and not session.result.causes, session.result.verdict
    for one, other in zip(alone, models):
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters()))
    assert torch.autograd.backward.__module__ == "torch.autograd"


def test_nndebug_run_gives_every_model_a_folder(tmp_path):
    from nndebug.attaching import Attaching

    with Attaching(lambda number: tmp_path / str(number)) as attaching:
        told, _ = two_models(30)
    assert not attaching.notes and len(attaching.sessions) == 2
    by_inputs = {nndebug.Run.load(folder).sites[0].inputs: folder for folder in attaching.folders}
    for inputs, name in ((4, "generator"), (2, "judge")):
        run = nndebug.Run.load(by_inputs[inputs])
        assert run.steps == 30
        np.testing.assert_allclose(run.series("loss").values[1:], told[name][1:30], rtol=1e-6)
