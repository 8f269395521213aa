"""Values of the core that are worked out by a quick way, compared with the plain one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from netvip.core import ip as ips
from netvip.core.model import Address, AddressKey, Rules

#: Few addresses, so that prefixes and addresses meet.
ADDRESSES = st.builds(lambda n: IPv4Address(0x0A4D0000 + n), st.integers(0, 40))
PREFIXES = st.none() | st.builds(
    lambda ip, length: IPv4Network((ip, length), strict=False), ADDRESSES, st.integers(0, 32)
)
BY_SOURCE = st.lists(st.tuples(PREFIXES, st.integers(1, 5)), max_size=12)


@given(ADDRESSES, BY_SOURCE)
def test_rules_are_found_as_the_kernel_finds_them(
    ip: IPv4Address, by_source: list[tuple[IPv4Network | None, int]]
) -> None:
    ahead = tuple((number, source) for number, (source, _) in enumerate(by_source))
    rules = Rules(ahead=ahead, by_source=tuple(by_source))
    matching = [table for source, table in by_source if source is None or ip in source]
    assert rules.tables(ip) == matching
    assert rules.steer(ip) is bool(matching)


def test_rules_of_ipv6_are_found() -> None:
    source, vip = ip_network("fd00:77::/64"), ip_address("fd00:77::10")
    rules = Rules(ahead=((100, source),), by_source=((source, 7),))
    assert rules.steer(vip) and rules.tables(vip) == [7]
    assert not rules.steer(ip_address("fd00:78::10"))


@given(st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16))
def test_an_address_is_ipaddress_s_own_in_every_respect(packed: bytes) -> None:
    plain: IPv4Address | IPv6Address = ip_address(packed)
    kept = ips.address(packed)
    assert kept == plain and plain == kept and hash(kept) == hash(plain)
    assert (str(kept), f"{kept}", f"{kept:>45s}") == (str(plain), f"{plain}", f"{plain:>45s}")
    assert {plain: 1}[kept] == {kept: 1}[plain] == 1
    assert kept.packed == packed and kept.version == plain.version
    assert ips.address(packed) is kept
    assert kept in {plain} and plain in {kept}


def test_an_address_s_key_is_its_identity() -> None:
    ip = ip_address("10.77.0.10")
    address = Address(2, ip, 24, label="ens160")
    assert address.key == AddressKey(2, ip, 24) and hash(address.key) == hash(AddressKey(2, ip, 24))
    assert address.key != AddressKey(2, ip, 32) and address == Address(2, ip, 24, label="ens160")
    tagged = address.tagged(77)
    assert (tagged.proto, tagged.key, tagged.label) == (77, address.key, "ens160")
    assert tagged.tagged(0) == address


FULL = Address(
    2,
    ip_address("10.77.0.10"),
    24,
    253,
    "ens160:v",
    ip_address("10.77.0.1"),
    ip_address("10.77.0.255"),
    0x80,
    300,
    200,
    77,
    5,
)


def test_a_tagged_address_keeps_all_else() -> None:
    assert FULL.tagged(5) == FULL
