"""VRRP adverts (RFC 5798) as a host beside the nodes hears them. usage: adverts.py INTERFACE"""

from __future__ import annotations

import select
import socket
import sys
import threading
import time

import frame

ETH_P_IP, VRRP = 0x0800, 112


def work(stop: threading.Event) -> dict[str, object]:
    heard: list[dict[str, object]] = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP)) as sock:
        sock.bind((sys.argv[1], ETH_P_IP))
        frame.ready()
        while not stop.is_set():
            if not select.select([sock], [], [], 0.2)[0]:
                continue
            packet = sock.recv(2048)
            if packet[9] == VRRP:
                body = packet[(packet[0] & 15) * 4 :]
                sender = socket.inet_ntoa(packet[12:16])
                heard.append({"time": time.monotonic(), "sender": sender, "priority": body[2]})
    return {"adverts": heard}


frame.main(work)
