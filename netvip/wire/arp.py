"""ARP over Ethernet (RFC 826): announcements and probes of addresses (RFC 5227), and replies."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

ETHERTYPE = 0x0806
BROADCAST = b"\xff" * 6
REQUEST, REPLY = 1, 2
#: Ethernet and IPv4, with addresses of 6 and 4 bytes.
HEADER = struct.pack("!HHBB", 1, 0x0800, 6, 4)
BODY = 28


def announcement(mac: bytes, address: IPv4Address) -> bytes:
    """The Ethernet frame of a gratuitous ARP: a request whose sender and target are the address."""
    return _request(mac, address.packed, address)


def probe(mac: bytes, address: IPv4Address) -> bytes:
    """The Ethernet frame of an ARP probe: a request for an address without a sender address, which
    changes no ARP cache (RFC 5227 2.1.1)."""
    return _request(mac, bytes(4), address)


def announced(packet: bytes) -> IPv4Address | None:
    """The address that a gratuitous ARP request or reply announces (RFC 5227 3); None if the packet
    is not one. The packet has no Ethernet header."""
    if len(packet) < BODY or packet[:6] != HEADER or packet[14:18] != packet[24:28]:
        return None
    return IPv4Address(packet[14:18])


def reply(packet: bytes) -> tuple[bytes, IPv4Address] | None:
    """The sender's hardware address and IP address in an ARP reply; None if the packet is not one.
    The packet has no Ethernet header."""
    if len(packet) < BODY or packet[:6] != HEADER or packet[6:8] != struct.pack("!H", REPLY):
        return None
    return packet[8:14], IPv4Address(packet[14:18])


def _request(mac: bytes, sender: bytes, target: IPv4Address) -> bytes:
    ethernet = BROADCAST + mac + struct.pack("!H", ETHERTYPE)
    body = HEADER + struct.pack("!H", REQUEST) + mac + sender + bytes(6) + target.packed
    return ethernet + body
