"""Losses with their settings, and optimisers with theirs, against PyTorch in float64: values, gradients, updates."""

import numpy as np
import pytest
from core_helpers import samples

from network import (
    SGD,
    AbsoluteError,
    Adadelta,
    Adam,
    BinaryCrossEntropy,
    CrossEntropy,
    DataError,
    Dense,
    Hinge,
    Momentum,
    NetworkError,
    ProbabilityBinaryCrossEntropy,
    ProbabilityCrossEntropy,
    Quadratic,
    RMSprop,
    Sequential,
    Tanh,
    fit,
)

torch = pytest.importorskip("torch")
EXACT = {"rtol": 1e-10, "atol": 1e-12}

# --- losses -----------------------------------------------------------------------------------------------------------


def clamp(p, clip):
    return p.clamp(clip, 1 - clip) if clip else p


def binary(y, p):
    return -(y * p.log() + (1 - y) * (1 - p).log())


LOSSES = {
    "mse": (
        lambda **more: Quadratic(over_outputs="mean", scale=2, **more),
        lambda a, y: (a - y).square().mean(1),
    ),
    "quadratic": (Quadratic, lambda a, y: (a - y).square().sum(1) / 2),
    "mae": (AbsoluteError, lambda a, y: (a - y).abs().mean(1)),
    "mae summed": (
        lambda **more: AbsoluteError(over_outputs="sum", **more),
        lambda a, y: (a - y).abs().sum(1),
    ),
    "hinge": (Hinge, lambda a, y: (1 - (2 * y - 1) * a).clamp(min=0).mean(1)),
    "bce_logits": (
        lambda **more: BinaryCrossEntropy(over_outputs="mean", **more),
        lambda a, y: torch.nn.functional.binary_cross_entropy_with_logits(a, y, reduction="none").mean(1),
    ),
    "cce_logits": (CrossEntropy, lambda a, y: -(y * a.log_softmax(1)).sum(1)),
    "bce": (ProbabilityBinaryCrossEntropy, lambda a, y: binary(y, clamp(a, 1e-7)).mean(1)),
    "bce, wide clip": (
        lambda **more: ProbabilityBinaryCrossEntropy(clip=0.2, **more),
        lambda a, y: binary(y, clamp(a, 0.2)).mean(1),
    ),
    "cce": (ProbabilityCrossEntropy, lambda a, y: -(y * clamp(a / a.sum(1, True), 1e-7).log()).sum(1)),
    "cce, wide clip": (
        lambda **more: ProbabilityCrossEntropy(clip=0.2, **more),
        lambda a, y: -(y * clamp(a / a.sum(1, True), 0.2).log()).sum(1),
    ),
    "cce as they are": (
        lambda **more: ProbabilityCrossEntropy(renormalise=False, **more),
        lambda a, y: -(y * clamp(a, 1e-7).log()).sum(1),
    ),
    "cce without a guard": (
        lambda **more: ProbabilityCrossEntropy(renormalise=False, clip=0, **more),
        lambda a, y: -(y * a.log()).sum(1),
    ),
}


@pytest.mark.parametrize("settings", [{}, {"reduction": "sum"}, {"scale": -2.5}], ids=str)
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, settings):
    if "scale" in settings and name == "mse":
        settings = {}  # it is a scale itself
    make, theirs = LOSSES[name]
    loss, rng = make(**settings), np.random.default_rng(4)
    probabilities = loss.takes == "probabilities"
    output = rng.uniform(0.05, 0.95, (7, 4)) if probabilities else rng.normal(size=(7, 4))
    target = np.eye(4)[rng.integers(0, 4, 7)]
    a = torch.tensor(output, requires_grad=True)
    each = theirs(a, torch.tensor(target)) * settings.get("scale", 1)
    total = each.sum() if settings.get("reduction") == "sum" else each.mean()
    total.backward()
    np.testing.assert_allclose(loss.per_sample(output, target), each.detach(), **EXACT)
    assert loss(output, target) == pytest.approx(float(total.detach()), rel=1e-10)
    np.testing.assert_allclose(loss.gradient(output, target), a.grad, **EXACT)


def test_outputs_outside_the_clip_have_no_gradient():
    output, target = np.array([[0.0, 1.0, 0.5]]), np.array([[1.0, 0.0, 1.0]])
    gradient = ProbabilityBinaryCrossEntropy().gradient(output, target)
    np.testing.assert_array_equal(gradient[0, :2], 0)
    assert gradient[0, 2] < 0
    with np.errstate(divide="ignore", invalid="ignore"):
        assert not np.isfinite(ProbabilityBinaryCrossEntropy(clip=0)(output, target))


def test_settings_of_losses_that_are_none():
    for make, message in (
        (lambda: Quadratic(reduction="max"), "no reduction is called 'max'"),
        (lambda: Quadratic(over_outputs="max"), "outputs are not combined by 'max'"),
        (lambda: Quadratic(scale=np.nan), "scale nan of a loss is not a finite number"),
        (lambda: ProbabilityCrossEntropy(clip=0.5), "clip 0.5 is not in 0 <= clip < 0.5"),
    ):
        with pytest.raises(NetworkError, match=message):
            make()
    with pytest.raises(DataError, match="targets of hinge are 0 and 1, got -1"):
        Hinge().check(np.array([[-1.0], [1]]))


def test_a_loss_is_saved_with_its_settings(tmp_path):
    network = Sequential(Dense(3, 2), loss=ProbabilityCrossEntropy(clip=0.1, reduction="sum"))
    network.save(tmp_path / "net.npz")
    again = Sequential.load(tmp_path / "net.npz").loss
    assert (type(again), again.settings) == (ProbabilityCrossEntropy, {"clip": 0.1, "reduction": "sum"})


@pytest.mark.parametrize(("make", "threshold"), [(Quadratic, 0.5), (Hinge, 0), (BinaryCrossEntropy, 0)])
def test_a_single_output_is_held_against_the_losses_threshold(make, threshold):
    output = threshold + np.array([[-0.1], [0.1], [0.0]])
    np.testing.assert_array_equal(make().predictions(output), [0, 1, 0])


# --- optimisers -------------------------------------------------------------------------------------------------------

OPTIMIZERS = {
    "nesterov": (
        lambda: Momentum(0.1, 0.8, nesterov=True),
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.8, nesterov=True),
    ),
    "decay": (lambda: SGD(0.5, decay=0.2), lambda p: torch.optim.SGD(p, 0.5)),
    "adam, eps": (
        lambda: Adam(0.05, 0.8, 0.95, 1e-3),
        lambda p: torch.optim.Adam(p, 0.05, (0.8, 0.95), eps=1e-3),
    ),
    "rmsprop": (
        lambda: RMSprop(0.01, 0.9, 1e-7),
        lambda p: torch.optim.RMSprop(p, 0.01, alpha=0.9, eps=1e-7),
    ),
    "rmsprop, momentum": (
        lambda: RMSprop(0.01, 0.9, 1e-7, momentum=0.5),
        lambda p: torch.optim.RMSprop(p, 0.01, alpha=0.9, eps=1e-7, momentum=0.5),
    ),
    "adadelta": (
        lambda: Adadelta(1.0, 0.95, 1e-7),
        lambda p: torch.optim.Adadelta(p, 1.0, rho=0.95, eps=1e-7),
    ),
}


@pytest.mark.parametrize("penalty", [{}, {"l1": 0.01}, {"l2": 0.03}, {"l1": 0.02, "l2": 0.01}], ids=str)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimisers_with_penalties_of_the_layers(name, penalty):
    make, theirs = OPTIMIZERS[name]
    layers = Dense(6, 5, name="h", **penalty), Tanh(), Dense(5, 3, name="out")
    network, optimizer = Sequential(*layers, loss=CrossEntropy(), dtype="float64"), make()
    p = {n: torch.tensor(v.copy(), requires_grad=True) for n, v in network.parameters.items()}
    peer = theirs(p.values())
    x, y = samples(16)
    for step in range(8):
        network.differentiate(x, y)
        rate = peer.param_groups[0]["lr"] = make().rate / (1 + optimizer.decay * step)
        peer.zero_grad()
        hidden = torch.tanh(torch.tensor(x) @ p["h.weight"] + p["h.bias"])
        loss = torch.nn.functional.cross_entropy(hidden @ p["out.weight"] + p["out.bias"], torch.tensor(y))
        w = p["h.weight"]
        extra = penalty.get("l1", 0) * w.abs().sum() + penalty.get("l2", 0) * w.square().sum()
        assert optimizer.penalty(network) == pytest.approx(float(torch.as_tensor(extra).detach()), rel=1e-10)
        (loss + extra).backward()
        peer.step()
        assert optimizer.rate == pytest.approx(rate)
        optimizer.step(network)
    for parameter, value in network.parameters.items():
        np.testing.assert_allclose(value, p[parameter].detach(), **EXACT, err_msg=parameter)


def test_every_parameter_array_is_clipped_by_itself():
    network = Sequential(Dense(6, 5), Tanh(), Dense(5, 3), loss=CrossEntropy(), dtype="float64")
    network.differentiate(*samples(16))
    gradients = {name: value.copy() for name, value in network.gradients.items()}
    before = {name: value.copy() for name, value in network.parameters.items()}
    norms = [float(np.linalg.norm(value)) for value in gradients.values()]
    limit = float(np.median(norms))
    assert min(norms) < limit < max(norms)
    SGD(1.0, clip_norm=limit).step(network)
    for name, value in network.parameters.items():
        # The 1e-6 that PyTorch adds to the norm is the difference to Keras, and to this.
        given = torch.nn.Parameter(torch.zeros(value.shape, dtype=torch.float64))
        given.grad = torch.tensor(gradients[name].copy())
        torch.nn.utils.clip_grad_norm_([given], limit)
        np.testing.assert_allclose(before[name] - value, given.grad, rtol=1e-4)
        assert np.linalg.norm(before[name] - value) <= limit * (1 + 1e-12)
        np.testing.assert_array_equal(network.gradients[name], gradients[name])


def test_frozen_layers_stay_and_the_others_learn(tmp_path):
    def made():
        return Sequential(Dense(6, 5, name="h"), Tanh(), Dense(5, 3, name="out"), loss=CrossEntropy())

    network = made()
    network.freeze("h")
    fit(network, samples(40), Momentum(0.1, l2=1.0), epochs=2, batch=8)
    for name, value in made().parameters.items():
        assert np.array_equal(value, network.parameters[name]) is name.startswith("h.")
    network.save(tmp_path / "net.npz")
    for other in (network.copy(), network.twin(), Sequential.load(tmp_path / "net.npz")):
        assert other.frozen_layers == ("h",)
    with pytest.raises(NetworkError, match="no layer is called 'hidden'"):
        network.freeze("hidden")
    network.freeze()
    before = network.parameters["h.weight"].copy()
    fit(network, samples(40), SGD(0.1), batch=8)
    assert not np.array_equal(before, network.parameters["h.weight"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(0.1, decay=-1), "decay -1 is not zero or a positive number"),
        (lambda: SGD(0.1, clip_norm=0), "clip_norm 0 is not a positive number"),
        (lambda: RMSprop(rho=1), "rho 1 is not in 0 <= rho < 1"),
        (lambda: Adadelta(epsilon=0), "epsilon 0 is not a positive number"),
        (lambda: Dense(2, 2, l1=-1), "l1 -1 is not zero or a positive number"),
    ],
)
def test_settings_that_are_none(make, message):
    with pytest.raises(NetworkError, match=message):
        make()
