"""Right PyTorch programs of many kinds: every one learns, and no rule says a word above a note."""

import numpy as np
import pytest

import nndebug
from nndebug.findings import Severity

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn, F = torch.nn, torch.nn.functional

EPOCHS, BATCH = 8, 32


def adam(model, rate=3e-3):
    return torch.optim.Adam(model.parameters(), rate)


def sgd(model, rate=0.1, **options):
    return torch.optim.SGD(model.parameters(), rate, **options)


class Reshaped(nn.Sequential):
    """Takes flat digits in another shape."""

    def __init__(self, shape, *layers):
        super().__init__(*layers)
        self.shape = shape

    def forward(self, x):
        return super().forward(x.reshape(-1, *self.shape))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.out = nn.GRU(8, 24, batch_first=True), nn.Linear(24, 10)

    def forward(self, x):
        return self.out(self.gru(x.view(-1, 8, 8))[0][:, -1])


class Attentive(nn.Module):
    def __init__(self):
        super().__init__()
        self.take = nn.Linear(8, 16)
        self.place = nn.Parameter(0.02 * torch.randn(8, 16))
        self.block = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True, norm_first=True)
        self.norm, self.out = nn.LayerNorm(16), nn.Linear(16, 10)

    def forward(self, x):
        return self.out(self.norm(self.block(self.take(x.view(-1, 8, 8)) + self.place)).mean(dim=1))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.out = nn.Linear(64, 32), nn.Linear(32, 10)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 32)) for _ in range(3)
        )

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = x + block(x)
        return self.out(F.relu(x))


class Bag(nn.Module):
    """Reads a digit as the words "pixel 17 is bright"."""

    def __init__(self):
        super().__init__()
        self.words, self.out = nn.EmbeddingBag(128, 24, mode="mean"), nn.Linear(24, 10)

    def forward(self, x):
        return self.out(self.words(2 * torch.arange(64) + (x > 0.5).long()))


def plain(loss=F.cross_entropy, target=lambda x, y: y):
    def step(model, optimizer, x, y, number):
        optimizer.zero_grad()
        value = loss(model(x), target(x, y))
        value.backward()
        optimizer.step()
        return value

    return step


def accumulated(model, optimizer, x, y, number):
    value = F.cross_entropy(model(x), y)
    (value / 4).backward()
    if number % 4 == 3:
        optimizer.step()
        optimizer.zero_grad()
    return value


def clipped(model, optimizer, x, y, number):
    optimizer.zero_grad()
    value = F.cross_entropy(model(x), y)
    value.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return value


def autocast(model, optimizer, x, y, number):
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = F.cross_entropy(model(x), y)
    value.backward()
    optimizer.step()
    return value


def two_losses(model, optimizers, x, y, number):
    """Body and head have an optimiser each."""
    for optimizer in optimizers:
        optimizer.zero_grad()
    value = F.cross_entropy(model(x), y)
    value.backward()
    for optimizer in optimizers:
        optimizer.step()
    return value


def with_a_schedule(optimizer, steps):
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    optimizer.register_step_post_hook(lambda *_: schedule.step())
    return optimizer


def mlp(activation, width=30):
    return nn.Sequential(nn.Linear(64, width), activation(), nn.Linear(width, 10))


def autoencoder():
    """At 3e-3. Adam at 1e-2 kills 13 to 16 of the first layer's 32 units; with a ReLU behind the code 7 of its 12 die too,
    and the held-out loss after 40 epochs is 0.025 instead of 0.022 (three seeds): the rule says so in the core as well."""
    return nn.Sequential(
        nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 12), nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 64)
    )


def convolutional():
    return Reshaped(
        (1, 8, 8), nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2), nn.Flatten(),
        nn.Linear(8 * 16, 10),
    )  # fmt: skip


def separable():
    return Reshaped(
        (1, 8, 8), nn.Conv2d(1, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.SiLU(), nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Conv2d(8, 16, 1), nn.SiLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def bright(x, y):
    """A number to predict: how far to the right the ink lies."""
    columns = x.view(-1, 8, 8).sum(dim=1)
    return (columns @ torch.linspace(-1, 1, 8) / columns.sum(dim=1).clamp_min(1e-6))[:, None]


PROGRAMS = {
    "mlp-sigmoid": (lambda: mlp(nn.Sigmoid), lambda m: sgd(m, 1.0), plain()),
    "mlp-relu": (lambda: mlp(nn.ReLU), lambda m: sgd(m, 0.2), plain()),
    "mlp-tanh-momentum": (lambda: mlp(nn.Tanh), lambda m: sgd(m, 0.03, momentum=0.9, nesterov=True), plain()),
    "layer-norm-gelu": (
        lambda: nn.Sequential(
            nn.Linear(64, 32), nn.LayerNorm(32), nn.GELU(), nn.Linear(32, 32), nn.LayerNorm(32), nn.GELU(), nn.Linear(32, 10)
        ),
        lambda m: torch.optim.AdamW(m.parameters(), 2e-3, weight_decay=0.01),
        plain(),
    ),
    "convolutional": (convolutional, adam, plain()),
    "separable": (separable, lambda m: adam(m, 1e-2), plain()),
    "recurrent": (Recurrent, lambda m: adam(m, 1e-2), plain()),
    "attentive": (Attentive, lambda m: adam(m, 5e-3), plain()),
    "residual": (Residual, adam, plain()),
    "embedding-bag": (Bag, lambda m: adam(m, 2e-2), plain()),
    "autoencoder": (autoencoder, adam, plain(F.mse_loss, lambda x, y: x)),
    "regression": (
        lambda: nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 1)),
        lambda m: adam(m, 5e-3),
        plain(F.mse_loss, bright),
    ),
    "two-classes": (
        lambda: nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 1)),
        lambda m: adam(m, 5e-3),
        plain(F.binary_cross_entropy_with_logits, lambda x, y: (y % 2).float()[:, None]),
    ),
    "log-probabilities": (
        lambda: nn.Sequential(nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 10), nn.LogSoftmax(dim=1)),
        sgd,
        plain(F.nll_loss),
    ),
    "two-optimisers": (lambda: mlp(nn.ReLU), lambda m: [sgd(m[0], 0.1), adam(m[2], 5e-3)], two_losses),
    "accumulation": (lambda: mlp(nn.ReLU), lambda m: sgd(m, 0.3), accumulated),
    "clipping": (lambda: mlp(nn.ReLU), lambda m: sgd(m, 0.2), clipped),
    "cosine-schedule": (lambda: mlp(nn.ReLU), lambda m: with_a_schedule(sgd(m, 0.3), EPOCHS * 44), plain()),
    "autocast": (lambda: mlp(nn.ReLU, 48), lambda m: adam(m, 5e-3), autocast),
    "summed-with-its-rate": (
        lambda: mlp(nn.ReLU),
        lambda m: sgd(m, 0.3 / BATCH),
        plain(lambda z, y: F.cross_entropy(z, y, reduction="sum")),
    ),
}  # fmt: skip


OFTEN = (
    *("mlp-sigmoid", "convolutional", "recurrent", "attentive", "residual", "embedding-bag", "regression"),
    *("two-optimisers", "accumulation", "autocast", "summed-with-its-rate"),
)
"""Those of the quick suite; the others take as long again."""


@pytest.mark.parametrize(
    "name", [name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow) for name in PROGRAMS]
)
def test_a_right_program_is_silent(name, digits):
    make, optimizing, step = PROGRAMS[name]
    torch.manual_seed(0)
    model = make()
    optimizer = optimizing(model)
    told = []
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        number = 0
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(digits[0])).split(BATCH):
                value = step(model, optimizer, digits[0][rows], digits[1][rows], number)
                told.append(float(value.detach()) / (len(rows) if "summed" in name else 1))
                number += 1
            watching.epoch()
    start, end = np.mean(told[:5]), np.mean(told[-40:])
    assert end < 0.5 * start, f"it does not learn: {start:.3g} to {end:.3g}"
    result = watching.result
    loud = [f for f in result.findings if f.severity is not Severity.INFO]
    assert not loud and not result.causes, [str(f.code) + " " + f.message for f in loud] or result.verdict
    # What was recorded is what the loop saw, not only a part of it.
    assert watching.run.series("loss").last == pytest.approx(end, abs=0.5 * start)
    assert len(watching.run.epochs) == EPOCHS + 1 and "NND501" in result.passed
