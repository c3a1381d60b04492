"""Runs a script or a module as `python` would have, in this process."""

from __future__ import annotations

import atexit
import io
import os
import runpy
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, TracebackType

from .errors import UserError

FAILED = 1

_RUNPY = (runpy.__file__, "<frozen runpy>")
_BELOW = (str(Path(__file__).parent) + os.sep, *_RUNPY)
"""Where the frames below a script's own are."""


def execute(script: str, arguments: Sequence[str]) -> None:
    """Runs a file, or a folder or archive with a `__main__.py`; raises what it raises.

    Raises:
        UserError: there is no such file, or a folder holds no `__main__.py`.
    """
    path = Path(script)
    if not path.exists():
        raise UserError(
            f"there is no script {script}", help="nndebug run SCRIPT.py, or nndebug run -m MODULE"
        )
    if path.is_dir() and not (path / "__main__.py").exists():
        raise UserError(f"{script} is a folder without a __main__.py", help="give the script in it")
    sys.argv = [script, *arguments]
    if not path.is_file() or path.suffix in (".zip", ".pyz"):
        runpy.run_path(script, run_name="__main__")
        return
    _first_on_path(str(path.resolve().parent))
    with io.open_code(str(path.absolute())) as file:
        source = file.read()
    main = ModuleType("__main__")
    # As `python SCRIPT` leaves it; what is spawned or pickled finds its functions here, also after the last line.
    vars(main).update({"__file__": str(path.absolute()), "__builtins__": __builtins__, "__cached__": None})
    sys.modules["__main__"] = main
    exec(compile(source, str(path.absolute()), "exec"), vars(main))


def execute_module(name: str, arguments: Sequence[str]) -> None:
    """Runs a module as `python -m` would; raises what it raises.

    Raises:
        UserError: there is no such module.
    """
    sys.argv = [name, *arguments]
    _first_on_path(os.getcwd())
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    except ImportError as error:
        if error.__traceback__ is not None and _deepest(error.__traceback__) in _RUNPY:
            raise UserError(str(error), help="python -m would not find it either") from None
        raise


def report(error: BaseException) -> int:
    """Tells of what a script raised as the interpreter does.

    Returns:
        The exit code of the process. After an interrupt the process ends by that signal, once everything else is done.
    """
    if isinstance(error, SystemExit):
        code = error.code
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)
            return FAILED
        return code or 0
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_BELOW):
        trace = trace.tb_next
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
    sys.excepthook(type(error), error.with_traceback(trace), trace)
    return 128 + signal.SIGINT if isinstance(error, KeyboardInterrupt) else FAILED


def end_by_signal(number: int) -> None:
    """Ends this process by a signal, after what was registered for its end: shells ask how a program died."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _first_on_path(folder: str) -> None:
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = folder


def _deepest(trace: TracebackType) -> str:
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename
