"""Which arrays are the weights and biases of which dense layer, and how they are turned: by names and by shapes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...errors import UserError, did_you_mean
from ...signals import Array
from .members import Path, name_of, number_of, words_of
from .names import is_bias, is_weight


@dataclass(frozen=True)
class DenseAt:
    """Where the parameters of one dense layer are.

    Attributes:
        name: hidden1, hidden2, …, output.
        weight: path of the weights.
        bias: path of the biases, None if there are none.
        turned: whether weights are (outputs, inputs) and not (inputs, outputs).
    """

    name: str
    weight: Path
    bias: Path | None
    turned: bool

    def matrix(self, weight: Array) -> Array:
        """Weights, or their gradient, as (inputs, outputs)."""
        return weight.T if self.turned else weight


def dense_chains(
    tensors: Mapping[Path, Array], inputs: int, outputs: int, biases: Sequence[Path] = ()
) -> list[tuple[DenseAt, ...]]:
    """The ways in which matrices and vectors can be layers one after the other.

    Args:
        tensors: the parameters by path, in the order in which they were found.
        inputs: width of a sample.
        outputs: width of the output.
        biases: paths of what is a bias whatever it looks like.

    Returns:
        Chains of layers; more than one only if all matrices are square, none if they do not fit.
    """
    biases = [path for path, value in tensors.items() if path in biases or _is_bias(path, value)]
    weights = [path for path in tensors if path not in biases]
    if not weights or any(tensors[path].ndim != 2 for path in weights):
        return []
    found = []
    for order in _orders(weights):
        for turned in (True, False) if _columns(tensors, biases) else (False, True):
            widths = [tensors[path].shape[::-1] if turned else tensors[path].shape for path in order]
            fits = all(a[1] == b[0] for a, b in itertools.pairwise(widths))
            if not fits or widths[0][0] != inputs or widths[-1][1] != outputs:
                continue
            paired = [
                _bias_of(path, position, order, biases, tensors, widths[position][1])
                for position, path in enumerate(order)
            ]
            if len({p for p in paired if p}) != len(biases):
                continue
            names = [f"hidden{number}" for number in range(1, len(order))] + ["output"]
            chain = tuple(DenseAt(name, path, bias, turned) for name, path, bias in zip(names, order, paired))
            if chain not in found:
                found.append(chain)
        if found:
            break
    return found


def named(given: object) -> list[str]:
    """Names that the user gives, one or several."""
    return [str(name) for name in given] if isinstance(given, list | tuple | set) else [str(given)]


def chosen(tensors: Mapping[Path, object], words: object) -> list[Path]:
    """The arrays that the user means by a name: `weights`, `layers[0].W`, or the last word of many paths.

    Raises:
        UserError: there is none of that name.
    """
    found = []
    for word in named(words):
        hits = [
            p
            for p in tensors
            if name_of(p) == word or words_of(p) == word.lower() or name_of(p).startswith(f"{word}[")
        ]
        if not hits:
            known = sorted({name_of(path) for path in tensors} | {words_of(path) for path in tensors})
            raise UserError(f"there is no array {word!r} in your object", help=did_you_mean(word, known))
        found += [path for path in hits if path not in found]
    return found


def named_parameter(path: Path) -> bool:
    """Whether a path says that it is a weight or a bias."""
    return is_weight(words_of(path)) or is_bias(words_of(path))


def _is_bias(path: Path, value: Array) -> bool:
    word = words_of(path)
    if is_bias(word):
        return True
    return not is_weight(word) and (value.ndim < 2 or (value.ndim == 2 and 1 in value.shape))


def _columns(tensors: Mapping[Path, Array], biases: Sequence[Path]) -> bool:
    return any(
        tensors[path].ndim == 2 and tensors[path].shape[1] == 1 < tensors[path].shape[0] for path in biases
    )


def _orders(weights: list[Path]) -> list[list[Path]]:
    numbers = [number_of(path) for path in weights]
    orders = [weights]
    if None not in numbers and len(set(numbers)) == len(weights):
        orders.insert(0, sorted(weights, key=lambda path: number_of(path) or 0))
    return [*orders, weights[::-1]]


def _bias_of(
    weight: Path,
    position: int,
    order: list[Path],
    biases: list[Path],
    tensors: Mapping[Path, Array],
    units: int,
) -> Path | None:
    fitting = [path for path in biases if tensors[path].size == units]
    same_owner = [path for path in fitting if path[:-1] == weight[:-1] and isinstance(path[-1][1], str)]
    if len(same_owner) == 1 and len([p for p in order if p[:-1] == weight[:-1]]) == 1:
        return same_owner[0]
    same_number = [path for path in fitting if number_of(path) == number_of(weight) is not None]
    if len(same_number) == 1:
        return same_number[0]
    if len(biases) == len(order):
        path = biases[position]
        return path if path in fitting else None
    return fitting[0] if len(fitting) == 1 else None
