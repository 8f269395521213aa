"""Law 12: netvip costs no more than keepalived alone, on configurations that it may not understand.

Each pair is measured without netvip first, then with it as it was installed, then with what
`netvip adopt --apply` makes of it. `make never-worse` runs all of them, and prints the table of
docs/never_worse.md; `make test` leaves the largest out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.hosts import (
    AH,
    FILTERED,
    FRAGMENTS,
    ROUTES,
    VIRTUAL_ROUTE,
    VMAC,
    VMAC_BASE,
    Host,
    many,
)
from tests.lab.measure import REELECTED, Cost, measure, restart
from tests.lab.node import Node
from tests.lab.pair import Pair, leftovers, netvip_status

#: Whether to run what takes long as well.
ALL = bool(os.environ.get("NETVIP_LAB_ALL"))


def allowed(control: int) -> int:
    """Lost probes at 1 ms: two runs of the control itself differ by so much on a busy machine."""
    return control + 5 + control // 15


def reconfigure(node: Node) -> None:
    node.run("networkctl", "reconfigure", "ens160")


FAMILIES = ("-4", "-6")
ACTIONS: dict[str, Callable[[Node], None]] = {"restart": restart, "reconfigure": reconfigure}


LARGEST = many(1000)
VMACS = (VMAC, VMAC_BASE)
HOSTS = (VMAC, ROUTES, AH, FRAGMENTS, many(300), *([VMAC_BASE, FILTERED, LARGEST] if ALL else []))


@pytest.fixture(scope="module", params=HOSTS, ids=lambda host: host.name.replace(" ", "-"))
def host(request: pytest.FixtureRequest) -> Host:
    """What keepalived puts on its interface besides plain VIPs."""
    found: Host = request.param
    return found


@pytest.fixture
def pair(suite: str, host: Host) -> Iterator[Pair]:
    """Two such hosts."""
    with Pair(suite, host=host) as found:
        yield found


def costs(pair: Pair, keeps: bool = False) -> dict[str, Cost]:
    """What each action costs; `keeps`: and it takes no route or rule of keepalived's for good."""
    found = {}
    for name, action in ACTIONS.items():
        pair.make_master()
        before = objects(pair.a)
        found[name] = measure(pair, action, REELECTED)
        assert not keeps or objects(pair.a) == before, pair.a.journal("netvip.service")
    return found


def row(pair: Pair, action: str, mode: str, alone: Cost, cost: Cost) -> str:
    """One line of the table."""
    lost = [f"{c.near['lost']} / {c.far['lost']}" for c in (alone, cost)]
    failovers = ["failover" if c.failovers else "none" for c in (alone, cost)]
    cells = (pair.host.name, pair.suite, action, mode, lost[0], failovers[0], lost[1], failovers[1])
    return f"| {' | '.join(cells)} |"


def objects(node: Node) -> list[str]:
    """keepalived's routes, and all rules, as ip(8) shows them."""
    routes = [
        node.net.run("ip", "-d", f, "route", "show", "table", "all", "proto", "18")
        for f in FAMILIES
    ]
    rules = [node.net.run("ip", f, "rule", "show") for f in FAMILIES]
    # ip(8) lists the IPv6 routes of all tables twice.
    return sorted({line.strip() for text in (*routes, *rules) for line in text.splitlines()})


def virtual_routes(pair: Pair) -> list[bool]:
    """By node, whether it has the virtual route."""
    return [VIRTUAL_ROUTE in node.net.run("ip", "route") for node in pair.nodes]


def test_it_costs_no_more_than_keepalived_alone(
    pair: Pair, package: Path, figures: list[str]
) -> None:
    control = costs(pair)
    damage = max(cost.near["lost"] for cost in control.values())
    # networkd 257 leaves the interface below a VMAC as it is.
    harmless = pair.host in VMACS and pair.suite != "bookworm"
    assert damage > 300 or harmless, "the control shows no damage"
    pair.protect(package, guarded=False)
    modes = {"installed": costs(pair)}
    for node in pair.nodes:
        node.run("netvip", "adopt", "--apply", check=False)
    pair.make_master()
    modes["adopted"] = costs(pair, keeps=pair.host is ROUTES)
    for mode, cost in modes.items():
        for name in ACTIONS:
            near, far = ((cost[name].near, control[name].near), (cost[name].far, control[name].far))
            figures.append(row(pair, name, mode, control[name], cost[name]))
            for seen, alone in (near, far):
                story = pair.a.journal("netvip.service")
                assert seen["lost"] <= allowed(alone["lost"]), story
                if pair.host in (ROUTES, *VMACS) and mode == "adopted":
                    assert seen["lost"] <= 1 and not cost[name].failovers, story
    pair.make_master()
    assert leftovers(pair.a) == []
    if pair.host is ROUTES:
        assert virtual_routes(pair) == [True, False], "keepalived's route is gone"
    for status in netvip_status(pair.a)["instances"]:
        assert (status["state"], status["verdict"]) == ("MASTER", "good"), status
        assert not status["unprotected"], status
