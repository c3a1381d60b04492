"""Whether targets belong to their inputs, read off the pairs that a PyTorch loop is seen to train on."""

import pytest

import nndebug

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn, F = torch.nn, torch.nn.functional

BATCH = 32


def watched(x, y, *, loss=F.cross_entropy, outputs=10, mixed=False, steps=330, rate=0.1, model=None):
    torch.manual_seed(0)
    model = model or nn.Sequential(nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, outputs))
    optimizer = torch.optim.SGD(model.parameters(), rate)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        order = torch.arange(len(x))
        for step in range(steps):
            start = BATCH * step % len(x)
            if start < BATCH and mixed:
                order = torch.randperm(len(x))
            rows = order[start : start + BATCH]
            optimizer.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            optimizer.step()
    return watching


def signal(watching):
    return watching.run.preflight.measurements.get("labels")


def test_labels_that_belong_are_no_finding(digits):
    watching = watched(*digits, steps=600)
    assert not watching.result.causes and "NND705" not in {f.code for f in watching.result.findings}
    assert signal(watching)["score"] > 0.8


@pytest.mark.parametrize("mixed", [False, True])
def test_shuffled_labels_are_named(mixed, digits):
    x, y = digits
    result = watched(
        x, y[torch.randperm(len(y), generator=torch.Generator().manual_seed(3))], mixed=mixed
    ).result
    assert result.causes[0].kind == "corrupted_labels"
    assert "a probe scores" in result.verdict and "no better than guessing" in result.verdict


def test_labels_that_are_a_row_behind_are_proven_where_batches_come_in_order(digits):
    x, y = digits
    result = watched(x, y.roll(1)).result
    assert result.causes[0].kind == "corrupted_labels" and result.causes[0].certainty == 0.99
    assert "shifted by +1" in result.verdict


def test_a_sample_that_comes_again_tells_nothing(digits):
    """Fifty samples, ten times over: a probe that knows them would score on any labels."""
    x, y = digits[0][:50], digits[1][:50].flip(0)
    found = signal(watched(x, y, steps=40))
    assert found["held_out"] == 50 - 2 * 50 // 3 and found["score"] < 0.5


def test_what_a_probe_learns_is_not_blamed_where_the_network_learns_nothing(digits):
    watching = watched(*digits, rate=1e-3)
    kinds = [cause.kind for cause in watching.result.causes]
    assert kinds and "corrupted_labels" not in kinds
    torn = watched(digits[0], digits[1][torch.randperm(len(digits[1]))], rate=1e-3)
    assert "corrupted_labels" in [cause.kind for cause in torn.result.causes]


@pytest.mark.parametrize("column", [False, True])
def test_two_classes_are_told_by_their_share(column, digits):
    x, y = digits[0], (digits[1] > 4).float()
    given = y[:, None] if column else y
    model = nn.Sequential(
        nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 1), *([] if column else [nn.Flatten(0)])
    )
    found = signal(watched(x, given, loss=F.binary_cross_entropy_with_logits, model=model))
    assert 0.4 < found["baseline"] < 0.65 and found["score"] > 0.7


def test_values_are_told_by_r2(digits):
    x = digits[0]
    found = signal(watched(x, x[:, 20:23] * 2 + x[:, 30:33], loss=F.mse_loss, outputs=3, rate=0.01))
    assert found["baseline"] == 0 and found["score"] > 0.9


def test_ignored_targets_are_left_out(digits):
    x, y = digits[0], digits[1].clone()
    y[::2] = -100
    found = signal(watched(x, y, steps=60))
    assert found["score"] > 0.7 and found["held_out"] < 100


def test_a_loss_over_two_batches_says_nothing_of_pairs(digits):
    """Which of the two its targets belong to is not known."""
    x, y = digits
    model = nn.Sequential(nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 10))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        for start in range(0, 960, BATCH):
            optimizer.zero_grad()
            other = model(x[start + 1 : start + 1 + BATCH])
            F.cross_entropy(model(x[start : start + BATCH]) - other, y[start : start + BATCH]).backward()
            optimizer.step()
    assert signal(watching) is None


class Twice(nn.Module):
    """Its first layer runs again on what it gave."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        return self.b(F.gelu(self.a(F.gelu(self.a(x)))))


class Rows(nn.Module):
    """A recurrent layer, which gives several tensors, reads the rows of an image."""

    def __init__(self):
        super().__init__()
        self.gru, self.head = nn.GRU(8, 32, batch_first=True), nn.Linear(32, 10)

    def forward(self, x):
        return self.head(self.gru(x.view(-1, 8, 8))[0][:, -1])


@pytest.mark.parametrize(
    "model",
    [Twice, Rows, lambda: nn.Sequential(nn.Dropout(0.01), nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 10))],
    ids=["a layer that runs twice", "a recurrent layer", "dropout first"],
)
def test_the_data_is_what_the_first_module_is_given_first(model, digits):
    torch.manual_seed(0)
    watching = watched(*digits, model=model(), steps=60)
    given = digits[0][:512]
    assert signal(watching)["held_out"] == 512 - 2 * 512 // 3
    extent = watching.run.manifest["input"]
    assert extent["std"] == pytest.approx(given.std(correction=0).item(), rel=1e-5)
    assert extent["maximum"] == pytest.approx(given.max().item())


def test_a_layer_that_runs_again_on_what_grew_too_large_is_no_unscaled_input(digits):
    torch.manual_seed(0)
    result = watched(*digits, model=Twice(), rate=30.0).result
    assert result.causes[0].kind == "lr_too_high"
