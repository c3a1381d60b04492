"""Every member of the core as a strategy of cases: found in the core, its arguments drawn, its oracle beside it."""

import references
from hypothesis import strategies as st

import network
from nndebug import strategies
from nndebug.core import load_core
from nndebug.strategies.members import OF_LAYERS, OF_OPTIMIZERS, build, members
from nndebug.testing import case
from nndebug.testing.registry import battery


def layer(kind, table):
    def made(member):
        reference = table.get(type(member).__name__)
        if type(member).__name__ == "LeakyReLU":
            reference = lambda z: z * (1 if member.slope is None else (z > 0) + (z <= 0) * member.slope)  # noqa: E731
        takes = None
        if member.kind == "batch_norm":  # rows or images, which cannot be told by trying rows first
            takes = st.one_of(st.just((member.features,)), strategies.image_shapes(member.features, least=1))
        return case(member, kind=kind, reference=reference, takes=takes)

    return made


def cases():
    """Name of a member → its battery's kind and the strategy of its cases."""
    found = {}
    for name, kind in members("Layer").items():
        found[name] = ("layer", build(kind, OF_LAYERS).map(layer("layer", references.LAYERS)))
    for name, kind in members("Activation").items():
        found[name] = ("activation", build(kind).map(layer("activation", references.ACTIVATIONS)))
    for name, kind in members("Loss").items():
        reference = references.LOSSES.get(name)
        found[name] = ("loss", build(kind).map(lambda m, r=reference: case(m, reference=r)))
    for name, kind in members("Optimizer").items():
        made = build(kind, OF_OPTIMIZERS)
        found[name] = ("optimizer", made.map(lambda m: case(m, reference=references.optimizer(m))))
    for name, function in load_core("initializers").INITIALIZERS.items():
        claims = {"variance": references.VARIANCES[name]} if name in references.VARIANCES else {}
        found[name] = ("initializer", st.just(case(function, **claims)))
    found["networks"] = ("network", strategies.networks().map(lambda m: case(m, takes=(m.inputs,))))
    found["image networks"] = ("network", st.just(case(images, takes=(2, 4, 4))))
    return found


def images():
    return network.Sequential(
        network.Conv2D(2, 3, 2, padding="same", bias_init="normal"),
        network.BatchNorm(3),
        network.ReLU(),
        network.MaxPool2D(2),
        network.Flatten(),
        network.Dense(12, 3, bias_init="normal"),
        loss=network.CrossEntropy(),
        dtype="float64",
    )


CASES = cases()
PAIRS = [(name, check) for name, (kind, _) in CASES.items() for check in battery(kind)]
IDS = [f"{name}-{check.name}" for name, check in PAIRS]
