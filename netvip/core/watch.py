"""What the examinations of one instance have shown so far."""

from __future__ import annotations

from netvip.const import (
    ANNOUNCE_FIRST,
    NEVER_SERVED_FACTOR,
    NEVER_SERVED_FIRST,
    NEVER_SERVED_LONGEST,
    REFRESH_EVERY,
)
from netvip.core.events import Advert
from netvip.core.judge import Damping, Fault, Step
from netvip.core.model import IP, Role, Tri
from netvip.core.observed import Observed
from netvip.core.pacing import Backoff

#: More neighbours than this send no adverts of one instance, unless somebody makes them up.
MOST_PEERS = 8


class Watch:
    """Peers, findings, and what is believed of them; begun anew as the role changes."""

    def __init__(self) -> None:
        self.peers: dict[IP, None] = {}
        #: The other master's hardware address, and when its last advert was heard.
        self.mac = b""
        self.heard = float("-inf")
        self.role = Role.UNKNOWN
        self.steps: tuple[Step, ...] = ()
        self.asked = self.at = float("-inf")
        self.damping: dict[Fault, Damping] = {}
        #: Who has answered which VIP since this node is MASTER, and whether the service has.
        self.trusted: set[tuple[IP, IP]] = set()
        self.served = False
        #: Who answered an echo at the last examination, from whatever address.
        self.alive: dict[IP | None, Tri] = {}
        self.announce_at = float("-inf")
        self.announcing = Backoff(ANNOUNCE_FIRST, 2.0, REFRESH_EVERY)
        self._patience = Backoff(NEVER_SERVED_FIRST, NEVER_SERVED_FACTOR, NEVER_SERVED_LONGEST)
        self._patient_until: float | None = None

    def hear(self, advert: Advert, sender: IP | None) -> None:
        """Another node's advert: it is a peer."""
        self.mac, self.heard = advert.mac, advert.time
        if sender is not None and len(self.peers) < MOST_PEERS:
            self.peers[sender] = None

    def begin(self, role: Role) -> None:
        """The role has changed: what was found in the other says nothing in this one."""
        self.role, self.damping = role, {}
        self.trusted, self.served, self._patient_until = set(), False, None

    def learn(self, observed: Observed) -> None:
        """Note who does answer."""
        self.alive = {}
        for echo in observed.echoes:
            answers = Tri.YES if echo.answered is Tri.YES else echo.alive
            if self.alive.get(echo.target) is not Tri.YES:
                self.alive[echo.target] = answers
        self.trusted |= {(e.vip, e.target) for e in observed.echoes if e.answered is Tri.YES}
        self.served = self.served or any(s.finding is Tri.YES for s in observed.served)

    def damped(self, fault: Fault) -> Damping:
        """What is believed of a fault."""
        return self.damping.setdefault(fault, Damping())

    def patient(self, now: float) -> bool:
        """Whether a service that has never answered here is to be waited for: on the other node it
        may well be dead too."""
        if self.served:
            return False
        if self._patient_until is None:
            self._patient_until = now + self._patience.next(now)
        return now < self._patient_until
