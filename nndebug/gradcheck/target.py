"""Loads what the user wants checked: `file.py:factory` or `module:factory`, found by place and never guessed."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from ..adapters.attributes import looks_own
from ..adapters.attributes.calling import methods
from ..errors import UserError, did_you_mean, not_installed
from .dispatch import KEYS, is_function

EXAMPLE = (
    "nndebug gradcheck file.py:factory, where factory() returns (network, x, y) or (loss, params, grads)"
)


@contextmanager
def loaded(target: str, told: bool = False) -> Iterator[tuple[Any, Any, Any]]:
    """The three arguments of `gradcheck` that a target gives; within the block the target's folder can be imported from.

    Args:
        target: `file.py:name` or `module:name`. The name is a function without arguments, or what it would give:
            (network, x, y), also of a class of one's own; a network alone, whose x and y are then None;
            (loss, params, grads), or a dict with these keys.
        told: the user names the methods of the network, so that it is one whatever they are called.

    Raises:
        UserError: there is no such file, module or name, it raises, or it gives something else.
    """
    place, colon, name = target.rpartition(":")
    if not colon or not place or not name:
        raise UserError(f"{target!r} names no factory", help=_example(target))
    is_file = place.endswith(".py") or Path(place).exists()
    folder = str(Path(place).resolve().parent) if is_file else str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        module = _from_file(Path(place)) if is_file else _from_module(place)
        yield _checked(target, _made(target, _attribute(module, place, name)), told)
    finally:
        if folder in sys.path:
            sys.path.remove(folder)


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        folder = path.parent
        near = sorted(p.name for p in folder.glob("*.py")) if folder.is_dir() else []
        help = did_you_mean(path.name, near) if near else f"there is no Python file in {folder}"
        raise UserError(f"there is no file {path}", help=help)
    # A name of its own: a user's network.py must not stand in for another module called network.
    name = f"_nndebug_target_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is no Python file", help=EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _raised(str(path), error) from error
    return module


def _from_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            help = "give the path of the file, as in folder/file.py:factory"
            raise UserError(f"there is no module {name!r}", help=help) from error
        raise _raised(name, error) from error
    except (Exception, SystemExit) as error:
        raise _raised(name, error) from error


def _attribute(module: ModuleType, place: str, name: str) -> Any:
    if not hasattr(module, name):
        found = {n: value for n, value in vars(module).items() if callable(value) and not n.startswith("_")}
        # What is written there comes before what it imports.
        written = [n for n, value in found.items() if getattr(value, "__module__", "") == module.__name__]
        known = written or list(found)
        help = did_you_mean(name, known) if known else EXAMPLE
        raise UserError(f"{place} has no {name!r}", help=help)
    return getattr(module, name)


def _made(target: str, thing: Any) -> Any:
    if not callable(thing) or (not inspect.isclass(thing) and (hasattr(thing, "layers") or looks_own(thing))):
        return thing
    try:
        required = [
            p.name
            for p in inspect.signature(thing).parameters.values()
            if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
    except (TypeError, ValueError):
        required = []
    if required:
        raise UserError(
            f"{target} takes arguments: {', '.join(required)}",
            help="write a function without arguments that returns (network, x, y) or (loss, params, grads)",
        )
    try:
        return thing()
    except (Exception, SystemExit) as error:
        raise _raised(target, error) from error


def _checked(target: str, value: Any, told: bool) -> tuple[Any, Any, Any]:
    if isinstance(value, Mapping) and set(KEYS) <= set(value):
        value = tuple(value[key] for key in KEYS)
    parts = value if isinstance(value, tuple) else (value, None, None)
    known = told or hasattr(parts[0], "layers") or looks_own(parts[0])
    if len(parts) == 3 and (known or (isinstance(value, tuple) and is_function(parts[0]))):
        return parts[0], parts[1], parts[2]
    got = type(value).__name__
    if isinstance(value, tuple):
        got = "(" + ", ".join(type(part).__name__ for part in value) + ")"
    if len(parts) == 3 and parts[1] is not None and (named := methods(parts[0])):
        raise UserError(
            f"no backward was found in {type(parts[0]).__name__}: it has {', '.join(named[:8])}",
            help="say which methods they are: --forward NAME --backward NAME",
        )
    if isinstance(value, Mapping):
        got = f"a dict with the keys {', '.join(map(str, value)) or '(none)'}"
    raise UserError(
        f"{target} gives {got}, not (network, x, y) or (loss, params, grads)",
        help="return a network with layers and loss, inputs and targets; or a function, its parameters, its gradients",
    )


def _raised(what: str, error: BaseException) -> UserError:
    at = _line(error)
    where = f" (line {at})" if at else ""
    return UserError(
        f"{what} raises {type(error).__name__}: {error}{where}",
        help=getattr(error, "help", "") or not_installed(error) or "run it by itself first: python -i FILE",
    )


def _line(error: BaseException) -> int:
    """Line of the user's own file in which it was raised, 0 if it is not known."""
    if isinstance(error, SyntaxError):
        return error.lineno or 0
    line, trace = 0, error.__traceback__
    while trace:
        if "_nndebug_target_" in str(trace.tb_frame.f_globals.get("__name__", "")):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _example(target: str) -> str:
    return f"nndebug gradcheck {target}:factory" if target.endswith(".py") else EXAMPLE
