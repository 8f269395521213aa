"""Carries out actions in their order, and gives the event loop its turn while there are many.

There are two ways. What protects, restores and releases is done at once, as far as it takes no
long time. What only prepares waits behind that; of what is the same, the newest is done.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Hashable, Iterator
from contextlib import ExitStack, contextmanager

from netvip.actuators.parts import Parts, finish

#: Seconds of processor time: what protects has so much, whatever the turn was spent on; for one VIP
#: that is all it takes.
URGENT = 0.002
#: Seconds of processor time. What takes longer goes on after the loop's other work, the watchdog's
#: above all: a thousand VIPs take tens of milliseconds.
TURN = 0.005


class ActionQueue:
    """Of each way, what is put first is done first."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Parts] = deque()
        self._later: dict[Hashable, Parts] = {}
        self._spent = 0.0
        self._is_running = self._has_turn = False
        self._advanced_at = loop.time()

    @property
    def advanced_at(self) -> float:
        """When work was done the last time, by the loop's clock; now, where none is waiting."""
        return self._advanced_at if self._waiting or self._later else self._loop.time()

    def put(self, work: Parts, at_least: float = 0.0) -> None:
        """Have work done after what was put before, and before what is done later. A first part is
        not put off by what this turn has been spent on, and so many seconds are not either."""
        self._waiting.append(work)
        is_first = len(self._waiting) == 1
        self._run(is_first, self._spent + at_least if is_first else 0.0)

    def put_later(self, what: Hashable, work: Parts) -> None:
        """Have work done in a later turn, when nothing else is waiting; it takes the place of the
        same."""
        if not self._later and not self._waiting:
            self._advanced_at = self._loop.time()  # until now there was nothing to do
        self._later.pop(what, None)
        self._later[what] = work
        self._ask_for_turn()

    def take_later(self, what: Hashable) -> Parts:
        """What put_later() was given and is not done yet, to be done now."""
        return self._later.pop(what, iter(()))

    def _run(self, at_least_one: bool = False, until: float = 0.0) -> None:
        if self._is_running:
            return  # an action led to an event, and that to this
        self._is_running = True
        try:
            while self._waiting and (at_least_one or self._spent < max(TURN, until)):
                at_least_one = False
                self._step()
        finally:
            self._is_running = False
            if self._waiting or self._later or self._spent:
                self._ask_for_turn()

    def _ask_for_turn(self) -> None:
        if not self._has_turn:
            self._has_turn = True
            self._loop.call_soon(self._turn)

    def _step(self) -> None:
        with self._counted():
            if next(self._waiting[0], finish) is finish:
                self._waiting.popleft()

    def _step_later(self) -> None:
        what, work = next(iter(self._later.items()))
        with self._counted():
            # It may have been replaced or taken meanwhile.
            if next(work, finish) is finish and self._later.get(what) is work:
                del self._later[what]

    @contextmanager
    def _counted(self) -> Iterator[None]:
        begun = time.thread_time()
        try:
            yield
        finally:
            self._spent += time.thread_time() - begun
            self._advanced_at = self._loop.time()

    def _turn(self) -> None:
        self._has_turn, self._spent = False, 0.0
        self._run()  # which asks for another turn, where something is left
        while self._later and not self._waiting and self._spent < TURN:
            self._step_later()

    def finish(self) -> None:
        """Do all that is waiting, whatever time it takes, and what raises last of all."""
        with ExitStack() as works:
            for work in reversed([*self._waiting, *self._later.values()]):
                works.callback(finish, work)
        self._waiting.clear()
        self._later.clear()
