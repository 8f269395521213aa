"""Receives the answers to probes on a socket, from the first probe to the deadline."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

#: After so many packets the event loop handles other events: protecting a VIP comes first.
BURST = 32
LARGEST = 2048
#: More packets than a socket's buffer of 208 KiB holds; what comes later is of no earlier probe.
BUFFERED = 512


@asynccontextmanager
async def receiving(
    sock: socket.socket, take: Callable[[bytes], bool]
) -> AsyncIterator[asyncio.Event]:
    """Pass each packet to `take`. The event is set when `take` returns True, for all answers."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def read() -> None:
        try:
            for _ in range(BUFFERED):  # fewer would lose answers of a thousand VIPs
                if take(sock.recv(LARGEST)):
                    done.set()
        except BlockingIOError:
            pass
        except OSError:
            done.set()  # the interface is down or deleted: no more answers will arrive

    loop.add_reader(sock, read)
    try:
        yield done
    finally:
        loop.remove_reader(sock)


def drain(sock: socket.socket) -> None:
    """Drop what arrived since the last probe's deadline."""
    try:
        for _ in range(BUFFERED):
            sock.recv(LARGEST)
    except OSError:
        pass


async def wait(done: asyncio.Event, seconds: float) -> None:
    """Wait until all answers have arrived, or the time is over."""
    try:
        await asyncio.wait_for(done.wait(), seconds)
    except TimeoutError:
        pass


async def let_loop_run(count: int) -> None:
    """Let the event loop handle other events after each BURST packets; `count` starts at 0."""
    if count % BURST == BURST - 1:
        await asyncio.sleep(0)
