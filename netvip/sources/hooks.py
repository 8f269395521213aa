"""What hooks tell: a line each, written to a pipe by shell scripts that have no sockets.

A line is a token and the words of a request. The token comes back in HEARD_FILE once the daemon
has acted, or with the word `wait` when that takes longer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from netvip.const import HOOK_FIFO
from netvip.core import events
from netvip.core.requests import parse
from netvip.sources.pipe import Pipe

#: The token of who does not wait for an answer.
NOBODY = "-"


class HookSource(Pipe):
    """Reads what hooks write; `done` is told the token and the kind of each request once it
    was dealt with."""

    def __init__(
        self,
        emit: Callable[[events.Event], None],
        done: Callable[[str, events.RequestKind], None],
        loop: asyncio.AbstractEventLoop,
        path: str = HOOK_FIFO,
    ) -> None:
        super().__init__(self._heard, loop, path)
        self._emit, self._done = emit, done

    def _heard(self, line: bytes) -> bool:
        token, *words = line.decode(errors="replace").split() or [NOBODY]
        try:
            event = parse.parse(time.monotonic(), words)
        except ValueError:
            return False
        self._emit(event)
        if token != NOBODY:
            self._done(token, event.kind)
        return True
