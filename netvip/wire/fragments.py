"""IPv6 fragments (RFC 8200 4.5): keepalived sends an advert of more than 90 VIPs in several.

An IPv4 advert is never fragmented: keepalived writes its header itself, and 255 VIPs fit.
"""

from __future__ import annotations

import struct

#: The next header's number of a fragment header, and the sizes of both headers.
HEADER, IPV6_SIZE, SIZE = 44, 40, 8
#: Any host of the link may send fragments: of so many packets they are kept, the oldest go first.
MOST = 8
#: No advert is larger: 255 VIPs (RFC 5798 5.2.5).
LARGEST = 4096


class Reassembly:
    """Puts the fragments of a few packets together."""

    def __init__(self) -> None:
        # By addresses and identification; each the packet's parts by their offset.
        self._parts: dict[bytes, dict[int, bytes]] = {}

    def take(self, packet: bytes) -> bytes:
        """The whole packet, once its last fragment is there; a packet that is no fragment as it is.
        Empty while fragments are missing."""
        if len(packet) < IPV6_SIZE or packet[0] >> 4 != 6 or packet[6] != HEADER:
            return packet
        try:
            following, _, word, identification = struct.unpack_from("!BBHI", packet, IPV6_SIZE)
        except struct.error:
            return b""
        length = struct.unpack_from("!H", packet, 4)[0]
        key = packet[8:IPV6_SIZE] + bytes([following]) + identification.to_bytes(4, "big")
        parts = self._parts.setdefault(key, {})
        parts[word] = packet[IPV6_SIZE + SIZE : IPV6_SIZE + length]
        whole = _join(parts)
        if whole or sum(map(len, parts.values())) > LARGEST or len(parts) > MOST:
            del self._parts[key]
        elif len(self._parts) > MOST:
            del self._parts[next(iter(self._parts))]
        if not whole:
            return b""
        head = packet[:4] + struct.pack("!HB", len(whole), following)
        return head + packet[7:IPV6_SIZE] + whole


def _join(parts: dict[int, bytes]) -> bytes:
    """The payload; empty while a part is missing. A part's key is its offset in bytes, with 1 added
    where more parts follow (the two bits between are reserved)."""
    whole, more = b"", True
    for word, part in sorted(parts.items()):
        if word & ~7 != len(whole) or not more:
            return b""
        whole, more = whole + part, bool(word & 1)
    return b"" if more else whole
