"""A TCP echo server on every address. usage: serve.py PORT"""

from __future__ import annotations

import socket
import sys
import threading

import frame


def echo(connection: socket.socket) -> None:
    with connection:
        try:
            while data := connection.recv(4096):
                connection.sendall(data)
        except OSError:
            pass  # the peer's reset is the peer's to report


def accept(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=echo, args=(connection,), daemon=True).start()


def work(stop: threading.Event) -> dict[str, object]:
    listener = socket.create_server(("", int(sys.argv[1])), backlog=1024)
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
    frame.ready()
    stop.wait()
    return {}


frame.main(work)
