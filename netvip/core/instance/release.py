"""Letting a VIP go that this node cannot keep: when to, for how long, and when not to try."""

from __future__ import annotations

from collections.abc import Callable

from netvip.const import (
    AWAY_FACTOR,
    AWAY_FIRST,
    AWAY_LONGEST,
    LET_GO_GRACE,
    NOBODY_FACTOR,
    NOBODY_FIRST,
    NOBODY_LONGEST,
    YIELD_GRACE,
)
from netvip.core.actions import Level
from netvip.core.instance.states import IN_FAULT, Phase, Trigger
from netvip.core.model import InstanceSpec, Tri
from netvip.core.pacing import Backoff

NEVER = float("inf")


class Release:
    """The FAULTs of one instance. Each of them ends by itself (Law 3)."""

    def __init__(
        self, move: Callable[[Trigger, float], None], log: Callable[[Level, str], None]
    ) -> None:
        self._move, self._log = move, log
        self._away = Backoff(AWAY_FIRST, AWAY_FACTOR, AWAY_LONGEST)
        self._nobody = Backoff(NOBODY_FIRST, NOBODY_FACTOR, NOBODY_LONGEST)
        self._not_before = self._other_at = float("-inf")
        self._until = NEVER
        self.why = ""

    def in_vain(self, now: float) -> bool:
        """Whether nobody took over a short while ago."""
        return now < self._not_before

    def due(self, phase: Phase, spec: InstanceSpec, carrier: bool) -> float:
        """When tick() has something to do."""
        if phase is Phase.AWAY and carrier:  # a master that falls silent is not waited for
            return min(self._until, self._other_at + spec.master_down)
        return self._until

    def possible(self, now: float, spec: InstanceSpec) -> bool:
        """Whether keepalived would hear it, and somebody may come."""
        return spec.guarded and spec.track_file is Tri.YES and not self.in_vain(now)

    def hand_over(self, now: float, spec: InstanceSpec, why: str) -> None:
        """Of our own will: the shield stands until the other node's advert."""
        self._move(Trigger.YIELD, now)
        self.why = why
        # The other's priority is not known; no skew is longer than this (RFC 5798 6.1).
        self._until = now + spec.advert_interval + YIELD_GRACE
        self._log(Level.NOTICE, f"keepalived is told FAULT, for the other node to take over: {why}")

    def failed(self, now: float, spec: InstanceSpec) -> None:
        """MASTER, and the VIPs are missing for good, or of no use here."""
        if not self.possible(now, spec):
            return
        self._move(Trigger.LET_GO, now)
        # The other's priority is not known; no skew is longer than the interval (RFC 5798 6.1).
        self._until = now + spec.advert_interval + LET_GO_GRACE
        self._log(Level.ERROR, f"keepalived is told FAULT, for the other node: {self.why}")

    def other_master(self, now: float, phase: Phase, sender: str) -> None:
        """Another node's advert was seen."""
        self._other_at = now
        if phase in (Phase.LETTING_GO, Phase.YIELDING):
            wished = phase is Phase.YIELDING
            self._until = now + (AWAY_FIRST if wished else self._away.next(now))
            self._log(Level.NOTICE, f"{sender} took over")

    def tick(self, now: float, phase: Phase, spec: InstanceSpec, carrier: bool) -> None:
        """End a FAULT that is due to end."""
        if phase not in IN_FAULT or now < self.due(phase, spec, carrier):
            return
        if phase is not Phase.AWAY:
            self._not_before = now + self._nobody.next(now)
            self._move(Trigger.NOBODY_CAME, now)
            self._log(Level.ERROR, "nobody took over: the FAULT is taken back")
        elif carrier:
            self._move(Trigger.WELL_AGAIN, now)
            self._log(Level.NOTICE, "the FAULT is taken back: this node may be BACKUP")
        else:
            self._until = now + self._away.next(now)  # without a link it could carry nothing
