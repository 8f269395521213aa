"""Sends rtnetlink requests. The kernel reports the changes with the port of the socket, by which
netvip knows its own."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice

from netvip.actuators.parts import Parts
from netvip.linux import rtnl
from netvip.linux.netlink_messages import NLMSG_ERROR, Message, error_of
from netvip.linux.netlink_socket import open_socket, receive

#: These errors mean that an object to add exists already, or that one to delete is gone already.
ALREADY_SO = frozenset(
    {0, errno.EEXIST, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENODEV}
)
#: Bytes: a batch for a thousand VIPs, and an answer to each of its messages.
BUFFER = 1 << 20
#: So many parts without an answer are remembered, to name a request that the kernel refuses. Far
#: fewer are unanswered at any time, unless answers were lost.
REMEMBERED = 256
#: So many requests are one send: the kernel takes some 20 us for each, and answers each.
PART = 64


@dataclass(frozen=True, slots=True)
class NetlinkRequest:
    """An encoded message, and a description of it for the journal."""

    data: bytes
    what: str
    #: The errors that are no news, as the request is sent again later.
    expected: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Part:
    """Encoded messages for one send, numbered from `first`, and what is known of each request."""

    data: bytes
    first: int
    what: tuple[str, ...]
    expected: tuple[frozenset[int], ...]

    @property
    def last(self) -> int:
        """The number of its last message, whose answer comes last."""
        return self.first + len(self.what) - 1


@dataclass(frozen=True, slots=True)
class Batch:
    """Encoded messages for the kernel."""

    parts: list[Part] = field(default_factory=list)


class NetlinkSender:
    """Sends batches; calls `refused(what, why)` for each request that the kernel refuses."""

    def __init__(self, refused: Callable[[str, str], None]) -> None:
        self._refused = refused
        self._next = 1
        # What the kernel has not answered yet, by the number of the last message.
        self._unanswered: dict[int, Part] = {}
        self._socket = open_socket(BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)

    @property
    def port(self) -> int:
        """The netlink port that the kernel's notifications of netvip's own changes carry."""
        return int(self._socket.getsockname()[0])

    def prepare(self, requests: Iterable[NetlinkRequest], batch: Batch) -> Parts:
        """Encode requests into a batch that can be sent later, and more than once."""
        left = iter(requests)
        while some := list(islice(left, PART)):
            batch.parts.append(self._encode(some))
            yield

    def _encode(self, requests: list[NetlinkRequest]) -> Part:
        first, self._next = self._next, self._next + len(requests)
        data = rtnl.number([request.data for request in requests], first)
        what, expected = zip(*((one.what, one.expected) for one in requests), strict=True)
        return Part(data, first, what, expected)

    def send(self, batch: Batch) -> Parts:
        """Send a batch. The kernel has carried out each part, in order, when its send returns."""
        for part in batch.parts:
            self._send(part)
            yield

    def do(self, requests: Iterable[NetlinkRequest]) -> Parts:
        """Encode requests and send them, part by part."""
        left = iter(requests)
        while some := list(islice(left, PART)):
            self._send(self._encode(some))
            yield

    def _send(self, part: Part) -> None:
        self._unanswered[part.last] = part
        if len(self._unanswered) > REMEMBERED:
            del self._unanswered[next(iter(self._unanswered))]
        self._socket.send(part.data)

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
        what, expected = self._known(message.sequence)
        if code not in ALREADY_SO and code not in expected:
            self._refused(what, rtnl.why(code))
        self._unanswered.pop(message.sequence, None)

    def _known(self, number: int) -> tuple[str, frozenset[int]]:
        """What a request was for, and the errors that are no news."""
        for part in self._unanswered.values():
            if part.first <= number <= part.last:
                place = number - part.first
                return part.what[place], part.expected[place]
        return "a request", frozenset()
