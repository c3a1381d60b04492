"""A user's own rules: from installed packages (entry point `nndebug.rules`) and from `plugins` in the settings."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path

from .errors import UserError

GROUP = "nndebug.rules"

_failures: dict[str, str] = {}
_installed = False


def load_installed() -> dict[str, str]:
    """Imports what installed packages announce; once. What fails is in the answer, name → reason, and hurts nothing."""
    global _installed
    if not _installed:
        _installed = True
        for point in entry_points(group=GROUP):
            try:
                point.load()
            except Exception as error:
                _failures[point.name] = f"{type(error).__name__}: {error}"
    return dict(_failures)


def load_named(plugins: Iterable[str], home: Path | None) -> None:
    """Imports modules, or files ending in `.py`, that the settings name.

    Args:
        plugins: their names or paths.
        home: the folder that paths are relative to, and in which modules are looked for as well.

    Raises:
        UserError: one cannot be found or imported.
    """
    for plugin in plugins:
        try:
            if plugin.endswith(".py"):
                _load_file((home or Path()) / plugin)
            else:
                _load_module(plugin, home)
        except UserError as error:
            raise UserError(f"the plug-in {plugin!r}: {error}", help=error.help) from None
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise UserError(
                f"the plug-in {plugin!r} cannot be imported: {reason}",
                help="plugins = [...] in pyproject.toml names it",
            ) from error


def _load_module(name: str, home: Path | None) -> None:
    if name in sys.modules:
        return
    place = str(home) if home else None
    if place:
        sys.path.insert(0, place)
    try:
        importlib.import_module(name)
    finally:
        if place and place in sys.path:
            sys.path.remove(place)


def _load_file(path: Path) -> None:
    name = f"_nndebug_plugin_{path.resolve().as_posix()}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UserError(f"there is no file {path}", help="the path is relative to pyproject.toml")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
