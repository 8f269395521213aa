"""Probes: the packets that are sent, and the packets that count as an answer."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip.wire import arp, icmp, ndp
from netvip.wire.checksum import checksum

MAC, OTHER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
VIP, VIP6 = IPv4Address("10.77.0.10"), IPv6Address("fd00:77::10")
LOCAL6 = IPv6Address("fe80::1")


def arp_reply(mac: bytes = OTHER, ip: IPv4Address = VIP, operation: int = 2) -> bytes:
    return struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac + ip.packed + MAC + bytes(4)


def test_an_arp_probe_has_no_sender_address() -> None:
    frame = arp.probe(MAC, VIP)
    assert frame[:14] == b"\xff" * 6 + MAC + b"\x08\x06"
    assert frame[20:22] == b"\0\1" and frame[22:28] == MAC, "a request from our hardware address"
    assert frame[28:32] == bytes(4), "RFC 5227 2.1.1: the sender's IP address is all zeroes"
    assert frame[32:38] == bytes(6) and frame[38:42] == VIP.packed and len(frame) == 42


def test_a_reply_contains_the_hardware_address_of_its_sender() -> None:
    assert arp.reply(arp_reply()) == (OTHER, VIP)
    assert arp.reply(arp_reply() + bytes(18)) == (OTHER, VIP), (
        "padded to the minimum length of Ethernet"
    )


@pytest.mark.parametrize(
    "packet", [b"", arp_reply(operation=1), arp_reply()[:27], b"\0\6" + arp_reply()[2:]]
)
def test_other_packets_are_not_arp_replies(packet: bytes) -> None:
    assert arp.reply(packet) is None


def test_a_solicitation_has_the_link_local_address_as_its_source() -> None:
    frame = ndp.probe(MAC, LOCAL6, VIP6)
    packet = frame[14:]
    assert frame[:6] == bytes.fromhex("3333ff000010") and frame[6:12] == MAC
    assert packet[8:24] == LOCAL6.packed, "RFC 4861 7.2.4: from :: the answer goes to all nodes"
    assert packet[24:40] == IPv6Address("ff02::1:ff00:10").packed and packet[7] == 255
    assert packet[40] == 135 and packet[48:64] == VIP6.packed
    assert packet[64:] == b"\x01\x01" + MAC, "RFC 4861 4.3: the source link-layer address"
    pseudo = packet[8:40] + struct.pack("!II", 32, 58)
    assert checksum(pseudo + packet[40:]) == 0


def test_an_advertisement_contains_the_hardware_address_of_the_target() -> None:
    assert ndp.reply(ndp.announcement(OTHER, VIP6)[14:]) == (OTHER, VIP6)
    bare = ndp.announcement(OTHER, VIP6)[14:][:64]
    assert ndp.reply(bare) == (None, VIP6)
    assert ndp.reply(ndp.probe(MAC, LOCAL6, VIP6)[14:]) is None
    forwarded = bytearray(ndp.announcement(OTHER, VIP6)[14:])
    forwarded[7] = 254
    assert ndp.reply(bytes(forwarded)) is None, "RFC 4861 7.1.2"


@given(st.binary(max_size=120))
def test_garbage_never_raises(packet: bytes) -> None:
    arp.reply(packet)
    ndp.reply(packet)
    icmp.reply(packet, 4)
    icmp.reply(packet, 6)
    header = ndp.announcement(OTHER, VIP6)[14:][:64]
    ndp.reply(header + packet)  # an option with length 0 must not make the parser loop


def test_an_echo_request_is_valid_and_its_reply_is_recognised() -> None:
    request = icmp.request(0x1234, 7)
    assert request[:2] == b"\x08\0" and checksum(request) == 0
    header = b"\x45" + bytes(19)
    assert icmp.reply(header + b"\0\0\0\0" + request[4:]) == (0x1234, 7)
    assert icmp.reply(header + request) is None, "a request is not a reply"
    assert icmp.reply(header + b"\0\1\0\0" + request[4:]) is None
    options = b"\x46" + bytes(23)
    assert icmp.reply(options + b"\0\0\0\0" + request[4:]) == (0x1234, 7)


def test_an_ipv6_echo_request_is_valid_and_its_reply_is_recognised() -> None:
    request = icmp.request(9, 8, version=6)
    assert request == struct.pack("!BBHHH", 128, 0, 0, 9, 8), "the kernel fills in the checksum"
    assert icmp.reply(struct.pack("!BBHHH", 129, 0, 0xABCD, 9, 8), 6) == (9, 8)
    assert icmp.reply(request, 6) is None
