"""VRRP adverts, version 2 (RFC 3768) and 3 (RFC 5798), over IPv4 and IPv6.

keepalived's auth_type AH puts the adverts of version 2 behind an authentication header (RFC 4302).
Its integrity check is not verified here: keepalived does that.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from netvip.wire.checksum import checksum

PROTOCOL = 112
AUTHENTICATION_HEADER = 51
ADVERTISEMENT = 1
#: RFC 5798 5.1.1.3: an advert that a router has forwarded is discarded. keepalived can send
#: another TTL to unicast peers (unicast_ttl), so only multicast adverts are required to have it.
TTL = 255
#: RFC 2338 5.3.6: authentication by a password in clear text.
PASSWORD = 1
AF_INET, AF_INET6 = 2, 10


@dataclass(frozen=True, slots=True)
class Advertisement:
    """An advert. Priority 0 is a release (RFC 5798 5.2.4)."""

    family: int
    vrid: int
    priority: int
    source: IPv4Address | IPv6Address
    addresses: tuple[IPv4Address | IPv6Address, ...]
    version: int = 3
    #: Version 2: the interval in seconds.
    interval: int = 0
    #: Version 2: the type of the authentication, and the password if it has one.
    authentication: bytes = b""


def parse(packet: bytes) -> Advertisement | None:
    """The advert in an IP packet; None if the packet is not a valid advert."""
    try:
        return _ipv4(packet) if packet[0] >> 4 == 4 else _ipv6(packet)
    except (IndexError, struct.error, ValueError):
        return None


def _ipv4(packet: bytes) -> Advertisement | None:
    header = (packet[0] & 15) * 4
    total = struct.unpack_from("!H", packet, 2)[0]
    if header < 20 or total > len(packet):
        return None
    protocol, body = packet[9], packet[header:total]
    if protocol == AUTHENTICATION_HEADER:  # RFC 4302 2.2: its length in words of 4 bytes, minus 2
        protocol, body = body[0], body[(body[1] + 2) * 4 :]
    if protocol != PROTOCOL:
        return None
    return _advert(AF_INET, packet[12:16], packet[16:20], packet[8], body)


def _ipv6(packet: bytes) -> Advertisement | None:
    length = struct.unpack_from("!H", packet, 4)[0]
    if packet[0] >> 4 != 6 or packet[6] != PROTOCOL or 40 + length > len(packet):
        return None
    return _advert(AF_INET6, packet[8:24], packet[24:40], packet[7], packet[40 : 40 + length])


def _advert(family: int, src: bytes, dst: bytes, ttl: int, body: bytes) -> Advertisement | None:
    version, kind = body[0] >> 4, body[0] & 15
    if kind != ADVERTISEMENT or version not in (2, 3):
        return None
    if ip_address(dst).is_multicast and ttl != TTL:
        return None
    size = 4 if family == AF_INET else 16
    end = 8 + body[3] * size
    # What follows the addresses in version 3 (keepalived's auth_hmac) its checksum does not cover.
    if len(body) < end or not any(_intact(version, src, dst, b) for b in (body, body[:end])):
        return None
    addresses = tuple(ip_address(body[i : i + size]) for i in range(8, end, size))
    head = (family, body[1], body[2], ip_address(src), addresses)
    if version == 3:
        return Advertisement(*head)
    # RFC 3768 5.3.6: without a password the data is ignored.
    data = body[end:] if body[4] == PASSWORD else b""
    return Advertisement(*head, version, body[5], body[4:5] + data)


def _intact(version: int, src: bytes, dst: bytes, body: bytes) -> bool:
    # The checksum of version 3 covers a pseudo-header with IPv4 too. Some routers leave it out, as
    # version 2 does.
    pseudo = src + dst + struct.pack("!IHBB", len(body), 0, 0, PROTOCOL)
    if len(src) == 4:
        pseudo = src + dst + struct.pack("!BBH", 0, PROTOCOL, len(body))
    with_pseudo = version == 3 and checksum(pseudo + body) == 0
    return with_pseudo or (len(src) == 4 and checksum(body) == 0)
