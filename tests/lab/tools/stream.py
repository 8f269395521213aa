"""One long TCP connection, an echo each INTERVAL seconds. usage: stream.py HOST PORT INTERVAL"""

from __future__ import annotations

import socket
import sys
import threading
import time

import frame

INTERVAL = float(sys.argv[3])
#: A stream that stands still this long is broken for whoever uses it.
BROKEN_AFTER = 5.0


def echo(connection: socket.socket) -> None:
    connection.sendall(b"x" * 64)
    wanted = 64
    while wanted:
        got = len(connection.recv(wanted))
        if not got:
            raise ConnectionError("the peer closed the connection")
        wanted -= got


def work(stop: threading.Event) -> dict[str, object]:
    host, port = sys.argv[1], int(sys.argv[2])
    echoes, stall, error = 0, 0.0, ""
    connection = socket.create_connection((host, port), timeout=BROKEN_AFTER)
    with connection:
        frame.ready()
        while not stop.is_set() and not error:
            begun = time.monotonic()
            try:
                echo(connection)
                echoes += 1
            except OSError as problem:
                error = str(problem) or type(problem).__name__
            stall = max(stall, time.monotonic() - begun)
            time.sleep(INTERVAL)
    stop.wait()
    return {"echoes": echoes, "stall": stall, "error": error}


frame.main(work)
