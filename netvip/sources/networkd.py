"""What the bus tells of networkd: its jobs, its coming and going, its links, its orders."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable

from netvip.const import KEEPALIVED_UNIT, NETWORKD_UNIT
from netvip.core import events
from netvip.core.model import Tri
from netvip.linux import bus

NETWORK1 = "org.freedesktop.network1"
LINK_PATH = "/org/freedesktop/network1/link/"
SYSTEMD1 = (
    "org.freedesktop.systemd1",
    "/org/freedesktop/systemd1",
    "org.freedesktop.systemd1.Manager",
)
PROPERTIES = "org.freedesktop.DBus.Properties"
#: networkd's states of a link in which it does nothing more (systemd's LinkState; FACTS 3).
FINAL = frozenset({"configured", "unmanaged", "failed"})
#: Methods of Manager and Link after which networkd may drop addresses, and where the interface's
#: number stands in the call of the Manager's.
RECONFIGURING = frozenset(
    {
        "Reload",
        "ReconfigureLink",
        "ForceRenewLink",
        "RenewLink",
        "Reconfigure",
        "ForceRenew",
        "Renew",
    }
)
ENCODED = re.compile(r"_(3[0-9])([0-9]{0,9})", re.ASCII)
RECONNECT_FIRST, RECONNECT_LAST = 0.2, 10.0

SIGNALS = (
    f"type='signal',sender='{SYSTEMD1[0]}',interface='{SYSTEMD1[2]}',member='JobNew'",
    f"type='signal',sender='{SYSTEMD1[0]}',interface='{SYSTEMD1[2]}',member='JobRemoved'",
    f"type='signal',sender='{bus.DAEMON[0]}',member='NameOwnerChanged',arg0='{NETWORK1}'",
    f"type='signal',sender='{bus.DAEMON[0]}',member='NameOwnerChanged',arg0='{SYSTEMD1[0]}'",
    f"type='signal',sender='{NETWORK1}',interface='{PROPERTIES}',member='PropertiesChanged'",
)
CALLS = (
    f"type='method_call',interface='{NETWORK1}.Manager'",
    f"type='method_call',interface='{NETWORK1}.Link'",
)


def link_index(path: str) -> int:
    """The interface number in a network1 link's object path; 0 if it is none."""
    if not path.startswith(LINK_PATH):
        return 0
    # sd_bus_path_encode(3): a leading digit is written as _ and its two hexadecimal digits.
    label = ENCODED.fullmatch(path[len(LINK_PATH) :])
    return int(bytes.fromhex(label[1]).decode() + label[2]) if label else 0


def link_path(ifindex: int) -> str:
    """The object path of a network1 link."""
    digits = str(ifindex)
    return f"{LINK_PATH}_{ord(digits[0]):02x}{digits[1:]}"


class NetworkdSource:
    """Keeps two connections to the bus, one that listens and asks, one that overhears."""

    def __init__(self, emit: Callable[[events.Event], None], warn: Callable[[str], None]) -> None:
        self._emit, self._warn = emit, warn
        self._bus: bus.Bus | None = None
        #: Who owns the names on the bus: anybody may send a signal, only the bus names senders.
        self.owners: dict[str, str] = {}
        self._jobs: set[int] = set()
        self._queries: set[asyncio.Task[None]] = set()
        self._signals: dict[int, int] = {}

    async def run(self) -> None:
        """Stay connected, with backoff, until cancelled."""
        await asyncio.gather(
            self._stay("the bus", self._listen), self._stay("the bus monitor", self._overhear)
        )

    async def _stay(self, what: str, session: Callable[[], object]) -> None:
        pause, complained = RECONNECT_FIRST, ""
        while True:
            begun = time.monotonic()
            problem = await self._session(session)
            if time.monotonic() - begun > RECONNECT_LAST:
                pause, complained = RECONNECT_FIRST, ""
            if problem != complained:
                self._warn(f"{what} is not to be had ({problem}): netlink alone until it is")
                complained = problem
            await asyncio.sleep(pause)
            pause = min(pause * 2, RECONNECT_LAST)

    async def _session(self, session: Callable[[], object]) -> str:
        try:
            await session()  # type: ignore[misc]
        except (*bus.FAILURES, bus.BusError) as problem:
            return str(problem) or type(problem).__name__
        return "disconnected"

    # --- listening ------------------------------------------------------------------------------

    async def _listen(self) -> None:
        connection = await bus.Bus.connect()
        try:
            await connection.listen(SIGNALS, self._heard)
            for name in (SYSTEMD1[0], NETWORK1):
                self.owners[name] = await connection.owner(name)
            await connection.call(*SYSTEMD1, "Subscribe")
            self._bus = connection
            running = Tri.of(bool(self.owners[NETWORK1]))
            self._emit(events.NetworkdRunning(time.monotonic(), running))
            await connection.closed()
        finally:
            self._bus = None
            self._jobs.clear()
            connection.close()
            self._emit(events.SystemdJobs(time.monotonic(), 0))
            self._emit(events.NetworkdRunning(time.monotonic(), Tri.UNKNOWN))

    def _heard(self, signal: bus.Signal) -> None:
        now = time.monotonic()
        if signal.sender == bus.DAEMON[0]:
            self._heard_of_names(now, signal)
        elif signal.sender == self.owners.get(SYSTEMD1[0]):
            self._heard_from_systemd(now, signal)
        elif signal.sender == self.owners.get(NETWORK1):
            self._heard_from_networkd(now, signal)

    def _heard_of_names(self, now: float, signal: bus.Signal) -> None:
        match (signal.member, signal.body):
            case ("NameOwnerChanged", (str(name), _, str(owner))) if name == NETWORK1:
                self.owners[name] = owner
                self._owner(now, present=bool(owner))
            case ("NameOwnerChanged", (str(name), _, str(owner))) if name == SYSTEMD1[0]:
                # PID 1 executes itself anew at every upgrade of systemd or libc6, and comes back
                # by another name; the jobs that end in between do so unheard.
                self.owners[name] = owner
                self._jobs.clear()
                self._emit(events.SystemdJobs(now, 0))

    def _heard_from_systemd(self, now: float, signal: bus.Signal) -> None:
        match (signal.member, signal.body):
            case ("JobNew", (int(number), _, str(unit))):
                self._job(now, number, unit, new=True)
            case ("JobRemoved", (int(number), _, str(unit), _)):
                self._job(now, number, unit, new=False)

    def _heard_from_networkd(self, now: float, signal: bus.Signal) -> None:
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
        self._emit(events.NetworkdRunning(now, Tri.of(present)))
        what = "came to" if present else "left"
        self._emit(events.ChangeExpected(now, f"systemd-networkd {what} the bus"))

    def _link(self, now: float, ifindex: int, state: str) -> None:
        final = state in FINAL
        self._signals[ifindex] = self._signals.get(ifindex, 0) + 1
        if not final:
            self._emit(events.ChangeExpected(now, f"systemd-networkd says {state}", ifindex))
        self._emit(events.LinkState(now, ifindex, Tri.of(final)))

    # --- asking ---------------------------------------------------------------------------------

    def query(self, ifindexes: Iterable[int]) -> None:
        """Ask for the states of these links; the answers come as events."""
        for ifindex in ifindexes:
            task = asyncio.ensure_future(self._query(ifindex))
            self._queries.add(task)
            task.add_done_callback(self._queries.discard)

    async def _query(self, ifindex: int) -> None:
        if (connection := self._bus) is None:
            return
        arguments = [f"{NETWORK1}.Link", "AdministrativeState"]
        heard = self._signals.get(ifindex)
        try:
            reply = await connection.call(
                NETWORK1, link_path(ifindex), PROPERTIES, "Get", "ss", arguments
            )
        except (*bus.FAILURES, bus.BusError):
            return  # networkd is just not there: its owner's return asks again
        if self._signals.get(ifindex) != heard:
            return  # a signal overtook the answer on its way through the event loop
        state = Tri.of(reply[0] in FINAL)
        self._emit(events.LinkState(time.monotonic(), ifindex, state))

    # --- overhearing ----------------------------------------------------------------------------

    async def _overhear(self) -> None:
        connection = await bus.Bus.connect()
        try:
            await connection.monitor(CALLS, self._overheard)
            await connection.closed()
        finally:
            connection.close()

    def _overheard(self, call: bus.Signal) -> None:
        if call.member not in RECONFIGURING:
            return
        ifindex = link_index(call.path)
        if call.member.endswith("Link") and call.body and isinstance(call.body[0], int):
            ifindex = call.body[0]
        reason = f"somebody called {call.member} of systemd-networkd"
        self._emit(events.ChangeExpected(time.monotonic(), reason, ifindex))
