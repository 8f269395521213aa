"""Sends gratuitous ARP and unsolicited neighbour advertisements."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from itertools import groupby, takewhile
from operator import attrgetter

from netvip.actuators.netlink import PART
from netvip.actuators.parts import Parts
from netvip.core.model import Address
from netvip.wire import arp, ndp

ARPHRD_ETHER = 1


def announce(
    addresses: Iterable[Address], failed: Callable[[str], None], wanted: Callable[[], bool]
) -> Parts:
    """Announce each address on its interface, as long as that is wanted; pass a sentence to
    `failed` for each one that cannot be announced.

    One socket for each interface: to close a packet socket takes the kernel 13 ms.
    """
    by_interface = attrgetter("ifindex")
    for ifindex, here in groupby(sorted(addresses, key=by_interface), by_interface):
        several = list(here)
        try:
            with _opened(ifindex) as sock:
                yield from _announce(sock, takewhile(lambda _: wanted(), several), failed)
        except OSError as problem:
            for address in several:
                failed(f"cannot announce {address}: {problem}")
        yield


@contextmanager
def _opened(ifindex: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as sock:
        sock.bind((socket.if_indextoname(ifindex), 0))
        yield sock


def _announce(
    sock: socket.socket, addresses: Iterable[Address], failed: Callable[[str], None]
) -> Parts:
    _, _, _, hardware, mac = sock.getsockname()
    if hardware != ARPHRD_ETHER:  # others have no neighbour cache to update
        return
    for count, address in enumerate(addresses, 1):
        try:
            sock.send(_frame(address, mac))
        except OSError as problem:
            failed(f"cannot announce {address}: {problem}")
        if not count % PART:
            yield


def _frame(address: Address, mac: bytes) -> bytes:
    if isinstance(address.ip, IPv4Address):
        return arp.announcement(mac, address.ip)
    return ndp.announcement(mac, address.ip)
