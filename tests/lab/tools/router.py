"""Advertises itself as an IPv6 router (RFC 4861): when solicited, and each INTERVAL seconds.

usage: router.py INTERFACE INTERVAL       (seconds)
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import threading
import time

import frame

INTERFACE, INTERVAL = sys.argv[1], float(sys.argv[2])
SOLICITATION, ADVERTISEMENT = 133, 134
#: RFC 4861 6.2.1: AdvDefaultLifetime is 1800 s where MaxRtrAdvInterval is 600 s.
LIFETIME = 1800
#: RFC 4861 6.2.6: an answer to a solicitation waits for up to so long.
DELAY = 0.5
ALL_NODES, ALL_ROUTERS = "ff02::1", "ff02::2"


def work(stop: threading.Event) -> dict[str, object]:
    index = socket.if_nametoindex(INTERFACE)
    sent, due = 0, time.monotonic()
    message = struct.pack("!BBHBBHII", ADVERTISEMENT, 0, 0, 64, 0, LIFETIME, 0, 0)
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as router:
        router.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, INTERFACE.encode())
        router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        group = socket.inet_pton(socket.AF_INET6, ALL_ROUTERS) + struct.pack("@I", index)
        router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
        frame.ready()
        while not stop.is_set():
            if select.select([router], [], [], 0.05)[0] and router.recv(2048)[0] == SOLICITATION:
                due = min(due, time.monotonic() + DELAY)
            if time.monotonic() >= due:
                router.sendto(message, (ALL_NODES, 0, 0, index))
                sent, due = sent + 1, time.monotonic() + INTERVAL
    return {"sent": sent}


frame.main(work)
