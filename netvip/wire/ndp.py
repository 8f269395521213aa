"""Neighbour discovery (RFC 4861): unsolicited neighbour advertisements (7.2.6), neighbour
solicitations (7.2.2) and their answers (7.2.4)."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

from netvip.wire.checksum import checksum

ETHERTYPE = 0x86DD
ICMPV6 = 58
NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT = 135, 136
OVERRIDE = 0x20000000
SOURCE_LINK_LAYER_ADDRESS, TARGET_LINK_LAYER_ADDRESS = 1, 2
ALL_NODES = IPv6Address("ff02::1")
ALL_NODES_MAC = bytes.fromhex("333300000001")
#: RFC 4291 2.7.1: a solicited-node address ends with the last three bytes of the address.
SOLICITED_NODE = IPv6Address("ff02::1:ff00:0").packed[:13]
IPV6_HEADER = 40
#: RFC 4861 7.1.2: a neighbour advertisement that a router forwarded is not accepted.
HOP_LIMIT = 255


def announcement(mac: bytes, address: IPv6Address) -> bytes:
    """The Ethernet frame of an unsolicited neighbour advertisement to all nodes, with the Override
    flag."""
    option = struct.pack("!BB", TARGET_LINK_LAYER_ADDRESS, 1) + mac
    body = struct.pack("!BBHI", NEIGHBOUR_ADVERTISEMENT, 0, 0, OVERRIDE) + address.packed + option
    return _frame(mac, ALL_NODES_MAC, address.packed, ALL_NODES.packed, body)


def probe(mac: bytes, source: IPv6Address, address: IPv6Address) -> bytes:
    """The Ethernet frame of a neighbour solicitation for an address.

    Each host that has the address answers to the source only. If the source were the unspecified
    address it would answer to all nodes, and so change their neighbour caches (RFC 4861 7.2.4).
    """
    option = struct.pack("!BB", SOURCE_LINK_LAYER_ADDRESS, 1) + mac
    body = struct.pack("!BBHI", NEIGHBOUR_SOLICITATION, 0, 0, 0) + address.packed + option
    group = SOLICITED_NODE + address.packed[13:]
    return _frame(mac, b"\x33\x33" + group[12:], source.packed, group, body)


def reply(packet: bytes) -> tuple[bytes | None, IPv6Address] | None:
    """The target's hardware address and IP address in a neighbour advertisement; None if the packet
    is not one. The hardware address is None if the advertisement does not contain it. The packet
    has no Ethernet header."""
    body = packet[IPV6_HEADER:]
    if len(body) < 24 or packet[6] != ICMPV6 or packet[7] != HOP_LIMIT:
        return None
    if body[0] != NEIGHBOUR_ADVERTISEMENT:
        return None
    return _link_layer(body[24:]), IPv6Address(body[8:24])


def _link_layer(options: bytes) -> bytes | None:
    while len(options) >= 8 and options[1]:
        if options[0] == TARGET_LINK_LAYER_ADDRESS:
            return options[2:8]
        options = options[options[1] * 8 :]
    return None


def _frame(mac: bytes, to: bytes, source: bytes, destination: bytes, body: bytes) -> bytes:
    ends = source + destination
    total = checksum(ends + struct.pack("!II", len(body), ICMPV6) + body)
    body = body[:2] + struct.pack("!H", total) + body[4:]
    header = struct.pack("!IHBB", 6 << 28, len(body), ICMPV6, HOP_LIMIT)
    ethernet = to + mac + struct.pack("!H", ETHERTYPE)
    return ethernet + header + ends + body
