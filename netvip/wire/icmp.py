"""Echo requests and replies of ICMP (RFC 792) and ICMPv6 (RFC 4443 4)."""

from __future__ import annotations

import struct

from netvip.wire.checksum import checksum

ECHO_REQUEST, ECHO_REPLY = 8, 0
ECHO_REQUEST6, ECHO_REPLY6 = 128, 129
_HEADER = struct.Struct("!BBHHH")


def request(ident: int, sequence: int, version: int = 4) -> bytes:
    """An echo request. Its ICMPv6 checksum is 0: the kernel fills it in on a raw ICMPv6 socket (RFC
    3542 3.1)."""
    if version == 6:
        return _HEADER.pack(ECHO_REQUEST6, 0, 0, ident, sequence)
    bare = _HEADER.pack(ECHO_REQUEST, 0, 0, ident, sequence)
    return _HEADER.pack(ECHO_REQUEST, 0, checksum(bare), ident, sequence)


def reply(message: bytes, version: int = 4) -> tuple[int, int] | None:
    """The identifier and sequence number of an echo reply; None if the message is not one. An IPv4
    message begins with its IP header, as a raw IPv4 socket returns it; an IPv6 message does not."""
    if version == 4:
        if len(message) < 20 or message[0] >> 4 != 4:
            return None
        message = message[(message[0] & 15) * 4 :]
    if len(message) < _HEADER.size:
        return None
    kind, code, _, ident, sequence = _HEADER.unpack_from(message)
    expected = ECHO_REPLY6 if version == 6 else ECHO_REPLY
    return (ident, sequence) if (kind, code) == (expected, 0) else None
