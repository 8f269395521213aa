"""What the core wants done. The daemon hands each action to its actuator."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from netvip.core.check.findings import Subject
from netvip.core.model import IP, Address, Route
from netvip.core.requests.holds import Hold


class Level(IntEnum):
    """syslog(3) severities."""

    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The tables and the first nexthop of one interface's bridge."""

    vip_table: int
    host_table: int
    nexthop: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All that shields one instance: prepared beforehand, sent in one piece (FACTS 2)."""

    ifindex: int
    vips: tuple[Address, ...]
    own: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()
    numbers: Numbers | None = None
    #: Preference of our rules ahead of main, and of the one behind it, by family.
    prefs: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Prepare(Action):
    """Have the instance's shield and bridge ready to be sent."""

    instance: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class Protect(Action):
    """Put the prepared shield and bridge up, now."""

    instance: str


@dataclass(frozen=True, slots=True)
class Renew(Action):
    """Renew the leases of the instance's shield, and put back what was taken from it."""

    instance: str


@dataclass(frozen=True, slots=True)
class Unprotect(Action):
    """Take the instance's shield and bridge down."""

    instance: str


@dataclass(frozen=True, slots=True)
class PutBack(Action):
    """Add addresses, exactly as they were, in this order."""

    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Remove(Action):
    """Remove addresses that netvip had put back."""

    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Announce(Action):
    """Send gratuitous ARP (RFC 5227) and unsolicited NA (RFC 4861 7.2.6) for addresses."""

    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class RunCheck(Action):
    """Probe what is known only by asking: who answers, who reaches us, whether it serves."""

    subjects: tuple[Subject, ...]


@dataclass(frozen=True, slots=True)
class LookForKeepalived(Action):
    """Look whether a process of keepalived's is left; KeepalivedLookedFor answers. Another node,
    sender, is MASTER of the instance, and this node still has its VIPs."""

    instance: str
    sender: str


@dataclass(frozen=True, slots=True)
class Listen(Action):
    """Hear adverts on these interfaces, and other nodes' announcements of these addresses."""

    ifindexes: tuple[int, ...]
    addresses: frozenset[IP]


@dataclass(frozen=True, slots=True)
class RestartKeepalived(Action):
    """Have systemd restart a keepalived that does not find its way out of FAULT."""


@dataclass(frozen=True, slots=True)
class RequestDump(Action):
    """Ask keepalived for its state; `again`, a second time soon: its reload may not be over."""

    again: bool = False


@dataclass(frozen=True, slots=True)
class SetTrackFile(Action):
    """Tell keepalived through the instance's track file: FAULT, or nothing amiss."""

    instance: str
    fault: bool


@dataclass(frozen=True, slots=True)
class PublishInstance(Action):
    """Write down for the checks that keepalived runs how an instance stands."""

    instance: str
    state: str
    verdict: str
    why: str
    #: Whether a missing VIP is netvip's business for the moment, and no reason to fail.
    held: bool
    #: Interface and address of every VIP that was seen on its interface.
    vips: tuple[tuple[str, str], ...]
    #: How often keepalived has (re)loaded its configuration, as far as was seen.
    load: int
    #: The files and directories that it was loaded from.
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WithdrawInstance(Action):
    """keepalived no longer has this instance: what was published of it goes."""

    instance: str


@dataclass(frozen=True, slots=True)
class PublishWindow(Action):
    """Write down whether a window is open."""

    open: bool


@dataclass(frozen=True, slots=True)
class SaveStates(Action):
    """Write down the states of instances for keepalived's processes, where their notify script has
    not run yet; remove those of other processes, and of instances that are not in `notifying`."""

    processes: tuple[str, ...]
    states: tuple[tuple[str, str], ...]
    notifying: frozenset[str]


@dataclass(frozen=True, slots=True)
class SaveSourceList(Action):
    """Write down what keepalived's next start has to wait for: interface and source address."""

    sources: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class QueryLinks(Action):
    """Ask networkd for the state of links."""

    ifindexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SaveSnapshot(Action):
    """Write down what a new daemon needs to finish our work."""

    addresses: tuple[Address, ...]
    put_back: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class SaveHolds(Action):
    """Write down the holds for a next daemon."""

    holds: tuple[Hold, ...]


@dataclass(frozen=True, slots=True)
class Log(Action):
    """One line for the journal, for an operator at 3 a.m."""

    level: Level
    text: str
