"""A DHCP server for two hosts (RFC 2131), which may take its time to offer an address.

usage: dhcp.py INTERFACE ROUTER DELAY LEASE MAC=ADDRESS...       (seconds)
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import threading
import time

import frame

INTERFACE, ROUTER = sys.argv[1:3]
DELAY, LEASE = float(sys.argv[3]), int(sys.argv[4])
ADDRESSES = dict(pair.split("=") for pair in sys.argv[5:])
DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6
MAGIC = b"\x63\x82\x53\x63"
SERVER_PORT, CLIENT_PORT = 67, 68


def options(data: bytes) -> dict[int, bytes]:
    """The options of a message (RFC 2132)."""
    found, offset = {}, 240
    while offset + 1 < len(data) and data[offset] != 255:
        if data[offset] == 0:
            offset += 1
            continue
        length = data[offset + 1]
        found[data[offset]] = data[offset + 2 : offset + 2 + length]
        offset += 2 + length
    return found


def answer(request: bytes) -> tuple[float, bytes, str] | None:
    """How much later to send what, and to whom; None if it is nothing of this server's."""
    if len(request) < 241 or request[0] != 1 or request[236:240] != MAGIC:
        return None
    mac = ":".join(f"{byte:02x}" for byte in request[28:34])
    told, address = options(request), ADDRESSES.get(mac)
    if address is None or told.get(53, b"\0")[0] not in (DISCOVER, REQUEST):
        return None
    mine, kind = socket.inet_aton(address), told[53][0]
    client = request[12:16]
    wanted = told.get(50, client)
    kind = OFFER if kind == DISCOVER else ACK if wanted == mine else NAK
    given = mine if kind != NAK else bytes(4)
    header = struct.pack("!BBBB4sHH", 2, 1, 6, 0, request[4:8], 0, 0x8000)
    header += client if kind == ACK else bytes(4)
    header += given + bytes(8) + request[28:44] + bytes(192) + MAGIC
    server = socket.inet_aton(ROUTER)
    tail = bytes((53, 1, kind, 54, 4)) + server
    if kind != NAK:
        tail += bytes((51, 4)) + struct.pack("!I", LEASE)
        tail += bytes((1, 4, 255, 255, 255, 0, 3, 4)) + server
    to_itself = kind == ACK and client != bytes(4)
    whom = socket.inet_ntoa(client) if to_itself else "255.255.255.255"
    return DELAY if kind == OFFER else 0.0, header + tail + b"\xff", whom


def work(stop: threading.Event) -> dict[str, object]:
    leased, due = 0, []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, INTERFACE.encode())
        server.bind(("", SERVER_PORT))
        frame.ready()
        while not stop.is_set():
            if select.select([server], [], [], 0.01)[0]:
                found = answer(server.recv(4096))
                if found is not None:
                    due.append((time.monotonic() + found[0], *found[1:]))
            while due and due[0][0] <= time.monotonic():
                _, message, whom = due.pop(0)
                try:
                    server.sendto(message, (whom, CLIENT_PORT))
                    leased += 1
                except OSError:
                    pass  # the client is away: it asks again
    return {"answers": leased}


frame.main(work)
