"""Activations that are functions, found in the graph."""

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

import nndebug  # noqa: E402
from network.data import load_digits  # noqa: E402
from nndebug.adapters.torch.functional import applied  # noqa: E402

FUNCTIONS = {
    "relu": [
        F.relu,
        torch.relu,
        lambda z: z.relu_(),
        lambda z: F.relu(z, inplace=True),
        lambda z: z.clamp(min=0),
        lambda z: z.clamp_min(0),
    ],
    "sigmoid": [torch.sigmoid, lambda z: z.sigmoid()],
    "tanh": [torch.tanh],
    "leaky_relu": [F.leaky_relu],
    "elu": [F.elu],
    "gelu": [F.gelu],
    "silu": [F.silu, lambda z: z * torch.sigmoid(z), lambda z: z.sigmoid() * z],
    "softmax": [lambda z: z.softmax(dim=1)],
}
KEPT = ("relu", "sigmoid", "tanh", "softmax")


def pairs():
    return [
        pytest.param(kind, f, id=f"{kind}-{i}") for kind, all in FUNCTIONS.items() for i, f in enumerate(all)
    ]


@pytest.mark.parametrize(("kind", "function"), pairs())
def test_every_way_of_writing_it(kind, function):
    torch.manual_seed(0)
    hidden, output = nn.Linear(5, 7), nn.Linear(7, 2)
    z = hidden(torch.randn(4, 5))
    made = {z.grad_fn: "hidden"}
    expected = function(z.detach().clone())
    (found,) = applied(output(function(z)).square().mean(), made)
    assert (found.site, found.kind) == ("hidden", kind)
    if kind in KEPT:
        torch.testing.assert_close(found.values, expected, rtol=0, atol=0)
        assert not found.values.requires_grad
    else:
        assert found.values is None


def test_a_gate_of_another_layer_is_a_sigmoid():
    hidden, gate = nn.Linear(5, 7), nn.Linear(5, 7)
    x = torch.randn(4, 5)
    z, g = hidden(x), gate(x)
    (found,) = applied((z * torch.sigmoid(g)).sum(), {z.grad_fn: "hidden", g.grad_fn: "gate"})
    assert (found.site, found.kind) == ("gate", "sigmoid")


def test_a_pool_between_leaves_the_channels_where_they_are():
    conv = nn.Conv2d(1, 3, 3)
    z = conv(torch.randn(2, 1, 8, 8))
    (found,) = applied(F.relu(F.max_pool2d(z, 2)).sum(), {z.grad_fn: "conv"})
    assert found.site == "conv" and found.values.shape == (2, 3, 3, 3)


def test_what_moves_the_units_hides_them():
    conv = nn.Conv2d(1, 3, 3)
    z = conv(torch.randn(2, 1, 8, 8))
    assert not list(applied(F.relu(z.flatten(1)).sum(), {z.grad_fn: "conv"}))


def test_each_call_of_a_reused_layer():
    hidden = nn.Linear(5, 5)
    one = hidden(torch.randn(4, 5))
    two = hidden(torch.relu(one))
    found = list(applied(torch.tanh(two).sum(), {one.grad_fn: "hidden", two.grad_fn: "hidden"}))
    assert sorted(f.kind for f in found) == ["relu", "tanh"]


def test_a_graph_with_many_paths_is_walked_once():
    x = torch.randn(3, requires_grad=True)
    for _ in range(200):  # 2^200 paths
        x = x + x
    assert not list(applied(x.sum(), {}))


@pytest.mark.parametrize(
    "cut", [lambda z: z.clamp(min=-1), lambda z: z.clamp(min=0, max=1), lambda z: z.clamp(max=0)]
)
def test_other_bounds_are_no_relu(cut):
    z = nn.Linear(5, 7)(torch.randn(4, 5))
    assert not list(applied(cut(z).sum(), {z.grad_fn: "hidden"}))


class AsModules(nn.Module):
    def __init__(self, shift=0.0):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.hidden, self.out = nn.Conv2d(1, 4, 3), nn.Linear(36, 20), nn.Linear(20, 10)
        self.first, self.second = nn.ReLU(), nn.Tanh()
        with torch.no_grad():
            self.conv.bias += shift

    def forward(self, x):
        x = self.first(self.conv(x.view(-1, 1, 8, 8)))
        return self.out(self.second(self.hidden(F.max_pool2d(x, 2).flatten(1))))


class AsFunctions(AsModules):
    def forward(self, x):
        x = F.relu(self.conv(x.view(-1, 1, 8, 8)))
        return self.out(torch.tanh(self.hidden(F.max_pool2d(x, 2).flatten(1))))


def recorded(model, steps=120):
    x, y = (torch.as_tensor(part) for part in load_digits().train)
    x, y = x.float(), y.long()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with nndebug.watch(model, optimizer=optimizer, strict=True) as watching:
        for step in range(steps):
            rows = torch.arange(20 * step, 20 * step + 20) % len(x)
            optimizer.zero_grad()
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
        watching.epoch()
    return watching


@pytest.mark.parametrize("shift", [0.0, -20.0])
def test_functions_are_recorded_as_modules_are(shift):
    one, other = recorded(AsModules(shift)), recorded(AsFunctions(shift))
    assert [(s.name, s.activation) for s in one.run.sites] == [
        ("conv", "relu"),
        ("hidden", "tanh"),
        ("out", None),
    ]
    assert [(s.name, s.activation) for s in other.run.sites] == [
        (s.name, s.activation) for s in one.run.sites
    ]
    for site in ("conv", "hidden"):
        names = [n for n in one.run.names(site) if n.startswith(("activation.", "probe."))]
        assert {
            "activation.mean",
            "probe.silent_units" if site == "conv" else "probe.saturated_share",
        } <= set(names)
        for name in names:
            assert (
                one.run.series(name, site).values.tolist() == other.run.series(name, site).values.tolist()
            ), name
    assert one.result.verdict == other.result.verdict
    assert ("NND202" in {f.code for f in other.result.findings if f.site == "conv"}) == (shift < 0)
