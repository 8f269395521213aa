"""Every address that comes or goes in this namespace, with its time and author. usage: watch.py"""

from __future__ import annotations

import select
import socket
import struct
import threading
import time

import frame

RTM_NEWADDR, RTM_DELADDR = 20, 21
RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR = 0x10, 0x100
IFA_ADDRESS, IFA_LOCAL = 1, 2
RECEIVE_BUFFER = 8 << 20


def address(message: bytes) -> str:
    """The message's local address, as text."""
    family, offset, found = message[16], 24, {}
    while offset + 4 <= len(message):
        length, kind = struct.unpack_from("HH", message, offset)
        found[kind] = message[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return socket.inet_ntop(family, found.get(IFA_LOCAL) or found[IFA_ADDRESS])


def events(data: bytes, now: float) -> list[dict[str, object]]:
    seen: list[dict[str, object]] = []
    while len(data) >= 16:
        length, kind, _, _, author = struct.unpack_from("IHHII", data)
        if kind in (RTM_NEWADDR, RTM_DELADDR):
            index = struct.unpack_from("I", data, 20)[0]
            what = "add" if kind == RTM_NEWADDR else "del"
            seen.append(
                {
                    "time": now,
                    "what": what,
                    "index": index,
                    "author": author,
                    "address": address(data[:length]),
                }
            )
        data = data[(length + 3) & ~3 :]
    return seen


def listener() -> socket.socket:
    """A socket that hears of every address in this namespace."""
    heard = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    heard.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    heard.bind((0, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))
    return heard


def work(stop: threading.Event) -> dict[str, object]:
    seen: list[dict[str, object]] = []
    with listener() as heard:
        frame.ready()
        while not stop.is_set():
            if select.select([heard], [], [], 0.2)[0]:
                try:
                    seen += events(heard.recv(65536), time.monotonic())
                except OSError:
                    pass  # too many at once (ENOBUFS): some programs add and delete without end
    names = dict(socket.if_nameindex())
    return {"events": [{**event, "interface": names.get(event["index"])} for event in seen]}


if __name__ == "__main__":
    frame.main(work)
