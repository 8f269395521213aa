"""Does the world send a VIP's packets here? An echo from the VIP proves it by its answer.

Who does not answer the VIP is asked from the host's own address as well: one that is down tells
nothing, one that answers the host alone has another hardware address for the VIP.
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from netvip.checks.asking import breathe, drain, heard, wait
from netvip.const import ECHO_LIMIT
from netvip.core.check.findings import Echo, Subject
from netvip.core.model import IP, Tri
from netvip.wire import icmp

#: linux/in.h, linux/in6.h, linux/icmp.h, linux/icmpv6.h; the socket module has not all of them.
IP_PKTINFO, IPV6_PKTINFO, ICMP_FILTER, ICMP6_FILTER, SOL_RAW = 8, 50, 1, 1, 255


@dataclass(slots=True)
class _Question:
    """One echo: from where to whom, on which interface; when it was sent and answered."""

    source: IP
    target: IP
    ifindex: int
    sent: float = 0.0
    answered: float = 0.0
    asked: Tri = Tri.NO

    @property
    def finding(self) -> Tri:
        return Tri.of(bool(self.answered)) if self.asked is Tri.YES else Tri.UNKNOWN

    @property
    def took(self) -> float:
        return self.answered - self.sent if self.answered else 0.0


@dataclass(slots=True)
class _Pair:
    """A VIP and a target; who to ask it from besides, where it stays silent."""

    instance: str
    question: _Question
    control: tuple[IP, IP, int] | None


class Reacher:
    """Keeps a socket for each family."""

    def __init__(self) -> None:
        self._sockets: dict[int, socket.socket] = {}
        self._ident = int.from_bytes(os.urandom(2), "big")
        self._sequence = itertools.count(int.from_bytes(os.urandom(2), "big"))

    def close(self) -> None:
        """End."""
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()

    async def ask(self, subjects: Iterable[Subject]) -> dict[str, list[Echo]]:
        """By instance, which targets answer which VIPs; asked twice before it counts."""
        found: dict[str, list[Echo]] = {}
        asked = list(subjects)
        for version in (4, 6):
            pairs = [pair for subject in asked for pair in _pairs(subject, version)]
            for pair, echo in await self._ask(pairs, version) if pairs else ():
                found.setdefault(pair.instance, []).append(echo)
        return found

    async def _ask(self, pairs: list[_Pair], version: int) -> list[tuple[_Pair, Echo]]:
        await self._round([pair.question for pair in pairs], version)
        silent = [pair for pair in pairs if pair.question.finding is Tri.NO]
        controls = {p.control: _Question(*p.control) for p in silent if p.control is not None}
        if silent:
            await self._round([*(p.question for p in silent), *controls.values()], version)
        return [(p, _echo(p, controls.get(p.control) if p.control else None)) for p in pairs]

    async def _round(self, questions: list[_Question], version: int) -> None:
        sock = self._socket(version)
        open_ones: dict[int, _Question] = {}

        def take(message: bytes) -> bool:
            answer = icmp.reply(message, version)
            if answer is not None and answer[0] == self._ident:
                question = open_ones.pop(answer[1], None)
                if question is not None:
                    question.answered = time.monotonic()
            return not open_ones

        drain(sock)
        async with heard(sock, take) as done:
            for count, question in enumerate(questions):
                number = next(self._sequence) & 0xFFFF
                if _send(sock, question, icmp.request(self._ident, number, version)):
                    open_ones[number] = question
                await breathe(count)
            if open_ones:
                done.clear()  # the answers to the first may have come before the last were sent
                await wait(done, ECHO_LIMIT)

    def _socket(self, version: int) -> socket.socket:
        if version not in self._sockets:
            self._sockets[version] = _open(version)
        return self._sockets[version]


def _pairs(subject: Subject, version: int) -> Iterator[_Pair]:
    where = {vip.ip: vip.ifindex for vip in subject.vips}
    own = next((ip for ip in subject.own if ip.version == version), None)
    for source in subject.sources:
        for target in subject.targets:
            if source.version == target.version == version and source in where:
                ifindex = where[source]
                control = (own, target, ifindex) if own is not None else None
                yield _Pair(subject.instance, _Question(source, target, ifindex), control)


def _echo(pair: _Pair, control: _Question | None) -> Echo:
    question = pair.question
    alive = control.finding if control is not None else Tri.UNKNOWN
    return Echo(question.source, question.target, question.finding, alive, question.took)


def _send(sock: socket.socket, question: _Question, data: bytes) -> bool:
    """Whether it could be sent at all."""
    try:
        sock.sendmsg([data], [_from(question)], 0, _to(question))
    except OSError:  # no such source, no route, a filter: what cannot be asked is unknown
        return False
    question.sent, question.asked = time.monotonic(), Tri.YES
    return True


def _from(question: _Question) -> tuple[int, int, bytes]:
    # The route is the kernel's to find by the source, as for any packet of the VIP's.
    source = question.source.packed
    if question.source.version == 4:
        return socket.IPPROTO_IP, IP_PKTINFO, struct.pack("i4s4s", 0, source, bytes(4))
    return socket.IPPROTO_IPV6, IPV6_PKTINFO, struct.pack("16si", source, 0)


def _to(question: _Question) -> tuple[str, int] | tuple[str, int, int, int]:
    target = question.target
    if target.version == 4:
        return (str(target), 0)
    return (str(target), 0, 0, question.ifindex if target.is_link_local else 0)


def _open(version: int) -> socket.socket:
    """A raw socket that hears echo replies alone."""
    family, protocol = (
        (socket.AF_INET, socket.IPPROTO_ICMP)
        if version == 4
        else (socket.AF_INET6, socket.IPPROTO_ICMPV6)
    )
    sock = socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    sock.setblocking(False)
    if version == 4:  # a bit set is a type that is blocked
        blocked = ~(1 << icmp.ECHO_REPLY) & 0xFFFFFFFF
        sock.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("I", blocked))
    else:
        words = [0xFFFFFFFF] * 8
        words[icmp.ECHO_REPLY6 // 32] &= ~(1 << icmp.ECHO_REPLY6 % 32)
        sock.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, struct.pack("8I", *words))
    return sock
