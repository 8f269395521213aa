"""The node where the VIPs belong, by the name or address that netvip.conf has."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address

from netvip.core.events import Event, HomeNode
from netvip.core.model import IP, Tri
from netvip.linux.addresses import present
from netvip.linux.threads import in_thread

#: A name that cannot be resolved now, at boot for one, may be later; and it may move.
LOOK_EVERY = 60.0


class HomeSource:
    """Resolves it, again and again: a name service may be away, and slow."""

    def __init__(self, emit: Callable[[Event], None], home: str) -> None:
        self._emit, self._home = emit, home

    async def run(self) -> None:
        """Look until cancelled."""
        while self._home:
            address = await in_thread(partial(resolve, self._home))
            self._emit(HomeNode(time.monotonic(), address, is_here(self._home, address)))
            await asyncio.sleep(LOOK_EVERY)
        await asyncio.Event().wait()


def resolve(home: str) -> IP | None:
    """Its first address; None where it cannot be told."""
    try:
        return ip_address(home)
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(home, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return None
    return ip_address(str(found[0][4][0]))


def is_here(home: str, address: IP | None) -> Tri:
    """Whether it is this host: by its name, or by an address that the host has."""
    name = os.uname().nodename.lower()
    if home.lower() in (name, name.partition(".")[0]):
        return Tri.YES
    return _has(address) if address is not None else Tri.UNKNOWN


def _has(address: IP) -> Tri:
    # Not by binding to it: net.ipv4.ip_nonlocal_bind lets anybody bind to anything.
    here = {found for _, found in present()}
    return Tri.of(address.packed in here) if here else Tri.UNKNOWN
