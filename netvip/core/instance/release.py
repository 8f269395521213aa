"""Releasing VIPs by FAULT in the track file: when, when the FAULT ends, and when not to try.

keepalived enters FAULT by it, and the peer takes over. Each FAULT ends by itself (Law 3).
"""

from __future__ import annotations

from netvip.const import (
    AWAY_FACTOR,
    AWAY_FIRST,
    AWAY_LONGEST,
    NEVER,
    NOBODY_FACTOR,
    NOBODY_FIRST,
    NOBODY_LONGEST,
    RELEASE_GRACE,
    YIELD_GRACE,
)
from netvip.core.instance.states import IN_FAULT, Phase, Trigger
from netvip.core.model import InstanceSpec, Tri
from netvip.core.pacing import Backoff


class Release:
    """The FAULTs of one instance: their reasons and their ends."""

    def __init__(self) -> None:
        self._away = Backoff(AWAY_FIRST, AWAY_FACTOR, AWAY_LONGEST)
        self._nobody = Backoff(NOBODY_FIRST, NOBODY_FACTOR, NOBODY_LONGEST)
        self._not_before = self._other_at = float("-inf")
        self._until = NEVER
        self._why = self._unfit = ""

    # --- reasons --------------------------------------------------------------------------------

    @property
    def why(self) -> str:
        """What went wrong last, in a sentence."""
        return self._why

    @property
    def unfit(self) -> str:
        """Why this node should not hold the VIPs although it has them; empty if it should."""
        return self._unfit

    def failed(self, why: str) -> None:
        """Something went wrong that netvip cannot repair."""
        self._why = why

    def found_unfit(self, why: str) -> None:
        """The check found that the VIPs are of no use here."""
        self._unfit = why

    def found_fit(self) -> None:
        """The check found no reason any more, or the VIPs are at another node."""
        self._unfit = ""

    # --- FAULT ----------------------------------------------------------------------------------

    def in_vain(self, now: float) -> bool:
        """Whether no peer took over a short while ago."""
        return now < self._not_before

    def possible(self, now: float, spec: InstanceSpec) -> bool:
        """Whether keepalived follows the track file, and a peer may take over."""
        return spec.guarded and spec.track_file is Tri.YES and not self.in_vain(now)

    def begin(self, now: float, spec: InstanceSpec) -> None:
        """FAULT was set, as the VIPs are missing for good or are of no use here."""
        # The peer's priority is not known; no skew is longer than the interval (RFC 5798 6.1).
        self._until = now + spec.advert_interval + RELEASE_GRACE

    def begin_hand_over(self, now: float, spec: InstanceSpec, why: str) -> None:
        """FAULT was set on request; the shield stays up until the peer's advert."""
        self._why = why
        self._until = now + spec.advert_interval + YIELD_GRACE

    def other_master(self, now: float, phase: Phase) -> bool:
        """Another node's advert was seen; whether it ends a wait for a takeover."""
        self._other_at = now
        if phase not in (Phase.RELEASING, Phase.YIELDING):
            return False
        on_request = phase is Phase.YIELDING
        self._until = now + (AWAY_FIRST if on_request else self._away.next(now))
        return True

    def due(self, phase: Phase, spec: InstanceSpec, carrier: bool) -> float:
        """When end() has something to do."""
        if phase is Phase.AWAY and carrier:  # a master that falls silent is not waited for
            return min(self._until, self._other_at + spec.master_down)
        return self._until

    def end(self, now: float, phase: Phase, spec: InstanceSpec, carrier: bool) -> Trigger | None:
        """The trigger that ends a FAULT now, if one is due to end."""
        if phase not in IN_FAULT or now < self.due(phase, spec, carrier):
            return None
        if phase is not Phase.AWAY:
            if carrier:  # without one nobody could be heard
                self._not_before = now + self._nobody.next(now)
            return Trigger.NOBODY_CAME
        if carrier:
            return Trigger.WELL_AGAIN
        self._until = now + self._away.next(now)  # without a carrier it could not hold the VIPs
        return None
