"""The verdict: from the steps of an examination to what is wrong, and what follows. One table.

A finding is YES (as it should be), NO, or UNKNOWN, and on UNKNOWN nothing follows: a gateway that
is down tells nothing about the VIP.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from netvip.core.model import Role, Tri


class Kind(Enum):
    """The steps of an examination; the value is what `netvip verify` calls it."""

    PRESENCE = "presence"
    OWNERSHIP = "ownership"
    REACH = "reach"
    SERVICE = "service"
    ANSWER = "answer"


class Problem(Enum):
    """What can be wrong."""

    MISSING = "a VIP is missing, or not as it was"
    CONFLICT = "somebody else answers for a VIP"
    MISLED = "somebody who is up sends the VIP's packets elsewhere"
    UNREACHED = "nobody who is up sends the VIP's packets here"
    DEAD = "the service does not answer"
    LEFT_OVER = "a VIP is here, on a node that is not MASTER"
    DARK = "nobody answers for a VIP though its master says that it has it"


class Remedy(Enum):
    """What follows from a fault that has lasted for its number of examinations."""

    REPORT = "say so"
    ANNOUNCE = "announce the VIPs"
    CONFLICT = "neither put back nor announce; yield once, then stay (Law 4)"
    LET_GO = "let the VIPs go to the other node"


@dataclass(frozen=True, slots=True)
class Step:
    """One finding, in words, and the seconds it took."""

    kind: Kind
    subject: str
    finding: Tri
    words: str
    took: float = 0.0
    #: The fault that a NO is, where it is not the kind's own.
    fault: Problem | None = None

    def __str__(self) -> str:
        return f"{self.subject}: {self.words}"


#: What a NO means. A VIP that is missing on the MASTER is netlink's news, and a window's business.
MEANING: Final[dict[tuple[Role, Kind], Problem]] = {
    (Role.MASTER, Kind.PRESENCE): Problem.MISSING,
    (Role.MASTER, Kind.OWNERSHIP): Problem.CONFLICT,
    (Role.MASTER, Kind.REACH): Problem.MISLED,
    (Role.MASTER, Kind.SERVICE): Problem.DEAD,
    (Role.BACKUP, Kind.PRESENCE): Problem.LEFT_OVER,
    (Role.BACKUP, Kind.OWNERSHIP): Problem.CONFLICT,
    (Role.BACKUP, Kind.ANSWER): Problem.DARK,
}

#: What is done about it, and whether it has to last for `fall` examinations first.
REMEDIES: Final[dict[Problem, tuple[Remedy, bool]]] = {
    Problem.MISSING: (Remedy.REPORT, False),
    Problem.CONFLICT: (Remedy.CONFLICT, False),
    Problem.MISLED: (Remedy.ANNOUNCE, False),
    Problem.UNREACHED: (Remedy.LET_GO, True),
    Problem.DEAD: (Remedy.LET_GO, True),
    Problem.LEFT_OVER: (Remedy.REPORT, True),
    Problem.DARK: (Remedy.REPORT, True),
}


def by_fault(role: Role, steps: Iterable[Step]) -> dict[Problem, list[Step]]:
    """The steps that would show each fault."""
    found: dict[Problem, list[Step]] = {}
    for step in steps:
        fault = step.fault or MEANING.get((role, step.kind))
        if fault is not None:
            found.setdefault(fault, []).append(step)
    return found


def bad(steps: Iterable[Step]) -> list[Step]:
    """Those that do show it."""
    return [step for step in steps if step.finding is Tri.NO]


class Damping:
    """Bad after `fall` examinations in a row, good again after `rise`."""

    def __init__(self) -> None:
        self.bad = False
        self._row = 0

    def take(self, bad: bool, fall: int, rise: int) -> bool:
        """Count one; whether that has changed what is believed."""
        self._row = self._row + 1 if bad is not self.bad else 0
        if self._row < (fall if bad else rise):
            return False
        self.bad, self._row = bad, 0
        return True


class Belief:
    """What is believed of a fault: it is there while it is at any subject of it, as at a VIP. Each
    is counted for itself: of many, some other one will always have lost a probe."""

    def __init__(self) -> None:
        self._subjects: dict[str, Damping] = {}

    @property
    def bad(self) -> bool:
        """Whether it is there."""
        return any(damping.bad for damping in self._subjects.values())

    def take(self, steps: Iterable[Step], fall: int, rise: int) -> bool:
        """Count an examination; whether that has changed what is believed. What is unknown counts
        for nothing, and what is not asked any more is forgotten."""
        before, asked = self.bad, list(steps)
        known = {step.subject: self._subjects.get(step.subject, Damping()) for step in asked}
        self._subjects = known
        for step in asked:
            if step.finding is not Tri.UNKNOWN:
                known[step.subject].take(step.finding is Tri.NO, fall, rise)
        return self.bad is not before
