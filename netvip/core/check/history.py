"""What the examinations of one instance have shown so far."""

from __future__ import annotations

from netvip.const import (
    ANNOUNCE_FIRST,
    NEVER_WELL_FACTOR,
    NEVER_WELL_FIRST,
    NEVER_WELL_LONGEST,
    REFRESH_EVERY,
)
from netvip.core.check.findings import Findings
from netvip.core.check.verdicts import Belief, Problem, Step
from netvip.core.events import Advert
from netvip.core.model import IP, Role, Tri
from netvip.core.pacing import Backoff

#: More neighbours than this send no adverts of one instance, unless somebody makes them up.
MOST_PEERS = 8


class History:
    """Peers, findings, and what is believed of them; begun anew as the role changes."""

    def __init__(self) -> None:
        self.peers: dict[IP, None] = {}
        #: The other master's hardware address, and when its last advert was heard.
        self.mac = b""
        self.heard = float("-inf")
        self.role = Role.UNKNOWN
        self.steps: tuple[Step, ...] = ()
        self.asked = self.at = float("-inf")
        self.beliefs: dict[Problem, Belief] = {}
        #: Who has answered which VIP since the start.
        self.trusted: set[tuple[IP, IP]] = set()
        #: What was seen to be well here, since the role last changed and since the start.
        self.well: set[Problem] = set()
        self.ever_well: set[Problem] = set()
        #: Who answered an echo at the last examination, from whatever address.
        self.alive: dict[IP | None, Tri] = {}
        self.announce_at = float("-inf")
        self.announcing = Backoff(ANNOUNCE_FIRST, 2.0, REFRESH_EVERY)
        self._patience = Backoff(NEVER_WELL_FIRST, NEVER_WELL_FACTOR, NEVER_WELL_LONGEST)
        self._patient_until: float | None = None
        self._released = float("-inf")
        self._was_left_to_us = False

    def hear(self, advert: Advert, sender: IP | None) -> None:
        """Another node's advert: it is a peer. Priority 0 is a release (RFC 5798 5.2.4)."""
        if not advert.priority:
            self._released = advert.time
            return
        self.mac, self.heard = advert.mac, advert.time
        if sender is not None and len(self.peers) < MOST_PEERS:
            self.peers[sender] = None

    def begin(self, role: Role) -> None:
        """The role has changed: what was found in the other says nothing in this one."""
        self.role, self.beliefs, self._patient_until = role, {}, None
        self.well, self._was_left_to_us = set(), self._released >= self.heard

    def learn(self, observed: Findings, well: set[Problem]) -> None:
        """Note who answers, and what is well."""
        self.well |= well
        self.ever_well |= well
        self.alive = {}
        for echo in observed.echoes:
            answers = Tri.YES if echo.answered is Tri.YES else echo.alive
            if self.alive.get(echo.target) is not Tri.YES:
                self.alive[echo.target] = answers

    def trust(self, observed: Findings) -> None:
        """Note who answers which VIP."""
        self.trusted |= {(e.vip, e.target) for e in observed.echoes if e.answered is Tri.YES}

    def belief(self, fault: Problem) -> Belief:
        """What is believed of a fault."""
        return self.beliefs.setdefault(fault, Belief())

    def patient(self, now: float, fault: Problem) -> bool:
        """Whether a fault that has been there for as long as this node is MASTER is to be borne for
        a while: it was never well here, or the other node has let go as well, and so it may be
        wrong on both. Where this node only took back what the other was doing, it is not."""
        if fault in self.well or (fault in self.ever_well and not self._was_left_to_us):
            return False
        if self._patient_until is None:
            self._patient_until = now + self._patience.next(now)
        return now < self._patient_until
