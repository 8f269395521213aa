"""Resolves the node where the VIPs belong, which netvip.conf gives by name or address."""

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

#: Seconds. A name that cannot be resolved at boot may be resolved later. Its address may change.
LOOK_EVERY = 60.0


class HomeSource:
    """Resolves the name every LOOK_EVERY seconds, in a thread: a name server may not answer."""

    def __init__(self, emit: Callable[[Event], None], home: str) -> None:
        self._emit, self._home = emit, home

    async def run(self) -> None:
        """Run until cancelled."""
        while self._home:
            address = await in_thread(partial(resolve, self._home))
            self._emit(HomeNode(time.monotonic(), address, is_here(self._home, address)))
            await asyncio.sleep(LOOK_EVERY)
        await asyncio.Event().wait()


def resolve(home: str) -> IP | None:
    """The first address of a name; None if the name cannot be resolved."""
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
    """Whether `home` is the name of this host or an address of it."""
    name = os.uname().nodename.lower()
    if home.lower() in (name, name.partition(".")[0]):
        return Tri.YES
    return _has(address) if address is not None else Tri.UNKNOWN


def _has(address: IP) -> Tri:
    # bind(2) cannot be used: with net.ipv4.ip_nonlocal_bind it accepts any address.
    here = {found for _, found in present()}
    return Tri.of(address.packed in here) if here else Tri.UNKNOWN
