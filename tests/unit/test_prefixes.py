"""Prefixes that are some addresses and no other, compared with ipaddress's own."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, collapse_addresses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip.actuators.prefixes import fewest
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
