"""Receives VRRP adverts, this node's and other nodes', and other hosts' announcements of addresses
(gratuitous ARP, neighbour advertisements).

A filter in the kernel passes only these. One socket for each interface receives both, so that they
keep their order.
"""

from __future__ import annotations

import asyncio
import errno
import math
import socket
import time
from collections.abc import Callable, Iterable

from netvip.core.events import AddressAnnounced, Advert, Event
from netvip.core.model import IP
from netvip.linux.packetfilter import attach
from netvip.wire import arp, fragments, ndp, vrrp

#: Only a packet socket that is bound to this protocol receives what its own host sends (fact
#: own-adverts-need-eth-p-all).
ETH_P_ALL = 0x0003
PACKET_OUTGOING = 4
#: 255 IPv6 addresses, where jumbo frames hold them, and what is before them.
LARGEST_ADVERT = 4200
#: Seconds: another host that floods the network with adverts does not keep the event loop from its
#: other work.
TURN = 0.005
#: Before a deletion is reported, all has to be read that a socket's buffer holds: some 250 adverts.
DRAIN_MOST = 512

#: The ethertype is read from the ancillary area (linux/filter.h, SKF_AD_PROTOCOL): there a VLAN tag
#: does not move it. Offsets count from the network header.
_LOAD_ETHERTYPE = (0x28, 0, 0, 0xFFFFF000)
_FILTER = (
    _LOAD_ETHERTYPE,
    (0x15, 0, 3, 0x0800),
    (0x30, 0, 0, 9),
    (0x15, 15, 0, vrrp.PROTOCOL),
    (0x15, 14, 15, vrrp.AUTHENTICATION_HEADER),
    (0x15, 0, 8, ndp.ETHERTYPE),
    (0x30, 0, 0, 6),
    (0x15, 11, 0, vrrp.PROTOCOL),
    (0x15, 0, 2, ndp.ICMPV6),
    (0x30, 0, 0, 40),
    (0x15, 8, 9, ndp.NEIGHBOUR_ADVERTISEMENT),
    (0x15, 0, 8, fragments.HEADER),
    (0x30, 0, 0, 40),  # what the fragment is of
    (0x15, 5, 6, vrrp.PROTOCOL),
    (0x15, 0, 5, arp.ETHERTYPE),
    (0x20, 0, 0, 14),  # an ARP packet whose sender address ...
    (0x07, 0, 0, 0),
    (0x20, 0, 0, 24),  # ... equals its target address
    (0x1D, 0, 1, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
    (0x06, 0, 0, 0),
)


class AdvertSource:
    """Receives on the interfaces that watch() was called with.

    after_kernel calls what it is given when the deletion that made keepalived release its VIPs has
    been reported: this node's own advert with priority 0, and what follows it, is reported then
    (Law 2: a shield begins while MASTER).
    """

    def __init__(
        self,
        emit: Callable[[Event], None],
        loop: asyncio.AbstractEventLoop,
        after_kernel: Callable[[Callable[[], None]], None] = lambda report: report(),
    ) -> None:
        self._emit, self._loop, self._after_kernel = emit, loop, after_kernel
        # Where a release of this node's waits for the kernel's news.
        self._waiting: set[int] = set()
        self._sockets: dict[int, socket.socket] = {}
        self._addresses: frozenset[IP] = frozenset()
        # An interface and a VLAN on it both receive each fragment.
        self._fragments: dict[int, fragments.Reassembly] = {}

    def watch(self, ifindexes: Iterable[int], addresses: Iterable[IP] = ()) -> None:
        """Receive adverts on these interfaces only, and announcements of these addresses only."""
        wanted, self._addresses = set(ifindexes), frozenset(addresses)
        for ifindex in set(self._sockets) - wanted:
            self._stop(ifindex)
        for ifindex in wanted - set(self._sockets):
            self._start(ifindex)

    def drain(self) -> None:
        """Read what has arrived. The meaning of a deletion depends on the adverts before it."""
        for ifindex in list(self._sockets):
            self._read(ifindex, math.inf, DRAIN_MOST)

    def close(self) -> None:
        """Close all sockets."""
        self.watch(())

    def _start(self, ifindex: int) -> None:
        try:
            sock = _open(ifindex)
        except OSError as problem:
            if problem.errno in (errno.ENODEV, errno.ENXIO):
                return  # the interface was deleted; netlink reports a new one
            raise
        self._sockets[ifindex], self._fragments[ifindex] = sock, fragments.Reassembly()
        self._loop.add_reader(sock, self._readable, ifindex)

    def _stop(self, ifindex: int) -> None:
        sock = self._sockets.pop(ifindex)
        del self._fragments[ifindex]
        self._loop.remove_reader(sock)
        sock.close()

    def _readable(self, ifindex: int) -> None:
        self._read(ifindex, TURN, DRAIN_MOST)

    def _read(self, ifindex: int, limit: float, most: int) -> None:
        """Report what has arrived, for so many seconds and so many packets at most."""
        end = time.monotonic() + limit
        # What is reported may lead to the end of the socket.
        while (sock := self._sockets.get(ifindex)) is not None and ifindex not in self._waiting:
            most -= 1
            if most < 0 or time.monotonic() > end:
                return
            try:
                packet, sender = sock.recvfrom(LARGEST_ADVERT)
            except BlockingIOError:
                return
            except OSError as problem:
                if problem.errno == errno.ENETDOWN:
                    return  # returned once when the interface goes down; the socket stays usable
                raise
            packet = self._fragments[ifindex].take(packet)
            if (advert := vrrp.parse(packet)) is not None:
                self._take(ifindex, advert, sender[2] == PACKET_OUTGOING, sender[4])
            elif sender[2] != PACKET_OUTGOING:
                self._emit_announcement(ifindex, _announced(sender[1], packet))

    def _take(self, ifindex: int, advert: vrrp.Advertisement, own: bool, mac: bytes) -> None:
        if not own or advert.priority:
            self._emit_advert(ifindex, advert, own, mac)
            return

        def report() -> None:
            self._waiting.discard(ifindex)
            self._emit_advert(ifindex, advert, own, mac)

        self._waiting.add(ifindex)
        self._after_kernel(report)

    def _emit_advert(self, ifindex: int, advert: vrrp.Advertisement, own: bool, mac: bytes) -> None:
        # A password leaves this module in no event. Python's hash of bytes has a key that no other
        # process knows; hashlib would load OpenSSL, 2 MiB.
        self._emit(
            Advert(
                time.monotonic(),
                ifindex,
                advert.family,
                advert.vrid,
                advert.priority,
                own,
                str(advert.source),
                mac,
                advert.addresses,
                advert.version,
                advert.interval,
                hash(advert.authentication).to_bytes(8, "little", signed=True),
            )
        )

    def _emit_announcement(self, ifindex: int, ip: IP | None) -> None:
        if ip is not None and ip in self._addresses:
            self._emit(AddressAnnounced(time.monotonic(), ifindex, ip))


def _announced(ethertype: int, packet: bytes) -> IP | None:
    if ethertype == arp.ETHERTYPE:
        return arp.announced(packet)
    answer = ndp.reply(packet)
    return answer[1] if answer is not None else None


def _open(ifindex: int) -> socket.socket:
    # With protocol 0 the socket receives nothing before bind(), and so nothing without the filter.
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0)
    try:
        attach(sock, _FILTER)
        sock.setblocking(False)
        sock.bind((socket.if_indextoname(ifindex), ETH_P_ALL))
    except OSError:
        sock.close()
        raise
    return sock
