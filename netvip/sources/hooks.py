"""Reads requests from a pipe, to which hooks write: hooks are shell scripts and have no sockets.

A line is a token and the words of a request. The daemon writes the token to HEARD_FILE when it has
handled the request, or the token and the word `wait` if that takes longer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from netvip.const import HOOK_FIFO
from netvip.core import events
from netvip.core.requests import parse
from netvip.sources.pipe import Pipe

#: The token of a hook that does not wait for an answer.
NO_ANSWER = "-"


class HookSource(Pipe):
    """Reads requests; calls `done` with the token and the kind of each request that was handled."""

    def __init__(
        self,
        emit: Callable[[events.Event], None],
        done: Callable[[str, events.RequestKind], None],
        loop: asyncio.AbstractEventLoop,
        path: str = HOOK_FIFO,
    ) -> None:
        super().__init__(self._take_line, loop, path)
        self._emit, self._done = emit, done

    def _take_line(self, line: bytes) -> bool:
        token, *words = line.decode(errors="replace").split() or [NO_ANSWER]
        try:
            event = parse.parse(time.monotonic(), words)
        except ValueError:
            return False
        self._emit(event)
        if token != NO_ANSWER:
            self._done(token, event.kind)
        return True
