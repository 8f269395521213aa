"""The socket that asks the kernel for changes; its port tells netvip's own changes from others'."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netvip.linux import netlink_messages, rtnl
from netvip.linux.netlink_messages import Message

#: What is wanted is so already, or what is to go has gone.
ALREADY_SO = frozenset(
    {0, errno.EEXIST, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENODEV}
)
#: A batch for a thousand VIPs, and an answer to each of its messages.
BUFFER = 1 << 20
#: What the kernel may answer at once: an acknowledgement for each message of a batch.
DATAGRAM = 1 << 16
#: For so many requests a refusal can be named in words; far more than can be under way.
REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class NetlinkRequest:
    """One encoded message, and what it does, in words."""

    data: bytes
    what: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages ready to go in one send."""

    data: bytes = b""


class Commands:
    """Sends batches; refusals come back through `refused(what, why)`."""

    def __init__(self, refused: Callable[[str, str], None]) -> None:
        self._refused = refused
        self._next = 1
        self._what: dict[int, str] = {}
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.bind((0, 0))
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            self._socket.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        self._socket.setblocking(False)

    @property
    def port(self) -> int:
        """The netlink port that marks our own changes."""
        return int(self._socket.getsockname()[0])

    def prepare(self, requests: Sequence[NetlinkRequest]) -> Batch:
        """Make a batch that can be sent at any time, more than once."""
        first, self._next = self._next, self._next + len(requests)
        self._what.update({first + i: request.what for i, request in enumerate(requests)})
        for number in list(self._what)[: len(self._what) - REMEMBERED]:
            del self._what[number]
        return Batch(rtnl.number([request.data for request in requests], first))

    def send(self, batch: Batch) -> None:
        """Have the kernel carry out a batch, in order; done when this returns."""
        if batch.data:
            self._socket.send(batch.data)

    def do(self, requests: Sequence[NetlinkRequest]) -> None:
        """Prepare and send at once."""
        self.send(self.prepare(requests))

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read the answers as they come."""
        loop.add_reader(self._socket, self.read_answers)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """End."""
        loop.remove_reader(self._socket)
        self._socket.close()

    def read_answers(self) -> None:
        """Take every answer that is there; report what was refused."""
        while True:
            try:
                datagram = self._socket.recv(DATAGRAM)
            except BlockingIOError:
                return
            except OSError as problem:
                if problem.errno != errno.ENOBUFS:
                    raise
                continue  # answers were lost; the notifications tell what came of it
            for message in netlink_messages.split(datagram):
                self._answer(message)

    def _answer(self, message: Message) -> None:
        if message.kind != netlink_messages.NLMSG_ERROR:
            return
        code = netlink_messages.error_of(message)
        if code not in ALREADY_SO:
            self._refused(self._what.get(message.sequence, "a request"), rtnl.why(code))
