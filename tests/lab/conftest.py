"""Fixtures of the lab: pairs of nodes in the states the tests need, and what an action costs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.measure import ACTIONS, Cost, measure
from tests.lab.pair import SCRATCH, VIPS3, Pair, made, tag
from tests.lab.shell import run
from tests.suites import SUITES

ROOT = Path(__file__).parents[2]

Damage = Callable[[str], Cost]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without root there are no namespaces: say so, once a test."""
    if os.geteuid() == 0:
        return
    for item in items:
        if "lab" in Path(str(item.path)).parts:
            item.add_marker(pytest.mark.skip(reason="the lab makes namespaces, which needs root"))


@pytest.fixture(scope="session", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    """A Debian release."""
    return str(request.param)


@pytest.fixture(scope="session")
def package() -> Path:
    """The .deb, as `make deb` leaves it."""
    built = ROOT / "build/netvip.deb"
    assert built.exists(), "build/netvip.deb is missing: make deb builds it"
    return built


@pytest.fixture(scope="session", autouse=True)
def nothing_leaks() -> Iterator[None]:
    """Every namespace, mount and scratch directory of the lab is gone at the end."""
    yield
    assert list(filter(_ours, _traces())) == []


def _ours(trace: str) -> bool:
    return any(trace.startswith(f"nv{tag(name)}-") or name in trace for name in made)


def _traces() -> Iterator[str]:
    yield from (line.split()[0] for line in run("ip", "netns", "list").splitlines() if line)
    yield from (line.split()[1] for line in Path("/proc/mounts").read_text().splitlines())
    yield from map(str, Path(SCRATCH).glob("netvip-*"))


@pytest.fixture(scope="session")
def damage(suite: str) -> Iterator[Damage]:
    """The control: what an action costs without netvip, measured once a session and asserted."""
    known: dict[str, Cost] = {}
    with Pair(suite, VIPS3) as pair:

        def measured(action: str) -> Cost:
            if action not in known:
                pair.make_master()
                known[action] = measure(pair, ACTIONS[action])
            cost = known[action]
            # The gap is the skew, 570 ms with priority 110 (fact
            # networkd-deletes-foreign-addresses).
            assert cost.near["lost"] > 300 and cost.far["lost"] > 300, "the control shows no damage"
            assert cost.moves("a", "del", "ens160", pair.vips[0])
            return cost

        yield measured


@pytest.fixture(scope="module")
def assisted(suite: str, package: Path) -> Iterator[Pair]:
    """netvip beside an untouched keepalived.conf with three VIPs."""
    with Pair(suite, VIPS3) as pair:
        pair.protect(package, guarded=False)
        yield pair


@pytest.fixture(scope="module")
def guarded(suite: str, package: Path) -> Iterator[Pair]:
    """netvip with an adopted configuration."""
    with Pair(suite) as pair:
        pair.protect(package, guarded=True)
        yield pair


@pytest.fixture(scope="module")
def bare(suite: str) -> Iterator[Pair]:
    """The control: keepalived alone."""
    with Pair(suite) as pair:
        yield pair
