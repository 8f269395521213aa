"""Waiting for answers on a socket that is listened to only meanwhile."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

#: So many packets are sent before the event loop has its turn: netvip's first duty is elsewhere.
BURST = 32
LARGEST = 2048


@asynccontextmanager
async def heard(sock: socket.socket, take: Callable[[bytes], bool]) -> AsyncIterator[asyncio.Event]:
    """Hand each packet to `take`; the event is set when it says that all has come."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def read() -> None:
        try:
            while True:
                if take(sock.recv(LARGEST)):
                    done.set()
        except BlockingIOError:
            pass
        except OSError:
            done.set()  # the interface went down, or away: nothing more will come

    loop.add_reader(sock, read)
    try:
        yield done
    finally:
        loop.remove_reader(sock)


def drain(sock: socket.socket) -> None:
    """Drop what came while nobody listened."""
    try:
        while True:
            sock.recv(LARGEST)
    except OSError:
        pass


async def wait(done: asyncio.Event, seconds: float) -> None:
    """Until all has come, or the time is over."""
    try:
        await asyncio.wait_for(done.wait(), seconds)
    except TimeoutError:
        pass


async def breathe(count: int) -> None:
    """Give the event loop its turn now and then."""
    if count % BURST == BURST - 1:
        await asyncio.sleep(0)
