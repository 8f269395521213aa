"""Finds the hosts that answer for an address, by ARP probes (RFC 5227 2.1.1) and neighbour
solicitations.

A probe does not change the entry of the address in another host's neighbour cache; the answer
updates this host's own. An ARP probe has no sender address. A neighbour solicitation has the host's
link-local address as its source.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from netvip.checks.asking import drain, let_loop_run, receiving, wait
from netvip.const import NEIGHBOUR_LIMIT
from netvip.core.check.findings import Holder
from netvip.core.model import IP, AddressKey, Tri
from netvip.linux.packetfilter import Instruction, attach
from netvip.wire import arp, ndp

ARPHRD_ETHER = 1
#: linux/filter.h, SKF_NET_OFF: an offset that counts from the network header.
_NET = 0xFFF00000
_ETHERNET_HEADER = 14
#: Accepts ARP replies only.
_ARP_REPLIES: Sequence[Instruction] = (
    (0x28, 0, 0, _NET + 6),
    (0x15, 0, 1, arp.REPLY),
    (0x06, 0, 0, 0xFFFFFFFF),
    (0x06, 0, 0, 0),
)
#: Accepts neighbour advertisements only.
_NEIGHBOUR_ADVERTISEMENTS: Sequence[Instruction] = (
    (0x30, 0, 0, _NET + 6),
    (0x15, 0, 3, ndp.ICMPV6),
    (0x30, 0, 0, _NET + ndp.IPV6_HEADER),
    (0x15, 0, 1, ndp.NEIGHBOUR_ADVERTISEMENT),
    (0x06, 0, 0, 0xFFFFFFFF),
    (0x06, 0, 0, 0),
)
#: Interface number and IP version.
Place = tuple[int, int]
#: include/uapi/linux/if_addr.h; the scope as in /proc/net/if_inet6 (linux/ipv6.h).
IFA_F_DADFAILED, IFA_F_TENTATIVE, LINK_LOCAL = 0x08, 0x40, 0x20
IF_INET6 = Path("/proc/net/if_inet6")


class NeighbourProber:
    """Keeps a socket for each interface and family, because closing a packet socket blocks for an
    RCU grace period."""

    def __init__(self) -> None:
        self._sockets: dict[Place, socket.socket] = {}

    def close(self) -> None:
        """Close the sockets."""
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()

    async def ask(self, addresses: Iterable[AddressKey]) -> list[Holder]:
        """The hosts that answer for each address on its interface."""
        by_place: dict[Place, list[IP]] = {}
        for address in addresses:
            by_place.setdefault((address.ifindex, address.ip.version), []).append(address.ip)
        self._close_all_but(set(by_place))
        asked = (self._ask(place, ips) for place, ips in by_place.items())
        return [holder for found in await asyncio.gather(*asked) for holder in found]

    def _close_all_but(self, wanted: set[Place]) -> None:
        for place in set(self._sockets) - wanted:
            self._sockets.pop(place).close()

    async def _ask(self, place: Place, ips: list[IP]) -> list[Holder]:
        begun = time.monotonic()
        found: dict[IP, set[bytes]] = {ip: set() for ip in ips}
        try:
            sock = self._socket(place)
            mac = sock.getsockname()[4]  # which may change while the interface is up
            source = _link_local(place[0], ips) if place[1] == 6 else None
            drain(sock)
            async with receiving(
                sock, lambda packet: _take(packet[_ETHERNET_HEADER:], found)
            ) as done:
                await _send(sock, mac, source, ips)  # once: the next check repeats it
                await wait(done, NEIGHBOUR_LIMIT)
        except OSError:  # the interface is deleted or down
            self._close(place)
            return [Holder(place[0], ip, frozenset(), Tri.UNKNOWN) for ip in ips]
        took = time.monotonic() - begun
        return [Holder(place[0], ip, frozenset(macs), Tri.YES, took) for ip, macs in found.items()]

    def _socket(self, place: Place) -> socket.socket:
        if place not in self._sockets:
            self._sockets[place] = _open(*place)
        return self._sockets[place]

    def _close(self, place: Place) -> None:
        if place in self._sockets:
            self._sockets.pop(place).close()


async def _send(
    sock: socket.socket, mac: bytes, source: IPv6Address | None, ips: Sequence[IP]
) -> None:
    for count, ip in enumerate(ips):
        if isinstance(ip, IPv4Address):
            sock.send(arp.probe(mac, ip))
        elif source is not None:
            sock.send(ndp.probe(mac, source, ip))
        await let_loop_run(count)


def _link_local(ifindex: int, vips: Sequence[IP]) -> IPv6Address:
    """The host's link-local address on an interface. Raises OSError if there is none."""
    for line in IF_INET6.read_text().splitlines():
        address, index, _, scope, flags, _ = line.split()
        found = IPv6Address(bytes.fromhex(address))
        here = (int(index, 16), int(scope, 16)) == (ifindex, LINK_LOCAL)
        ready = not int(flags, 16) & (IFA_F_DADFAILED | IFA_F_TENTATIVE)
        if here and ready and found not in vips:
            return found
    raise OSError("no link-local address")


def _take(packet: bytes, found: dict[IP, set[bytes]]) -> bool:
    answer: tuple[bytes | None, IP] | None
    answer = ndp.reply(packet) if packet[:1] and packet[0] >> 4 == 6 else arp.reply(packet)
    if answer is not None and answer[0] is not None and answer[1] in found:
        found[answer[1]].add(answer[0])
    return False  # until the deadline: another host may answer as well


def _open(ifindex: int, version: int) -> socket.socket:
    """A packet socket on an Ethernet interface. Raises OSError."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    try:
        attach(sock, _ARP_REPLIES if version == 4 else _NEIGHBOUR_ADVERTISEMENTS)
        sock.setblocking(False)
        protocol = arp.ETHERTYPE if version == 4 else ndp.ETHERTYPE
        sock.bind((socket.if_indextoname(ifindex), protocol))
        if sock.getsockname()[3] != ARPHRD_ETHER:
            raise OSError("not an Ethernet interface")
    except OSError:
        sock.close()
        raise
    return sock
