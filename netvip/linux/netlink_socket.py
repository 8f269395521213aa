"""Netlink sockets of the daemon: open one, read what it received, dump what the kernel has."""

from __future__ import annotations

import errno
import math
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator

from netvip.linux.netlink_messages import NLMSG_DONE, NLMSG_ERROR, Message, error_of, split

#: The kernel puts at most 32 KiB of a dump, and one acknowledgement, into a datagram.
DATAGRAM = 1 << 17
#: What four dumps have left out each is hardly the same.
DUMPS_MOST = 4
#: include/uapi/asm-generic/socket.h and linux/netlink.h; the socket module has none of them.
SO_RCVBUFFORCE = 33
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NETLINK_GET_STRICT_CHK = 270, 1, 12


def open_socket(receive_buffer: int, groups: Iterable[int] = ()) -> socket.socket:
    """A NETLINK_ROUTE socket that does not block and has joined these multicast groups.

    receive_buffer is in bytes. With CAP_NET_ADMIN net.core.rmem_max does not limit it (socket(7)).
    """
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    sock.bind((0, 0))
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, receive_buffer)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    for group in groups:
        sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
    sock.setblocking(False)
    return sock


def receive(
    sock: socket.socket,
    take: Callable[[Message], None],
    overflowed: Callable[[], None],
    limit: float = math.inf,
) -> bool:
    """Pass every message that has arrived to `take`, a datagram at least, for so many seconds;
    whether these were all. Call `overflowed` where some were lost: those that have arrived are to
    be taken before a dump, which is newer than they are."""
    end, now = time.monotonic() + limit, -math.inf
    while now < end:
        now = time.monotonic()
        try:
            datagram = sock.recv(DATAGRAM)
        except BlockingIOError:
            return True
        except OSError as problem:
            if problem.errno != errno.ENOBUFS:
                raise
            overflowed()
            continue
        for message in split(datagram):
            take(message)
    return False


def dump(request: bytes, strict: bool = False) -> Iterator[Message]:
    """The kernel's answer to a dump request; `strict`: it heeds the request's conditions (Linux
    4.20). Raises OSError with the error that it answers.

    Where the tables change meanwhile the kernel may leave out what did not change: then it is asked
    again, and each message that was the same comes again."""
    for _ in range(DUMPS_MOST):
        interrupted = False
        for message in _answers(request, strict):
            interrupted = interrupted or message.is_interrupted
            if message.kind != NLMSG_DONE:
                yield message
        if not interrupted:
            return


def _answers(request: bytes, strict: bool) -> Iterator[Message]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as sock:
        if strict:
            sock.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
        sock.send(request)
        while True:
            for message in split(sock.recv(DATAGRAM)):
                if message.kind == NLMSG_ERROR:
                    code = error_of(message)
                    raise OSError(code, os.strerror(code))
                yield message
                if message.kind == NLMSG_DONE:
                    return
