"""The table of verdicts: which problem a bad step is, and what is done about it.

A finding is YES (as it should be), NO, or UNKNOWN. UNKNOWN has no consequence: a gateway that is
down proves nothing about the VIP.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

from netvip.core.model import Role, Tri


class Kind(Enum):
    """The kinds of steps; the value is the name in `netvip verify`."""

    PRESENCE = "presence"
    OWNERSHIP = "ownership"
    REACH = "reach"
    SERVICE = "service"
    ANSWER = "answer"


class Problem(Enum):
    """What a check can find wrong."""

    MISSING = "a VIP is missing or has other attributes"
    CONFLICT = "another host answers for a VIP"
    MISLED = "a host that is up sends the VIP's packets elsewhere"
    UNREACHED = "no host that is up sends the VIP's packets here"
    DEAD = "the service does not answer"
    LEFT_OVER = "a VIP is present on a node that is not MASTER"
    DARK = "no host answers for a VIP although a MASTER sends adverts"


class Remedy(Enum):
    """What is done about a problem that was found by its number of checks in a row."""

    REPORT = "report it"
    ANNOUNCE = "announce the VIPs"
    CONFLICT = "neither put back nor announce; hand over once, then stay (Law 4)"
    RELEASE = "release the VIPs to the peer"


class Step(NamedTuple):
    """One finding with its explanation, and the seconds it took. A tuple: a check of a thousand
    VIPs makes four thousand, and a frozen dataclass takes five times as long to make."""

    kind: Kind
    subject: str
    finding: Tri
    words: str
    took: float = 0.0
    #: The problem that a NO is, where it is not the one of its kind in MEANING.
    problem: Problem | None = None

    def __str__(self) -> str:
        return f"{self.subject}: {self.words}"


#: What a NO means. Netlink tells of a VIP that was deleted from a MASTER, and a window restores it;
#: the check only reports it.
MEANING: Final[dict[tuple[Role, Kind], Problem]] = {
    (Role.MASTER, Kind.PRESENCE): Problem.MISSING,
    (Role.MASTER, Kind.OWNERSHIP): Problem.CONFLICT,
    (Role.MASTER, Kind.REACH): Problem.MISLED,
    (Role.MASTER, Kind.SERVICE): Problem.DEAD,
    (Role.BACKUP, Kind.PRESENCE): Problem.LEFT_OVER,
    (Role.BACKUP, Kind.OWNERSHIP): Problem.CONFLICT,
    (Role.BACKUP, Kind.ANSWER): Problem.DARK,
}

#: What is done about it, and whether `fall` checks in a row have to find it first.
REMEDIES: Final[dict[Problem, tuple[Remedy, bool]]] = {
    Problem.MISSING: (Remedy.REPORT, False),
    Problem.CONFLICT: (Remedy.CONFLICT, False),
    Problem.MISLED: (Remedy.ANNOUNCE, False),
    Problem.UNREACHED: (Remedy.RELEASE, True),
    Problem.DEAD: (Remedy.RELEASE, True),
    Problem.LEFT_OVER: (Remedy.REPORT, True),
    Problem.DARK: (Remedy.REPORT, True),
}


def by_problem(role: Role, steps: Iterable[Step]) -> dict[Problem, list[Step]]:
    """The steps that would show each problem."""
    found: dict[Problem, list[Step]] = {}
    for kind, alike in groupby(steps, attrgetter("kind")):
        meaning = MEANING.get((role, kind))
        for own, about in groupby(alike, attrgetter("problem")):
            if (problem := own or meaning) is not None:
                found.setdefault(problem, []).extend(about)
    return found


def bad(steps: Iterable[Step]) -> list[Step]:
    """Those that do show it: the steps with NO."""
    return [step for step in steps if step.finding is Tri.NO]


class Damping:
    """Bad after `fall` bad findings in a row, good again after `rise` good ones."""

    def __init__(self) -> None:
        self.bad = False
        self._row = 0

    @property
    def is_new(self) -> bool:
        """Whether it is as one that has counted nothing."""
        return not self.bad and not self._row

    def take(self, bad: bool, fall: int, rise: int) -> bool:
        """Count one finding; whether it changed the state."""
        self._row = self._row + 1 if bad is not self.bad else 0
        if self._row < (fall if bad else rise):
            return False
        self.bad, self._row = bad, 0
        return True


class Belief:
    """Whether a problem is believed to exist: it does while it exists for any subject (a VIP, a
    service). Each subject is counted for itself: of many, some other one always loses its probe."""

    def __init__(self) -> None:
        self._subjects: dict[str, Damping] = {}

    @property
    def bad(self) -> bool:
        """Whether it exists."""
        return any(damping.bad for damping in self._subjects.values())

    def take(self, steps: Iterable[Step], fall: int, rise: int) -> bool:
        """Count a check; whether it changed the belief. UNKNOWN does not count, and a subject that
        is no longer checked is forgotten."""
        before, known = self.bad, dict[str, Damping]()
        for step in steps:
            damping = known.get(step.subject, self._subjects.get(step.subject))
            if damping is None and step.finding is not Tri.NO:
                continue  # of a thousand VIPs few have ever been bad
            damping = known[step.subject] = Damping() if damping is None else damping
            if step.finding is not Tri.UNKNOWN:
                damping.take(step.finding is Tri.NO, fall, rise)
        self._subjects = {subject: d for subject, d in known.items() if not d.is_new}
        return self.bad is not before
