"""Where a backward leaves its gradients, and which gradient is whose: by names, by groups, by shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...signals import Array
from .members import Path, name_of, number_of, words_of
from .names import is_bias, is_gradient, is_weight, parameter_word


@dataclass(frozen=True)
class Source:
    """Where the gradient of one parameter is found after a backward.

    Attributes:
        kind: `returned`, `attribute`, or `moved` where the backward changes the parameters itself.
        path: within what was returned, or within the object.
    """

    kind: str
    path: Path = ()

    def __str__(self) -> str:
        if self.kind == "moved":
            return "what it changes in the parameters"
        return name_of(self.path) if self.kind == "attribute" else f"returned{_tail(self.path)}"


def leaves(value: Any, path: Path = ()) -> dict[Path, Array]:
    """Every array and number in what a backward returned, by path."""
    if isinstance(value, Mapping):
        items: Any = value.items()
    elif isinstance(value, list | tuple) or (
        isinstance(value, np.ndarray) and value.dtype == object and value.ndim
    ):
        items = enumerate(value)
    else:
        array = np.asarray(value) if value is not None else None
        return {path: array} if array is not None and array.dtype.kind == "f" else {}
    found: dict[Path, Array] = {}
    for key, item in items:
        found |= leaves(item, (*path, ("[", key)))
    return found


def match(parameters: Mapping[Path, Array], candidates: Mapping[Path, Array]) -> dict[Path, Path]:
    """The candidate that is the gradient of each parameter; parameters without one are missing."""
    best: dict[Path, Path] = {}
    for attempt in (_by_name, _by_group, _by_shape):
        found = attempt(parameters, candidates)
        if _quality(found, parameters, candidates) > _quality(best, parameters, candidates):
            best = found
    return best


def named_gradients(found: Mapping[Path, Array], parameters: Mapping[Path, Array]) -> dict[Path, Array]:
    """Those arrays of an object that are called gradients and are no parameters."""
    return {
        path: value
        for path, value in found.items()
        if path not in parameters
        and any(isinstance(key, str) and is_gradient(key.lower()) for _, key in path)
    }


def is_called_for(parameter: Path, candidate: Path) -> bool:
    """Whether a gradient has just this parameter's name: `K`, `dK`, `grads['K']` for `K`.

    >>> is_called_for(((".", "K"),), ((".", "dK"),)), is_called_for(((".", "K"),), (("[", "W"),))
    (True, False)
    """
    own, said = words_of(parameter), words_of(candidate)
    numbers = number_of(parameter), number_of(candidate)
    other = parameter_word(said) if is_gradient(said) else said
    return bool(own) and other == own and (None in numbers or numbers[0] == numbers[1])


# --- inside -------------------------------------------------------------------------------------------------------


def _quality(
    found: Mapping[Path, Path], parameters: Mapping[Path, Array], candidates: Mapping[Path, Array]
) -> float:
    return sum(1.0 + (candidates[c].shape == parameters[p].shape) for p, c in found.items())


def _by_name(parameters: Mapping[Path, Array], candidates: Mapping[Path, Array]) -> dict[Path, Path]:
    scores = []
    for place, (p, value) in enumerate(parameters.items()):
        for c, gradient in candidates.items():
            score = _affinity(p, c)
            if score:
                score += (gradient.shape == value.shape) + 0.5 * _same_case(p, c)
                scores.append((score, -place, p, c))
    found: dict[Path, Path] = {}
    for _, _, p, c in sorted(scores, key=lambda s: (s[0], s[1]), reverse=True):
        if p not in found and c not in found.values():
            found[p] = c
    return found


def _affinity(parameter: Path, candidate: Path) -> float:
    """How well two names go together; 0 if they do not."""
    own, said = words_of(parameter), words_of(candidate)
    other = parameter_word(said) if is_gradient(said) else said
    if not other:
        return 0.0
    same = other == own
    kinds = (is_weight(own), is_bias(own)) == (is_weight(other), is_bias(other)) and (
        is_weight(own) or is_bias(own)
    )
    if not same and not kinds:
        return 0.0
    numbers = number_of(parameter), number_of(candidate)
    if None not in numbers and numbers[0] != numbers[1]:
        return 0.0
    return (
        4.0 * same + 2.0 * kinds + 2.0 * (numbers[0] == numbers[1]) + 2.0 * (parameter[:-1] == candidate[:-1])
    )


def _same_case(parameter: Path, candidate: Path) -> bool:
    """Whether capitals tell which of `K` and `k` a gradient is for."""
    own, said = ([key for _, key in path if isinstance(key, str)][-1:] for path in (parameter, candidate))
    return bool(own and said) and own[0] in said[0]


def _by_group(parameters: Mapping[Path, Array], candidates: Mapping[Path, Array]) -> dict[Path, Path]:
    """Lists as long as those of the parameters, such as (nabla_b, nabla_w)."""
    kinds = _grouped(parameters)
    groups = _grouped(candidates)
    found: dict[Path, Path] = {}
    taken: set[Path] = set()
    fits = []
    for members in kinds.values():
        for other, given in groups.items():
            if len(given) == len(members):
                for order in (given, given[::-1]):
                    same = sum(parameters[p].shape == candidates[c].shape for p, c in zip(members, order))
                    fits.append((same, other, list(zip(members, order))))
    for same, other, pairs in sorted(fits, key=lambda fit: -fit[0]):
        if same and not any(p in found for p, _ in pairs) and other not in taken:
            taken.add(other)
            found |= dict(pairs)
    return found


def _grouped(paths: Mapping[Path, Array]) -> dict[Path, list[Path]]:
    groups: dict[Path, list[Path]] = {}
    for path in paths:
        groups.setdefault(path[:-1], []).append(path)
    return groups


def _by_shape(parameters: Mapping[Path, Array], candidates: Mapping[Path, Array]) -> dict[Path, Path]:
    found: dict[Path, Path] = {}
    for p, value in parameters.items():
        free = [c for c, g in candidates.items() if g.shape == value.shape and c not in found.values()]
        if free:
            found[p] = free[0]
    return found


def _tail(path: Path) -> str:
    return "".join(f"[{key!r}]" for _, key in path)
