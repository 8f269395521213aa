"""Sees on D-Bus when another process calls a method of networkd's, and what networkd answers."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from netvip.core import events
from netvip.linux import bus, tasks
from netvip.sources.link_files import LinkFiles
from netvip.sources.network1 import NETWORK1, link_index

#: Methods of Manager and Link after which networkd may delete addresses. The first argument of a
#: Manager's method whose name ends in "Link" is the interface number.
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
#: The one that has networkd read its files again.
READING = "Reload"
#: More calls at a time without an answer are no work for networkd; the oldest is not waited for.
CALLS_MOST = 64
#: So many callers are remembered with their users, for one that calls in a loop.
CALLERS_MOST = 64
#: After a call of another user than root, no call opens a window before its caller is known to be
#: root, for so long (seconds): any user may call networkd's methods, if only to be refused, and a
#: window puts the coordinated check off. To ask for the caller takes a millisecond, on a slow and
#: busy host 20: longer than networkd takes to act.
DOUBT_FOR = 10.0

CALLS = (
    f"type='method_call',interface='{NETWORK1}.Manager'",
    f"type='method_call',interface='{NETWORK1}.Link'",
    # The answers: networkd's own, and those of a bus that does not deliver a call.
    f"type='method_return',sender='{NETWORK1}'",
    f"type='error',sender='{NETWORK1}'",
    f"type='error',sender='{bus.DAEMON[0]}'",
)

#: The user id of a connection; None if it has left the bus. Raises one of bus.FAILURES.
AskUid = Callable[[str], Awaitable[int | None]]


@dataclass(slots=True)
class Call:
    """A call of one of these methods by another process."""

    caller: str
    announcement: events.ChangeExpected
    #: Whether the announcement was emitted, and not taken back.
    is_announced: bool
    #: Whether it has networkd read its files again.
    reads_files: bool
    #: Whether networkd carried it out: root called it, or one whom root allows to (polkit).
    is_accepted: bool = False

    def announce(self, now: float) -> events.ChangeExpected:
        """The announcement, emitted now."""
        self.is_announced = True
        return replace(self.announcement, time=now)

    def take_back(self, now: float) -> events.CallAnswered:
        """The announcement no longer holds: networkd's answer decides."""
        self.is_announced = False
        return events.CallAnswered(now, self.announcement.call, refused=True)

    def accept(self) -> None:
        """networkd answered, and not with an error."""
        self.is_accepted = True


class Doubt:
    """Whether a call may be another user's, so that it announces nothing by itself."""

    def __init__(self) -> None:
        self._until = self._before = float("-inf")
        self._cause: Call | None = None

    def holds(self, now: float) -> bool:
        """Whether one of another user, or of nobody knows whom, was seen a short while ago."""
        return now < self._until

    def begin(self, now: float, cause: Call) -> None:
        """This call is another user's, or its caller is not known."""
        self._before, self._until, self._cause = self._until, now + DOUBT_FOR, cause

    def accepted(self, call: Call) -> None:
        """networkd carried a call out: it is no reason for doubt, if it was one."""
        if call is self._cause:
            self._until, self._cause = self._before, None


class NetworkdCalls:
    """Keeps a connection to the bus as a monitor. ask_uid asks the bus for a caller, if there is
    another connection to ask by: a monitor must not send."""

    def __init__(self, emit: Callable[[events.Event], None], files: LinkFiles) -> None:
        self._emit, self._files = emit, files
        self._ask_uid: AskUid | None = None
        # Those without an answer.
        self._calls: dict[str, Call] = {}
        self._doubt = Doubt()
        self._asking: set[tasks.Task] = set()
        self._uids: dict[str, int] = {}

    def ask_by(self, ask_uid: AskUid | None) -> None:
        """Ask for callers by this; None: they cannot be known now."""
        self._ask_uid = ask_uid

    async def monitor(self) -> None:
        """See calls until the connection ends; raises one of bus.FAILURES, or bus.BusError."""
        connection = await bus.Bus.connect()
        try:
            await connection.monitor(CALLS, self.take_call, self.take_answer)
            await connection.closed()
        finally:
            connection.close()
            for call in self._calls:  # their answers would not be seen
                self._emit(events.CallAnswered(time.monotonic(), call, refused=False))
            self._calls.clear()
            self._uids.clear()  # another bus begins with the same names
            self._files.forget()  # as networkd may read them without being seen

    def take_call(self, call: bus.Signal) -> None:
        """Handle a method call of another process."""
        if call.member not in RECONFIGURING:
            return
        ifindex = link_index(call.path)
        if call.member.endswith("Link") and call.body and isinstance(call.body[0], int):
            ifindex = call.body[0]
        reason = f"a process called {call.member} of systemd-networkd"
        identity, now = "", time.monotonic()
        if call.wants_answer:
            identity = _identity(call.sender, call.serial)
            self._make_room(now)
        announcement = events.ChangeExpected(now, reason, ifindex, identity)
        is_believed = not self._doubt.holds(now)
        taken = Call(call.sender, announcement, is_believed, call.member == READING)
        if identity:
            self._calls[identity] = taken
        if is_believed:
            self._emit(announcement)
        changed = self._files.changed() if taken.reads_files else frozenset()
        if taken.reads_files and not identity:
            self._files.forget()  # no answer will tell whether networkd has read them
        self._find_caller(taken, changed)

    def _make_room(self, now: float) -> None:
        if len(self._calls) == CALLS_MOST:
            oldest = next(iter(self._calls))
            if self._calls.pop(oldest).reads_files:
                self._files.forget()
            self._emit(events.CallAnswered(now, oldest, refused=False))

    def _find_caller(self, call: Call, changed: frozenset[int]) -> None:
        """Find out whose call it is: known already, asked for, or one of too many."""
        if call.caller in self._uids:
            self._know_caller(call, changed, self._uids[call.caller])
        elif self._ask_uid is not None and len(self._asking) < CALLS_MOST:
            tasks.start(self._ask_caller(self._ask_uid, call, changed), self._asking)
        elif self._ask_uid is not None:
            self._doubt.begin(time.monotonic(), call)

    async def _ask_caller(self, ask_uid: AskUid, call: Call, changed: frozenset[int]) -> None:
        try:
            uid = await ask_uid(call.caller)
        except bus.FAILURES:
            return
        if uid is not None:  # the bus gives no name twice
            if len(self._uids) == CALLERS_MOST:
                self._uids.pop(next(iter(self._uids)))
            self._uids[call.caller] = uid
        self._know_caller(call, changed, uid)

    def _know_caller(self, call: Call, changed: frozenset[int], uid: int | None) -> None:
        """Announce what root calls; take back what was announced of another user. A caller that has
        left the bus is neither: what was announced stands, and what was not waits for networkd."""
        now, identity = time.monotonic(), call.announcement.call
        is_waiting = self._calls.get(identity) is call
        is_entitled = uid == 0 or call.is_accepted
        if not is_entitled:
            self._doubt.begin(now, call)
        if is_entitled and not call.is_announced and (is_waiting or not identity):
            self._emit(call.announce(now))  # else it has its answer already
        elif uid and call.is_announced and is_waiting:
            self._emit(call.take_back(now))
        if is_entitled and changed:
            self._emit(events.FilesChanged(now, changed))

    def take_answer(self, answer: bus.Answer) -> None:
        """Handle the answer to a method call of another process."""
        identity = _identity(answer.caller, answer.serial)
        if identity not in self._calls:
            return
        call, now = self._calls.pop(identity), time.monotonic()
        if not answer.is_error:
            call.accept()
            self._doubt.accepted(call)
        if call.is_announced:
            self._emit(events.CallAnswered(now, identity, answer.is_error))
        elif not answer.is_error:
            self._emit(replace(call.announcement, time=now, call=""))
        if call.reads_files and not answer.is_error:
            self._files.read_again()


def _identity(caller: str, serial: int) -> str:
    return f"{caller} {serial}"
