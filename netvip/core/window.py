"""A window: the seconds in which networkd acts on an interface."""

from __future__ import annotations

from dataclasses import dataclass

from netvip.const import ANNOUNCED_FOR, PATIENT_QUIET, QUIET_FOR, WINDOW_LONGEST
from netvip.core.model import IP


@dataclass(slots=True)
class Window:
    """Opened by an announcement or a loss; ended by quiet, at the latest by its deadline."""

    ifindex: int
    reason: str
    opened: float
    deadline: float
    #: The host's own addresses as the window opened.
    own: frozenset[IP]
    #: IP versions in which the interface had a default route as the window opened.
    defaults: frozenset[int]
    announced: float = float("-inf")
    stirred: float = float("-inf")

    def announce(self, now: float, limit: float) -> None:
        """networkd was told to act (again): its deletions may still be to come.

        However often that is said (any user may call networkd's methods, if only to be refused),
        a window ends: the VIP goes back, and the next announcement opens another.
        """
        self.announced = max(self.announced, now)
        self.deadline = max(self.deadline, min(now + limit, self.opened + WINDOW_LONGEST))

    def stir(self, now: float) -> None:
        """Something moved on the interface."""
        self.stirred = max(self.stirred, now)

    def quiet_at(self) -> float:
        """When the dust will have settled, if nothing moves any more."""
        return max(self.announced + ANNOUNCED_FOR, self.stirred + QUIET_FOR, self.opened)

    def patient_at(self) -> float:
        """When it has been quiet long enough even without networkd's word that it is done."""
        return max(self.quiet_at(), self.announced + PATIENT_QUIET, self.stirred + PATIENT_QUIET)

    def due(self, now: float) -> float:
        """The next time at which the window may end, if nothing happens."""
        return min(
            t
            for t in (self.quiet_at(), self.patient_at(), self.deadline, float("inf"))
            if t > now or t == self.deadline
        )

    def hurry(self, now: float, limit: float) -> None:
        """The daemon is to end: wait for nothing that is merely likely."""
        self.announced = float("-inf")
        self.deadline = min(self.deadline, now + limit)
