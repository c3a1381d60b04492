"""Saved networks: they come back as they were; nothing else is taken for one, and no file runs code."""

import json
from pathlib import Path

import numpy as np
import pytest
from core_helpers import DTYPES, samples, small
from hypothesis import given
from hypothesis import strategies as st

from network import (
    SGD,
    CrossEntropy,
    DataError,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    Loss,
    NetworkError,
    Quadratic,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    fit,
)
from network.losses import LOSSES


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_network_comes_back_as_it_was(tmp_path, dtype, loss):
    layers = [
        Flatten(),
        Dense(6, 5),
        ReLU(),
        Dropout(0.3),
        Dense(5, 5, bias=False, name="middle"),
        LeakyReLU(0.2),
    ]
    layers += [
        Dropout(0.25, seed=8, name="noise"),
        Tanh(),
        Dense(5, 4),
        Sigmoid(name="squash"),
        Dense(4, 3),
        Softmax(),
    ]
    network = Sequential(*layers, loss=LOSSES[loss](), dtype=dtype, seed=11)
    network.flat_parameters[...] = np.random.default_rng(0).normal(size=network.flat_parameters.size)
    network.save(tmp_path / "net.npz")
    loaded = Sequential.load(str(tmp_path / "net.npz"))

    assert repr(loaded) == repr(network)
    assert (loaded.dtype, loaded.seed, loaded.training) == (network.dtype, 11, False)
    assert type(loaded.loss) is LOSSES[loss]
    for one, other in zip(loaded.layers, network.layers, strict=True):
        assert (type(one), one.name, one.kind) == (type(other), other.name, other.kind)
    assert loaded.layers[5].slope == 0.2
    assert list(loaded.parameters) == list(network.parameters)
    for name, value in network.parameters.items():
        assert loaded.parameters[name].dtype == dtype
        assert loaded.parameters[name].tobytes() == value.tobytes()
    x, y = samples()
    np.testing.assert_array_equal(loaded.forward(x), network.forward(x))
    for one in (loaded, network):  # dropout, seeded or not, drops what it would have dropped
        fit(one, (x, y), SGD(0.1), batch=9)
    assert loaded.flat_parameters.tobytes() == network.flat_parameters.tobytes()


def test_a_loaded_network_can_be_saved_again(tmp_path):
    network = small()
    network.save(tmp_path / "a")
    Sequential.load(tmp_path / "a").save(tmp_path / "b")
    assert Sequential.load(tmp_path / "b").flat_parameters.tobytes() == network.flat_parameters.tobytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]  # no ending is added


def test_numbers_that_are_not_finite_come_back_too(tmp_path):
    network = small()
    network.flat_parameters[:4] = [np.nan, np.inf, -np.inf, -0.0]
    network.save(tmp_path / "net.npz")
    assert (
        Sequential.load(tmp_path / "net.npz").flat_parameters.tobytes() == network.flat_parameters.tobytes()
    )


def test_a_file_is_readable_without_this_package(tmp_path):
    network = small()
    network.save(tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz", allow_pickle=False) as file:
        assert sorted(file.files) == sorted(["network", *network.parameters])
        spec = json.loads(str(file["network"]))
        np.testing.assert_array_equal(file["output.weight"], network.parameters["output.weight"], strict=True)
    assert spec["loss"] == "cross_entropy"
    assert [layer["kind"] for layer in spec["layers"]] == [layer.kind for layer in network.layers]
    assert b"pickle" not in (tmp_path / "net.npz").read_bytes()


def test_classes_of_ones_own_are_refused_before_anything_is_written(tmp_path):
    class Mine(ReLU):
        pass

    class MyLoss(Quadratic):
        pass

    path = tmp_path / "net.npz"
    path.write_bytes(b"the old file")
    for network, name in (
        (Sequential(Dense(2, 2), Mine()), "Mine"),
        (Sequential(Dense(2, 2), loss=MyLoss()), "MyLoss"),
        (Sequential(Dense(2, 2), loss=Loss()), "Loss"),
    ):
        with pytest.raises(NetworkError) as caught:
            network.save(path)
        assert str(caught.value) == f"cannot save a {name}, a class of your own"
        assert caught.value.help == "save net.flat_parameters, and build the network by your own code"
    assert path.read_bytes() == b"the old file"


# --- what is no saved network -------------------------------------------------------------------------------------------


def refused(path):
    with pytest.raises(DataError) as caught:
        Sequential.load(path)
    assert str(caught.value).startswith(f"{path} is not a saved network, or damaged: ")
    assert "\n" not in str(caught.value)
    assert caught.value.help == "write one with net.save(path)"
    return str(caught.value)


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


@pytest.mark.parametrize("name", ["network", "output.weight"])
def test_an_object_array_is_refused_and_runs_no_code(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    network = Sequential(Dense(2, 2))
    network.save(tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz") as file:
        arrays = {key: file[key] for key in file.files}
    bomb = np.empty((2, 2) if name == "output.weight" else (), object)
    bomb[...] = Bomb()
    np.savez(tmp_path / "net.npz", **{**arrays, name: bomb})
    assert "Object arrays cannot be loaded" in refused(tmp_path / "net.npz")
    assert not (tmp_path / "exploded").exists()
    with np.load(tmp_path / "net.npz", allow_pickle=True) as file:
        file[name]
    assert (tmp_path / "exploded").exists()  # the bomb was a real one


@pytest.mark.parametrize("content", [b"", b"hello\n", b"PK\x03\x04", b"\x80\x04N.", b"\x93NUMPY\x01\x00"])
def test_files_of_other_kinds(tmp_path, content):
    (tmp_path / "net").write_bytes(content)
    refused(tmp_path / "net")


def test_arrays_of_other_kinds(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    np.savez(tmp_path / "b.npz", x=np.zeros(3))
    np.savez(tmp_path / "c.npz", network=np.array("{}"))
    np.savez(tmp_path / "d.npz", network=np.array("no JSON"))
    np.savez(tmp_path / "e.npz", network=np.array(json.dumps([1, 2])))
    for name in ("a.npy", "b.npz", "c.npz", "d.npz", "e.npz"):
        refused(tmp_path / name)


SPEC = {
    "layers": [{"kind": "dense", "name": None, "inputs": 3, "units": 2, "bias": True}],
    "loss": "quadratic",
}
SPEC |= {"dtype": "float32", "seed": 0}
VALUES = {"output.weight": np.ones((3, 2), "f"), "output.bias": np.ones(2, "f")}


def write(path, spec, values):
    np.savez(path, **{"network": np.array(json.dumps(spec)), **values})
    return path


def test_the_file_that_the_next_tests_spoil_is_a_good_one(tmp_path):
    assert (Sequential.load(write(tmp_path / "net.npz", SPEC, VALUES)).flat_parameters == 1).all()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"output.weight": np.ones((2, 3), "f")}, "output.weight has shape (2, 3), expected (3, 2)"),
        ({"output.weight": np.ones((1, 1), "f")}, "output.weight has shape (1, 1), expected (3, 2)"),
        ({"output.bias": np.float32(1)}, "output.bias has shape (), expected (2,)"),
        ({"output.weight": np.full((3, 2), "x")}, "could not convert string to float"),
    ],
)
def test_parameters_that_do_not_fit(tmp_path, values, said):
    assert said in refused(write(tmp_path / "net.npz", SPEC, {**VALUES, **values}))


@pytest.mark.parametrize("missing", VALUES)
def test_a_missing_parameter_is_not_drawn_in_silence(tmp_path, missing):
    values = {name: value for name, value in VALUES.items() if name != missing}
    assert missing in refused(write(tmp_path / "net.npz", SPEC, values))


@pytest.mark.parametrize(
    "change",
    [
        {"layers": [{"kind": "dense"}]},
        {"layers": [{"kind": "system", "command": "ls"}]},
        {"layers": [{**SPEC["layers"][0], "units": "2"}]},
        {"layers": [{**SPEC["layers"][0], "extra": 1}]},
        {"layers": []},
        {"layers": 3},
        {"loss": "ctc"},
        {"dtype": "float16"},
        {"dtype": "object"},
        {"seed": -1},
    ],
    ids=str,
)
def test_a_description_that_makes_no_network(tmp_path, change):
    refused(write(tmp_path / "net.npz", {**SPEC, **change}, VALUES))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Path to write to, the bytes of a saved network, and its parameters."""
    path = tmp_path_factory.mktemp("saved") / "net.npz"
    network = Sequential(Dense(4, 3), Sigmoid(), Dropout(0.2), Dense(3, 2), loss=CrossEntropy())
    network.save(path)
    return path, path.read_bytes(), network.flat_parameters


def test_a_file_cut_anywhere_is_refused(saved):
    path, content, _ = saved
    for length in range(0, len(content), 13):
        path.write_bytes(content[:length])
        refused(path)
    path.write_bytes(content[:-1])
    refused(path)


@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_harmless(saved, place, bit):
    path, content, parameters = saved
    damaged = bytearray(content)
    damaged[place % len(content)] ^= 1 << bit
    path.write_bytes(damaged)
    try:
        loaded = Sequential.load(path)
    except DataError:
        return
    assert loaded.flat_parameters.tobytes() == parameters.tobytes()


def test_a_file_that_is_not_there_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Sequential.load(tmp_path / "none.npz")
    with pytest.raises(FileNotFoundError):
        small().save(tmp_path / "none" / "net.npz")
