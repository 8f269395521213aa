"""What the checks of one instance have found so far."""

from __future__ import annotations

from collections.abc import Collection, Mapping

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

#: An instance has no more peers than this, unless adverts are forged.
MOST_PEERS = 8


class History:
    """Peers, findings, and the problems that are believed to exist; the findings begin anew as the
    role changes."""

    def __init__(self) -> None:
        self._peers: dict[IP, None] = {}
        self._mac = b""
        self._heard = float("-inf")
        self._role = Role.UNKNOWN
        self._steps: tuple[Step, ...] = ()
        self._asked = self._at = float("-inf")
        self._beliefs: dict[Problem, Belief] = {}
        # Which host has answered which VIP since the start.
        self._answered: set[tuple[IP, IP]] = set()
        # What worked here, since the role last changed and since the start.
        self._well: set[Problem] = set()
        self._ever_well: set[Problem] = set()
        self._alive: dict[IP | None, Tri] = {}
        self._announce_at = float("-inf")
        self._announcing = Backoff(ANNOUNCE_FIRST, 2.0, REFRESH_EVERY)
        self._patience = Backoff(NEVER_WELL_FIRST, NEVER_WELL_FACTOR, NEVER_WELL_LONGEST)
        self._patient_until: float | None = None
        self._released = float("-inf")
        self._was_released_to_us = False

    # --- the peers ------------------------------------------------------------------------------

    @property
    def peers(self) -> Collection[IP]:
        """The addresses that adverts came from."""
        return self._peers

    @property
    def mac(self) -> bytes:
        """The other master's hardware address; empty while no advert has told it."""
        return self._mac

    @property
    def heard(self) -> float:
        """When the other master's last advert was heard."""
        return self._heard

    def hear(self, advert: Advert, sender: IP | None) -> None:
        """Another node's advert: it is a peer. Priority 0 is a release (RFC 5798 5.2.4)."""
        if not advert.priority:
            self._released = advert.time
            return
        self._mac, self._heard = advert.mac, advert.time
        if sender is not None and len(self._peers) < MOST_PEERS:
            self._peers[sender] = None

    # --- the last check -------------------------------------------------------------------------

    @property
    def role(self) -> Role:
        """The role in which the instance was last checked."""
        return self._role

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the last check."""
        return self._steps

    @property
    def asked(self) -> float:
        """When the probes of the last check were sent."""
        return self._asked

    @property
    def at(self) -> float:
        """When the last check ended."""
        return self._at

    def begin(self, role: Role) -> None:
        """Take another check. Where the role has changed, what was found in the other role proves
        nothing any more."""
        if self._role is not role:
            self._role, self._beliefs, self._patient_until = role, {}, None
            self._well, self._was_released_to_us = set(), self._released >= self._heard

    def note_answers(self, findings: Findings) -> None:
        """Note which hosts answer which VIPs."""
        answers = {(e.vip, e.target) for e in findings.echoes if e.answered is Tri.YES}
        self._answered |= answers

    def note_steps(self, asked: float, at: float, steps: tuple[Step, ...]) -> None:
        """Note the steps of a check that was sent at `asked` and ended at `at`."""
        self._steps, self._asked, self._at = steps, asked, at

    def note_well(self, findings: Findings, well: Collection[Problem]) -> None:
        """Note which hosts are up, and which problems were seen not to exist."""
        self._well |= set(well)
        self._ever_well |= set(well)
        self._alive = {}
        for echo in findings.echoes:
            answers = Tri.YES if echo.answered is Tri.YES else echo.alive
            if self._alive.get(echo.target) is not Tri.YES:
                self._alive[echo.target] = answers

    def has_answered(self, vip: IP, target: IP) -> bool:
        """Whether a host has answered a VIP since the start."""
        return (vip, target) in self._answered

    def is_alive(self, target: IP | None) -> Tri:
        """Whether a host answered an echo at the last check, from whatever address."""
        return self._alive.get(target, Tri.UNKNOWN)

    # --- problems -------------------------------------------------------------------------------

    @property
    def beliefs(self) -> Mapping[Problem, Belief]:
        """What is believed of each problem that was looked for in this role."""
        return self._beliefs

    def belief(self, problem: Problem) -> Belief:
        """What is believed of a problem."""
        return self._beliefs.setdefault(problem, Belief())

    def has_worked(self, problem: Problem) -> bool:
        """Whether a problem was seen not to exist, since this node has its role."""
        return problem in self._well

    def is_patient(self, now: float, problem: Problem) -> bool:
        """Whether a problem that exists since this node became MASTER is tolerated for a while: it
        was never seen not to exist here, or the peer has released the VIPs as well, so that it may
        exist on both nodes. Where this node only took back what the peer served, it is not."""
        worked_here = problem in self._ever_well and not self._was_released_to_us
        if problem in self._well or worked_here:
            return False
        if self._patient_until is None:
            self._patient_until = now + self._patience.next(now)
        return now < self._patient_until

    def may_announce(self, now: float) -> bool:
        """Whether the VIPs are to be announced again to a host that sends packets elsewhere; if so,
        it counts as done, and the next time is later."""
        if now < self._announce_at:
            return False
        self._announce_at = now + self._announcing.next(now)
        return True
