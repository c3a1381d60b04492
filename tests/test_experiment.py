"""Experiments as data: the vocabulary, files, and what is said when a field is wrong."""

import copy
import json
import textwrap

import pytest
from experiment_specs import CASES, dense, layers, spec, words
from hypothesis import given
from hypothesis import strategies as st

from network.errors import ExperimentError
from network.experiment import Experiment

# Every word of the vocabulary, in small pieces.
VOCABULARY = [
    *({"data": {"kind": kind, "seed": 0, "params": {"n": 10}}} for kind in words(
      "boxes constant_inputs bit_codes curve scatter_line linear_mix mean_pairs int_threshold sine_direction "
      "random_targets game_of_life age_groups normal_classes shifted_rows multilabel_counts mixed_scale_table packets "
      "cars topic_words keypoint_images")),
    {"data": {"kind": "mnist", "params": {"train": 10, "test": 5, "image": True, "classes": [3, 8], "keep": [1] * 10}}},
    {"data": {"kind": "table", "params": {"x": [[0, 1]], "y": [1], "repeat": 3, "integer": False}}},
    {"data": {"kind": "circles", "params": {"n": 10, "noise": 0.1, "factor": 0.5, "test": 0}}},
    {"preprocess": {}},
    {"preprocess": {"x": [["standardize"], ["minmax"], ["minmax", [-1, 1]], ["divide", 255], ["multiply", 10]],
                    "y": [["one_hot", 3], ["column"], ["flatten"], ["floor_divide", 255], ["relabel", 0.3, 10]],
                    "x_test": [], "y_test": [["shuffle_rows", 3]]}},
    layers(
        {"name": "c", "type": "conv", "filters": 8, "kernel": 3, "padding": "same", "activation": "elu", "bias": True},
        {"name": "p", "type": "pool", "size": 2}, {"name": "b", "type": "batchnorm"}, {"name": "f", "type": "flatten"},
        {"name": "d", "type": "dropout", "rate": 0.5}, {"name": "a", "type": "activation", "activation": "selu"},
        dense(l1=0.1, l2=0.5, bias=False, bias_init={"kind": "constant", "value": 0.1}),
    ),
    *(layers(dense(activation=a)) for a in words("linear relu tanh sigmoid softmax leaky_relu softsign softmax_over_batch")),
    *(layers(dense(init=init)) for init in (
        {"kind": "glorot_uniform"}, {"kind": "normal", "std": 0.1, "mean": 1}, {"kind": "trunc_normal", "std": 0.1},
        {"kind": "uniform", "low": -1, "high": 1}, {"kind": "constant", "value": 0}, {"kind": "he_uniform"},
        {"kind": "he_normal"})),
    *({"loss": {"name": name}} for name in words("mse mae hinge bce cce bce_logits cce_logits")),
    {"loss": {"name": "cce", "clip": 0, "renormalise": False, "reduction": "sum", "axis": 0}},
    {"loss": {"name": "bce", "clip": 1e-7, "reduction": "mean", "over_outputs": "sum", "scale": 0.5}},
    {"optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True, "decay": 1e-6, "clipnorm": 1.0}},
    {"optimizer": {"name": "adam", "lr": 0.1, "eps": 1e-16, "beta1": 0.9, "beta2": 0.99}},
    {"optimizer": {"name": "rmsprop", "lr": 0.1, "rho": 0.9, "eps": 1e-7}},
    {"optimizer": {"name": "adadelta", "lr": 1, "rho": 0.95}},
    {"train": {"epochs": 1, "batch_size": "full", "max_steps": 3, "shuffle": False, "zero_grad": False,
               "frozen": ["h1"], "gradient_sign": -1, "shuffle_inputs_only": True}},
    {"metric": {"name": "accuracy", "split": "test", "goal": "max", "threshold": 0.5}},
    *({"metric": {"name": name, "split": "train", "goal": "min"}} for name in words("bit_accuracy r2 loss")),
    {"reported_metric": {"name": "argmax_accuracy", "split": "train", "goal": "max"}},
]  # fmt: skip


@pytest.mark.parametrize("change", VOCABULARY, ids=lambda change: next(iter(change)))
def test_every_word_of_the_vocabulary_is_read_and_kept(change):
    given = spec(**change)
    before = copy.deepcopy(given)
    experiment = Experiment.from_dict(given)
    assert given == before
    assert experiment.to_dict() == given
    experiment.to_dict()["model"]["layers"].clear()  # a copy: the experiment stays as it is
    assert experiment.to_dict() == given
    assert Experiment.from_dict(experiment.to_dict()) == experiment
    assert Experiment.from_dict(json.loads(json.dumps(experiment.to_dict()))) == experiment


@pytest.mark.skipif(not CASES.is_dir(), reason="the folder of published faults is not beside the repository")
def test_every_published_fault_is_read_and_kept():
    files = sorted(CASES.glob("*.json"))
    assert len(files) >= 48
    for file in files:
        given = json.loads(file.read_text())["spec"]
        assert Experiment.from_dict(given).to_dict() == given, file.name


# --- the short form -------------------------------------------------------------------------------------------------

SHORT = """
loss = "cross_entropy"

[data]
kind = "blobs"
n = 100
seed = 4

[[model.layers]]
units = 8
activation = "relu"
init = "he"

[[model.layers]]
units = 3

[optimizer]
name = "momentum"
lr = 0.1

[train]
epochs = 2
batch_size = 10
"""


def test_the_short_form_is_the_long_one_written_out(tmp_path):
    path = tmp_path / "blobs.toml"
    path.write_text(SHORT)
    experiment = Experiment.from_file(path)
    assert experiment.to_dict() == {
        "data": {"kind": "blobs", "seed": 4, "params": {"n": 100}},
        "model": {
            "layers": [
                {"type": "dense", "units": 8, "activation": "relu", "init": {"kind": "he"}},
                {"type": "dense", "units": 3},
            ]
        },
        "loss": {"name": "cross_entropy"},
        "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9},
        "train": {"epochs": 2, "batch_size": 10},
    }
    as_json = tmp_path / "blobs.json"
    as_json.write_text(json.dumps(experiment.to_dict()))
    assert Experiment.from_file(as_json) == experiment
    assert (experiment.epochs, experiment.seed) == (2, 0)


def test_mnist_is_raw_in_the_long_form_and_scaled_in_the_short_one():
    def data(given):
        return Experiment.from_dict(spec(data=given)).to_dict()["data"]

    everything = {"train": 50_000, "test": 10_000}
    assert (
        data("mnist") == data({"kind": "mnist"}) == {"kind": "mnist", "params": everything, "pixels": "unit"}
    )
    assert data({"kind": "mnist", "train": 100, "pixels": "raw"}) == {
        "kind": "mnist",
        "params": {"train": 100, "test": 10_000},
    }
    long = {"kind": "mnist", "params": {"train": 10, "test": 5}}
    assert data(long) == long
    assert data({**long, "pixels": "unit"}) == {**long, "pixels": "unit"}


def test_the_example_in_the_documentation_trains(tmp_path):
    text = textwrap.dedent("    " + Experiment.__doc__)
    example = text.split("As a file::")[1].split("The core's `cross_entropy`")[0]
    path = tmp_path / "example.toml"
    path.write_text(textwrap.dedent(example))
    _, results = Experiment.from_file(path).run()
    assert len(results) == 10
    assert results[-1].validation_accuracy > 0.9


# --- what is said when a field is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimiser": {}}, "unknown field 'optimiser', did you mean 'optimizer'?"),
        ({"data": {"kind": "minst"}}, "data.kind: expected a kind of data, got 'minst', did you mean 'mnist'?"),
        ({"data": {"seed": 1}}, "data: the field 'kind' is missing"),
        ({"data": {"kind": "blobs", "stdd": 1}}, "data: unknown field 'stdd', did you mean 'std'?"),
        ({"data": {"kind": "blobs", "params": {"nn": 1}}}, "data.params: unknown field 'nn', did you mean 'n'?"),
        ({"data": {"kind": "blobs", "params": {"n": 1}}}, "data.params.n: expected a whole number of at least 2, got 1"),
        ({"data": {"kind": "blobs", "n": 2.5}}, "data.n: expected a whole number of at least 2, got 2.5"),
        ({"data": {"kind": "blobs", "pixels": "raw"}}, "data: unknown field 'pixels'"),
        ({"data": {"kind": "table", "x": [[1]]}}, "data: a table needs its rows"),
        ({"data": 3}, "data: expected a table or a name, got 3"),
        ({"preprocess": {"x": [["standardise"]]}}, "preprocess.x[0][0]: expected an operation, got 'standardise', did you mean 'standardize'?"),
        ({"preprocess": {"x": [["divide"]]}}, "preprocess.x[0]: expected divide with one argument, got ['divide']"),
        ({"preprocess": {"x": [["divide", 0]]}}, "preprocess.x[0][1]: expected a number that is not 0, got 0"),
        ({"preprocess": {"y": [["column", 1]]}}, "preprocess.y[0]: expected column with no argument, got ['column', 1]"),
        ({"model": {"layers": []}}, "model.layers: expected a list of at least 1, got []"),
        ({"model": {}}, "model: the field 'layers' is missing"),
        (layers(dense(units="30")), "model.layers[0].units: expected a whole number of at least 1, got '30'"),
        (layers(dense(units=True)), "model.layers[0].units: expected a whole number of at least 1, got True"),
        (layers(dense(), dense(name="b", activation="rleu")), "model.layers[1].activation: expected an activation, got 'rleu', did you mean 'relu'?"),
        (layers(dense(activaton="relu")), "model.layers[0]: unknown field 'activaton', did you mean 'activation'?"),
        (layers({"type": "dense"}), "model.layers[0]: the field 'units' is missing"),
        (layers({"name": "x"}), "model.layers[0]: the field 'type' is missing"),
        (layers({"type": "dropout", "rate": 1}), "model.layers[0].rate: expected a finite number of at least 0 and below 1, got 1"),
        (layers(dense(init="hee")), "model.layers[0].init.kind: expected an initialiser, got 'hee', did you mean 'he'?"),
        (layers(dense(init={"kind": "uniform", "low": 0})), "model.layers[0].init: the field 'high' is missing"),
        (layers(dense(), dense()), "model.layers: two layers are called 'h'"),
        (layers(dense(slope=0.1)), "model.layers[0].slope: only the activation 'leaky_relu' has a slope"),
        ({"loss": {"name": "cross_entorpy"}}, "loss.name: expected a loss, got 'cross_entorpy', did you mean 'cross_entropy'?"),
        ({"loss": {"name": "mse", "reduction": "max"}}, "loss.reduction: expected 'mean' or 'sum', got 'max'"),
        ({"optimizer": {"name": "sgd"}}, "optimizer: the field 'lr' is missing"),
        ({"optimizer": {"name": "sgd", "lr": 0}}, "optimizer.lr: expected a finite number above 0, got 0"),
        ({"optimizer": {"name": "sgd", "lr": float("nan")}}, "optimizer.lr: expected a finite number above 0, got nan"),
        ({"optimizer": {"name": "sgd", "lr": 10**400}}, "optimizer.lr: expected a finite number above 0, got 1000"),
        ({"optimizer": {"name": "sgd", "lr": 10**5000}}, "optimizer.lr: expected a finite number above 0, got a number of thousands"),
        ({"optimizer": {"name": "adam", "lr": 1, "momentum": 0.9}}, "optimizer: unknown field 'momentum'"),
        ({"train": {"epochs": 0, "batch_size": 1}}, "train.epochs: expected a whole number of at least 1, got 0"),
        ({"train": {"epochs": 1, "batch_size": "all"}}, "train.batch_size: expected a whole number of at least 1, or 'full', got 'all'"),
        ({"train": {"epochs": 1, "batch_size": 1, "frozen": ["h2"]}}, "train.frozen[0]: expected the name of a layer, got 'h2'"),
        ({"train": {"epochs": 1, "batch_size": 1, "gradient_sign": 0}}, "train.gradient_sign: expected 1 or -1, got 0"),
        ({"train": {"epochs": 1, "batch_size": 1, "seed": -1}}, "train.seed: expected a whole number of at least 0, got -1"),
        ({"metric": {"name": "acc"}}, "metric.name: expected a metric, got 'acc'"),
    ],
)  # fmt: skip
def test_wrong_fields_are_named(change, message):
    with pytest.raises(ExperimentError) as error:
        Experiment.from_dict(spec(**change))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("part", ["data", "model", "loss", "optimizer", "train"])
def test_missing_parts_are_named(part):
    given = spec()
    del given[part]
    with pytest.raises(ExperimentError, match=f"the field '{part}' is missing"):
        Experiment.from_dict(given)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("dense"),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["kind", "name", "type", "units", "params", "x"]) | st.text(max_size=3), inner, max_size=4),
    max_leaves=6,
)  # fmt: skip


@given(junk=JUNK, data=st.data())
def test_junk_anywhere_is_an_error_of_one_line_or_means_something(junk, data):
    given = spec(preprocess={"x": [["minmax", [0, 1]]], "y": [["one_hot", 2]]})
    node, path = given, []
    while True:
        keys = list(node) if isinstance(node, dict) else range(len(node))
        key = data.draw(st.sampled_from(list(keys)))
        path.append(key)
        inner = node[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            node[key] = junk
            break
        node = inner
    try:
        experiment = Experiment.from_dict(given)
    except ExperimentError as error:
        first = str(error).split(":")[0]
        assert "\n" not in str(error)  # noqa: PT017
        assert path[0] in first or "unknown field" in str(error) or "missing" in str(error)  # noqa: PT017
    else:
        assert Experiment.from_dict(experiment.to_dict()) == experiment


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.toml", b"[data\n", "not valid TOML: "),
        ("a.json", b'{"data": }', "not valid JSON: Expecting value"),
        ("a.json", b"[" * 100_000, "not valid JSON: nested too deeply"),
        ("a.toml", b"a = " + b"[" * 100_000, "not valid TOML: nested too deeply"),
        ("a.json", b'{"data": ' + b"9" * 5000 + b"}", "not valid JSON: "),
        ("a.toml", b"\xff\xfe", "expected UTF-8 text, byte 0 is none"),
        ("a.json", b"[1]", "the experiment: expected a table with the fields data, model"),
        ("a.yaml", b"", "expected a .toml or .json file"),
        ("a.toml", b'[daat]\nkind = "mnist"', "unknown field 'daat', did you mean 'data'?"),
        ("a.toml", b"lr = 0x" + b"f" * 9000, "unknown field 'lr'"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ExperimentError) as error:
        Experiment.from_file(path)
    assert str(error.value).startswith(f"{path}: {message}")
    assert "\n" not in str(error.value)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    with_mark, without = tmp_path / "with.toml", tmp_path / "without.toml"
    with_mark.write_text(SHORT, "utf-8-sig")
    without.write_text(SHORT, "utf-8")
    assert Experiment.from_file(with_mark) == Experiment.from_file(without)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(ExperimentError, match=r"none\.toml: cannot be read: No such file"):
        Experiment.from_file(tmp_path / "none.toml")


@given(
    content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode),
    suffix=st.sampled_from(["toml", "json"]),
)
def test_any_bytes_are_an_error_of_one_line(tmp_path_factory, content, suffix):
    path = tmp_path_factory.mktemp("files") / f"a.{suffix}"
    path.write_bytes(content)
    with pytest.raises(ExperimentError) as error:
        Experiment.from_file(path)
    assert "\n" not in str(error.value)


# --- from arguments ---------------------------------------------------------------------------------------------------


def test_mlp_from_arguments():
    experiment = Experiment.mlp(
        "mnist", (784, 30, 10), "sigmoid", "sigmoid", "quadratic", "normal", "normal", "momentum", 3.0, 0.5, 20, 4, 2, "float64"
    )  # fmt: skip
    unit = {"kind": "normal"}
    layer = {"type": "dense", "activation": "sigmoid", "init": unit, "bias_init": unit}
    assert experiment.to_dict() == {
        "data": {"kind": "mnist", "params": {"train": 50_000, "test": 10_000}, "pixels": "unit"},
        "model": {
            "inputs": 784,
            "dtype": "float64",
            "layers": [{**layer, "units": 30}, {**layer, "units": 10}],
        },
        "loss": {"name": "quadratic"},
        "optimizer": {"name": "sgd", "lr": 3.0, "l2": 0.5, "momentum": 0.9},
        "train": {"epochs": 4, "batch_size": 20, "seed": 2},
    }
    assert Experiment.from_dict(experiment.to_dict()) == experiment


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": (64,)}, "layers: expected the widths of inputs and outputs at least"),
        ({"layers": (64, 0, 10)}, r"model.layers\[0\].units: expected a whole number of at least 1, got 0"),
        ({"lr": -1}, "optimizer.lr: expected a finite number above 0, got -1"),
        ({"activation": "gellu"}, "activation: expected an activation, got 'gellu', did you mean 'gelu'"),
        ({"data": "digit"}, "did you mean 'digits'"),
        ({"dtype": "float16"}, "model.dtype: expected a dtype, got 'float16'"),
        ({"optimizer": "adm"}, "did you mean 'adam'"),
    ],
)
def test_mlp_names_wrong_arguments(arguments, message):
    with pytest.raises(ExperimentError, match=message):
        Experiment.mlp(**arguments)
