"""Signal a process as soon as an address comes or goes.

usage: trip.py add|del INTERFACE ADDRESS PID SIGNAL
"""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
import time

import frame
import watch


def tripped(listener: socket.socket, what: str, index: int, address: str) -> bool:
    return any(
        (event["what"], event["index"], event["address"]) == (what, index, address)
        for event in watch.events(listener.recv(65536), time.monotonic())
    )


def work(stop: threading.Event) -> dict[str, object]:
    what, interface, address, pid, number = sys.argv[1:]
    index = socket.if_nametoindex(interface)
    with watch.listener() as listener:
        frame.ready()
        while not stop.is_set():
            if select.select([listener], [], [], 0.2)[0] and tripped(
                listener, what, index, address
            ):
                os.kill(int(pid), int(number))
                return {"tripped": time.monotonic()}
    return {"tripped": None}


if __name__ == "__main__":
    frame.main(work)
