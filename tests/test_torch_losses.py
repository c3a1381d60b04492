"""Losses as PyTorch programs write them: what is taken for the loss, which way it is to go, and what is no fault of theirs."""

import pytest

import nndebug
from nndebug.adapters.torch.losses import read
from nndebug.findings import Severity

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn, F = torch.nn, torch.nn.functional

BATCH = 32


def watched(model, loss, steps=40, batch=BATCH, optimizer=None, data=None):
    """`loss(model, x, y, step)` for so many steps."""
    optimizer = optimizer or torch.optim.Adam(model.parameters(), 3e-3)
    x, y = data
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        for step in range(steps):
            rows = torch.arange(step * batch, (step + 1) * batch) % len(x)
            optimizer.zero_grad()
            loss(model, x[rows], y[rows], step).backward()
            optimizer.step()
    return watching


def alarms(watching):
    return {f.code for f in watching.result.findings if f.severity is not Severity.INFO}


def mlp(outputs=10):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, outputs))


@pytest.mark.parametrize("weight", [None, torch.linspace(0.5, 2, 10)], ids=["plain", "with class weights"])
def test_label_smoothing_is_recorded(weight, digits):
    """PyTorch multiplies by plain numbers inside it; with class weights that stands on the way to the loss."""

    def loss(model, x, y, step):
        return F.cross_entropy(model(x), y, weight, label_smoothing=0.1)

    watching = watched(mlp(), loss, data=digits)
    assert watching.run.steps == 40
    assert watching.run.manifest["loss"] == "cross_entropy"


@pytest.mark.parametrize("ignored", [-100, -1, 255])
def test_labels_that_the_loss_ignores_are_no_classes(ignored, digits):
    x, y = digits
    some = torch.where(torch.arange(len(y)) % 3 == 0, ignored, y)

    def loss(model, x, y, step):
        return F.cross_entropy(model(x), y, ignore_index=ignored)

    watching = watched(mlp(), loss, 200, data=(x, some))
    assert "NND007" not in {f.code for f in watching.result.findings}
    assert watching.run.steps == 200 and len(watching.run.series("loss").finite) > 60
    # What a digit is it says of two thirds of them, and of no other is it asked.
    assert watching.run.series("probe.accuracy").last > 0.8


def test_an_advantage_that_is_negative_at_first_makes_no_negated_loss(digits):
    """A policy gradient of single samples: the first action was a bad one."""

    def loss(model, x, y, step):
        advantage = 1.0 if step % 3 else -0.5
        return F.cross_entropy(model(x), y) * advantage

    assert "NND010" not in {f.code for f in watched(mlp(), loss, batch=1, data=digits).result.findings}


def losses():
    torch.manual_seed(0)
    z = torch.randn(8, 5, requires_grad=True)
    return F.cross_entropy(z, torch.zeros(8, dtype=torch.int64)), F.mse_loss(z, torch.zeros(8, 5))


@pytest.mark.parametrize(
    ("written", "kind", "negated"),
    [
        (lambda task, other: task, "cross_entropy", False),
        (lambda task, other: -task, "cross_entropy", True),
        (lambda task, other: 1 - task, "cross_entropy", True),
        (lambda task, other: torch.ones(()) - task, "cross_entropy", True),
        (lambda task, other: -(1 - task), "cross_entropy", False),
        (lambda task, other: task / -2, "cross_entropy", True),
        (lambda task, other: task / 2, "cross_entropy", False),
        (lambda task, other: torch.tensor(-1.0) * task, "cross_entropy", True),
        (lambda task, other: 0.1 * (task + 0.0) * 2.0 - other, "cross_entropy", False),
        (lambda task, other: -other + 0.1 * (task + 0.0) * 2.0, "cross_entropy", False),
        (lambda task, other: -other - 0.1 * task, "quadratic", True),
    ],
)
def test_the_sign_of_a_loss_is_that_of_the_way_to_it(written, kind, negated):
    call = read(written(*losses()))
    assert (call.kind, call.negated) == (kind, negated)


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("of", ["the generator", "the model itself"])
def test_a_generator_may_make_its_discriminators_loss_larger(of, maximize):
    torch.manual_seed(0)
    generator, discriminator = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), nn.Linear(2, 1)
    model = generator if of == "the generator" else nn.Sequential(generator, discriminator)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, maximize=maximize)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        for _ in range(40):
            optimizer.zero_grad()
            judged = discriminator(generator(torch.randn(BATCH, 4)))
            loss = F.binary_cross_entropy_with_logits(judged, torch.zeros(BATCH, 1))
            (loss if maximize else -loss).backward()
            optimizer.step()
    assert ("NND010" in alarms(watching)) is (of == "the model itself")


@pytest.mark.parametrize("cut", [False, True], ids=["cancels", "does not"])
def test_a_bias_on_which_the_loss_does_not_depend_may_stand_still(cut, digits):
    """The distance of two outputs is the same whatever is added to both."""

    def loss(model, x, y, step):
        one, other = model(x[::2]), model(x[1::2])
        return ((one - other).square().sum(1) - 1).square().mean()

    model = mlp(8)
    held = [model[0].weight, model[0].bias, model[2].weight, *([] if cut else [model[2].bias])]
    optimizer = torch.optim.SGD(held, 0.01)
    if cut:  # a step of one's own that forgets it although it has a gradient
        watching = watched(
            model, lambda m, x, y, step: F.cross_entropy(m(x), y % 8), optimizer=optimizer, data=digits
        )
    else:
        watching = watched(model, loss, optimizer=optimizer, data=digits)
        assert watching.run.series("gradient.norm", "2.bias").maximum == 0
    stands = [f for f in watching.result.findings if f.site == "2.bias" and f.severity is not Severity.INFO]
    assert bool(stands) is cut


class Adapted(nn.Module):
    """A frozen layer with an adapter of low rank, which begins as nothing (Hu et al. 2021, arXiv:2106.09685)."""

    def __init__(self, base, rank=4):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


def test_an_adapter_begins_as_nothing_on_purpose(digits):
    model = mlp()
    model[0], model[2] = Adapted(model[0]), Adapted(model[2])
    trained = [p for p in model.parameters() if p.requires_grad]
    watching = watched(
        model,
        lambda m, x, y, step: F.cross_entropy(m(x), y),
        20,
        optimizer=torch.optim.Adam(trained, 3e-3),
        data=digits,
    )
    assert "NND409" not in alarms(watching)


def test_tasks_that_go_backward_on_their_own_have_no_chance_level_in_common(digits):
    body, task, domain = nn.Linear(64, 30), nn.Linear(30, 10), nn.Linear(30, 2)
    model = nn.ModuleList([body, task, domain])
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        for step in range(20):
            x, y = (part[step * BATCH : (step + 1) * BATCH] for part in digits)
            optimizer.zero_grad()
            F.cross_entropy(domain(body(x).relu().detach()), y % 2).backward()
            F.cross_entropy(task(body(x).relu()), y).backward()
            optimizer.step()
    assert watching.run.manifest["loss_at_chance"] is None


@pytest.mark.parametrize("settled", [True, False])
def test_the_pace_of_a_loss_is_that_of_its_batches(settled, digits):
    """Windows of 16 batches, recorded every ten steps, are of the 160 steps before: to them what has settled has just begun to."""
    x, y = digits
    torch.manual_seed(0)
    wrong = torch.rand(len(y)) < 0.5
    y = torch.where(wrong, torch.randint(10, (len(y),)), y) if settled else y
    model = mlp()
    rate = 3e-3 if settled else 2.5e-4
    watching = watched(
        model,
        lambda m, x, y, step: F.cross_entropy(m(x), y),
        352,
        optimizer=torch.optim.Adam(model.parameters(), rate),
        data=(x, y),
    )
    assert ("NND509" in alarms(watching)) is not settled


@pytest.mark.parametrize("shape", [(8,), (8, 8)], ids=["a sequence", "an image"])
def test_a_class_for_every_place(shape, digits):
    """Each pixel, or each row of pixels, has a class of its own, as in segmentation: what a right answer costs is known."""
    x, _ = digits
    grid = x.view(-1, 8, 8) > 0.5
    y = grid.long() if len(shape) == 2 else grid.sum(dim=2).clamp(max=2)
    classes = 2 if len(shape) == 2 else 3
    y[:, 0] = -100

    def loss(model, x, y, step):
        return F.cross_entropy(model(x).view(-1, classes, *shape), y)

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes * 8 ** len(shape)))
    watching = watched(model, loss, 300, data=(x, y))
    manifest, run = watching.run.manifest, watching.run
    assert (manifest["loss"], manifest["classes"], manifest["batch"]) == ("cross_entropy", classes, BATCH)
    places = 7 * 8 ** (len(shape) - 1)
    seen = y[: BATCH * -(-5000 // (BATCH * places)), 1:].flatten()  # whole batches until there are 5,000
    shares = torch.bincount(seen, minlength=classes) / len(seen)
    assert manifest["loss_at_chance"] == pytest.approx(float(-(shares * shares.log()).sum()), rel=1e-5)
    z = model(x[-512:]).view(-1, classes, *shape)
    right = (z.argmax(1) == y[-512:])[y[-512:] >= 0].float().mean()
    assert run.series("probe.accuracy").last == pytest.approx(float(right), abs=0.1)
    assert not alarms(watching)
