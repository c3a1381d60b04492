"""Our network core, found by its place beside this package and never by name.

A user's own file may be called `network.py`, and under `python -m nndebug` the working folder comes first on the
path. So the name `network` is used only when it leads to our folder; otherwise the core is loaded under a private
name, and the user's module keeps its own.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import UserError

PUBLIC = "network"
PRIVATE = "_nndebug_network"

_FOLDER = Path(__file__).resolve().parent.parent / PUBLIC


def load_core(submodule: str = "") -> Any:
    """The core package, or one of its modules: `load_core("experiment").Experiment`.

    Raises:
        UserError: the folder `network` beside the package `nndebug` is missing.
    """
    package = _package()
    return importlib.import_module(f"{package}.{submodule}" if submodule else package)


def _package() -> str:
    """The name under which the core can be imported."""
    loaded = sys.modules.get(PUBLIC)
    file = getattr(loaded, "__file__", None) if loaded is not None else _origin()
    return PUBLIC if _is_ours(file) else _load_privately()


def _origin() -> str | None:
    """The file that `import network` would run; nothing is run to find out."""
    try:
        spec = importlib.util.find_spec(PUBLIC)
    except (ImportError, ValueError):
        return None
    return spec.origin if spec else None


def _is_ours(file: str | None) -> bool:
    return file is not None and Path(file).resolve() == _FOLDER / "__init__.py"


def _load_privately() -> str:
    if PRIVATE in sys.modules:
        return PRIVATE
    file = _FOLDER / "__init__.py"
    spec = importlib.util.spec_from_file_location(PRIVATE, file, submodule_search_locations=[str(_FOLDER)])
    if not file.is_file() or spec is None or spec.loader is None:
        raise UserError(f"the network core is missing: {_FOLDER}", help="install nndebug again")
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[PRIVATE] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[PRIVATE]
        raise
    return PRIVATE
