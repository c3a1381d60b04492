"""`Experiment`: data, layers, loss, optimiser and seed as plain data, from a TOML or JSON file or from arguments."""

from __future__ import annotations

import copy
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ..data import Dataset
from ..data.download import Progress
from ..errors import ExperimentError
from ..hooks import Observer
from ..model import Sequential
from ..optimizers import Optimizer
from ..training import EpochResult, fit
from .build import build, fit_options
from .spec import parse


@dataclass(frozen=True)
class Experiment:
    """All that is needed to train a network again, as plain data; nothing is loaded or drawn before `build`.

    As a file::

        [data]
        kind = "digits"          # digits, mnist, blobs, circles, xor, spiral, line, sine or table;
        # n = 600, noise = 0.1   # arguments of that generator, and its `seed`, stand beside `kind`

        [preprocess]             # optional: steps for x and y, statistics from the training part
        x = [["standardize"]]

        [[model.layers]]         # `type` is dense where `units` are given; else dropout, flatten, activation
        units = 30
        activation = "relu"      # linear (default), relu, leaky_relu (slope 0.3), elu, selu, tanh, sigmoid, softmax, ...
        init = "he"              # glorot_uniform (default), xavier, lecun, zeros, {kind = "normal", std = 0.1}, ...

        [[model.layers]]
        units = 10

        [loss]
        name = "cross_entropy"   # the core's: quadratic, cross_entropy, binary_cross_entropy; or mse, cce, bce, ...

        [optimizer]
        name = "sgd"             # sgd (momentum = 0.9, nesterov), adam (beta1, beta2, eps), rmsprop, adadelta (rho, eps)
        lr = 0.1                 # decay and clipnorm as in Keras
        l2 = 0.0                 # λ of λ/(2n) Σ w²; a layer's own l1 and l2 stand beside its units

        [train]
        epochs = 10
        batch_size = 10          # or "full"
        seed = 0                 # of initial values, dropout and order
        # max_steps = 1000, frozen = ["hidden1"]

    The core's `cross_entropy` and `binary_cross_entropy` are those of probabilities, which a last softmax or sigmoid
    or, without one, the loss itself makes from the outputs. The other losses (`cce` on probabilities,
    `cce_logits` on logits, ...) are taken literally, so that a network with two softmaxes can be written down.

    It is a vocabulary for faulty programs as well: gradients that are never cleared (`zero_grad = false`), updates
    uphill (`gradient_sign = -1`), targets that broadcast. With `params` as a table of its own, `[data]` is in the long
    form, the one in which `mnist` has `train` and `test` rows and pixels of 0..255; in the short form, or with
    `pixels = "unit"`, they are 0..1.

    Attributes:
        spec: the full form, without defaults. Build it with `from_dict`, which checks it.
    """

    spec: Mapping[str, Any]

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Reads a `.toml` or `.json` file.

        Raises:
            ExperimentError: the file cannot be read, or a field is unknown, missing or wrong; the message begins with
                the file and names the field.
        """
        path = Path(path)
        content = _read(path)
        try:
            return cls.from_dict(content)
        except ExperimentError as error:
            raise ExperimentError(f"{path}: {error}", help=error.help) from None

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """Checks plain data of the form above; `given` is not changed.

        Raises:
            ExperimentError: a field is unknown, missing or wrong; the message names its path.
        """
        return cls(parse(given))

    @classmethod
    def mlp(
        cls,
        data: str = "digits",
        layers: Sequence[int] = (64, 30, 10),
        activation: str = "relu",
        output_activation: str | None = None,
        loss: str = "cross_entropy",
        init: str = "he",
        bias_init: str = "zeros",
        optimizer: str = "sgd",
        lr: float = 0.1,
        l2: float = 0.0,
        batch: int = 10,
        epochs: int = 10,
        seed: int = 0,
        dtype: str = "float32",
    ) -> Self:
        """A fully connected network.

        Args:
            data: name of the data.
            layers: widths from the inputs to the outputs.
            activation: of the hidden layers.
            output_activation: of the last; None for none.
            loss: name of the loss.
            init: initialiser of the weights.
            bias_init: initialiser of the biases.
            optimizer: sgd, momentum or adam.
            lr: learning rate.
            l2: λ of λ/(2n) Σ w².
            batch: rows per update.
            epochs: passes over the data.
            seed: of initial values and order.
            dtype: float32 or float64.

        Raises:
            ExperimentError: an argument is wrong; the message names its path in the file form.
        """
        if isinstance(layers, str) or len(layers) < 2:
            raise ExperimentError(
                f"layers: expected the widths of inputs and outputs at least, got {layers!r}", help="64,30,10"
            )
        activations = [activation] * (len(layers) - 2) + [output_activation or "linear"]
        return cls.from_dict(
            {
                "data": {"kind": data},
                "model": {
                    "inputs": layers[0],
                    "dtype": dtype,
                    "layers": [
                        {
                            "type": "dense",
                            "units": units,
                            "activation": a,
                            "init": init,
                            "bias_init": bias_init,
                        }
                        for units, a in zip(layers[1:], activations, strict=True)
                    ],
                },
                "loss": {"name": loss},
                # The vocabulary's default is Keras' 1e-7; who types `adam` here means the core's.
                "optimizer": {"name": optimizer, "lr": lr, "l2": l2}
                | ({"eps": 1e-8} if optimizer == "adam" else {}),
                "train": {"epochs": epochs, "batch_size": batch, "seed": seed},
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data that `from_dict` turns into an equal experiment; a copy of its own."""
        return copy.deepcopy(dict(self.spec))

    @property
    def epochs(self) -> int:
        """Passes over the training data."""
        return int(self.spec["train"]["epochs"])

    @property
    def seed(self) -> int:
        """Seed of initial values, dropout and order."""
        return int(self.spec["train"].get("seed", 0))

    def build(
        self,
        data_dir: str | os.PathLike[str] | None = None,
        download: bool = True,
        progress: Progress | None = None,
        data: Dataset | None = None,
    ) -> tuple[Sequential, Optimizer, Dataset]:
        """A fresh network, its optimiser, and the data.

        Args:
            data_dir: folder of data that is read from files.
            download: whether missing files may be fetched.
            progress: see `load_mnist`.
            data: data of your own in place of what `[data]` names, before preprocessing.

        Raises:
            ExperimentError: there is no such data, or parts do not fit together.
            DataError: the data cannot be loaded or does not fit the loss.
        """
        return build(self.spec, data_dir, download, progress, data)

    def fit_options(self, dataset: Dataset) -> dict[str, Any]:
        """The keyword arguments that `fit` needs to train as written: epochs, batch, seed, shuffle and others."""
        return fit_options(self.spec["train"], len(dataset.train[0]))

    def run(
        self, data_dir: str | os.PathLike[str] | None = None, **hooks: Observer
    ) -> tuple[Sequential, list[EpochResult]]:
        """Builds and trains; evaluates each epoch on the validation part, or the test part where there is none.

        Args:
            data_dir: see `build`.
            hooks: observers by event of the network, as in `run(epoch=print)`.

        Raises:
            NetworkError: see `build`; or there is no such event.
        """
        network, optimizer, dataset = self.build(data_dir)
        for kind, observer in hooks.items():
            network.hook(kind, observer)
        held_out = dataset.validation or dataset.test
        return network, fit(
            network, dataset.train, optimizer, validation=held_out, **self.fit_options(dataset)
        )


def _read(path: Path) -> Any:
    """Plain data from a file, whatever it says."""
    if path.suffix not in (".toml", ".json"):
        raise ExperimentError(f"{path}: expected a .toml or .json file", help="nndebug train experiment.toml")
    try:
        text = path.read_text("utf-8-sig")  # some editors begin a file with a byte order mark
        return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise ExperimentError(
            f"{path}: cannot be read: {error.strerror or error}", help="check the name and the permissions"
        ) from None
    except UnicodeDecodeError as error:
        raise ExperimentError(
            f"{path}: expected UTF-8 text, byte {error.start} is none", help="save it as UTF-8"
        ) from None
    except (ValueError, RecursionError) as error:
        kind = path.suffix[1:].upper()
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise ExperimentError(
            f"{path}: not valid {kind}: {reason}", help=f"correct it where the {kind} ends"
        ) from None
