"""Repeating announcements (gratuitous ARP, NA) after a put-back: a neighbour may miss the first.

keepalived repeats its own by vrrp_garp_master_delay (5 s) and vrrp_garp_master_refresh (off by
default), but it does not know of a put-back by netvip.
"""

from __future__ import annotations

from netvip.const import NEVER, REFRESH_EVERY, REPEATS


class Refresh:
    """When to announce next."""

    def __init__(self) -> None:
        self._due = NEVER
        self._left: tuple[float, ...] = ()

    @property
    def due(self) -> float:
        """When to announce next."""
        return self._due

    def begin(self, now: float) -> None:
        """VIPs were put back and announced."""
        self._left = REPEATS
        self.next(now, False)

    def next(self, now: float, for_ever: bool) -> None:
        """Choose the next time; for_ever: keepalived does not repeat its announcements itself."""
        if self._left:
            self._due, self._left = now + self._left[0], self._left[1:]
        else:
            self._due = now + REFRESH_EVERY if for_ever else NEVER

    def end(self) -> None:
        """This node is no longer MASTER."""
        self._due, self._left = NEVER, ()
