"""What all tests share: the figures that some of them measure, printed at the end of the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is slow; that is no finding.
settings.register_profile("any", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any")

_ONCE = "--once"
_FIGURE = "figure"
_measured: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """make test runs each scenario once, and make lab on each release."""
    parser.addoption(_ONCE, action="store_true", help="with the marker once: on its release alone")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what runs on another release."""
    if not config.getoption(_ONCE):
        return
    others = [item for item in items if _runs_on_another_release(item)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


def _runs_on_another_release(item: pytest.Item) -> bool:
    marker, parametrized = item.get_closest_marker("once"), getattr(item, "callspec", None)
    if marker is None or parametrized is None:
        return False
    (release,) = marker.args
    return bool(parametrized.params.get("suite", release) != release)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """What the test measured. It travels with the test's report: the test may run in a worker."""
    lines: list[str] = []
    yield lines
    request.node.user_properties += [(_FIGURE, line) for line in lines]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collect the figures of a test that has ended."""
    if report.when == "teardown":
        _measured.extend(str(value) for name, value in report.user_properties if name == _FIGURE)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures."""
    if _measured:
        terminalreporter.section("measured")
        for line in _measured:
            terminalreporter.write_line(line)


@pytest.hookimpl(optionalhook=True)  # a package build has no pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Spread the tests over the workers."""
    from tests.workers import ByModule

    return ByModule(config, log)
