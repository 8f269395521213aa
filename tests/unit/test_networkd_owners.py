"""Whose an object is, and what becomes of it: two decision tables."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from netvip.const import NUMBER_FIRST, TAG
from netvip.core.model import Address
from netvip.core.plan.build import ROUTING_DAEMONS
from netvip.linux.routing import Nexthop, Route, Rule
from netvip.networkd import owners
from netvip.networkd.fates import Fate, Protected, fate
from netvip.networkd.owners import NOBODY, Owner

VIP = Address(2, ip_address("10.77.0.10"), 24)
PLACE = ("ens160", VIP.ip)
ROUTE = Route(ip_network("10.99.0.0/16"), 254, 18, (2,), ip_address("10.77.0.50"))
RULE = Rule(2, 1000, 100, 18, ip_network("10.1.0.0/16"))


def route(protocol: int, table: int = 254) -> Route:
    return Route(ip_network("10.99.0.0/24"), table, protocol, (2,))


def rule(mark: int = 0, mask: int = 0, table: int = 100, protocol: int = 0) -> Rule:
    return Rule(2, 9, table, protocol, mark=mark, mask=mask)


@pytest.mark.parametrize(
    ("address", "interface", "kind"),
    [
        (VIP, "ens160", owners.KEEPALIVED),
        (VIP, "ens161", owners.UNKNOWN),
        (Address(2, ip_address("10.77.0.11"), 32, proto=18), "ens160", owners.KEEPALIVED),
        (Address(2, ip_address("10.77.0.11"), 32, proto=TAG), "ens160", owners.NETVIP),
        (Address(1, ip_address("10.77.0.10"), 32, valid=3, preferred=3), "lo", owners.NETVIP),
        (Address(2, ip_address("10.77.0.11"), 32), "ens160", owners.UNKNOWN),
        (Address(2, ip_address("172.17.0.1"), 16), "docker0", owners.CONTAINERS),
        (Address(2, ip_address("172.18.0.1"), 16), "br-0123456789ab", owners.CONTAINERS),
        (Address(2, ip_address("172.18.0.1"), 16), "br-lan", owners.UNKNOWN),
        (Address(2, ip_address("10.0.0.1"), 32), "cilium_host", owners.CONTAINERS),
        (Address(2, ip_address("10.0.0.1"), 32), "vrrp.51", owners.KEEPALIVED),
    ],
)
def test_of_addresses(address: Address, interface: str, kind: str) -> None:
    assert owners.of_address(address, interface, {PLACE: "VI_1"}).kind == kind


@pytest.mark.parametrize(
    ("protocol", "kind"),
    [
        (3, owners.BY_HAND),
        (4, owners.BY_HAND),
        (11, owners.ROUTING),
        (12, owners.ROUTING),
        (16, owners.OTHER),
        (18, owners.KEEPALIVED),
        (80, owners.CONTAINERS),
        (0, owners.UNKNOWN),
        (2, owners.UNKNOWN),
        (99, owners.UNKNOWN),
    ],
)
def test_of_routes_and_nexthops(protocol: int, kind: str) -> None:
    assert owners.of_route(route(protocol), "ens160").kind == kind
    assert owners.of_nexthop(Nexthop(800, protocol)).kind == kind


def test_netvip_s_own_have_its_numbers() -> None:
    assert owners.of_route(route(2, NUMBER_FIRST), "ens160").kind == owners.NETVIP
    assert owners.of_rule(rule(table=NUMBER_FIRST)).kind == owners.NETVIP
    assert owners.of_nexthop(Nexthop(NUMBER_FIRST, 2)).kind == owners.NETVIP


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (rule(0x200, 0xF00, 2004), "Cilium (mark 0x200/0xf00)"),
        (rule(0x200, 0xF00, 5), "unknown"),
        (rule(0x80000, 0xFF0000, 52), "Tailscale (mark 0x80000/0xff0000)"),
        (rule(protocol=18), "keepalived (protocol 18)"),
        (rule(), "unknown"),
    ],
)
def test_of_rules(found: Rule, name: str) -> None:
    assert owners.of_rule(found).name == name


def test_every_routing_daemon_has_a_name() -> None:
    """Of those that a bridge leaves out (core/plan/build.py) networkd deletes the routes."""
    known = {n for n, owner in owners.PROTOCOLS.items() if owner.kind == owners.ROUTING}
    assert known >= ROUTING_DAEMONS


HAND, BIRD = owners.PROTOCOLS[4], owners.PROTOCOLS[12]
KEEPALIVED = Owner(owners.KEEPALIVED, "keepalived (VI_1)")
GUARDED, ASSISTED = Protected({PLACE: True}), Protected({PLACE: False})
WATCHED = Protected({PLACE: True}, dict.fromkeys(("10.99.0.0/16", "10.1.0.0/16"), True))
UNWATCHED = Protected({PLACE: True}, {"10.99.0.0/16": False})


@pytest.mark.parametrize(
    ("thing", "owner", "protected", "expected"),
    [
        (VIP, KEEPALIVED, GUARDED, Fate.PUT_BACK),
        (VIP, KEEPALIVED, ASSISTED, Fate.KEEPALIVED),
        (VIP, KEEPALIVED, Protected(), Fate.LOST),
        (Address(2, ip_address("10.77.0.99"), 24), NOBODY, GUARDED, Fate.LOST),
        (route(4), HAND, GUARDED, Fate.CARRIED),
        (route(4), HAND, Protected(), Fate.LOST),
        (route(9), owners.PROTOCOLS[9], GUARDED, Fate.CARRIED),
        (route(12), BIRD, GUARDED, Fate.ITS_DAEMON),
        (ROUTE, owners.PROTOCOLS[18], WATCHED, Fate.ADDED_AGAIN),
        (ROUTE, owners.PROTOCOLS[18], UNWATCHED, Fate.PUT_BACK),
        (ROUTE, owners.PROTOCOLS[18], GUARDED, Fate.CARRIED),
        (ROUTE, HAND, WATCHED, Fate.CARRIED),
        (RULE, owners.PROTOCOLS[18], WATCHED, Fate.ADDED_AGAIN),
        (RULE, owners.PROTOCOLS[18], GUARDED, Fate.LOST),
        (Nexthop(800, 4, 2), HAND, GUARDED, Fate.LOST),
    ],
)
def test_fates(
    thing: Address | Route | Rule | Nexthop, owner: Owner, protected: Protected, expected: Fate
) -> None:
    assert fate(thing, owner, "ens160", protected) is expected


def test_only_what_is_back_after_the_window_comes_back() -> None:
    back = {f for f in Fate if f.comes_back}
    assert back == {Fate.PUT_BACK, Fate.KEEPALIVED, Fate.ADDED_AGAIN}
