"""Who answers for an address: ARP probes (RFC 5227 2.1.1) and neighbour solicitations.

A probe claims nothing: its sender address is empty, and no other host's cache changes by it. (The
answer refreshes the asker's own.)
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address

from netvip.checks.asking import breathe, drain, heard, wait
from netvip.const import NEIGHBOUR_LIMIT
from netvip.core.model import IP, Address, Tri
from netvip.core.observed import Holder
from netvip.packetfilter import Instruction, attach
from netvip.wire import arp, ndp

ARPHRD_ETHER = 1
#: linux/filter.h SKF_NET_OFF: offsets from the network header, wherever it is.
_NET = 0xFFF00000
_ETHERNET_HEADER = 14
#: ARP replies alone; neighbour advertisements alone.
_ARP_REPLIES: Sequence[Instruction] = (
    (0x28, 0, 0, _NET + 6),
    (0x15, 0, 1, arp.REPLY),
    (0x06, 0, 0, 0xFFFFFFFF),
    (0x06, 0, 0, 0),
)
_NEIGHBOUR_ADVERTISEMENTS: Sequence[Instruction] = (
    (0x30, 0, 0, _NET + 6),
    (0x15, 0, 3, ndp.ICMPV6),
    (0x30, 0, 0, _NET + ndp.IPV6_HEADER),
    (0x15, 0, 1, ndp.NEIGHBOUR_ADVERTISEMENT),
    (0x06, 0, 0, 0xFFFFFFFF),
    (0x06, 0, 0, 0),
)
Place = tuple[int, int]


class Prober:
    """Keeps a socket for each interface and family: closing one makes the kernel wait."""

    def __init__(self) -> None:
        self._sockets: dict[Place, tuple[socket.socket, bytes]] = {}

    def close(self) -> None:
        """End."""
        for sock, _ in self._sockets.values():
            sock.close()
        self._sockets.clear()

    async def ask(self, addresses: Iterable[Address]) -> list[Holder]:
        """Who answers for each of these on its interface."""
        by_place: dict[Place, list[IP]] = {}
        for address in addresses:
            by_place.setdefault((address.ifindex, address.ip.version), []).append(address.ip)
        self._close_all_but(set(by_place))
        asked = (self._ask(place, ips) for place, ips in by_place.items())
        return [holder for found in await asyncio.gather(*asked) for holder in found]

    def _close_all_but(self, wanted: set[Place]) -> None:
        for place in set(self._sockets) - wanted:
            self._sockets.pop(place)[0].close()

    async def _ask(self, place: Place, ips: list[IP]) -> list[Holder]:
        begun = time.monotonic()
        found: dict[IP, set[bytes]] = {ip: set() for ip in ips}
        try:
            sock, mac = self._socket(place)
            drain(sock)
            async with heard(sock, lambda packet: _take(packet[_ETHERNET_HEADER:], found)) as done:
                await _send(sock, mac, ips)  # once: the next examination asks again
                await wait(done, NEIGHBOUR_LIMIT)
        except OSError:  # no such interface any more, or it is down: nobody was asked
            self._forget(place)
            return [Holder(place[0], ip, frozenset(), Tri.UNKNOWN) for ip in ips]
        took = time.monotonic() - begun
        return [Holder(place[0], ip, frozenset(macs), Tri.YES, took) for ip, macs in found.items()]

    def _socket(self, place: Place) -> tuple[socket.socket, bytes]:
        if place not in self._sockets:
            self._sockets[place] = _open(*place)
        return self._sockets[place]

    def _forget(self, place: Place) -> None:
        if place in self._sockets:
            self._sockets.pop(place)[0].close()


async def _send(sock: socket.socket, mac: bytes, ips: Sequence[IP]) -> None:
    for count, ip in enumerate(ips):
        sock.send(_probe(mac, ip))
        await breathe(count)


def _probe(mac: bytes, ip: IP) -> bytes:
    return arp.probe(mac, ip) if isinstance(ip, IPv4Address) else ndp.probe(mac, ip)


def _take(packet: bytes, found: dict[IP, set[bytes]]) -> bool:
    answer: tuple[bytes | None, IP] | None
    answer = ndp.reply(packet) if packet[:1] and packet[0] >> 4 == 6 else arp.reply(packet)
    if answer is not None and answer[0] is not None and answer[1] in found:
        found[answer[1]].add(answer[0])
    return False  # a second one may answer as well, and is what matters


def _open(ifindex: int, version: int) -> tuple[socket.socket, bytes]:
    """A packet socket on an Ethernet, and the hardware address there. Raises OSError."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    try:
        attach(sock, _ARP_REPLIES if version == 4 else _NEIGHBOUR_ADVERTISEMENTS)
        sock.setblocking(False)
        protocol = arp.ETHERTYPE if version == 4 else ndp.ETHERTYPE
        sock.bind((socket.if_indextoname(ifindex), protocol))
        _, _, _, hardware, mac = sock.getsockname()
        if hardware != ARPHRD_ETHER:
            raise OSError("no Ethernet: there is nobody to ask")
    except OSError:
        sock.close()
        raise
    return sock, mac
