"""The host's addresses, read by `netvip check`, which keepalived starts every few seconds.

Each import costs processor time there (fact start-up-cost). So this module uses neither
netvip.linux.rtnl, which imports dataclasses and ipaddress, nor netvip.linux.netlink_socket, which
imports socket; it reads messages with netvip.linux.netlink_messages, as they do."""

from __future__ import annotations

# The C module behind socket. Importing socket costs more than all else that the check does.
import _socket as socket

from netvip.linux.light_dump import dump
from netvip.linux.netlink_messages import HEADER, IFA_ADDRESS, IFA_LOCAL, IFADDRMSG, attributes

#: linux/rtnetlink.h
RTM_GETADDR = 22


def present() -> set[tuple[str, bytes]]:
    """The interface name and the address of each address; empty if the kernel cannot be asked."""
    try:
        return {(socket.if_indextoname(index), local) for index, local in map(_address, _dumped())}
    except OSError:
        return set()  # no netlink, or an interface was deleted after the dump


def parsed(text: str) -> bytes:
    """An address in network byte order. Raises OSError if the text is not an address."""
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def _dumped() -> list[bytes]:
    return dump(RTM_GETADDR, IFADDRMSG.pack(0, 0, 0, 0, 0))


def _address(data: bytes) -> tuple[int, bytes]:
    index = IFADDRMSG.unpack_from(data, HEADER.size)[4]
    found = attributes(data, HEADER.size + IFADDRMSG.size)
    # With a peer, IFA_ADDRESS is the peer's address and IFA_LOCAL the interface's own; IPv6 without
    # a peer has no IFA_LOCAL.
    return index, found.get(IFA_LOCAL) or found[IFA_ADDRESS]
