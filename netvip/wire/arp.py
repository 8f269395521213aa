"""ARP over Ethernet (RFC 826), as an announcement of an address (RFC 5227 2.3)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

ETHERTYPE = 0x0806
BROADCAST = b"\xff" * 6
REQUEST = 1


def announcement(mac: bytes, address: IPv4Address) -> bytes:
    """The Ethernet frame of a gratuitous ARP: a request whose sender and target are the address."""
    ethernet = BROADCAST + mac + struct.pack("!H", ETHERTYPE)
    header = struct.pack("!HHBBH", 1, 0x0800, 6, 4, REQUEST)
    return ethernet + header + mac + address.packed + bytes(6) + address.packed
