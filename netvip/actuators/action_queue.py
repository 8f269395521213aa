"""Carries out actions in their order, and gives the event loop its turn while there are many."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from netvip.actuators.parts import Parts, finish

#: Seconds. What takes longer goes on after the loop's other work, the watchdog's above all: a
#: thousand VIPs take tens of milliseconds.
TURN = 0.005


class ActionQueue:
    """What is put first is done first, and is done at once where nothing is left over."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Parts] = deque()
        self._spent = 0.0
        self._empty_at = loop.time()
        self._is_running = self._has_turn = False

    @property
    def empty_at(self) -> float:
        """When all was done the last time, by the loop's clock."""
        return self._empty_at if self._waiting else self._loop.time()

    def put(self, work: Parts) -> None:
        """Have work done after what was put before."""
        self._waiting.append(work)

    def run(self) -> None:
        """Do what is waiting, as far as this turn of the loop allows; the rest follows."""
        if self._is_running:
            return  # an action led to an event, and that to this
        self._is_running = True
        try:
            self._run()
        finally:
            self._is_running = False
        if not self._waiting:
            self._empty_at = self._loop.time()
        if self._waiting or self._spent:
            self._ask_for_turn()

    def _run(self) -> None:
        while self._waiting and self._spent < TURN:
            begun = time.monotonic()
            if next(self._waiting[0], finish) is finish:
                self._waiting.popleft()
            self._spent += time.monotonic() - begun

    def _ask_for_turn(self) -> None:
        if not self._has_turn:
            self._has_turn = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._has_turn, self._spent = False, 0.0
        self.run()

    def finish(self) -> None:
        """Do all that is waiting, whatever time it takes."""
        while self._waiting:
            finish(self._waiting.popleft())
