"""PyTorch's classics in the data, the loss' reduction and at step 0: each is the first cause, for its own reason."""

import numpy as np
import pytest

import nndebug
from nndebug.findings import Severity

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn, F = torch.nn, torch.nn.functional

BATCH = 32


def mlp(outputs=10, first=()):
    torch.manual_seed(0)
    return nn.Sequential(*first, nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, outputs))


def result(model, data, loss=F.cross_entropy, rate=0.1, steps=300):
    optimizer = torch.optim.SGD(model.parameters(), rate)
    torch.manual_seed(1)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        done = 0
        while done < steps:
            for rows in torch.randperm(len(data[0])).split(BATCH)[: steps - done]:
                optimizer.zero_grad()
                loss(model(data[0][rows]), data[1][rows]).backward()
                optimizer.step()
                done += 1
            watching.epoch()
    return watching.result


def first(found):
    return (found.causes[0].kind, found.causes[0].layer) if found.causes else found.verdict


def often(cases, one):
    """One case for the quick suite; the others are of the same kind."""
    return [case if case == one else pytest.param(case, marks=pytest.mark.slow) for case in cases]


SUMS = {
    "argument": lambda z, y: F.cross_entropy(z, y, reduction="sum"),
    "method": lambda z, y: F.cross_entropy(z, y, reduction="none").sum(),
    "with a penalty": lambda z, y: F.cross_entropy(z, y, reduction="sum") + 1e-3 * z.square().mean(),
}
MEANS = {
    "argument": F.cross_entropy,
    "a sum divided by the batch": lambda z, y: F.cross_entropy(z, y, reduction="sum") / len(y),
    "a mean of a sum over one dimension": lambda z, y: F.mse_loss(z, F.one_hot(y, 10).float(), reduction="none")
    .sum(dim=1)
    .mean(),
}  # fmt: skip


@pytest.mark.parametrize("how", often(SUMS, "with a penalty"))
def test_a_loss_that_is_summed(how, digits):
    found = result(mlp(), digits, SUMS[how])
    assert first(found) == ("wrong_loss_reduction", None), found.verdict
    assert "with 32 samples a rate of 0.1 acts like 3.2" in found.causes[0].sentence


@pytest.mark.parametrize("how", often(MEANS, "a sum divided by the batch"))
def test_a_loss_that_is_a_mean_however_it_is_written(how, digits):
    # At a rate at which it fails: a sum would be an error then.
    found = result(mlp(), digits, MEANS[how], rate=300.0, steps=100)
    assert "NND008" in found.passed, [f.message for f in found.findings]
    assert first(found) != ("wrong_loss_reduction", None) and found.causes


@pytest.mark.parametrize("factor", often((255, 4080), 4080))
def test_inputs_that_nobody_scaled(factor, digits):
    found = result(mlp(), (digits[0] * factor, digits[1]))
    assert first(found) == ("unnormalised_input", "0"), found.verdict


def test_a_normalising_first_layer_scales_them(digits):
    found = result(mlp(first=[nn.BatchNorm1d(64)]), (digits[0] * 255, digits[1]))
    assert not found.causes and "NND701" in found.passed, found.verdict


def test_inputs_that_are_scaled_twice(digits):
    found = result(mlp(), (digits[0] / 255, digits[1]))
    assert first(found) == ("wrong_preprocessing", "0"), found.verdict


def test_inputs_that_are_all_the_same(digits):
    found = result(mlp(), (torch.full_like(digits[0], 0.5), digits[1]))
    assert first(found) == ("wrong_preprocessing", "0"), found.verdict


def test_targets_that_nobody_scaled(digits):
    found = result(mlp(outputs=1), (digits[0], 1e4 * digits[1].float()[:, None]), F.mse_loss)
    assert first(found) == ("unnormalised_target", "2"), found.verdict


def test_a_sample_that_holds_nan_is_not_the_rates_fault(digits):
    x = digits[0].clone()
    x[3, 7] = torch.nan
    found = result(mlp(), (x, digits[1]))
    assert first(found) == ("wrong_preprocessing", "0"), found.verdict


LATE = 57
"""A step that is not recorded."""


def late(digits, spoil, steps=100):
    """Trains, and spoils the batch of step 57, or what is done with it."""
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    torch.manual_seed(1)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        for step in range(steps):
            rows = torch.randint(len(digits[0]), (BATCH,))
            x, factor = digits[0][rows].clone(), torch.ones(())
            if step == LATE:
                factor = spoil(x, factor)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), digits[1][rows])
            (loss * factor).backward()
            if factor.isfinite():  # as a scaler leaves a step out
                optimizer.step()
        watching.epoch()
    return watching


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("steps", [LATE + 1, 100])
def test_a_sample_that_holds_nan_is_found_between_the_records_too(value, steps, digits):
    def spoil(x, factor):
        x[3, 7] = value
        return factor

    watching = late(digits, spoil, steps)
    lost = next(f for f in watching.result.findings if f.code == "NND101")
    assert (lost.site, lost.first_step, lost.evidence["of_data"]) == ("0", LATE, True)
    assert first(watching.result) == ("wrong_preprocessing", "0"), watching.result.verdict


def test_a_loss_that_is_lost_between_the_records_is_lost_at_its_step(digits):
    def spoil(x, factor):
        x.fill_(1e38)  # finite, and so large that nothing that follows is
        return factor

    watching = late(digits, spoil)
    lost = next(f for f in watching.result.findings if f.code == "NND101")
    assert lost.first_step == LATE and not lost.evidence["of_data"]


def test_a_loss_that_is_finite_again_lost_nothing(digits):
    watching = late(digits, lambda x, factor: factor * torch.inf)
    assert not watching.run.events and "NND101" in watching.result.passed


NO_LOGARITHMS = {
    "probabilities": lambda z: F.softmax(z, dim=1),
    "logits": lambda z: z,
    "sigmoids": torch.sigmoid,
}


@pytest.mark.parametrize("how", often(NO_LOGARITHMS, "probabilities"))
def test_what_is_no_logarithm_of_a_probability(how, digits):
    found = result(mlp(), digits, lambda z, y: F.nll_loss(NO_LOGARITHMS[how](z), y))
    assert first(found) == ("wrong_output_activation", "2"), found.verdict


LOGARITHMS = {
    "log_softmax": lambda z: F.log_softmax(z, dim=1),
    "log of softmax": lambda z: F.softmax(z, dim=1).log(),
}


@pytest.mark.parametrize("how", LOGARITHMS)
def test_what_is_a_logarithm_of_a_probability(how, digits):
    found = result(mlp(), digits, lambda z, y: F.nll_loss(LOGARITHMS[how](z), y))
    assert not found.causes and "NND004" in found.passed, found.verdict


@pytest.mark.parametrize("deviation", [3.0, 0.1])
def test_initial_weights_that_are_too_large(deviation, digits):
    model = mlp()
    for layer in (model[0], model[2]):
        nn.init.normal_(layer.weight, 0, deviation)
    found = result(model, digits, steps=400)
    assert first(found) == (("init_too_large", "0") if deviation > 1 else found.verdict), found.verdict


def test_units_that_are_dead_from_the_start(digits):
    model = mlp()
    nn.init.constant_(model[0].bias, -20.0)
    found = result(model, digits)
    assert first(found) == ("init_too_large", "0") and "30 of 0's 30 units never fire" in found.verdict


def test_the_optimiser_of_another_model(digits):
    """It moves nothing, and clears nothing either: that is no second mistake."""
    model = mlp()
    optimizer = torch.optim.SGD(mlp().parameters(), 0.1)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        for start in range(0, 960, BATCH):
            optimizer.zero_grad()
            F.cross_entropy(
                model(digits[0][start : start + BATCH]), digits[1][start : start + BATCH]
            ).backward()
            optimizer.step()
    assert {cause.kind for cause in watching.result.causes} == {"frozen_parameters"}


class Variational(nn.Module):
    """As PyTorch's own example has it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.fc1, self.mean, self.spread = nn.Linear(64, 100), nn.Linear(100, 8), nn.Linear(100, 8)
        self.fc3, self.fc4 = nn.Linear(8, 100), nn.Linear(100, 64)

    def forward(self, x):
        h = F.relu(self.fc1(x))
        mean, spread = self.mean(h), self.spread(h)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * spread)
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))), mean, spread


def elbo(given, x):
    y, mean, spread = given
    outputs = F.binary_cross_entropy(y, x, reduction="sum")
    return outputs - 0.5 * torch.sum(1 + spread - mean.square() - spread.exp())


def test_a_variational_autoencoder_is_silent(digits):
    """Its loss is the sum over all pixels of a batch, whose greys leave a loss even where they are met."""
    x = digits[0].clamp(0, 1)
    model = Variational()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        for step in range(400):
            rows = torch.arange(BATCH * step, BATCH * (step + 1)) % len(x)
            optimizer.zero_grad()
            elbo(model(x[rows]), x[rows]).backward()
            optimizer.step()
    found = watching.result
    assert not found.causes and all(f.severity is Severity.INFO for f in found.findings), found.verdict
    loss = watching.run.series("loss")
    assert 0.3 < loss.last < loss.first < 0.75  # of one pixel


@pytest.mark.parametrize("logits", [False, True])
def test_the_loss_of_two_classes_is_recorded_as_a_mean_however_it_is_reduced(logits, digits):
    function = F.binary_cross_entropy_with_logits if logits else F.binary_cross_entropy
    x, y = digits[0], (digits[1] > 4).float().unsqueeze(1)

    def curve(reduction, rate):
        model = mlp(1)
        optimizer = torch.optim.SGD(model.parameters(), rate)
        with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
            for start in range(0, 640, BATCH):
                optimizer.zero_grad()
                z = model(x[start : start + BATCH])
                function(
                    z if logits else z.sigmoid(), y[start : start + BATCH], reduction=reduction
                ).backward()
                optimizer.step()
        return watching.run.series("loss").values

    np.testing.assert_allclose(curve("sum", 0.1 / BATCH), curve("mean", 0.1), rtol=1e-4)


def by_hand(z, y):
    return -torch.log(z[torch.arange(len(y)), y]).mean()


def test_a_logarithm_of_negative_numbers(digits):
    found = result(mlp(), digits, by_hand)
    assert first(found) == ("unstable_loss", None), found.verdict
    lost = next(f for f in found.findings if f.code == "NND101")
    assert (lost.site, lost.first_step) == ("loss", 0) and "rate" not in lost.help


def test_a_root_of_negative_numbers_between_layers(digits):
    class Root(nn.Module):
        def forward(self, x):
            return x.sqrt()

    torch.manual_seed(0)
    found = result(nn.Sequential(nn.Linear(64, 30), Root(), nn.Linear(30, 10)), digits)
    lost = next(f for f in found.findings if f.code == "NND101")
    assert (lost.site, lost.first_step) == ("2", 0) and "rate" not in lost.help
    assert all(cause.kind != "lr_too_high" for cause in found.causes)


class TestALayerThatNeverRuns:
    class Twice(nn.Module):
        """`forward` calls hidden1 where hidden2 was meant."""

        def __init__(self):
            super().__init__()
            self.flat, self.hidden1, self.hidden2 = nn.Linear(64, 30), nn.Linear(30, 30), nn.Linear(30, 30)
            self.output = nn.Linear(30, 10)

        def forward(self, x):
            x = self.hidden1(self.flat(x).relu()).relu()
            return self.output(self.hidden1(x).relu())

    def test_it_is_named_where_nothing_was_learned_yet(self, digits):
        found = result(self.Twice(), digits, rate=1e-3)
        assert "NND803" in {f.code for f in found.findings if f.site == "hidden2"}
        assert first(found) == ("frozen_parameters", "hidden2"), found.verdict
        assert found.verdict.startswith("A part of the network is never used: hidden2")
        assert found.run["network"]["description"] == "64 → 30 relu → 30 relu → 10"

    def test_attention_runs_its_output_layer_without_calling_it(self, digits):
        class Attending(nn.Module):
            def __init__(self):
                super().__init__()
                self.attention, self.output = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(64, 10)

            def forward(self, x):
                rows = x.reshape(-1, 8, 8)
                return self.output(self.attention(rows, rows, rows)[0].flatten(1))

        assert "NND803" not in {f.code for f in result(Attending(), digits, steps=100).findings}
