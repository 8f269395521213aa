"""Reads the vrrp_notify_fifo, to which keepalived writes a line at each change of state."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

from netvip.const import FIFO
from netvip.core import events
from netvip.core.model import Role
from netvip.sources.pipe import Pipe

#: keepalived's states (fact fifo-states).
ROLES = {
    "MASTER": Role.MASTER,
    "BACKUP": Role.BACKUP,
    "FAULT": Role.FAULT,
    "STOP": Role.INIT,
    "DELETED": Role.INIT,
}
#: What keepalived also writes, and what is not a change of state.
OTHERS = re.compile(r"[A-Z_]+_(PRIORITY|RX_LOWER_PRI)|[A-Z]+")
LINE = re.compile(rb'(INSTANCE|GROUP) "([^"\n]*)" ([A-Z_]+)(?: (\d{1,3}))?')


class FifoSource(Pipe):
    """Reads the lines that keepalived writes. after_kernel calls what it is given when the deletion
    that made keepalived leave MASTER has been reported."""

    def __init__(
        self,
        emit: Callable[[events.Event], None],
        loop: asyncio.AbstractEventLoop,
        path: str = FIFO,
        after_kernel: Callable[[Callable[[], None]], None] = lambda report: report(),
    ) -> None:
        super().__init__(self._take_line, loop, path)
        self._emit, self._after_kernel = emit, after_kernel

    def _take_line(self, line: bytes) -> bool:
        event = parse(time.monotonic(), line)
        if isinstance(event, events.StateReported):
            name, role = event.instance, event.role
            self._after_kernel(lambda: self._report(name, role))
        return event is not None

    def _report(self, name: str, role: Role) -> None:
        self._emit(events.StateReported(time.monotonic(), name, role, "fifo"))


def parse(now: float, line: bytes) -> events.Event | None:
    """The event of a line: StateReported for the state of an instance, Event for any other line of
    keepalived; None if keepalived does not write such a line."""
    found = LINE.fullmatch(line)
    if found is None:
        return None
    kind, name, state = (part.decode(errors="surrogateescape") for part in found.groups()[:3])
    if state not in ROLES:
        return events.Event(now) if OTHERS.fullmatch(state) else None
    if kind != "INSTANCE":
        return events.Event(now)
    return events.StateReported(now, name, ROLES[state], "fifo")
