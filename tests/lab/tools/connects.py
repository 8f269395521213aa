"""Short connections out of a host, as a proxy makes them.

usage: connects.py INTERVAL FAILED_AFTER HOST:PORT...     (seconds)
"""

from __future__ import annotations

import collections
import itertools
import socket
import struct
import sys
import threading
import time

import frame

INTERVAL, FAILED_AFTER = map(float, sys.argv[1:3])
#: Close with a reset: no TIME_WAIT, so the ephemeral ports never run out.
NO_LINGER = struct.pack("ii", 1, 0)


def connect(backend: str) -> str:
    """Connect once; return the source address that the kernel chose."""
    host, port = backend.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
        attempt.settimeout(FAILED_AFTER)
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        attempt.connect((host, int(port)))
        return str(attempt.getsockname()[0])


def work(stop: threading.Event) -> dict[str, object]:
    sources: collections.Counter[str] = collections.Counter()
    failures: list[tuple[float, str]] = []
    frame.ready()
    for backend in itertools.cycle(sys.argv[3:]):
        if stop.is_set():
            break
        begun = time.monotonic()
        try:
            sources[connect(backend)] += 1
        except OSError as problem:
            failures.append((begun, str(problem)))
        time.sleep(max(0.0, begun + INTERVAL - time.monotonic()))
    return {"made": sum(sources.values()), "failed": failures, "sources": dict(sources)}


frame.main(work)
