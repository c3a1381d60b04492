"""The pytest plug-in: fixtures that watch, check and judge, and their findings in the summary and in JUnit's XML.

It is loaded with every run of pytest where nndebug is installed, so it imports nothing but pytest; all else waits until a
fixture or an option is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .gradcheck import GradCheck
    from .run import Run

PROPERTY = "nndebug"
"""Name of the test property that carries a finding, in JUnit's XML too."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    group = parser.getgroup("nndebug", "diagnostics of neural networks")
    group.addoption(
        "--nndebug-report",
        metavar="DIR",
        help="write a report of every training that nndebug_run watches into DIR",
    )
    group.addoption(
        "--nndebug-selftest",
        action="store_true",
        help="run no tests but one for every rule: does it fire on a run that has what it looks for?",
    )


@pytest.fixture
def nndebug_run(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Watches a training: `with nndebug_run(network) as watch: fit(network, ...)`, then `watch.run`.

    Takes what `nndebug.watch` takes. The findings go into the summary and into JUnit's XML; they fail no test by
    themselves: that is what `assert_healthy` is for.
    """
    import nndebug

    sessions: list[Any] = []
    places: list[str | Path | None] = []
    folder = request.config.getoption("--nndebug-report")

    def start(network: Any, folder_: str | Path | None = None, **options: Any) -> Any:
        place = folder_
        if place is None and folder:
            name = re.sub(r"[^\w.-]+", "-", request.node.nodeid).strip("-")
            place = Path(folder) / (f"{name}-{len(sessions) + 1}" if sessions else name)
        sessions.append(nndebug.watch(network, place, **{"png": False, **options}))
        places.append(place)
        return sessions[-1]

    yield start
    for session, place in zip(sessions, places):
        session.close()
        for finding in nndebug.check(session.run).findings:
            line = f"{finding.severity.mark} {finding.code} {finding.name}  {finding.site}: {finding.message}"
            request.node.user_properties.append((PROPERTY, line))
        if place is not None:
            request.node.user_properties.append((f"{PROPERTY}-report", str(Path(place) / "report.html")))


@pytest.fixture
def gradcheck() -> Callable[..., GradCheck]:
    """`nndebug.gradcheck` that fails the test, with its table, where a gradient disagrees or cannot be judged."""
    import nndebug

    def run(*arguments: Any, **keywords: Any) -> GradCheck:
        __tracebackhide__ = True
        found: GradCheck = nndebug.gradcheck(*arguments, **keywords)
        if not found:
            pytest.fail(str(found), pytrace=False)
        return found

    return run


@pytest.fixture
def assert_healthy() -> Callable[..., None]:
    """Fails the test if the rules find an error or a warning: `assert_healthy(run, ignore={"NND201": "why"})`."""
    from .judging import assert_healthy

    return assert_healthy


@pytest.fixture
def assert_learns() -> Callable[..., Run | None]:
    """Fails the test if a network, or a step of one's own, does not lower its loss; see `nndebug.judging`."""
    from .judging import assert_learns

    return assert_learns


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Lists the findings by test, and where the reports are."""
    seen: dict[str, list[str]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") != "teardown":
                continue
            for name, value in getattr(report, "user_properties", ()):
                if name.startswith(PROPERTY):
                    text = value if name == PROPERTY else f"report: {value}"
                    seen.setdefault(report.nodeid, []).append(text)
    if not seen:
        return
    terminalreporter.section("nndebug")
    for test, lines in seen.items():
        terminalreporter.line(test)
        for line in dict.fromkeys(lines):
            terminalreporter.line(f"  {line}")


# --- the self-test --------------------------------------------------------------------------------------------------------


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """The self-test collects nobody's tests."""
    return True if config.getoption("--nndebug-selftest") else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Puts a test for every rule in the place of what was collected."""
    if config.getoption("--nndebug-selftest"):
        from .registry import all_rules

        items[:] = [
            SelfTest.from_parent(session, name=f"{rule.code} {rule.name}", code=rule.code)
            for rule in all_rules()
        ]


class SelfTest(pytest.Item):
    """Does a rule fire on its canary?"""

    def __init__(self, *, code: str, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.code = code

    def runtest(self) -> None:
        from .canaries import fires

        trouble = fires(self.code)
        if trouble:
            raise AssertionError(trouble)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        return str(excinfo.value)

    def reportinfo(self) -> tuple[str, None, str]:
        return "nndebug", None, self.name
