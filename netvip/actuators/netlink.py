"""Sends rtnetlink requests. The kernel reports the changes with the port of the socket, by which
netvip knows its own."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netvip.linux import rtnl
from netvip.linux.netlink_messages import NLMSG_ERROR, Message, error_of
from netvip.linux.netlink_socket import open_socket, receive

#: These errors mean that an object to add exists already, or that one to delete is gone already.
ALREADY_SO = frozenset(
    {0, errno.EEXIST, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENODEV}
)
#: Bytes: a batch for a thousand VIPs, and an answer to each of its messages.
BUFFER = 1 << 20
#: The descriptions of so many requests are kept, to name one that the kernel refuses. Far fewer are
#: unanswered at any time.
REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class NetlinkRequest:
    """An encoded message, and a description of it for the journal."""

    data: bytes
    what: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Encoded messages that go to the kernel in one send."""

    data: bytes = b""


class NetlinkSender:
    """Sends batches; calls `refused(what, why)` for each request that the kernel refuses."""

    def __init__(self, refused: Callable[[str, str], None]) -> None:
        self._refused = refused
        self._next = 1
        self._what: dict[int, str] = {}
        self._socket = open_socket(BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)

    @property
    def port(self) -> int:
        """The netlink port that the kernel's notifications of netvip's own changes carry."""
        return int(self._socket.getsockname()[0])

    def prepare(self, requests: Sequence[NetlinkRequest]) -> Batch:
        """Make a batch that can be sent later, and more than once."""
        first, self._next = self._next, self._next + len(requests)
        self._what.update({first + i: request.what for i, request in enumerate(requests)})
        for number in list(self._what)[: len(self._what) - REMEMBERED]:
            del self._what[number]
        return Batch(rtnl.number([request.data for request in requests], first))

    def send(self, batch: Batch) -> None:
        """Send a batch. The kernel has carried it out, in order, when this returns."""
        if batch.data:
            self._socket.send(batch.data)

    def do(self, requests: Sequence[NetlinkRequest]) -> None:
        """Prepare a batch and send it."""
        self.send(self.prepare(requests))

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read answers as they arrive."""
        loop.add_reader(self._socket, self.read_answers)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close the socket."""
        loop.remove_reader(self._socket)
        self._socket.close()

    def read_answers(self) -> None:
        """Read every answer that has arrived, and report what the kernel refused."""
        # If answers were lost, the notifications still tell what the kernel did.
        receive(self._socket, self._answer, lambda: None)

    def _answer(self, message: Message) -> None:
        if message.kind != NLMSG_ERROR:
            return
        code = error_of(message)
        if code not in ALREADY_SO:
            self._refused(self._what.get(message.sequence, "a request"), rtnl.why(code))
