"""Tests with echo requests from a VIP whether targets send the VIP's packets to this host.

A target that does not answer the VIP gets another request, from the host's own address. If it does
not answer that either, it is down and the result is unknown. If it answers that one only, it sends
the VIP's packets to another hardware address.
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from netvip.checks.asking import drain, let_loop_run, receiving, wait
from netvip.const import ECHO_LIMIT
from netvip.core.check.findings import Echo, Subject
from netvip.core.model import IP, Tri
from netvip.wire import icmp

#: linux/in.h, linux/in6.h, linux/icmp.h, linux/icmpv6.h; the socket module lacks some of them.
IP_PKTINFO, IPV6_PKTINFO, ICMP_FILTER, ICMP6_FILTER, SOL_RAW = 8, 50, 1, 1, 255


@dataclass(slots=True)
class _EchoRequest:
    """An echo request; `sent` and `answered` are times, 0 if it was not."""

    source: IP
    target: IP
    ifindex: int
    sent: float = 0.0
    answered: float = 0.0
    #: YES once it was sent.
    asked: Tri = Tri.NO

    def note_sent(self) -> None:
        self.sent, self.asked = time.monotonic(), Tri.YES

    def note_answered(self) -> None:
        self.answered = time.monotonic()

    @property
    def finding(self) -> Tri:
        return Tri.of(bool(self.answered)) if self.asked is Tri.YES else Tri.UNKNOWN

    @property
    def took(self) -> float:
        return self.answered - self.sent if self.answered else 0.0


@dataclass(slots=True)
class _Pair:
    """A request from a VIP to a target. control is the request from the host's own address, which
    is sent if the target does not answer."""

    instance: str
    request: _EchoRequest
    control: tuple[IP, IP, int] | None


class EchoProber:
    """Keeps a raw socket for each family."""

    def __init__(self) -> None:
        self._sockets: dict[int, socket.socket] = {}
        self._ident = int.from_bytes(os.urandom(2), "big")
        self._sequence = itertools.count(int.from_bytes(os.urandom(2), "big"))

    def close(self) -> None:
        """Close the sockets."""
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()

    async def ask(self, subjects: Iterable[Subject]) -> dict[str, list[Echo]]:
        """By instance, whether targets answer VIPs. An unanswered request is sent again."""
        found: dict[str, list[Echo]] = {}
        asked = list(subjects)
        for version in (4, 6):
            pairs = [pair for subject in asked for pair in _pairs(subject, version)]
            for pair, echo in await self._ask(pairs, version) if pairs else ():
                found.setdefault(pair.instance, []).append(echo)
        return found

    async def _ask(self, pairs: list[_Pair], version: int) -> list[tuple[_Pair, Echo]]:
        await self._round([pair.request for pair in pairs], version)
        silent = [pair for pair in pairs if pair.request.finding is Tri.NO]
        controls = {p.control: _EchoRequest(*p.control) for p in silent if p.control is not None}
        if silent:
            await self._round([*(p.request for p in silent), *controls.values()], version)
        return [(p, _echo(p, controls.get(p.control) if p.control else None)) for p in pairs]

    async def _round(self, requests: list[_EchoRequest], version: int) -> None:
        sock = self._socket(version)
        unanswered: dict[int, _EchoRequest] = {}

        def take(message: bytes) -> bool:
            answer = icmp.reply(message, version)
            if answer is not None and answer[0] == self._ident:
                request = unanswered.pop(answer[1], None)
                if request is not None:
                    request.note_answered()
            return not unanswered

        drain(sock)
        async with receiving(sock, take) as done:
            for count, request in enumerate(requests):
                number = next(self._sequence) & 0xFFFF
                if _send(sock, request, icmp.request(self._ident, number, version)):
                    unanswered[number] = request
                await let_loop_run(count)
            if unanswered:
                done.clear()  # the first requests may have been answered before the last was sent
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
                yield _Pair(subject.instance, _EchoRequest(source, target, ifindex), control)


def _echo(pair: _Pair, control: _EchoRequest | None) -> Echo:
    request = pair.request
    alive = control.finding if control is not None else Tri.UNKNOWN
    return Echo(request.source, request.target, request.finding, alive, request.took)


def _send(sock: socket.socket, request: _EchoRequest, data: bytes) -> bool:
    """Send a request; return whether the kernel accepted it."""
    try:
        sock.sendmsg([data], [_from(request)], 0, _to(request))
    except OSError:  # no such source address, no route, or a packet filter: the result is unknown
        return False
    request.note_sent()
    return True


def _from(request: _EchoRequest) -> tuple[int, int, bytes]:
    # The kernel looks up the route by the source address, as for each packet from the VIP.
    source = request.source.packed
    if request.source.version == 4:
        return socket.IPPROTO_IP, IP_PKTINFO, struct.pack("i4s4s", 0, source, bytes(4))
    return socket.IPPROTO_IPV6, IPV6_PKTINFO, struct.pack("16si", source, 0)


def _to(request: _EchoRequest) -> tuple[str, int] | tuple[str, int, int, int]:
    target = request.target
    if target.version == 4:
        return (str(target), 0)
    return (str(target), 0, 0, request.ifindex if target.is_link_local else 0)


def _open(version: int) -> socket.socket:
    """A raw socket that receives echo replies only."""
    family, protocol = (
        (socket.AF_INET, socket.IPPROTO_ICMP)
        if version == 4
        else (socket.AF_INET6, socket.IPPROTO_ICMPV6)
    )
    sock = socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    sock.setblocking(False)
    if version == 4:  # a set bit blocks the type, in both families
        blocked = ~(1 << icmp.ECHO_REPLY) & 0xFFFFFFFF
        sock.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("I", blocked))
    else:
        words = [0xFFFFFFFF] * 8
        words[icmp.ECHO_REPLY6 // 32] &= ~(1 << icmp.ECHO_REPLY6 % 32)
        sock.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, struct.pack("8I", *words))
    return sock
