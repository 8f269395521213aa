"""Prefixes that are some addresses and no other, compared with ipaddress's own."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, collapse_addresses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip.actuators.prefixes import WIDEST, few, fewest
from netvip.core import ip as ips
from netvip.core.model import Network


def collapsed(addresses: Iterable[Any]) -> list[Network]:
    """By the standard library."""
    return list(collapse_addresses(addresses))


#: Neighbours, gaps, and both ends of the address space.
OFFSETS = st.lists(st.integers(0, 300) | st.integers(0, 5000), max_size=80)


@given(OFFSETS, st.sampled_from([0, 0x0A500000, (1 << 32) - 5001]))
def test_ipv4(offsets: list[int], base: int) -> None:
    addresses = [IPv4Address(base + offset) for offset in offsets]
    assert fewest(addresses) == collapsed(addresses)


@given(OFFSETS, st.sampled_from([0, 0xFD << 120, (1 << 128) - 5001]))
def test_ipv6(offsets: list[int], base: int) -> None:
    addresses = [IPv6Address(base + offset) for offset in offsets]
    assert fewest(addresses) == collapsed(addresses)


@pytest.mark.parametrize("text", ["10.77.0.10", "fd00:77::10"])
def test_addresses_of_the_kernel(text: str) -> None:
    plain = IPv6Address(text) if ":" in text else IPv4Address(text)
    assert fewest([ips.address(plain.packed)] * 2) == collapsed([plain])


@given(OFFSETS, OFFSETS, st.sampled_from([0, 0x0A500000, (1 << 32) - 5001]))
def test_few_have_all_addresses_and_none_that_stays_apart(
    offsets: list[int], others: list[int], base: int
) -> None:
    addresses = [IPv4Address(base + offset) for offset in offsets]
    apart = [IPv4Address(base + offset) for offset in {*others} - {*offsets}]
    found = few(addresses, apart, 4)
    assert all(any(ip in network for network in found) for ip in addresses)
    assert not any(ip in network for network in found for ip in apart)
    assert all(network.prefixlen >= WIDEST[32] for network in found)
    exact = fewest(addresses)
    assert found == exact if len(exact) <= 4 else len(found) <= len(exact)


def test_few_are_few_and_no_wider_than_a_site() -> None:
    scattered = [IPv4Address(f"10.80.{n // 100}.{n % 100 * 2 + 1}") for n in range(1000)]
    assert len(few(scattered, [], 8)) <= 8
    sites = [IPv4Address(f"10.{site}.0.1") for site in range(20)]
    assert few(sites, [], 8) == fewest(sites)
