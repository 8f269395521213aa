"""How often something may be done in a period, and how long to wait before the next attempt."""

from __future__ import annotations

from collections import deque


class Pace:
    """Allows `count` in any `period` seconds."""

    def __init__(self, count: int, period: float) -> None:
        self._count, self._period = count, period
        self._times: deque[float] = deque()

    def allow(self, now: float) -> bool:
        """Whether it may be done now. If so, it counts as done."""
        while self._times and now - self._times[0] >= self._period:
            self._times.popleft()
        if len(self._times) >= self._count:
            return False
        self._times.append(now)
        return True


class Backoff:
    """Waits, in seconds, that grow from one to the next, and begin anew after a long pause."""

    def __init__(self, first: float, factor: float, longest: float) -> None:
        self._first, self._factor, self._longest = first, factor, longest
        self._next = first
        self._last = float("-inf")

    def next(self, now: float) -> float:
        """How long to wait this time."""
        if now - self._last > 2 * self._longest:
            self._next = self._first
        self._last = now
        wait, self._next = self._next, min(self._next * self._factor, self._longest)
        return wait
