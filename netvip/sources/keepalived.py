"""keepalived's process and its state: found, watched, and asked for on request."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from netvip.const import DUMP_EVERY
from netvip.core import events
from netvip.core.model import Configured, Tri
from netvip.errors import DumpError
from netvip.keepalived import ask
from netvip.keepalived.declared import Declaration
from netvip.keepalived.process import (
    by_pid_file,
    children,
    elsewhere,
    is_contained,
    is_keepalived,
    parent,
    running,
)
from netvip.linux.threads import in_thread

#: A keepalived that is reloading drops the signal: ask again soon.
ASK_AGAIN = 1.0
#: So many seconds after the end of the host's own keepalived none in a container is taken for the
#: one that is to be protected: its service restarts.
HOST_S_RESTART = 10.0
#: How often to look for a keepalived that is not running, in seconds.
LOOK_EVERY = 2.0
#: What an instance without a configured source address waits for: any address that keepalived
#: would take, an IPv4 one or a link-local one (RFC 5798 5.1.2.1).
ANY_SOURCE = {4: "any4", 6: "any6"}


class KeepalivedSource:
    """Finds keepalived, watches that it lives, and asks for its state on request."""

    def __init__(self, emit: Callable[[events.Event], None], configuration: Path) -> None:
        self._emit = emit
        self._wanted = asyncio.Event()
        self._build, self._asker = ask.Build(), ask.Asker(configuration)
        self._again = False
        self._problem = ""
        self._elsewhere: tuple[str, ...] = ()
        self._host_s_until = float("-inf")

    @property
    def problem(self) -> str:
        """Why the configuration files could not be read for the last dump; empty if they were."""
        return self._problem

    def request(self, again: bool = False) -> None:
        """Ask for a dump; requests while one is being made are one request. `again`: ask a second
        time soon after, as systemd takes a reload for done before keepalived's VRRP process has."""
        self._again = self._again or again
        self._wanted.set()

    def look(self, instance: str, sender: str) -> None:
        """Look whether a process of keepalived's is left, and emit the answer."""
        left = Tri.of(any(not self._waits_for_host_s(pid) for pid in running()))
        self._emit(events.KeepalivedLookedFor(time.monotonic(), left, instance, sender))

    def _waits_for_host_s(self, pid: int) -> bool:
        """Whether this one is in a container, and the host's own has just ended."""
        return time.monotonic() < self._host_s_until and is_contained(pid)

    async def run(self) -> None:
        """Follow keepalived through its lives until cancelled."""
        while True:
            self._wanted.clear()  # what is wanted from here on is not slept through
            pid = by_pid_file() or await in_thread(parent)
            if pid is not None and not self._waits_for_host_s(pid):
                await self._follow(pid)
                continue
            self._emit(events.KeepalivedRunning(time.monotonic(), Tri.NO))
            await self._look_elsewhere(pid)
            await self._look_again()

    async def _look_elsewhere(self, ours: int | None) -> None:
        """Emit which other processes of keepalived's there are, where that has changed."""
        found = tuple(await in_thread(partial(elsewhere, ours)))
        if found != self._elsewhere:
            self._elsewhere = found
            self._emit(events.KeepalivedElsewhere(time.monotonic(), found))

    async def _look_again(self) -> None:
        try:
            await asyncio.wait_for(self._wanted.wait(), LOOK_EVERY)  # its unit's job has ended
        except TimeoutError:
            pass  # no job of its unit's has ended, but it may have been started by hand

    async def _follow(self, pid: int) -> None:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        if not is_keepalived(pid):  # the number may have become another process's before the pidfd
            os.close(handle)
            return
        ended, contained = asyncio.Event(), is_contained(pid)
        loop = asyncio.get_running_loop()

        def gone() -> None:
            loop.remove_reader(handle)  # a pidfd stays readable for ever
            ended.set()

        loop.add_reader(handle, gone)
        try:
            self._build = await ask.build_of(pid)
            self._emit(events.KeepalivedRunning(time.monotonic(), Tri.YES))
            await self._serve(pid, handle, ended)
        finally:
            loop.remove_reader(handle)
            os.close(handle)
            if not contained:
                self._host_s_until = time.monotonic() + HOST_S_RESTART
        self._emit(events.KeepalivedRunning(time.monotonic(), Tri.NO))

    async def _serve(self, pid: int, handle: int, ended: asyncio.Event) -> None:
        gone, misses, calm = asyncio.ensure_future(ended.wait()), 0, True
        try:
            while not ended.is_set() and by_pid_file() in (pid, None):
                self._wanted.clear()
                again, self._again = self._again, False
                answered = await self._dump(pid, handle)
                misses = 0 if answered else misses + 1
                if calm:
                    await self._look_elsewhere(pid)
                wanted = asyncio.ensure_future(self._wanted.wait())
                done, _ = await asyncio.wait(
                    {gone, wanted},
                    timeout=_next(misses, again),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                wanted.cancel()
                calm = not done  # nobody waits: to go through all processes takes some ms
        finally:
            gone.cancel()

    async def _dump(self, pid: int, handle: int) -> bool:
        asked = time.monotonic()
        try:
            answer = await self._asker.ask(pid, handle, self._build)
        except DumpError as problem:
            self._emit(events.DumpFailed(time.monotonic(), str(problem)))
            return False
        declared = answer.declaration
        self._problem = declared.problem
        self._emit(
            events.DumpReceived(
                time.monotonic(),
                asked,
                answer.instances,
                None if declared.problem else _configured(declared),
                tuple(map(str, declared.files)),
                tuple(map(str, children(pid))),
            )
        )
        return True


def _configured(declared: Declaration) -> Configured:
    known = declared.instances.values()
    sources = {(i.interface, i.source_ip or ANY_SOURCE[i.version]) for i in known if i.interface}
    notifying = {name for name, i in declared.instances.items() if i.notify is Tri.YES}
    return Configured(frozenset(sources), frozenset(notifying), declared.statics)


def _next(misses: int, again: bool) -> float:
    """When to ask again, if no request comes before: keepalived logs a line for each dump."""
    if again:
        return ASK_AGAIN
    return min(ASK_AGAIN * 2 ** (misses - 1), DUMP_EVERY) if misses else DUMP_EVERY
