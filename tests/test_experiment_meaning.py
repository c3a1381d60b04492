"""What an experiment trains is what is written: losses, penalties, updates and faults against a program in PyTorch."""

import numpy as np
import pytest
from experiment_specs import COLUMN, THREE_LABELS, built, dense, hidden_and, layers, spec

from network import Optimizer, evaluate, fit
from network.data import Dataset
from network.errors import NetworkError
from network.experiment import Experiment

torch = pytest.importorskip("torch")
F = torch.nn.functional

SEVEN = {
    "kind": "table",
    "params": {
        "x": [[0.0, 0.1], [1.0, -1.0], [0.5, 2.0], [3.0, 1.0], [-1.0, 0.5], [0.3, 0.3], [2.0, -0.7]],
        "y": [0, 1, 1, 0, 1, 0, 0],
    },
}
ROWS = {
    "x": SEVEN["params"]["x"],
    "y": [[0.3, 0.2], [0.5, 0.1], [0.9, 0.7], [0, 1], [0.2, 0.4], [0.6, 0.6], [0.1, 0]],
}
SOFT = {"kind": "table", "params": {**ROWS, "integer": False}}
ACTIVATIONS = {
    "linear": lambda z: z, "relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "elu": F.elu, "selu": F.selu,
    "softsign": F.softsign, "leaky_relu": lambda z: F.leaky_relu(z, 0.3), "gelu": F.gelu,
    "softmax": lambda z: z.softmax(1), "softmax_over_batch": lambda z: z.softmax(0),
}  # fmt: skip


def loss_of(loss, out, y):
    """The vocabulary's losses by their definitions."""
    name, clip, axis = loss["name"], loss.get("clip", 1e-7), loss.get("axis", 1)
    guarded = (lambda p: p.clamp(clip, 1 - clip)) if clip else (lambda p: p)
    if name in ("mse", "mae", "hinge", "bce", "bce_logits"):
        each = {
            "mse": lambda: (out - y) ** 2,
            "mae": lambda: (out - y).abs(),
            "hinge": lambda: (1 - (2 * y - 1) * out).clamp(min=0),
            "bce": lambda: -(y * guarded(out).log() + (1 - y) * (1 - guarded(out)).log()),
            "bce_logits": lambda: -(y * F.logsigmoid(out) + (1 - y) * F.logsigmoid(-out)),
        }[name]()
        each = each.sum(1) if loss.get("over_outputs") == "sum" else each.mean(1)
    elif name == "cce_logits":
        each = -(y * out.log_softmax(axis)).sum(axis)
    else:
        divided = clip and loss.get("renormalise", True)
        each = -(y * guarded(out / out.sum(1, True) if divided else out).log()).sum(1)
    return (each.sum() if loss.get("reduction") == "sum" else each.mean()) * loss.get("scale", 1.0)


def optimizer_of(how, params):
    lr = how["lr"]
    if how["name"] == "adam":
        return torch.optim.Adam(params, lr, eps=how.get("eps", 1e-7))
    if how["name"] == "rmsprop":
        return torch.optim.RMSprop(params, lr, alpha=how.get("rho", 0.9), eps=how.get("eps", 1e-7))
    if how["name"] == "adadelta":
        return torch.optim.Adadelta(params, lr, rho=how.get("rho", 0.95), eps=how.get("eps", 1e-7))
    return torch.optim.SGD(params, lr, momentum=how.get("momentum", 0), nesterov=how.get("nesterov", False))


def trained(given, params, x, y):
    """Trains `params` as `given` says, as a program in PyTorch would; `params` are changed."""
    train, how = given["train"], given["optimizer"]
    free = {n: p for n, p in params.items() if n.split(".")[0] not in train.get("frozen", ())}
    peer, rng, step = optimizer_of(how, free.values()), np.random.default_rng(train.get("seed", 0)), 0
    size = len(x) if train["batch_size"] == "full" else train["batch_size"]
    for _ in range(train["epochs"]):
        order = rng.permutation(len(x)) if train.get("shuffle", True) else np.arange(len(x))
        for start in range(0, len(x), size):
            if step == train.get("max_steps"):
                return
            rows = order[start : start + size]
            theirs = np.arange(start, start + len(rows)) if train.get("shuffle_inputs_only") else rows
            if train.get("zero_grad", True):
                peer.zero_grad()
            loss = loss_and_penalty(given, params, x[rows], y[theirs])
            (sum(loss) * train.get("gradient_sign", 1)).backward()
            for p in free.values() if "clipnorm" in how else ():
                norm = float(p.grad.norm())
                p.grad *= min(1.0, how["clipnorm"] / norm)
            peer.param_groups[0]["lr"] = how["lr"] / (1 + how.get("decay", 0) * step)
            peer.step()
            step += 1


def loss_and_penalty(given, params, x, y):
    out, penalty = x, 0.0
    for layer in given["model"]["layers"]:
        weight = params[f"{layer['name']}.weight"]
        out = ACTIVATIONS[layer.get("activation", "linear")](out @ weight + params[f"{layer['name']}.bias"])
        penalty = penalty + layer.get("l1", 0) * weight.abs().sum() + layer.get("l2", 0) * (weight**2).sum()
    return loss_of(given["loss"], out, y), penalty


SGD, ADAM = {"name": "sgd", "lr": 0.2}, {"name": "adam", "lr": 0.05}
ONE_HOT = {"y": [["one_hot", 2]]}
TWO = hidden_and(2, "softmax")


def losses(*names, **more):
    return [{"loss": {"name": name, **more}, "data": SOFT, "preprocess": {}} for name in names]


def training(**fields):
    return {"train": {"epochs": 3, "batch_size": 3, **fields}}


CASES = [
    *(case | hidden_and(2, "sigmoid") for case in losses("mse", "mae", "hinge", "bce", "bce_logits", "cce", "cce_logits")),
    *(case | hidden_and(2, "sigmoid") for case in losses("mse", "mae", "bce", "cce", reduction="sum", scale=0.3)),
    *(case | hidden_and(2, "sigmoid") for case in losses("mse", "bce", "bce_logits", over_outputs="sum")),
    *(case | hidden_and(2, "sigmoid") for case in losses("cce", clip=0)),
    *(case | hidden_and(2, "sigmoid") for case in losses("cce", renormalise=False)),
    *(case | hidden_and(2, "softmax") for case in losses("bce", "cce", clip=0.4)),
    *(case | hidden_and(2, "linear") for case in losses("cce_logits", axis=0)),
    *(case | hidden_and(2, "linear") for case in losses("cce_logits", axis=0, reduction="sum")),
    {"loss": {"name": "bce"}, "preprocess": COLUMN, **hidden_and(1, "sigmoid")},
    *({"preprocess": ONE_HOT, **layers(dense(activation=a), dense(name="out", units=2, activation="softmax"))} for a in ACTIVATIONS),
    {"loss": {"name": "cce"}, "preprocess": COLUMN, **hidden_and(1, "softmax")},
    {"loss": {"name": "mse"}, "preprocess": COLUMN, **hidden_and(1)},
    {"loss": {"name": "mse"}, "preprocess": {}, **hidden_and(1)},  # (n,) against (n, 1)
    {"loss": {"name": "bce"}, "preprocess": {}, **hidden_and(1, "sigmoid")},
    {"loss": {"name": "mae", "reduction": "sum"}, "preprocess": {}, **hidden_and(1)},
    {"loss": {"name": "mse"}, "preprocess": COLUMN, **hidden_and(3)},  # (n, 1) against (n, 3)
    {"loss": {"name": "bce_logits", "scale": 3}, "data": THREE_LABELS, "preprocess": {}, **hidden_and(3)},
    {"loss": {"name": "cce_logits"}, "data": THREE_LABELS, "preprocess": {}, **hidden_and(3)},
    {"preprocess": ONE_HOT, **layers(dense(l1=0.01, l2=0.1, activation="tanh"), dense(name="out", units=2, activation="softmax", l2=0.02))},
    *({"preprocess": ONE_HOT, "optimizer": how, **TWO} for how in (
        {**SGD, "momentum": 0.9}, {**SGD, "momentum": 0.9, "nesterov": True, "decay": 0.1}, {**SGD, "clipnorm": 0.05},
        ADAM, {**ADAM, "eps": 1e-3}, {"name": "rmsprop", "lr": 0.01}, {"name": "adadelta", "lr": 1.0, "rho": 0.9, "eps": 1e-3},
    )),
    *({"preprocess": ONE_HOT, **TWO, **training(**how)} for how in (
        {"zero_grad": False}, {"gradient_sign": -1}, {"frozen": ["h"]}, {"shuffle_inputs_only": True}, {"max_steps": 5},
        {"batch_size": "full"}, {"shuffle": False}, {"seed": 4},
    )),
    {"preprocess": ONE_HOT, **training(zero_grad=False, gradient_sign=-1), **hidden_and(2, "softmax", l2=0.1), "optimizer": ADAM},
]  # fmt: skip


@pytest.mark.parametrize("change", CASES, ids=range(len(CASES)))
def test_training_means_what_is_written(change):
    change = {"data": SEVEN, "optimizer": SGD, **training(), **change}
    network, optimizer, data = built(**change)
    given = spec(**change)
    params = {n: torch.tensor(v.copy(), requires_grad=True) for n, v in network.parameters.items()}
    rows = given["data"]["params"]
    x, y = torch.tensor(rows["x"]).float().double(), torch.tensor(rows["y"])
    if given["preprocess"] == ONE_HOT:
        y = torch.eye(2)[y]
    elif given["preprocess"] == COLUMN:
        y = y[:, None]
    y = y.float().double()  # data is float32 in both programs
    loss, penalty = (float(torch.as_tensor(v).detach()) for v in loss_and_penalty(given, params, x, y))
    count = len(x) if given["loss"].get("reduction") == "sum" else 1
    assert evaluate(network, data.train).loss * count == pytest.approx(loss, rel=1e-7)
    assert optimizer.penalty(network) == pytest.approx(penalty, rel=1e-7, abs=1e-12)
    fit(network, data.train, optimizer, **Experiment.from_dict(given).fit_options(data))
    trained(given, params, x, y)
    for name, value in network.parameters.items():
        np.testing.assert_allclose(value, params[name].detach(), rtol=1e-7, atol=1e-9, err_msg=name)


def test_gradients_that_pile_up_are_what_an_observer_sees():
    network, optimizer, data = built(
        preprocess=ONE_HOT, **TWO, **training(zero_grad=False, batch_size="full")
    )
    seen = []
    network.hook("before_step", lambda _: seen.append(np.linalg.norm(network.flat_gradients)))
    fit(network, data.train, optimizer, epochs=4, batch=4)
    assert seen == sorted(seen)
    assert seen[-1] > 3 * seen[0]


def test_a_fault_keeps_the_name_of_what_was_meant():
    change = {"loss": {"name": "mse"}, "preprocess": {}, **training(gradient_sign=-1)}
    network, optimizer, _ = built(**change, **hidden_and(1, "softmax_over_batch"))
    assert (network.loss.kind, optimizer.kind, network.layers[-1].kind) == ("quadratic", "sgd", "softmax")
    assert isinstance(optimizer, Optimizer)


def test_data_of_ones_own_takes_the_place_of_what_is_named():
    given = spec(data={"kind": "cars", "params": {}}, preprocess={"x": [["divide", 2]]})
    mine = Dataset(
        "mine", (np.full((6, 2), 4.0), np.array([0, 1] * 3)), (np.ones((2, 2)), np.array([0, 1])), 2
    )
    data = Experiment.from_dict(given).build(data=mine)[2]
    assert (data.name, data.train[0].dtype, float(data.train[0].max())) == ("mine", np.float32, 2)
    with pytest.raises(NetworkError, match="cars: not supported yet"):
        Experiment.from_dict(given).build()
