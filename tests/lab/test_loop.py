"""The event loop's budget: no callback of the daemon takes long, however much there is to do."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.hosts import many
from tests.lab.measure import TOOLS, reconfigure, restart
from tests.lab.node import Node
from tests.lab.pair import Pair
from tests.suites import SUITES

#: Milliseconds of processor time that one callback may take.
BUDGET = 20.0
#: What a callback does by itself takes long each time; what shares the processor's caches with it,
#: on the host of a virtual machine, does not.
TRIES = 3
#: Of those that take longer than so many milliseconds the journal tells.
SHOWN = 5
TOOL = "/root/timed_daemon.py"
UNIT = f"""[Service]
ExecStart=
ExecStart=/usr/bin/python3 -B {TOOL} {SHOWN}
ProtectHome=no
"""
VIPS, ROUTES, RULES = 1000, 2000, 500
#: `make test` runs it on one release, `make matrix` on all.
RELEASES = SUITES if os.environ.get("NETVIP_LAB_ALL") else SUITES[:1]

# Other work on the machine's processors makes a callback's own work take more of their time.
pytestmark = pytest.mark.idle


@pytest.fixture(scope="module", params=RELEASES)
def crowded(request: pytest.FixtureRequest, package: Path) -> Iterator[Pair]:
    """Two nodes with a thousand VIPs, whose netvip measures itself."""
    with Pair(request.param, host=many(VIPS)) as pair:
        for node in pair.nodes:
            node.write(TOOL, (TOOLS / "timed_daemon.py").read_text())
            node.write("/etc/systemd/system/netvip.service.d/lab.conf", UNIT)
        pair.protect(package, guarded=True)
        yield pair


def routes_and_rules(node: Node) -> None:
    """A burst of routes and rules, as a routing daemon or a container platform makes it."""
    to = (f"10.{n // 250 + 100}.{n % 250}.0/24" for n in range(ROUTES))
    routes = [f"route add {prefix} via 10.77.0.100 proto static" for prefix in to]
    rules = [f"rule add from 10.99.{n // 250}.{n % 250} lookup 7" for n in range(RULES)]
    node.write("/root/burst", "\n".join([*routes, *rules, ""]))
    node.run("ip", "-force", "-batch", "/root/burst", check=False)  # they may be there already


def look(node: Node) -> None:
    """What an operator asks for."""
    node.run("netvip", "status", "--json")
    node.run("netvip", "verify", check=False)


def reload(node: Node) -> None:
    node.run("systemctl", "reload", "keepalived.service")


ACTIONS: tuple[Callable[[Node], None], ...] = (restart, reconfigure, look, reload, routes_and_rules)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.__name__)
def test_no_callback_takes_long(
    crowded: Pair, action: Callable[[Node], None], figures: list[str]
) -> None:
    longest, name = min(measured(crowded, action) for _ in range(TRIES))
    figures.append(f"longest callback, {VIPS} VIPs, {action.__name__}: {longest:.1f} ms {name}")
    assert longest <= BUDGET, name


def measured(pair: Pair, action: Callable[[Node], None]) -> tuple[float, str]:
    """The longest callback of an action, and its name."""
    since = float(pair.a.run("date", "+%s.%6N"))
    pair.make_master()
    action(pair.a)
    pair.make_master()
    return max(callbacks(pair.a, since), default=(0.0, ""))


def callbacks(node: Node, since: float) -> list[tuple[float, str]]:
    """The callbacks that took long: milliseconds of processor time, and which."""
    journal = node.journal("netvip.service", since)
    found = re.findall(r"^callback took ([\d.]+) ms: (.*)$", journal, re.M)
    return [(float(took), name) for took, name in found]
