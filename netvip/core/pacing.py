"""How often something may be done in a period."""

from __future__ import annotations

from collections import deque


class Pace:
    """Allows `count` in any `period` seconds."""

    def __init__(self, count: int, period: float) -> None:
        self._count, self._period = count, period
        self._times: deque[float] = deque()

    def allow(self, now: float) -> bool:
        """Whether it may be done now; if so, it counts as done."""
        while self._times and now - self._times[0] >= self._period:
            self._times.popleft()
        if len(self._times) >= self._count:
            return False
        self._times.append(now)
        return True
