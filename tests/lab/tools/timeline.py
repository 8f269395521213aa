"""When each address and each rule of this namespace came or went. usage: timeline.py

It runs with real-time priority, so that a busy machine does not delay the times it notes, and
decodes after the measurement.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time

import frame
import watch

RTM_NEWRULE, RTM_DELRULE = 32, 33
#: linux/rtnetlink.h: the multicast groups of addresses and rules, as bits.
GROUPS = watch.RTMGRP_IPV4_IFADDR | watch.RTMGRP_IPV6_IFADDR | 1 << 7
PRIORITY = 50
#: asm-generic/socket.h
SO_RCVBUFFORCE = 33


def rules(data: bytes, now: float) -> list[dict[str, object]]:
    """The rules of a datagram."""
    seen: list[dict[str, object]] = []
    while len(data) >= 16:
        length, kind, _, _, _ = struct.unpack_from("IHHII", data)
        if kind in (RTM_NEWRULE, RTM_DELRULE):
            seen.append({"time": now, "what": "add" if kind == RTM_NEWRULE else "del"})
        data = data[(length + 3) & ~3 :]
    return seen


def work(stop: threading.Event) -> dict[str, object]:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    noted: list[tuple[float, bytes]] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as heard:
        heard.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, watch.RECEIVE_BUFFER)
        heard.bind((0, GROUPS))
        frame.ready()
        while not stop.is_set():
            if select.select([heard], [], [], 0.2)[0]:
                noted.append((time.monotonic(), heard.recv(65536)))
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    names = dict(socket.if_nameindex())
    addresses = [event for at, data in noted for event in watch.events(data, at)]
    return {
        "addresses": [{**event, "interface": names.get(event["index"])} for event in addresses],
        "rules": [event for at, data in noted for event in rules(data, at)],
    }


if __name__ == "__main__":
    frame.main(work)
