"""How many echo requests (RFC 792) are answered in a second, each sent after the last one's answer.

usage: rounds.py TARGET SECONDS
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time

target, seconds = sys.argv[1], float(sys.argv[2])
ident = os.getpid() & 0xFFFF


def request(number: int) -> bytes:
    total = (8 << 8) + ident + number
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!BBHHH", 8, 0, ~(total + (total >> 16)) & 0xFFFF, ident, number)


with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
    sock.settimeout(1.0)
    sock.connect((target, 0))
    count, begun = 0, time.monotonic()
    while (now := time.monotonic()) < begun + seconds:
        sent = request(count & 0xFFFF)
        sock.send(sent)
        while sock.recv(256)[24:28] != sent[4:8]:
            pass
        count += 1
print(json.dumps({"each": (now - begun) / count}))
