"""The status document that the daemon sends and the commands read: its keys and types.

Times are seconds since the epoch.
"""

from __future__ import annotations

from typing import TypedDict


class Vip(TypedDict):
    """A VIP of an instance."""

    address: str
    interface: str
    present: bool
    shielded: bool
    steered: bool


class Static(TypedDict):
    """A static route or rule that keepalived has added."""

    object: str
    present: bool


class Object(Static):
    """A virtual route or rule that keepalived has added, and whether keepalived tracks it."""

    tracked: bool


class Step(TypedDict):
    """A step of the coordinated check; finding is yes, no or unknown."""

    kind: str
    subject: str
    finding: str
    words: str
    took: float


class Check(TypedDict):
    """The last coordinated check: when its probes were sent and when it ended, None before it."""

    at: float | None
    asked: float | None
    faults: list[str]
    #: Of very many steps first those that are not good, and how many are not listed.
    steps: list[Step]
    unlisted: int


#: Hardware addresses of another host that answers for the VIPs, empty if none does, and whether
#: this is certain. A call, as "with" is a word of Python's.
Conflict = TypedDict("Conflict", {"with": str, "confirmed": bool})


class Ignored(TypedDict):
    """Adverts that keepalived discards: who sends them, why they are discarded, and how many."""

    sender: str
    why: str
    count: int


class Evidence(TypedDict):
    """Where the newest evidence about MASTER comes from, and its age in seconds."""

    origin: str
    age: float | None


class Instance(TypedDict):
    """A VRRP instance."""

    name: str
    interface: str
    vrid: int
    family: str
    state: str
    mode: str
    #: Why netvip cannot protect it; empty if it can.
    unprotected: str
    #: Why it is no longer guarded; empty if it is, or never was since the daemon runs.
    lapsed: str
    #: Whether systemd-networkd manages the VIPs' interface: yes, no or unknown.
    managed: str
    track_file: bool
    phase: str
    verdict: str
    why: str
    evidence: Evidence
    vips: list[Vip]
    objects: list[Object]
    conflict: Conflict
    ignored: list[Ignored]
    check: Check


class Hold(TypedDict):
    """A hold and the end of its lease."""

    reason: str
    count: int
    until: float


class Window(TypedDict):
    """An open window."""

    reason: str
    opened: float
    deadline: float
    interface: str


class Fifo(TypedDict):
    """Lines that keepalived wrote to the fifo, and those that were invalid."""

    lines: int
    dropped: int


class Failback(TypedDict):
    """The home node, whether it is this one, and whether it answers: yes, no or unknown."""

    home: str
    here: str
    answers: str


class Status(TypedDict):
    """The whole document."""

    version: str
    keepalived: str
    networkd: str
    problem: str
    #: The keepalived processes that netvip leaves alone, in sentences.
    elsewhere: list[str]
    fifo: Fifo
    instances: list[Instance]
    static: list[Static]
    faults: dict[str, int]
    holds: list[Hold]
    windows: list[Window]
    failback: Failback
