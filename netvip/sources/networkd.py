"""Receives from D-Bus what concerns networkd: systemd's jobs for it, its presence on the bus, and
the states of its links; it has calls of its methods seen."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Iterable

from netvip.const import KEEPALIVED_UNIT, NETWORKD_UNIT
from netvip.core import events
from netvip.core.model import Tri
from netvip.linux import bus, tasks
from netvip.sources.link_files import LinkFiles
from netvip.sources.network1 import NETWORK1, link_index, link_path
from netvip.sources.networkd_calls import NetworkdCalls

SYSTEMD1 = (
    "org.freedesktop.systemd1",
    "/org/freedesktop/systemd1",
    "org.freedesktop.systemd1.Manager",
)
PROPERTIES = "org.freedesktop.DBus.Properties"
#: States of a link in which networkd does not change it any more (systemd's LinkState; fact
#: no-signal-for-the-end).
FINAL = frozenset({"configured", "unmanaged", "failed"})
#: Whether networkd manages a link in these states. In the others it has not decided, or leaves it.
MANAGED = {"configuring": Tri.YES, "configured": Tri.YES, "failed": Tri.YES, "unmanaged": Tri.NO}
#: As systemd writes it: 252.38-1~deb12u1, or v252.
VERSION = re.compile(r"v?([0-9]{1,4})", re.ASCII)
#: Seconds.
RECONNECT_FIRST, RECONNECT_LAST = 0.2, 10.0
CANNOT_CONNECT = "cannot connect to D-Bus ({}); using netlink only, retrying"
CANNOT_MONITOR = "cannot monitor D-Bus ({}); method calls to networkd are not seen, retrying"

SIGNALS = (
    f"type='signal',sender='{SYSTEMD1[0]}',interface='{SYSTEMD1[2]}',member='JobNew'",
    f"type='signal',sender='{SYSTEMD1[0]}',interface='{SYSTEMD1[2]}',member='JobRemoved'",
    f"type='signal',sender='{bus.DAEMON[0]}',member='NameOwnerChanged',arg0='{NETWORK1}'",
    f"type='signal',sender='{bus.DAEMON[0]}',member='NameOwnerChanged',arg0='{SYSTEMD1[0]}'",
    f"type='signal',sender='{NETWORK1}',interface='{PROPERTIES}',member='PropertiesChanged'",
)


class NetworkdSource:
    """Keeps two connections to the bus: one for signals and method calls, one as a monitor."""

    def __init__(
        self,
        emit: Callable[[events.Event], None],
        warn: Callable[[str], None],
        files: LinkFiles | None = None,
    ) -> None:
        self._emit, self._warn = emit, warn
        self._files = files or LinkFiles()
        self._calls = NetworkdCalls(emit, self._files)
        # The links whose files matter.
        self._members: frozenset[int] = frozenset()
        self._bus: bus.Bus | None = None
        #: The owners of well-known names. Any process may send a signal; the bus sets the sender.
        self.owners: dict[str, str] = {}
        self._jobs: set[int] = set()
        self._queries: set[tasks.Task] = set()
        self._signals: dict[int, int] = {}

    async def run(self) -> None:
        """Stay connected until cancelled; wait longer after each failure."""
        await asyncio.gather(
            self._stay_connected(CANNOT_CONNECT, self._listen),
            self._stay_connected(CANNOT_MONITOR, self._calls.monitor),
        )

    async def _stay_connected(self, message: str, session: Callable[[], object]) -> None:
        pause, reported = RECONNECT_FIRST, ""
        while True:
            begun = time.monotonic()
            problem = await self._session(session)
            if time.monotonic() - begun > RECONNECT_LAST:
                pause, reported = RECONNECT_FIRST, ""
            if problem != reported:
                self._warn(message.format(problem))
                reported = problem
            await asyncio.sleep(pause)
            pause = min(pause * 2, RECONNECT_LAST)

    async def _session(self, session: Callable[[], object]) -> str:
        try:
            await session()  # type: ignore[misc]
        except (*bus.FAILURES, bus.BusError) as problem:
            return str(problem) or type(problem).__name__
        return "the connection was closed"

    # --- signals --------------------------------------------------------------------------------

    async def _listen(self) -> None:
        connection = await bus.Bus.connect()
        try:
            await connection.listen(SIGNALS, self.take_signal)
            for name in (SYSTEMD1[0], NETWORK1):
                self.owners[name] = await connection.owner(name)
            await connection.call(*SYSTEMD1, "Subscribe")
            self._bus = connection
            self._calls.ask_by(connection.uid)
            await self._ask_version(connection)
            running = Tri.of(bool(self.owners[NETWORK1]))
            self._emit(events.NetworkdRunning(time.monotonic(), running))
            await connection.closed()
        finally:
            self._bus = None
            self._calls.ask_by(None)
            self._files.forget()
            self._jobs.clear()
            connection.close()
            self._emit(events.SystemdJobs(time.monotonic(), 0))
            self._emit(events.NetworkdRunning(time.monotonic(), Tri.UNKNOWN))

    def take_signal(self, signal: bus.Signal) -> None:
        """Handle a signal."""
        now = time.monotonic()
        if signal.sender == bus.DAEMON[0]:
            self._take_name_owner(now, signal)
        elif signal.sender == self.owners.get(SYSTEMD1[0]):
            self._take_job(now, signal)
        elif signal.sender == self.owners.get(NETWORK1):
            self._take_link_state(now, signal)

    def _take_name_owner(self, now: float, signal: bus.Signal) -> None:
        match (signal.member, signal.body):
            case ("NameOwnerChanged", (str(name), _, str(owner))) if name == NETWORK1:
                self.owners[name] = owner
                self._owner(now, present=bool(owner))
            case ("NameOwnerChanged", (str(name), _, str(owner))) if name == SYSTEMD1[0]:
                # Each upgrade of systemd or libc6 reexecutes PID 1, which then has another unique
                # name. Signals about jobs that end in between are lost.
                self.owners[name] = owner
                self._jobs.clear()
                self._emit(events.SystemdJobs(now, 0))
                if owner and (connection := self._bus) is not None:
                    self._start(self._ask_version(connection))

    def _take_job(self, now: float, signal: bus.Signal) -> None:
        match (signal.member, signal.body):
            case ("JobNew", (int(number), _, str(unit))):
                self._job(now, number, unit, new=True)
            case ("JobRemoved", (int(number), _, str(unit), _)):
                self._job(now, number, unit, new=False)

    def _take_link_state(self, now: float, signal: bus.Signal) -> None:
        match (signal.member, signal.body):
            case ("PropertiesChanged", (_, {"AdministrativeState": str(state)}, _)):
                if ifindex := link_index(signal.path):
                    self._link(now, ifindex, state)

    def _job(self, now: float, number: int, unit: str, new: bool) -> None:
        if unit not in (NETWORKD_UNIT, KEEPALIVED_UNIT):
            return
        if new:
            self._jobs.add(number)
            self._emit(events.ChangeExpected(now, f"systemd queued a job for {unit}"))
        else:
            self._jobs.discard(number)
        self._emit(events.SystemdJobs(now, len(self._jobs)))
        if unit == KEEPALIVED_UNIT and not new:
            self._emit(events.KeepalivedReloaded(now))

    def _owner(self, now: float, present: bool) -> None:
        self._files.forget()
        self._emit(events.NetworkdRunning(now, Tri.of(present)))
        what = "connected to" if present else "disconnected from"
        self._emit(events.ChangeExpected(now, f"systemd-networkd {what} D-Bus"))

    def _link(self, now: float, ifindex: int, state: str) -> None:
        final = state in FINAL
        self._signals[ifindex] = self._signals.get(ifindex, 0) + 1
        if not final:
            reason = f"systemd-networkd reports the link as {state}"
            self._emit(events.ChangeExpected(now, reason, ifindex))
        self._link_state(now, ifindex, state)

    # --- queries --------------------------------------------------------------------------------

    def query(self, ifindexes: Iterable[int], members: Iterable[int] = ()) -> None:
        """Query the states of these links, and emit each as an event. Remember the files of those
        that are members of bonds."""
        self._members = frozenset(members)
        for ifindex in ifindexes:
            self._start(self._query(ifindex))

    def _start(self, query: Coroutine[None, None, None]) -> None:
        tasks.start(query, self._queries)

    async def _ask_version(self, connection: bus.Bus) -> None:
        """Emit systemd's version, which an upgrade changes."""
        arguments = [SYSTEMD1[2], "Version"]
        try:
            reply = await connection.call(*SYSTEMD1[:2], PROPERTIES, "Get", "ss", arguments)
        except (*bus.FAILURES, bus.BusError):
            return
        if found := VERSION.match(str(reply[0])):
            self._emit(events.SystemdVersion(time.monotonic(), int(found[1])))

    async def _query(self, ifindex: int) -> None:
        if (connection := self._bus) is None:
            return
        arguments = [f"{NETWORK1}.Link", "AdministrativeState"]
        received = self._signals.get(ifindex)
        try:
            reply = await connection.call(
                NETWORK1, link_path(ifindex), PROPERTIES, "Get", "ss", arguments
            )
        except (*bus.FAILURES, bus.BusError):
            return  # networkd is not on the bus; when it returns, the core queries again
        if self._signals.get(ifindex) != received:
            return  # a newer signal was handled before this answer
        self._link_state(time.monotonic(), ifindex, str(reply[0]))

    def _link_state(self, now: float, ifindex: int, state: str) -> None:
        managed = MANAGED.get(state, Tri.UNKNOWN)
        self._emit(events.LinkState(now, ifindex, Tri.of(state in FINAL), managed))
        if managed is Tri.YES and ifindex in self._members:
            self._files.remember(ifindex)
