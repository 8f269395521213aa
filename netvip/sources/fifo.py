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
    """Reads the lines that keepalived writes. before_report is called before one is reported: the
    deletion that made keepalived leave MASTER has to be reported first."""

    def __init__(
        self,
        emit: Callable[[events.Event], None],
        loop: asyncio.AbstractEventLoop,
        path: str = FIFO,
        before_report: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(self._take_line, loop, path)
        self._emit, self._before_report = emit, before_report

    def _take_line(self, line: bytes) -> bool:
        self._before_report()
        event = parse(time.monotonic(), line)
        if isinstance(event, events.StateReported):
            self._emit(event)
        return event is not None


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
