"""PyTorch steps whose parts are all there and do nothing, or the opposite: each is the first cause after a few updates."""

import pytest

import nndebug
from nndebug.findings import Severity

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn, F = torch.nn, torch.nn.functional

BATCH = 32


def mlp(*more):
    return nn.Sequential(nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 10), *more)


def plain(model, optimizer, x, y, loss=F.cross_entropy):
    optimizer.zero_grad()
    loss(model(x), y).backward()
    optimizer.step()


def watched(digits, step=plain, model=None, rate=0.1, steps=40, **options):
    torch.manual_seed(0)
    model = model or mlp()
    optimizer = torch.optim.SGD(model.parameters(), rate)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        for start in range(0, BATCH * steps, BATCH):
            rows = torch.arange(start, start + BATCH) % len(digits[0])
            step(model, optimizer, digits[0][rows], None if digits[1] is None else digits[1][rows], **options)
    return watching


def codes(watching, least=Severity.WARNING):
    return {f.code for f in watching.result.findings if f.severity.rank >= least.rank}


@pytest.mark.parametrize("to_none", [True, False])
def test_gradients_that_are_cleared_before_the_update(to_none, digits):
    def step(model, optimizer, x, y):
        F.cross_entropy(model(x), y).backward()
        optimizer.zero_grad(set_to_none=to_none)
        optimizer.step()

    watching = watched(digits, step)
    assert watching.result.causes[0].kind == "wrong_loop_order"
    assert "cleared between the backward pass and the update" in watching.result.verdict


def test_an_update_before_its_backward_pass(digits):
    """A linear model alone gets that far: its backward pass does not need the weights that the update has changed."""

    def step(model, optimizer, x, y):
        loss = F.cross_entropy(model(x), y)
        optimizer.step()
        optimizer.zero_grad()
        loss.backward()

    watching = watched(digits, step, nn.Linear(64, 10))
    assert watching.result.causes[0].kind == "wrong_loop_order"
    assert "the update comes before the backward pass" in watching.result.verdict


def test_a_pass_to_look_at_something_before_the_update_is_in_order(digits):
    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        model(x)
        optimizer.step()

    assert "NND407" not in codes(watched(digits, step), Severity.INFO)


LOSSES = {
    "argmax": lambda z, y: F.mse_loss(z.argmax(1).float().requires_grad_(), y.float()),
    "a new tensor": lambda z, y: F.cross_entropy(z.detach().clone().requires_grad_(), y),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_that_does_not_depend_on_the_network(name, digits):
    watching = watched(digits, loss=LOSSES[name])
    assert watching.result.causes[0].kind == "frozen_parameters"
    assert watching.result.verdict.startswith("The loss does not depend on the network")


@pytest.mark.parametrize("name", ["plain", "mean", "half detached"])
def test_a_loss_that_does_depend_on_it(name, digits):
    losses = {
        "plain": F.cross_entropy,
        "mean": lambda z, y: z.square().mean(),
        "half detached": lambda z, y: F.cross_entropy(z + z.detach(), y),
    }
    assert not codes(watched(digits, loss=losses[name]), Severity.INFO) & {"NND308", "NND407"}


@pytest.mark.parametrize(
    "loss",
    [lambda z, y: -F.cross_entropy(z, y), lambda z, y: F.cross_entropy(z, y) * -0.5],
    ids=["minus", "negative factor"],
)
def test_a_loss_that_is_made_larger(loss, digits):
    watching = watched(digits, loss=loss)
    assert watching.result.causes[0].kind == "wrong_update_sign"
    assert (
        "what is minimised is the negative of the loss (cross_entropy), which rose from"
        in watching.result.verdict
    )


@pytest.mark.parametrize(("sign", "named"), [(1, True), (-1, False)])
def test_an_optimiser_that_maximises(sign, named, digits):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, maximize=True)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        for start in range(0, 960, BATCH):
            rows = slice(start, start + BATCH)
            plain(
                model, optimizer, digits[0][rows], digits[1][rows], lambda z, y: sign * F.cross_entropy(z, y)
            )
    assert ("NND010" in codes(watching)) == named


@pytest.mark.parametrize(
    "loss",
    [
        lambda z, y: torch.neg(-F.cross_entropy(z, y)),
        lambda z, y: F.cross_entropy(z, y) * 0.5,
        lambda z, y: -F.log_softmax(z, 1)[torch.arange(len(y)), y].mean(),
    ],
    ids=["twice", "positive factor", "by hand"],
)
def test_a_loss_that_is_made_smaller(loss, digits):
    assert "NND010" not in codes(watched(digits, loss=loss), Severity.INFO)


def test_an_adversary_whose_loss_falls_all_the_same_is_a_note(digits):
    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        (-F.cross_entropy(model(x), y)).backward()
        for parameter in model.parameters():
            parameter.grad.neg_()
        optimizer.step()

    watching = watched(digits, step, steps=200)
    assert "NND010" not in codes(watching) and "NND010" in codes(watching, Severity.INFO)


ALONG_SAMPLES = {
    "log_softmax": (lambda z, y: F.nll_loss(F.log_softmax(z, 0), y), ()),
    "counted from behind": (lambda z, y: F.nll_loss(F.log_softmax(z, -2), y), ()),
    "a module": (lambda z, y: F.mse_loss(z, F.one_hot(y, 10).float()), (nn.Softmax(0),)),
}


@pytest.mark.parametrize("name", ALONG_SAMPLES)
def test_a_softmax_along_the_samples(name, digits):
    loss, more = ALONG_SAMPLES[name]
    cause = watched(digits, model=mlp(*more), loss=loss).result.causes[0]
    assert (cause.kind, cause.certainty) == ("wrong_axis", 0.99)


@pytest.mark.parametrize("axis", [1, -1])
def test_a_softmax_along_the_classes(axis, digits):
    watching = watched(digits, loss=lambda z, y: F.nll_loss(F.log_softmax(z, axis), y))
    assert "NND009" not in codes(watching, Severity.INFO)


class Body(nn.Module):
    """Two layers with something between them."""

    def __init__(self, between=lambda h: h, layers=None):
        super().__init__()
        self.first, self.second = layers or (nn.Linear(64, 30), nn.Linear(30, 10))
        self.between = between

    def forward(self, x):
        return self.second(self.between(self.first(x)))


@pytest.mark.parametrize(
    ("model", "chain"),
    [
        (lambda: Body(), ["first", "second"]),
        (lambda: Body(nn.Dropout(0.1)), ["first", "second"]),
        (lambda: Body(nn.Sequential(nn.BatchNorm1d(30), nn.Identity())), ["first", "second"]),
        (lambda: Body(F.relu), []),
        (lambda: Body(torch.relu_), []),
        (lambda: Body(nn.ReLU(inplace=True)), []),
        (lambda: Body(nn.LayerNorm(30)), []),
        (lambda: Body(lambda h: h * h.sigmoid()), []),
        (
            lambda: nn.Sequential(
                nn.Unflatten(1, (1, 8, 8)),
                Body(layers=(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 8, 3, groups=4))),
                nn.Flatten(),
                nn.ReLU(),
                nn.Linear(128, 10),
            ),
            [],
        ),
    ],
)
def test_layers_with_nothing_between_them_that_is_not_linear(model, chain, digits):
    watching = watched(digits, model=model(), steps=3)
    assert watching.run.preflight.measurements["fit"]["linear"] == chain


def test_linear_layers_are_named_where_the_task_is_not():
    x = torch.linspace(-3, 3, 600)[:, None]
    model = nn.Sequential(nn.Linear(1, 30), nn.Linear(30, 1))
    watching = watched((x[torch.randperm(600)], None), plain_values, model, rate=0.01, steps=330)
    assert watching.result.causes[0].kind == "missing_hidden_nonlinearity"
    assert "and the task is not linear" in watching.result.verdict


def plain_values(model, optimizer, x, y):
    plain(model, optimizer, x, torch.sin(2 * x), F.mse_loss)


@pytest.mark.parametrize(("rate", "named"), [(0.97, True), (0.3, False)])
def test_dropout_that_leaves_next_to_nothing(rate, named, digits):
    model = nn.Sequential(nn.Linear(64, 30), nn.ReLU(), nn.Dropout(rate), nn.Linear(30, 10))
    watching = watched(digits, model=model, steps=120)
    assert ("NND412" in codes(watching)) == named
    assert not named or watching.result.causes[0].kind == "excess_regularisation"


def test_a_bias_before_a_batch_normalisation_may_stand_still(digits):
    model = nn.Sequential(nn.Linear(64, 30), nn.BatchNorm1d(30), nn.ReLU(), nn.Linear(30, 10))
    watching = watched(digits, model=model, rate=1e-3)
    updates = watching.run.series("update.norm", "0.bias").values[-20:]
    assert not updates.any()  # rounding, times a small rate
    assert "NND403" not in codes(watching, Severity.INFO)


def test_equal_weights_are_named_though_biases_are_drawn_at_random(digits):
    model = mlp()
    nn.init.constant_(model[0].weight, 0.1)
    cause = watched(digits, model=model, steps=200).result.causes[0]
    assert (cause.kind, cause.layer) == ("constant_init", "0")
    assert not watched(digits, model=model, steps=400).result.causes  # it learns in the end
