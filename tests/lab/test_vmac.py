"""VIPs on a VMAC (use_vmac): what networkd and an operator do to them.

tests/lab/test_never_worse.py has what networkd does to the interface below alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.hosts import VMAC_MANAGED
from tests.lab.measure import REELECTED, Cost, measure, restart
from tests.lab.node import Node
from tests.lab.pair import VIP, Pair, has_address, leftovers

VMAC = "vrrp.51"
#: On no interface of the node's but lo.
ON_LO = "10.77.0.66"


def reconfigure_vmac(node: Node) -> None:
    node.run("networkctl", "reconfigure", VMAC)


def flush(node: Node) -> None:
    node.net.run("ip", "address", "flush", "dev", VMAC)


ACTIONS: dict[str, Callable[[Node], None]] = {
    "restart": restart,
    "reconfigure the VMAC": reconfigure_vmac,
    "flush": flush,
}

pytestmark = pytest.mark.skipif(
    not os.environ.get("NETVIP_LAB_ALL"), reason="make matrix and make never-worse run it"
)


def costs(pair: Pair) -> dict[str, Cost]:
    """What each action costs."""
    found = {}
    for name, action in ACTIONS.items():
        pair.make_master()
        found[name] = measure(pair, action, REELECTED)
    return found


@pytest.fixture(scope="module")
def managed(suite: str, package: Path) -> Iterator[tuple[Pair, dict[str, Cost]]]:
    """A guarded pair whose VMACs networkd manages, and what the actions cost without netvip."""
    with Pair(suite, host=VMAC_MANAGED) as pair:
        control = costs(pair)
        pair.protect(package, guarded=True)
        yield pair, control


@pytest.mark.parametrize("action", ACTIONS)
def test_a_vip_that_is_taken_from_the_vmac_is_put_back(
    managed: tuple[Pair, dict[str, Cost]], action: str, figures: list[str]
) -> None:
    pair, control = managed
    pair.make_master()
    since = float(pair.a.run("date", "+%s.%6N"))
    cost = measure(pair, ACTIONS[action])
    alone, story = control[action], pair.a.journal("netvip.service", since)
    lost = [f"{c.near['lost']} / {c.far['lost']}" for c in (alone, cost)]
    figures.append(f"{VMAC_MANAGED.name}, {pair.suite}, {action}: lost {lost[1]}, alone {lost[0]}")
    assert alone.near["lost"] > 300, "the control shows no damage"
    assert cost.failovers == 0 and not cost.tcp_broken, story
    # Nothing is shielded. What networkd deletes is back some ms later on a busy machine; what
    # another process deletes waits for keepalived's dump.
    times = 1 if action == "flush" else 40
    assert cost.near["lost"] * times <= alone.near["lost"], story
    assert cost.far["lost"] * times <= alone.far["lost"], story
    assert has_address(pair.a, VIP) and leftovers(pair.a) == []


def test_what_is_on_lo_alone_is_not_answered_for(managed: tuple[Pair, dict[str, Cost]]) -> None:
    pair, _ = managed
    pair.make_master()
    pair.a.net.run("ip", "address", "add", f"{ON_LO}/32", "dev", "lo")
    try:
        assert not pair.near.succeeds("ping", "-c1", "-W1", ON_LO), "ARP was answered"
    finally:
        pair.a.net.run("ip", "address", "delete", f"{ON_LO}/32", "dev", "lo")
