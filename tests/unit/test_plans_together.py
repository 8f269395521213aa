"""The plans of many instances of an interface, made together and one by one."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from netvip.core.mirror import Mirror
from netvip.core.model import Address, Kernel, Link, Route, Rules
from netvip.core.plan import build

LAN, DMZ = 2, 3
CONNECTED = Route(LAN, ip_network("10.77.0.0/24"), protocol=2)
DEFAULT = Route(LAN, ip_network("0.0.0.0/0"), ip_address("10.77.0.100"), metric=100)
OWN = Address(LAN, ip_address("10.77.0.1"), 24)
#: Of no two neighbours.
VIPS = [Address(LAN, ip_address(f"10.77.0.{n}"), 32) for n in range(11, 91, 2)]
OTHER = Address(DMZ, ip_address("10.77.0.40"), 32)
ON_LO = Address(1, ip_address("10.77.0.60"), 32)
LEASED = Address(1, ip_address("10.77.0.61"), 32, valid=3, preferred=3)


def mirrored(*routes: Route, rules: Rules | None = None) -> Mirror:
    mirror = Mirror()
    links = (Link(1, "lo"), Link(LAN, "ens160"), Link(DMZ, "ens161"))
    addresses = (OWN, *VIPS, OTHER, ON_LO, LEASED)
    mirror.load(Kernel(addresses, links, (CONNECTED, DEFAULT, *routes), {2: rules or Rules()}))
    return mirror


def apart(mirror: Mirror, count: int = len(VIPS)) -> set[str] | None:
    keys = frozenset(address.key for address in VIPS)
    plan = build.build(mirror, LAN, VIPS[:count], keys, build.numbers(71000, 0))
    return None if plan.apart is None else {str(ip) for ip in plan.apart}


def test_the_host_s_other_addresses_stay_apart() -> None:
    assert apart(mirrored()) == {"10.77.0.1", "10.77.0.40", "10.77.0.60"}


def test_few_vips_have_rules_of_their_own() -> None:
    assert apart(mirrored(), 8) is None


@pytest.mark.parametrize(("metric", "exact"), [(50, True), (100, True), (200, False)])
def test_prefixes_are_exact_where_the_host_leaves_by_another_interface(
    metric: int, exact: bool
) -> None:
    elsewhere = Route(DMZ, ip_network("0.0.0.0/0"), ip_address("10.99.0.1"), metric=metric)
    assert (apart(mirrored(elsewhere)) is None) is exact


def test_prefixes_are_exact_beside_the_operator_s_tables() -> None:
    rules = Rules(ahead=((1000, None),), by_source=((None, 101),))
    table = Route(LAN, ip_network("0.0.0.0/0"), ip_address("10.77.0.100"), table=101)
    assert apart(mirrored(table, rules=rules)) is None
    assert apart(mirrored(rules=rules)) is not None  # it leads nowhere from this interface


def test_plans_made_together_are_those_made_one_by_one() -> None:
    mirror, keys = mirrored(), frozenset(address.key for address in VIPS)
    where, here = build.numbers(71000, 0), build.Surroundings(mirror, LAN, keys)
    for first in range(0, len(VIPS), 10):
        vips = VIPS[first : first + 10]
        together = build.build(mirror, LAN, vips, keys, where, here)
        assert together == build.build(mirror, LAN, vips, keys, where)
        assert together.vips == tuple(vips) and together.own == (OWN,)
