"""keepalived's vrrp_notify_fifo: a line at each change of state, without delay."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable

from netvip.const import FIFO
from netvip.core import events
from netvip.core.model import Role

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
#: An instance's name is short; what is longer than this is no line of keepalived's.
LONGEST_LINE = 512
#: A pipe's capacity: whatever is in it is read at once.
AT_ONCE = 65536


class FifoSource:
    """Reads the pipe, which stays when keepalived or netvip goes."""

    def __init__(
        self,
        emit: Callable[[events.Event], None],
        loop: asyncio.AbstractEventLoop,
        path: str = FIFO,
    ) -> None:
        self._emit, self._loop, self._path = emit, loop, path
        self._file = -1
        self._rest = b""
        self._skipping = False
        self.lines = self.dropped = 0

    def start(self) -> None:
        """Begin to read. What was written before is of unknown age, and passed over."""
        # Open for writing as well, or the pipe is at its end whenever keepalived has closed it.
        self._file = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        while self._read():
            pass
        self._loop.add_reader(self._file, self._readable)

    def follow(self) -> None:
        """Open the pipe again where somebody has removed or replaced it."""
        if self._file >= 0 and not self._same():
            self.close()
        if self._file < 0:
            try:
                self.start()
            except OSError:
                pass  # there is none to be read; adverts and dumps tell as well

    def close(self) -> None:
        """Stop reading."""
        if self._file >= 0:
            self._loop.remove_reader(self._file)
            os.close(self._file)
            self._file = -1

    def _same(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file), os.stat(self._path))
        except FileNotFoundError:
            return False

    def _read(self) -> bytes:
        try:
            return os.read(self._file, AT_ONCE)
        except BlockingIOError:
            return b""

    def _readable(self) -> None:
        now = time.monotonic()
        *lines, self._rest = (self._rest + self._read()).split(b"\n")
        for line in lines:
            if self._skipping:
                self._skipping = False  # the end of one that was too long
                continue
            self._line(now, line)
        if len(self._rest) > LONGEST_LINE:
            self._rest, self.dropped = b"", self.dropped + (not self._skipping)
            self._skipping = True

    def _line(self, now: float, line: bytes) -> None:
        event = parse(now, line) if len(line) <= LONGEST_LINE else None
        if event is None:
            self.dropped += 1
            return
        self.lines += 1
        if isinstance(event, events.Told):
            self._emit(event)


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
    return events.Told(now, name, ROLES[state], "fifo")
