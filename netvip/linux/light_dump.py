"""Dumps of the kernel for `netvip check`, which keepalived starts every few seconds.

Each import costs processor time there (fact start-up-cost): so this module does not use
netvip.linux.netlink_socket, which imports socket."""

from __future__ import annotations

# The C module behind socket. Importing socket costs more than all else that the check does.
import _socket as socket

from netvip.linux.netlink_messages import (
    HEADER,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    split,
)

#: linux/netlink.h
NETLINK_ROUTE, SOL_NETLINK, NETLINK_GET_STRICT_CHK = 0, 270, 12


def dump(kind: int, body: bytes) -> list[bytes]:
    """The messages of the answer. Raises OSError where the kernel cannot be asked, refuses, or has
    changed meanwhile: then the answer may lack what did not change."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_ROUTE)
    try:
        sock.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
        flags = NLM_F_REQUEST | NLM_F_DUMP
        sock.send(HEADER.pack(HEADER.size + len(body), kind, flags, 1, 0) + body)
        found: list[bytes] = []
        while True:
            for message in split(sock.recv(65536)):
                if message.kind == NLMSG_ERROR or message.is_interrupted:
                    raise OSError("the kernel's answer is incomplete")
                if message.kind == NLMSG_DONE:
                    return found
                found.append(message.data)
    finally:
        sock.close()
