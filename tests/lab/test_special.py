"""IPv6, an operator's own rules and packet filters: each with its own way through a reload."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import Damage
from tests.lab.hosts import FIREWALL
from tests.lab.measure import ACTIONS, REELECTED, measure, probed, reconfigure
from tests.lab.node import Node
from tests.lab.pair import GATEWAY, INTERFACE, VIP, VIP6, Pair, has_address, leftovers


def probed6(pair: Pair, action: str) -> int:
    """Probes of the IPv6 VIP that an action on the master costs."""
    probe = probed(pair.near, VIP6)
    try:
        ACTIONS[action](pair.a)
        pair.wait_master(pair.a)
        if pair.a.succeeds("systemctl", "is-active", "netvip.service"):
            pair.make_master()
        return int(probe.stop()["lost"])
    finally:
        probe.kill()


@pytest.fixture(scope="module")
def six(suite: str, package: Path) -> Iterator[tuple[Pair, int]]:
    """A guarded pair with an IPv6 instance, and what a restart cost it before netvip came."""
    with Pair(suite, ipv6=True) as pair:
        probe = probed(pair.near, VIP6)
        try:
            ACTIONS["restart"](pair.a)
            time.sleep(REELECTED)  # the observation itself: the deletion comes after the READY
        finally:
            control = int(probe.stop()["lost"])
            probe.kill()
        pair.protect(package, guarded=True)
        yield pair, control


@pytest.mark.parametrize("action", ACTIONS)
def test_an_ipv6_vip_is_back_at_once(
    six: tuple[Pair, int], action: str, figures: list[str]
) -> None:
    pair, control = six
    pair.make_master()
    since = float(pair.a.run("date", "+%s.%6N"))
    assert has_address(pair.a, VIP6)
    lost = probed6(pair, action)
    story = pair.a.journal("netvip.service", since)
    figures.append(f"IPv6, {pair.suite}, {action}: lost {lost}, without netvip {control}")
    # On a busy machine it is put back some ms later.
    assert control > 100 and lost * 40 <= control, story
    assert has_address(pair.a, VIP6) and not has_address(pair.b, VIP6)
    assert leftovers(pair.a) == []


@pytest.fixture
def firewall(guarded: Pair) -> Iterator[Node]:
    """A packet filter under which a shield hurts."""
    guarded.a.write("/root/lab.nft", FIREWALL)
    guarded.a.run("nft", "-f", "/root/lab.nft")
    guarded.a.run("systemctl", "restart", "netvip.service")
    yield guarded.a
    guarded.a.run("nft", "delete", "table", "ip", "lab")
    guarded.a.run("systemctl", "restart", "netvip.service")


def test_where_a_filter_would_drop_it_there_is_no_shield(
    guarded: Pair, firewall: Node, damage: Damage
) -> None:
    control = damage("reconfigure")
    guarded.wait_status(
        firewall, lambda status: "cannot use a shield on this host" in status["problem"]
    )
    guarded.make_master()
    cost = measure(guarded, reconfigure)
    assert cost.moves("a", "add", "lo", VIP) == [], "it was shielded all the same"
    assert cost.failovers == 0 and cost.near["lost"] < control.near["lost"] / 5
    assert has_address(firewall, VIP)


def test_an_operator_s_own_rule_stays_ahead_and_status_says_so(guarded: Pair) -> None:
    node = guarded.a
    rule = ("from", VIP, "lookup", "99")
    node.net.run("ip", "rule", "add", *rule)
    node.net.run("ip", "route", "add", "default", "via", GATEWAY, "dev", INTERFACE, "table", "99")
    try:
        status = guarded.wait_status(
            node, lambda status: status["instances"][0]["vips"][0]["steered"] is True
        )
        assert status["instances"][0]["verdict"] == "good"
        assert "routed by a rule of the operator's" in node.run("netvip", "status")
    finally:
        node.net.run("ip", "rule", "delete", *rule)
        node.net.run("ip", "route", "flush", "table", "99")
