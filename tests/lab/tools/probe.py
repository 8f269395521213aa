"""ICMP echo probes: how many were not answered, and when.

usage: probe.py TARGET INTERVAL LOST_AFTER       (seconds)
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
import threading
import time

import frame

#: Seconds from one probe to the next; one without an answer for LOST_AFTER seconds is lost.
INTERVAL, LOST_AFTER = map(float, sys.argv[2:])
RECEIVE_BUFFER = 8 << 20


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


#: RFC 792 and RFC 4443: echo request and echo reply.
ICMP, ICMPV6 = (8, 0), (128, 129)


def echo_request(kind: int, ident: int, number: int) -> bytes:
    """An echo request (RFC 792) with its number in 32 bits: 16 would wrap in a minute."""
    body = struct.pack("!HHI", ident, number & 0xFFFF, number)
    # The kernel writes the checksum of ICMPv6 itself (RFC 3542 3.1).
    return struct.pack("!BBH", kind, 0, checksum(struct.pack("!BBH", kind, 0, 0) + body)) + body


class Prober:
    def __init__(self, target: str) -> None:
        self.target = target
        self.ident = os.getpid() & 0xFFFF
        self.sent: list[float] = []
        self.answered: dict[int, float] = {}
        self.ipv6 = ":" in target
        self.request, self.reply = ICMPV6 if self.ipv6 else ICMP
        family = socket.AF_INET6 if self.ipv6 else socket.AF_INET
        protocol = socket.IPPROTO_ICMPV6 if self.ipv6 else socket.IPPROTO_ICMP
        self.socket = socket.socket(family, socket.SOCK_RAW, protocol)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.socket.setblocking(False)

    def send(self) -> None:
        number = len(self.sent)
        self.sent.append(time.monotonic())
        try:
            self.socket.sendto(echo_request(self.request, self.ident, number), (self.target, 0))
        except OSError:
            pass  # counted as lost: nothing will answer it

    def receive(self, until: float) -> None:
        while (wait := until - time.monotonic()) > 0:
            if select.select([self.socket], [], [], wait)[0]:
                self.take(self.socket.recv(2048))

    def take(self, packet: bytes) -> None:
        icmp = packet if self.ipv6 else packet[(packet[0] & 15) * 4 :]
        if len(icmp) >= 12 and icmp[0] == self.reply:
            ident, _, number = struct.unpack_from("!HHI", icmp, 4)
            if ident == self.ident:
                self.answered.setdefault(number, time.monotonic())

    def lost(self) -> list[int]:
        def late(number: int) -> bool:
            return self.answered.get(number, 1e18) - self.sent[number] > LOST_AFTER

        return [number for number in range(len(self.sent)) if late(number)]

    def gaps(self) -> list[tuple[float, float, int]]:
        """Runs of lost probes: start, seconds until the next answered probe was sent, count."""
        runs: list[list[int]] = []
        for number in self.lost():
            if runs and runs[-1][-1] == number - 1:
                runs[-1].append(number)
            else:
                runs.append([number])
        return [self._gap(run) for run in runs]

    def _gap(self, run: list[int]) -> tuple[float, float, int]:
        end = self.sent[run[-1] + 1] if run[-1] + 1 < len(self.sent) else time.monotonic()
        return (self.sent[run[0]], end - self.sent[run[0]], len(run))


def work(stop: threading.Event) -> dict[str, object]:
    prober = Prober(sys.argv[1])
    due = time.monotonic()
    while not stop.is_set():
        prober.send()
        if len(prober.sent) == 100:
            frame.ready()
        due = max(due + INTERVAL, time.monotonic() - 0.05)
        prober.receive(due)
    prober.receive(time.monotonic() + LOST_AFTER)
    return {"sent": len(prober.sent), "lost": len(prober.lost()), "gaps": prober.gaps()}


frame.main(work)
