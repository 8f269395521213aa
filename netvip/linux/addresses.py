"""The host's addresses, for a check that is too short to load a netlink library (FACTS 8)."""

from __future__ import annotations

# The module behind `socket`, whose import alone costs more than the rest of the check.
import _socket as socket
import struct

NETLINK_ROUTE = 0
#: linux/rtnetlink.h, linux/netlink.h, linux/if_addr.h
RTM_NEWADDR, RTM_GETADDR = 20, 22
NLM_F_REQUEST, NLM_F_DUMP = 0x01, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
IFA_ADDRESS, IFA_LOCAL = 1, 2
NLMSGHDR = struct.Struct("=IHHII")
IFADDRMSG = struct.Struct("=BBBBi")
RTATTR = struct.Struct("=HH")


def present() -> set[tuple[str, bytes]]:
    """Interface and address of everything the kernel has; empty where it does not tell."""
    try:
        return {(socket.if_indextoname(index), local) for index, local in _dump()}
    except OSError:
        return set()  # an interface that went away meanwhile, or no netlink at all


def parsed(text: str) -> bytes:
    """An address as the kernel has it; raises OSError where it is none."""
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def _dump() -> list[tuple[int, bytes]]:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_ROUTE)
    try:
        body = IFADDRMSG.pack(0, 0, 0, 0, 0)
        flags = NLM_F_REQUEST | NLM_F_DUMP
        sock.send(NLMSGHDR.pack(NLMSGHDR.size + len(body), RTM_GETADDR, flags, 1, 0) + body)
        found: list[tuple[int, bytes]] = []
        while _read(sock.recv(65536), found):
            pass
        return found
    finally:
        sock.close()


def _read(data: bytes, found: list[tuple[int, bytes]]) -> bool:
    """Take the messages of one datagram; whether more of them come."""
    offset = 0
    while offset + NLMSGHDR.size <= len(data):
        length, kind, _, _, _ = NLMSGHDR.unpack_from(data, offset)
        if kind in (NLMSG_DONE, NLMSG_ERROR) or length < NLMSGHDR.size:
            return False
        if kind == RTM_NEWADDR:
            found.append(_address(data[offset + NLMSGHDR.size : offset + length]))
        offset += (length + 3) & ~3
    return bool(data)


def _address(body: bytes) -> tuple[int, bytes]:
    index = IFADDRMSG.unpack_from(body)[4]
    attributes: dict[int, bytes] = {}
    offset = IFADDRMSG.size
    while offset + RTATTR.size <= len(body):
        length, kind = RTATTR.unpack_from(body, offset)
        if length < RTATTR.size:
            break
        attributes[kind] = body[offset + RTATTR.size : offset + length]
        offset += (length + 3) & ~3
    # With a peer, IFA_ADDRESS is the peer's, and IFA_LOCAL ours; IPv6 without one has no IFA_LOCAL.
    return index, attributes.get(IFA_LOCAL) or attributes[IFA_ADDRESS]
