"""Holds: an operator or apt works on this machine. By reason, counted, each with a lease."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from netvip.const import HOLDS_MOST, NEVER


@dataclass(frozen=True, slots=True)
class Hold:
    """Why, how often it was taken and not released yet, and when its lease ends."""

    reason: str
    count: int
    until: float


class Holds:
    """The holds in force. Taking one twice needs two releases; the longest lease counts."""

    def __init__(self) -> None:
        self._holds: dict[str, Hold] = {}

    def __iter__(self) -> Iterator[Hold]:
        return iter(self._holds.values())

    def __bool__(self) -> bool:
        return bool(self._holds)

    def take(self, reason: str, until: float) -> bool:
        """Take one; False where there are too many."""
        known = self._holds.get(reason)
        if known is None and len(self._holds) >= HOLDS_MOST:
            return False
        count, longest = (known.count, known.until) if known else (0, until)
        self._holds[reason] = Hold(reason, count + 1, max(longest, until))
        return True

    def release(self, reason: str) -> bool:
        """Release one; False where there is none of that reason."""
        known = self._holds.get(reason)
        if known is None:
            return False
        self._holds[reason] = replace(known, count=known.count - 1)
        if known.count == 1:
            del self._holds[reason]
        return True

    def remember(self, holds: Iterable[Hold]) -> None:
        """Take over those of an earlier daemon."""
        self._holds.update({hold.reason: hold for hold in holds})

    def expired(self, now: float) -> list[Hold]:
        """Those whose lease has ended, which are holds no more."""
        over = [hold for hold in self._holds.values() if hold.until <= now]
        for hold in over:
            del self._holds[hold.reason]
        return over

    def due(self) -> float:
        """When the next lease ends."""
        return min((hold.until for hold in self._holds.values()), default=NEVER)
