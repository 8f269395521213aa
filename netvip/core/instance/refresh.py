"""Gratuitous ARPs and NAs again and again after a put-back: a neighbour may have missed the first.

keepalived does this by vrrp_garp_master_delay (5 s) and vrrp_garp_master_refresh (off by default);
but it knows of no put-back of ours.
"""

from __future__ import annotations

from netvip.const import REFRESH_EVERY, REPEATS

NEVER = float("inf")


class Refresh:
    """When to announce next."""

    def __init__(self) -> None:
        self.due = NEVER
        self._left: tuple[float, ...] = ()

    def begin(self, now: float) -> None:
        """Something was put back and announced."""
        self._left = REPEATS
        self.next(now, False)

    def next(self, now: float, for_ever: bool) -> None:
        """When to do it again; for_ever: keepalived does not repeat it by itself."""
        if self._left:
            self.due, self._left = now + self._left[0], self._left[1:]
        else:
            self.due = now + REFRESH_EVERY if for_ever else NEVER

    def end(self) -> None:
        """The VIPs are another's."""
        self.due, self._left = NEVER, ()
