"""Sends gratuitous ARP and unsolicited neighbour advertisements."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address

from netvip.core.model import Address
from netvip.wire import arp, ndp

ARPHRD_ETHER = 1


def announce(addresses: Iterable[Address]) -> list[str]:
    """Announce each address on its interface; return a sentence for each one that failed."""
    problems = []
    for address in addresses:
        try:
            _announce(address)
        except OSError as problem:
            problems.append(f"cannot announce {address}: {problem}")
    return problems


def _announce(address: Address) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as sock:
        sock.bind((socket.if_indextoname(address.ifindex), 0))
        _, _, _, hardware, mac = sock.getsockname()
        if hardware == ARPHRD_ETHER:  # others have no neighbour cache to update
            sock.send(_frame(address, mac))


def _frame(address: Address, mac: bytes) -> bytes:
    if isinstance(address.ip, IPv4Address):
        return arp.announcement(mac, address.ip)
    return ndp.announcement(mac, address.ip)
