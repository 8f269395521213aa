"""Neighbour discovery: an unsolicited neighbour advertisement (RFC 4861 7.2.6)."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

from netvip.wire.checksum import checksum

ETHERTYPE = 0x86DD
ICMPV6 = 58
NEIGHBOUR_ADVERTISEMENT = 136
OVERRIDE = 0x20000000
TARGET_LINK_LAYER_ADDRESS = 2
ALL_NODES = IPv6Address("ff02::1")
ALL_NODES_MAC = bytes.fromhex("333300000001")
#: RFC 4861 7.1.2: a neighbour advertisement that a router forwarded is not accepted.
HOP_LIMIT = 255


def announcement(mac: bytes, address: IPv6Address) -> bytes:
    """The Ethernet frame of an unsolicited NA with the Override flag, to all nodes."""
    option = struct.pack("!BB", TARGET_LINK_LAYER_ADDRESS, 1) + mac
    body = struct.pack("!BBHI", NEIGHBOUR_ADVERTISEMENT, 0, 0, OVERRIDE) + address.packed + option
    ends = address.packed + ALL_NODES.packed
    total = checksum(ends + struct.pack("!II", len(body), ICMPV6) + body)
    body = body[:2] + struct.pack("!H", total) + body[4:]
    header = struct.pack("!IHBB", 6 << 28, len(body), ICMPV6, HOP_LIMIT)
    ethernet = ALL_NODES_MAC + mac + struct.pack("!H", ETHERTYPE)
    return ethernet + header + ends + body
