"""Announcements of addresses, compared byte by byte."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip.wire import arp, ndp
from netvip.wire.checksum import checksum
from tests.unit.helpers import rfc1071

MAC = bytes.fromhex("0200000a4d01")
MACS = st.binary(min_size=6, max_size=6)


def test_a_gratuitous_arp_is_a_broadcast_request_for_ones_own_address() -> None:
    frame = arp.announcement(MAC, IPv4Address("10.77.0.10"))
    ethernet = "ffffffffffff 0200000a4d01 0806"
    header = "0001 0800 06 04 0001"
    sender, target = "0200000a4d01 0a4d000a", "000000000000 0a4d000a"
    assert frame == bytes.fromhex(ethernet + header + sender + target)


def test_an_unsolicited_advertisement_has_the_override_flag() -> None:
    frame = ndp.announcement(MAC, IPv6Address("fe80::10"))
    own, all_nodes = "fe80" + "00" * 13 + "10", "ff02" + "00" * 13 + "01"
    # Words of the sum: 2 x fe80::10, ff02::1, length 32, next header 58, 8800, 2000, 0201 and MAC.
    total = 2 * (0xFE80 + 0x10) + 0xFF02 + 1 + 32 + 58 + 0x8800 + 0x2000 + 0x0201
    total += 0x0200 + 0x000A + 0x4D01
    folded = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    ethernet = "333300000001 0200000a4d01 86dd"
    header = "60000000 0020 3a ff" + own + all_nodes
    body = f"88 00 {folded:04x} 20000000" + own + "02 01 0200000a4d01"
    assert frame == bytes.fromhex(ethernet + header + body)


@given(MACS, st.ip_addresses(v=4))
def test_a_gratuitous_arp_carries_any_address(mac: bytes, ip: IPv4Address) -> None:
    frame = arp.announcement(mac, ip)
    assert (len(frame), frame[22:28], frame[28:32], frame[38:42]) == (42, mac, ip.packed, ip.packed)


@given(MACS, st.ip_addresses(v=6))
def test_the_checksum_of_an_advertisement_is_right(mac: bytes, ip: IPv6Address) -> None:
    frame = ndp.announcement(mac, ip)
    source, destination, body = frame[22:38], frame[38:54], frame[54:]
    pseudo = source + destination + len(body).to_bytes(4, "big") + bytes([0, 0, 0, 58])
    assert rfc1071(pseudo + body) == 0xFFFF


@given(MACS, st.ip_addresses(v=4))
def test_an_announcement_is_read_as_one_and_nothing_else_is(mac: bytes, ip: IPv4Address) -> None:
    body = arp.announcement(mac, ip)[14:]
    assert arp.announced(body) == ip
    assert arp.announced(body[:7] + bytes([arp.REPLY]) + body[8:]) == ip, "a gratuitous reply"
    assert arp.announced(body[:-1]) is None
    probe = arp.probe(mac, ip)[14:]
    assert arp.announced(probe) == (ip if not int(ip) else None)


@given(st.binary(max_size=64))
def test_garbage_is_announced_as_an_address_or_none(packet: bytes) -> None:
    assert arp.announced(packet) is None or len(packet) >= arp.BODY


@given(st.binary(max_size=64))
def test_data_and_its_checksum_sum_to_zero(data: bytes) -> None:
    even = data + bytes(len(data) % 2)
    assert checksum(even + checksum(data).to_bytes(2, "big")) == 0


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0xFFFF),
        (b"\x01", 0xFEFF),
        (b"\xff\xff", 0),
        (bytes.fromhex("0001f203f4f5f6f7"), 0x220D),
    ],
    ids=["empty", "odd", "ones", "RFC 1071 section 3"],
)
def test_the_checksum_is_that_of_rfc_1071(data: bytes, expected: int) -> None:
    assert checksum(data) == expected
