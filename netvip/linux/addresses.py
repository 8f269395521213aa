"""The host's addresses, read by `netvip check`, which keepalived starts every few seconds.

Each import costs processor time there (fact start-up-cost). So this module uses neither
netvip.linux.rtnl, which imports dataclasses and ipaddress, nor netvip.linux.netlink_socket, which
imports socket; it reads messages with netvip.linux.netlink_messages, as they do."""

from __future__ import annotations

# The C module behind socket. Importing socket costs more than all else that the check does.
import _socket as socket

from netvip.linux.netlink_messages import (
    HEADER,
    IFA_ADDRESS,
    IFA_LOCAL,
    IFADDRMSG,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    attributes,
    split,
)

NETLINK_ROUTE = 0
#: linux/rtnetlink.h
RTM_NEWADDR, RTM_GETADDR = 20, 22


def present() -> set[tuple[str, bytes]]:
    """The interface name and the address of each address; empty if the kernel cannot be asked."""
    try:
        return {(socket.if_indextoname(index), local) for index, local in _dump()}
    except OSError:
        return set()  # no netlink, or an interface was deleted after the dump


def parsed(text: str) -> bytes:
    """An address in network byte order. Raises OSError if the text is not an address."""
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def _dump() -> list[tuple[int, bytes]]:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_ROUTE)
    try:
        body = IFADDRMSG.pack(0, 0, 0, 0, 0)
        flags = NLM_F_REQUEST | NLM_F_DUMP
        sock.send(HEADER.pack(HEADER.size + len(body), RTM_GETADDR, flags, 1, 0) + body)
        found: list[tuple[int, bytes]] = []
        while _read(sock.recv(65536), found):
            pass
        return found
    finally:
        sock.close()


def _read(datagram: bytes, found: list[tuple[int, bytes]]) -> bool:
    """Add the addresses of one datagram; return whether the dump goes on."""
    for message in split(datagram):
        if message.kind in (NLMSG_DONE, NLMSG_ERROR):
            return False
        if message.kind == RTM_NEWADDR:
            found.append(_address(message.data))
    return bool(datagram)


def _address(data: bytes) -> tuple[int, bytes]:
    index = IFADDRMSG.unpack_from(data, HEADER.size)[4]
    found = attributes(data, HEADER.size + IFADDRMSG.size)
    # With a peer, IFA_ADDRESS is the peer's address and IFA_LOCAL the interface's own; IPv6 without
    # a peer has no IFA_LOCAL.
    return index, found.get(IFA_LOCAL) or found[IFA_ADDRESS]
