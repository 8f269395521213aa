"""VRRP adverts of version 2 or 3 (RFC 3768, RFC 5798) of a host that is none of the nodes.

usage: advertise.py EVERY SOURCE DESTINATION VERSION VRID PRIORITY AUTH INTERVAL [ADDRESS...]

One each EVERY seconds until standard input ends, 600 at most. AUTH is the password of version 2, or
"-" for none; INTERVAL is what the adverts say, in seconds. Says how many were sent.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading

import frame

VRRP, MOST = 112, 600


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def advert(source: str, destination: str, version: int, words: list[str]) -> bytes:
    """The advert without its IP header."""
    vrid, priority, password, interval, *addresses = words
    packed = b"".join(map(socket.inet_aton, addresses))
    head = bytes([version << 4 | 1, int(vrid), int(priority), len(addresses)])
    if version == 3:
        body = head + struct.pack("!HH", int(interval) * 100, 0) + packed
        pseudo = socket.inet_aton(source) + socket.inet_aton(destination)
        summed = checksum(pseudo + struct.pack("!HH", VRRP, len(body)) + body)
    else:
        auth = b"" if password == "-" else password.encode()[:8]
        kind = bytes([bool(auth), int(interval)])
        body = head + kind + bytes(2) + packed + auth.ljust(8, b"\0")
        summed = checksum(body)
    return body[:6] + struct.pack("!H", summed) + body[8:]


def work(stop: threading.Event) -> dict[str, object]:
    every, source, destination, version, *words = sys.argv[1:]
    data, sent = advert(source, destination, int(version), words), 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, VRRP) as sock:
        sock.bind((source, 0))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
        while sent < MOST:
            sock.sendto(data, (destination, 0))
            sent += 1
            if sent == 1:
                frame.ready()
            if stop.wait(float(every)):
                break
    return {"sent": sent}


frame.main(work)
