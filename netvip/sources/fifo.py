"""keepalived's vrrp_notify_fifo: a line at each change of state, without delay."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

from netvip.const import FIFO
from netvip.core import events
from netvip.core.model import Role
from netvip.sources.pipe import Pipe

#: keepalived's states (FACTS 5). The others it reports are no changes of state.
ROLES = {
    "MASTER": Role.MASTER,
    "BACKUP": Role.BACKUP,
    "FAULT": Role.FAULT,
    "STOP": Role.INIT,
    "DELETED": Role.INIT,
}
OTHERS = re.compile(r"[A-Z_]+_(PRIORITY|RX_LOWER_PRI)|[A-Z]+")
LINE = re.compile(rb'(INSTANCE|GROUP) "([^"\n]*)" ([A-Z_]+)(?: (\d{1,3}))?')


class FifoSource(Pipe):
    """Reads what keepalived writes."""

    def __init__(
        self,
        emit: Callable[[events.Event], None],
        loop: asyncio.AbstractEventLoop,
        path: str = FIFO,
    ) -> None:
        super().__init__(self._heard, loop, path)
        self._emit = emit

    def _heard(self, line: bytes) -> bool:
        event = parse(time.monotonic(), line)
        if isinstance(event, events.StateReported):
            self._emit(event)
        return event is not None


def parse(now: float, line: bytes) -> events.Event | None:
    """The event in a line; a bare Event for one that tells nothing of an instance's state, and
    None for what is no line of keepalived's."""
    found = LINE.fullmatch(line)
    if found is None:
        return None
    kind, name, state = (part.decode(errors="surrogateescape") for part in found.groups()[:3])
    if state not in ROLES:
        return events.Event(now) if OTHERS.fullmatch(state) else None
    if kind != "INSTANCE":
        return events.Event(now)
    return events.StateReported(now, name, ROLES[state], "fifo")
