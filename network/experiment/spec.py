"""The vocabulary of experiments: which fields there are and what they may hold.

It is the one in which faulty programs are written down, so it has words for mistakes too (see `faults.py`), and for
data that only the programs' collection has. `parse` brings a specification into its full form: every shorthand
(`loss = "mse"`, a layer without `type`, generator arguments beside `kind`) is written out, no default is added.
"""

from __future__ import annotations

from typing import Any

from ..data import NAMES
from ..errors import ExperimentError
from .fields import (
    Check,
    Fields,
    anything,
    boolean,
    choice,
    entries,
    fail,
    integer,
    list_of,
    number,
    table,
    tagged,
    text,
    unknown,
)

Kinds = dict[str, tuple[Fields, tuple[str, ...]]]
"""Kind → (fields, required ones)."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


POSITIVE, SHARE, NOT_NEGATIVE = number(above=0), number(minimum=0, below=1), number(minimum=0)

# --- data -------------------------------------------------------------------------------------------------------

OTHER_GENERATORS = _words(
    "boxes constant_inputs bit_codes curve scatter_line linear_mix mean_pairs int_threshold sine_direction "
    "random_targets game_of_life age_groups normal_classes shifted_rows multilabel_counts mixed_scale_table packets "
    "cars topic_words keypoint_images"
)
"""Kinds of data that programs were written down with and that the core has no generator for."""

DRAWN: Fields = {"n": integer(2), "test": NOT_NEGATIVE}
MNIST_ROWS = {"train": 50_000, "test": 10_000}
PARAMS: dict[str, Fields] = {
    "digits": {"test_share": number(above=0, below=1), "image": boolean},
    "mnist": {
        "train": integer(1),
        "test": integer(1),
        "image": boolean,
        "classes": list_of(integer(), minimum=1),
        "keep": list_of(number(minimum=0), length=10),
    },
    "blobs": {**DRAWN, "centers": list_of(list_of(number(), minimum=1), minimum=1), "std": NOT_NEGATIVE},
    "circles": {**DRAWN, "noise": NOT_NEGATIVE, "factor": POSITIVE},
    "xor": {**DRAWN, "noise": NOT_NEGATIVE},
    "spiral": {**DRAWN, "classes": integer(2), "turns": number(), "noise": NOT_NEGATIVE},
    "line": {**DRAWN, "weight": number(), "bias": number(), "noise": NOT_NEGATIVE},
    "sine": {**DRAWN, "periods": number(), "noise": NOT_NEGATIVE},
    "table": {
        "x": list_of(list_of(number(), minimum=1), minimum=1),
        "y": list_of(anything, minimum=1),
        "repeat": integer(1),
        "integer": boolean,
    },
}
DATA_KINDS = (*NAMES, *OTHER_GENERATORS)


def _data(value: Any, where: str) -> dict[str, Any]:
    given = {"kind": value} if isinstance(value, str) else entries(value, where, "a table or a name")
    if "kind" not in given:
        raise ExperimentError(f"{where}: the field 'kind' is missing", help="known: " + ", ".join(DATA_KINDS))
    kind = choice(DATA_KINDS, "a kind of data")(given["kind"], f"{where}.kind")
    fields: Fields = {"kind": text, "seed": integer()}
    if kind in ("digits", "mnist"):
        fields = {**fields, "pixels": choice(("raw", "unit"), "'raw' or 'unit'")}
    # The long form puts the generator's arguments into a table of their own, the short form beside `kind`.
    long = "params" in given
    params = PARAMS.get(kind, {} if long else dict.fromkeys(given, anything))
    if long:
        data: dict[str, Any] = table({**fields, "params": table(params) if kind in PARAMS else _any_table})(
            given, where
        )
    else:
        checked = table({**params, **fields})(given, where)
        data = {key: checked[key] for key in fields if key in checked}
        data["params"] = {key: entry for key, entry in checked.items() if key not in fields}
    if kind == "table" and not {"x", "y"} <= data["params"].keys():
        raise ExperimentError(f"{where}: a table needs its rows", help="x = [[0, 1], [1, 1]] and y = [1, 0]")
    if kind == "mnist":
        # The long form is that of a generator which gives raw pixels; in the short one they are 0..1, as elsewhere.
        pixels = data.pop("pixels", "raw" if long else "unit")
        data["params"] = {**MNIST_ROWS, **data["params"]}
        if pixels == "unit":
            data["pixels"] = pixels
    return data


def _any_table(value: Any, where: str) -> dict[str, Any]:
    return entries(value, where, "a table of arguments")


# --- preprocessing ----------------------------------------------------------------------------------------------

RANGE = list_of(number(), length=2)
OPERATIONS: dict[
    str, tuple[Check | None, bool]
] = {  # name → (check of the argument, whether it must be there)
    "standardize": (None, False),
    "standardize_all": (None, False),
    "minmax": (RANGE, False),
    "minmax_all": (RANGE, False),
    "one_hot": (integer(1), True),
    "column": (None, False),
    "flatten": (None, False),
    "divide": (number(), True),
    "floor_divide": (number(), True),
    "multiply": (number(), True),
    "relabel": (None, True),
    "shuffle_rows": (integer(), True),
}


def _operation(value: Any, where: str) -> list[Any]:
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not parts:
        raise fail(where, "[operation, argument]", value, help="known: " + ", ".join(OPERATIONS))
    name = choice(OPERATIONS, "an operation")(parts[0], f"{where}[0]")
    check, needed = OPERATIONS[name]
    arguments = list(parts[1:])
    if name == "relabel":
        # Both spellings are in use: ["relabel", 0.3, 10] and ["relabel", [0.3, 10]].
        flat = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], list | tuple) else arguments
        if len(flat) != 2:
            raise fail(where, "['relabel', fraction, classes]", value)
        return [name, number(minimum=0)(flat[0], f"{where}[1]"), integer(1)(flat[1], f"{where}[2]")]
    if len(arguments) > (check is not None) or (needed and not arguments):
        raise fail(where, f"{name} with {'one argument' if needed else 'no argument'}", value)
    if name in ("divide", "floor_divide") and not arguments[0]:
        raise fail(f"{where}[1]", "a number that is not 0", arguments[0])
    return [name, *(check(argument, f"{where}[1]") for argument in arguments if check)]


STEPS = list_of(_operation)
PREPROCESS = table({"x": STEPS, "y": STEPS, "x_test": STEPS, "y_test": STEPS})

# --- model ------------------------------------------------------------------------------------------------------

ACTIVATIONS = _words("linear relu tanh sigmoid softmax leaky_relu gelu elu selu softsign softmax_over_batch")
INITS: Kinds = {
    **dict.fromkeys(_words("he xavier lecun zeros glorot_uniform he_uniform he_normal"), ({}, ())),
    "normal": ({"std": NOT_NEGATIVE, "mean": number()}, ()),
    "trunc_normal": ({"std": NOT_NEGATIVE}, ("std",)),
    "uniform": ({"low": number(), "high": number()}, ("low", "high")),
    "constant": ({"value": number()}, ("value",)),
}


def _init(value: Any, where: str) -> dict[str, Any]:
    checked: dict[str, Any] = tagged("kind", INITS, "an initialiser")(
        {"kind": value} if isinstance(value, str) else value, where
    )
    return checked


COMMON: Fields = {"name": text, "activation": choice(ACTIVATIONS, "an activation"), "slope": number()}
WEIGHTED: Fields = {
    **COMMON,
    "init": _init,
    "bias": boolean,
    "bias_init": _init,
    "l1": NOT_NEGATIVE,
    "l2": NOT_NEGATIVE,
}
LAYERS: Kinds = {
    "dense": ({**WEIGHTED, "units": integer(1)}, ("units",)),
    "conv": (
        {
            **WEIGHTED,
            "filters": integer(1),
            "kernel": integer(1),
            "padding": choice(("same", "valid"), "a padding"),
        },
        ("filters", "kernel"),
    ),
    "pool": ({**COMMON, "size": integer(1)}, ("size",)),
    "flatten": (COMMON, ()),
    "dropout": ({**COMMON, "rate": SHARE}, ("rate",)),
    "batchnorm": (COMMON, ()),
    "activation": (COMMON, ("activation",)),
}


def _layer(value: Any, where: str) -> dict[str, Any]:
    given = entries(value, where, "a table")
    if "type" not in given and "units" in given:
        given = {"type": "dense", **given}
    layer: dict[str, Any] = tagged("type", LAYERS, "a kind of layer")(given, where)
    if "slope" in layer and layer.get("activation") != "leaky_relu":
        raise ExperimentError(
            f"{where}.slope: only the activation 'leaky_relu' has a slope", help="leave it out"
        )
    return layer


MODEL = table(
    {
        "layers": list_of(_layer, minimum=1),
        "inputs": integer(1),
        "dtype": choice(("float32", "float64"), "a dtype"),
    },
    required=("layers",),
)

# --- training ---------------------------------------------------------------------------------------------------

LOSS_FIELDS: Fields = {
    "clip": number(minimum=0, below=0.5),
    "renormalise": boolean,
    "reduction": choice(("mean", "sum"), "'mean' or 'sum'"),
    "over_outputs": choice(("mean", "sum"), "'mean' or 'sum'"),
    "scale": number(),
    "axis": integer(None),
}
LOSSES: Kinds = {
    **dict.fromkeys(_words("mse mae hinge bce cce bce_logits cce_logits"), (LOSS_FIELDS, ())),
    **dict.fromkeys(_words("quadratic cross_entropy binary_cross_entropy"), ({}, ())),
}


def _loss(value: Any, where: str) -> dict[str, Any]:
    checked: dict[str, Any] = tagged("name", LOSSES, "a loss")(
        {"name": value} if isinstance(value, str) else value, where
    )
    return checked


RATE: Fields = {"lr": POSITIVE, "decay": NOT_NEGATIVE, "clipnorm": POSITIVE, "l2": NOT_NEGATIVE}
OPTIMIZERS: Kinds = {
    "sgd": ({**RATE, "momentum": SHARE, "nesterov": boolean}, ("lr",)),
    "adam": ({**RATE, "beta1": SHARE, "beta2": SHARE, "eps": NOT_NEGATIVE}, ("lr",)),
    "rmsprop": ({**RATE, "rho": SHARE, "eps": NOT_NEGATIVE, "momentum": SHARE}, ("lr",)),
    "adadelta": ({**RATE, "rho": SHARE, "eps": NOT_NEGATIVE}, ("lr",)),
}


def _optimizer(value: Any, where: str) -> dict[str, Any]:
    given = entries(value, where, "a table")
    if given.get("name") == "momentum":  # the core's own word for it
        given = {"momentum": 0.9, **given, "name": "sgd"}
    checked: dict[str, Any] = tagged("name", OPTIMIZERS, "an optimizer")(given, where)
    return checked


def _batch_size(value: Any, where: str) -> int | str:
    if value == "full":
        return "full"
    if isinstance(value, str):
        raise fail(where, "a whole number of at least 1, or 'full'", value)
    size: int = integer(1)(value, where)
    return size


def _sign(value: Any, where: str) -> int:
    if value not in (1, -1) or isinstance(value, bool):
        raise fail(where, "1 or -1", value)
    return int(value)


TRAIN = table(
    {
        "epochs": integer(1),
        "batch_size": _batch_size,
        "seed": integer(),
        "max_steps": integer(1),
        "shuffle": boolean,
        "zero_grad": boolean,
        "frozen": list_of(text),
        "gradient_sign": _sign,
        "shuffle_inputs_only": boolean,
    },
    required=("epochs", "batch_size"),
)

METRIC = table(
    {
        "name": choice(_words("accuracy argmax_accuracy bit_accuracy r2 loss"), "a metric"),
        "split": choice(("train", "test"), "'train' or 'test'"),
        "goal": choice(("max", "min"), "'max' or 'min'"),
        "threshold": number(),
    },
    required=("name",),
)

EXPERIMENT = table(
    {
        "data": _data,
        "preprocess": PREPROCESS,
        "model": MODEL,
        "loss": _loss,
        "optimizer": _optimizer,
        "train": TRAIN,
        "metric": METRIC,
        "reported_metric": METRIC,
    },
    required=("data", "model", "loss", "optimizer", "train"),
    what="a table with the fields data, model, loss, optimizer, train",
)


def parse(given: Any) -> dict[str, Any]:
    """The full form of a specification.

    Args:
        given: plain data, as read from TOML or JSON. It is not changed.

    Raises:
        ExperimentError: a field is unknown, missing or wrong; the message names its path.
    """
    spec: dict[str, Any] = EXPERIMENT(given, "")
    names = [layer["name"] for layer in spec["model"]["layers"] if "name" in layer]
    for name in names:
        if names.count(name) > 1:
            raise ExperimentError(
                f"model.layers: two layers are called {name!r}", help="give each its own name"
            )
    for position, name in enumerate(spec["train"].get("frozen", [])):
        if name not in names:
            raise unknown(name, f"train.frozen[{position}]", "the name of a layer", names)
    return spec
