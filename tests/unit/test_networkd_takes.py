"""The decision table of what systemd-networkd deletes, as it was measured on each version."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from netvip.core.model import FOREVER, Address, Link
from netvip.linux.routing import Nexthop, Objects, Route, Rule
from netvip.networkd.state import State
from netvip.networkd.takes import Action, Keep, Manages, Plan, Taken, measured, taken

LAN, SECOND, OTHER = 2, 3, 4
LINKS = tuple(Link(i, name) for i, name in ((LAN, "ens160"), (SECOND, "ens161"), (OTHER, "other0")))
OWN = Address(LAN, ip_address("10.77.0.1"), 24)
VIP = Address(LAN, ip_address("10.77.0.10"), 24)
LEASED = Address(LAN, ip_address("10.77.0.12"), 32, valid=3600, preferred=3600)
VIP6 = Address(LAN, ip_address("fd00:77::10"), 128, preferred=0)
LOCAL6 = Address(LAN, ip_address("fe80::77:10"), 64)
GATEWAY = ip_address("10.77.0.100")
KERNEL, BOOT, STATIC, RA, BIRD, DHCP = 2, 3, 4, 9, 12, 16
PROTOCOLS = (1, KERNEL, BOOT, STATIC, RA, BIRD, DHCP, 18, 99, 0)
OLD, NEW, SID = 252, 257, 262


def route(protocol: int, family: int = 6, ifindexes: tuple[int, ...] = (LAN,)) -> Route:
    text = f"10.99.{protocol}.0/24" if family == 4 else f"fd99:{protocol}::/64"
    gateway = GATEWAY if family == 4 else ip_address("fd00:77::100")
    several = len(ifindexes) > 1
    return Route(ip_network(text), 254, protocol, ifindexes, gateway, multipath=several)


def state(version: int, **more: object) -> State:
    own = frozenset({(OWN.ifindex, OWN.ip, OWN.prefixlen)})
    return State(version, addresses=own, **more)  # type: ignore[arg-type]


def goes(objects: Objects, version: int, plan: Plan, **more: object) -> list[object]:
    return [one.thing for one in taken(objects, state(version, **more), plan)]


def only(keep: Keep, action: Action = Action.RESTART, **switches: bool) -> Plan:
    return Plan(action, {LAN: keep}, Manages(**switches))


@pytest.mark.parametrize("version", [252, 254, 257, 262])
@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (Keep.NO, [VIP, LEASED, VIP6]),
        (Keep.STATIC, [LEASED, VIP6]),
        (Keep.DHCP, [VIP]),
        (Keep.YES, []),
    ],
)
def test_addresses(version: int, action: Action, keep: Keep, expected: list[Address]) -> None:
    objects = Objects(LINKS, (OWN, VIP, LEASED, VIP6, LOCAL6))
    assert goes(objects, version, only(keep, action)) == expected


@pytest.mark.parametrize(
    ("version", "keep", "kept"),
    [
        (OLD, Keep.NO, {KERNEL}),
        (OLD, Keep.STATIC, {KERNEL, STATIC}),
        (OLD, Keep.DHCP, {KERNEL, DHCP}),
        (OLD, Keep.YES, set(PROTOCOLS)),
        (NEW, Keep.NO, {KERNEL}),
        (NEW, Keep.STATIC, {KERNEL, STATIC}),
        (NEW, Keep.DHCP, {KERNEL, DHCP, RA, 1}),
        (NEW, Keep.YES, set(PROTOCOLS)),
    ],
)
def test_routes_by_protocol(version: int, keep: Keep, kept: set[int]) -> None:
    routes = tuple(route(protocol) for protocol in PROTOCOLS)
    gone = goes(Objects(LINKS, (OWN,), routes), version, only(keep))
    assert {r.protocol for r in routes if r not in gone} == kept


@pytest.mark.parametrize(
    ("version", "keep", "kept"),
    [
        (OLD, Keep.NO, {KERNEL}),
        (OLD, Keep.STATIC, {KERNEL}),
        (OLD, Keep.DHCP, {KERNEL}),
        (OLD, Keep.YES, set(PROTOCOLS)),
        (NEW, Keep.NO, {KERNEL}),
        (NEW, Keep.STATIC, set(PROTOCOLS)),
        (NEW, Keep.DHCP, {KERNEL}),
        (NEW, Keep.YES, set(PROTOCOLS)),
        (SID, Keep.STATIC, {KERNEL, STATIC}),
        (SID, Keep.DHCP, {KERNEL, DHCP, RA, 1}),
    ],
)
def test_rules_and_nexthops_by_protocol(version: int, keep: Keep, kept: set[int]) -> None:
    rules = tuple(Rule(2, 2000 + protocol, 100, protocol) for protocol in PROTOCOLS)
    nexthops = tuple(Nexthop(800 + protocol, protocol, LAN) for protocol in PROTOCOLS)
    objects = Objects(LINKS, (OWN,), rules=rules, nexthops=nexthops)
    gone = goes(objects, version, only(keep))
    assert {rule.protocol for rule in rules if rule not in gone} == kept
    assert {nexthop.protocol for nexthop in nexthops if nexthop not in gone} == kept


@pytest.mark.parametrize("version", [OLD, NEW])
def test_one_link_that_keeps_nothing_is_enough_for_the_rules(version: int) -> None:
    rule = Rule(2, 2000, 100, STATIC)
    objects = Objects(LINKS, (OWN,), rules=(rule,))
    both = Plan(Action.RESTART, {LAN: Keep.YES, SECOND: Keep.NO})
    assert goes(objects, version, both) == [rule]
    assert goes(objects, version, Plan(Action.RECONFIGURE, {LAN: Keep.YES})) == []


@pytest.mark.parametrize(
    ("version", "keep", "expected"),
    [(OLD, Keep.STATIC, True), (NEW, Keep.STATIC, False), (OLD, Keep.YES, False)],
)
def test_a_route_that_leads_nowhere_belongs_to_no_link(
    version: int, keep: Keep, expected: bool
) -> None:
    blackhole = Route(ip_network("10.102.0.0/24"), 254, STATIC, kind=6)
    assert goes(Objects(LINKS, (OWN,), (blackhole,)), version, only(keep)) == (
        [blackhole] if expected else []
    )


@pytest.mark.parametrize(
    ("version", "ifindexes", "expected"),
    [(OLD, (LAN, SECOND), True), (OLD, (SECOND, LAN), False), (NEW, (SECOND, LAN), True)],
)
def test_several_nexthops(version: int, ifindexes: tuple[int, ...], expected: bool) -> None:
    """252 knows the route by its first nexthop, 257 as one of no link."""
    several = route(STATIC, ifindexes=ifindexes)
    gone = goes(Objects(LINKS, (OWN,), (several,)), version, only(Keep.NO, Action.RECONFIGURE))
    assert gone == ([several] if expected else [])


def test_what_is_on_other_links_stays() -> None:
    address = Address(OTHER, ip_address("10.67.0.1"), 24)
    objects = Objects(
        LINKS, (OWN, address), (route(STATIC, ifindexes=(OTHER,)),), (), (Nexthop(8, 4, OTHER),)
    )
    assert goes(objects, OLD, only(Keep.NO)) == []


def test_what_networkd_configured_itself_stays() -> None:
    mine, rule = route(STATIC, 4), Rule(2, 1500, 150, STATIC, ip_network("10.50.0.0/16"))
    key = (mine.destination, mine.gateway, 254, 0)
    rule_key = (2, 1500, 150, rule.source, None, 0)
    objects = Objects(LINKS, (OWN,), (mine,), (rule,), (Nexthop(7, STATIC, LAN),))
    own = {"routes": frozenset({key}), "rules": frozenset({rule_key}), "nexthops": frozenset({7})}
    assert goes(objects, OLD, only(Keep.NO), **own) == []
    assert len(goes(objects, OLD, only(Keep.NO))) == 3


@pytest.mark.parametrize(
    ("version", "keep", "action", "emptied"),
    [
        (OLD, Keep.NO, Action.RESTART, True),
        (OLD, Keep.NO, Action.RELOAD, True),
        (OLD, Keep.STATIC, Action.RESTART, False),
        (OLD, Keep.STATIC, Action.RELOAD, False),
        (OLD, Keep.STATIC, Action.RECONFIGURE, True),
        (OLD, Keep.YES, Action.RESTART, False),
        (OLD, Keep.YES, Action.RELOAD, True),
        (OLD, Keep.YES, Action.RECONFIGURE, True),
        (NEW, Keep.NO, Action.RESTART, False),
        (NEW, Keep.YES, Action.RECONFIGURE, False),
        (NEW, Keep.NO, Action.RECONFIGURE, False),
    ],
)
def test_the_kernel_deletes_the_routes_of_an_interface_without_an_address(
    version: int, keep: Keep, action: Action, emptied: bool
) -> None:
    four, six = route(KERNEL, 4), route(KERNEL)
    found = taken(Objects(LINKS, (OWN,), (four, six)), state(version), only(keep, action))
    assert found == ([Taken(four, "with the last IPv4 address of ens160")] if emptied else [])


@pytest.mark.parametrize(
    ("version", "keep", "action", "emptied"),
    [
        (OLD, Keep.NO, Action.RESTART, True),
        (OLD, Keep.STATIC, Action.RESTART, True),
        (OLD, Keep.STATIC, Action.RELOAD, True),
        (OLD, Keep.DHCP, Action.RESTART, False),
        (OLD, Keep.DHCP, Action.RELOAD, False),
        (OLD, Keep.DHCP, Action.RECONFIGURE, True),
        (OLD, Keep.YES, Action.RELOAD, True),
        (NEW, Keep.NO, Action.RESTART, False),
        (NEW, Keep.NO, Action.RELOAD, False),
        (NEW, Keep.NO, Action.RECONFIGURE, True),
        (NEW, Keep.STATIC, Action.RECONFIGURE, True),
        (NEW, Keep.DHCP, Action.RECONFIGURE, False),
        (NEW, Keep.YES, Action.RECONFIGURE, False),
    ],
)
def test_the_same_where_the_own_address_is_a_lease(
    version: int, keep: Keep, action: Action, emptied: bool
) -> None:
    leased = replace(OWN, valid=3600, preferred=3600)
    four = route(KERNEL, 4)
    gone = goes(Objects(LINKS, (leased,), (four,)), version, only(keep, action))
    assert gone == ([four] if emptied else [])


def test_a_route_goes_with_an_own_address_that_is_away_for_a_moment() -> None:
    by_own = Route(ip_network("10.104.0.0/24"), 254, KERNEL, (LAN,), GATEWAY, OWN.ip)
    objects = Objects(LINKS, (OWN, VIP), (by_own,))
    assert goes(objects, OLD, only(Keep.STATIC, Action.RECONFIGURE)) == [by_own]
    assert goes(objects, OLD, only(Keep.STATIC)) == []


def test_a_shield_keeps_the_routes_of_its_addresses() -> None:
    by_source = Route(ip_network("10.104.0.0/24"), 254, KERNEL, (LAN,), GATEWAY, VIP.ip)
    objects = Objects(LINKS, (OWN, VIP), (by_source,))
    plan = Plan(Action.RESTART, {LAN: Keep.NO}, on_lo=frozenset({VIP.ip}))
    assert goes(objects, NEW, plan) == [VIP]
    assert goes(objects, NEW, only(Keep.NO)) == [VIP, by_source]


def test_an_ipv6_route_stays_without_its_source() -> None:
    six = replace(route(KERNEL), source=VIP6.ip)
    assert goes(Objects(LINKS, (OWN, VIP6), (six,)), NEW, only(Keep.NO)) == [VIP6]


def test_a_route_over_a_nexthop_object_outlives_the_last_address() -> None:
    over = replace(route(KERNEL, 4), nexthop=802)
    assert goes(Objects(LINKS, (OWN,), (over,)), OLD, only(Keep.NO)) == []


def test_an_address_that_stays_saves_the_routes() -> None:
    four = route(KERNEL, 4)
    objects = Objects(LINKS, (OWN, VIP), (four,))
    assert goes(objects, OLD, only(Keep.STATIC, Action.RECONFIGURE)) == []
    assert goes(objects, OLD, only(Keep.NO, Action.RECONFIGURE)) == [VIP, four]


def test_a_route_goes_with_its_source_and_with_its_nexthop() -> None:
    by_source = Route(ip_network("10.104.0.0/24"), 254, KERNEL, (LAN,), GATEWAY, VIP.ip)
    by_nexthop = Route(ip_network("10.108.0.0/24"), 254, KERNEL, (LAN,), GATEWAY, nexthop=800)
    objects = Objects(
        LINKS, (OWN, VIP), (by_source, by_nexthop), nexthops=(Nexthop(800, BOOT, LAN),)
    )
    found = {one.thing: one.why for one in taken(objects, state(NEW), only(Keep.NO))}
    assert found[by_source] == "with its source 10.77.0.10"
    assert found[by_nexthop] == "with nexthop 800"


def test_the_kernel_s_own_routes_to_an_address_are_not_told() -> None:
    connected = Route(ip_network("10.77.0.0/24"), 254, KERNEL, (LAN,), source=VIP.ip)
    local = Route(ip_network("10.77.0.10/32"), 255, KERNEL, (LAN,), source=VIP.ip, kind=2)
    objects = Objects(LINKS, (OWN, VIP), (connected, local))
    assert goes(objects, OLD, only(Keep.NO)) == [VIP]


def test_the_route_to_a_peer_comes_and_goes_with_the_address() -> None:
    own = replace(OWN, prefixlen=32, peer=GATEWAY)
    to_peer = Route(ip_network("10.77.0.100/32"), 254, KERNEL, (LAN,), source=OWN.ip)
    reported = State(OLD, addresses=frozenset({(LAN, OWN.ip, 32)}))
    assert taken(Objects(LINKS, (own,), (to_peer,)), reported, only(Keep.NO)) == []


def test_the_switches_of_networkd_conf() -> None:
    rule, six = Rule(10, 2000, 100, BOOT), route(BOOT)
    objects = Objects(LINKS, (OWN,), (six,), (rule,))
    assert goes(objects, NEW, only(Keep.NO, routes=False)) == [rule]
    assert goes(objects, NEW, only(Keep.NO, rules=False)) == [six]


@pytest.mark.parametrize(
    ("version", "action", "noticed", "stays"),
    [
        (OLD, Action.RESTART, False, False),
        (NEW, Action.RESTART, True, True),
        (NEW, Action.RECONFIGURE, True, False),
        (NEW, Action.RECONFIGURE, False, True),
        (SID, Action.RECONFIGURE, True, True),
    ],
)
def test_manage_foreign_next_hops(version: int, action: Action, noticed: bool, stays: bool) -> None:
    nexthop = Nexthop(800, BOOT, LAN)
    plan = only(Keep.NO, action, nexthops=False)
    known = frozenset({800} if noticed else ())
    gone = goes(Objects(LINKS, (OWN,), nexthops=(nexthop,)), version, plan, noticed=known)
    assert gone == ([] if stays else [nexthop])


def test_without_a_link_nothing_goes() -> None:
    rule = Rule(2, 2000, 100, BOOT)
    assert goes(Objects(LINKS, (OWN, VIP), rules=(rule,)), OLD, Plan(Action.RELOAD, {})) == []


@pytest.mark.parametrize(
    ("value", "keep"),
    [
        ("yes", Keep.YES),
        ("True", Keep.YES),
        ("static", Keep.STATIC),
        ("dhcp", Keep.DHCP),
        ("dhcp-on-stop", Keep.NO),
        ("no", Keep.NO),
        ("bananas", Keep.NO),
    ],
)
def test_keep_configuration(value: str, keep: Keep) -> None:
    assert Keep.of(value) is keep


@pytest.mark.parametrize(
    ("version", "like"), [(250, 252), (253, 252), (256, 254), (257, 257), (261, 257), (263, 262)]
)
def test_another_version_is_taken_as_the_one_below(version: int, like: int) -> None:
    assert measured(version) == like


def test_an_address_with_a_lifetime_has_a_preferred_one() -> None:
    assert VIP.preferred == FOREVER != LEASED.preferred
