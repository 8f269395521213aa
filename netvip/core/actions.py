"""What the core wants done. The daemon hands each action to its actuator."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from netvip.core.check.findings import Subject
from netvip.core.model import IP, Address, Route
from netvip.core.objects import KernelObject
from netvip.core.requests.holds import Hold


class Level(IntEnum):
    """syslog(3) severities."""

    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6


@dataclass(frozen=True, slots=True)
class Action:
    """Something to be done."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The tables and the first nexthop of one interface's bridge."""

    vip_table: int
    host_table: int
    nexthop: int
    #: The first of the copies of the operator's tables.
    policy_table: int


@dataclass(frozen=True, slots=True)
class PolicyTable:
    """A copy of a routing table to which rules of the operator's lead packets by their source."""

    #: The copy's number.
    table: int
    #: The VIPs, and the host's own addresses, that the rules lead there.
    vips: tuple[IP, ...]
    own: tuple[IP, ...]
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Shield and bridge of one instance: built beforehand, sent in as few messages as there can be
    (fact one-send)."""

    ifindex: int
    #: What is shielded: VIPs, and the host's own addresses.
    vips: tuple[Address, ...]
    own: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()
    numbers: Numbers | None = None
    #: By family, the preferences of netvip's rules before main and of the one behind it.
    prefs: tuple[tuple[int, int, int], ...] = ()
    policies: tuple[PolicyTable, ...] = ()
    #: The gateways of all routes of the interface, None for none, with their family: the same for
    #: all instances of the interface, which share its nexthops.
    gateways: tuple[tuple[int, IP | None], ...] = ()
    #: Addresses of the host whose packets no rule for the VIPs may match; None: a rule's prefix may
    #: have no other address than the VIPs.
    apart: tuple[IP, ...] | None = None
    #: By family, the prefix lengths of its routes, longest first, that compete with broader routes
    #: of other interfaces.
    longer: tuple[tuple[int, int], ...] = ()
    #: The VIPs whose packets the bridge carries: those of the shield, and those that have none.
    carried: tuple[IP, ...] = ()

    @property
    def every_route(self) -> tuple[Route, ...]:
        """The routes of all its tables."""
        return (*self.routes, *(route for policy in self.policies for route in policy.routes))


@dataclass(frozen=True, slots=True)
class Prepare(Action):
    """Keep the instance's shield and bridge ready to be sent."""

    instance: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class Protect(Action):
    """Put up the prepared shield and bridge."""

    instance: str


@dataclass(frozen=True, slots=True)
class Renew(Action):
    """Renew the leases of the instance's shield, and add what was deleted from it. `bridge`: add
    the bridge again as well."""

    instance: str
    bridge: bool = False


@dataclass(frozen=True, slots=True)
class Unprotect(Action):
    """Remove the instance's shield and bridge."""

    instance: str


@dataclass(frozen=True, slots=True)
class PutBack(Action):
    """Add an instance's addresses, exactly as they were but for netvip's tag, in this order, while
    keepalived keeps its VIPs here."""

    instance: str
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Remove(Action):
    """Remove VIPs that netvip had put back, or that a dead keepalived left behind."""

    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class PutBackObjects(Action):
    """Add routes and rules of keepalived's where they are missing, exactly as they were: those of
    an instance while keepalived keeps its VIPs here, static ones (no instance) always. `may_fail`:
    a route that the kernel refuses now, as what it needs is away, is sent again later."""

    objects: tuple[KernelObject, ...]
    instance: str = ""
    may_fail: bool = False


@dataclass(frozen=True, slots=True)
class RemoveObjects(Action):
    """Remove routes and rules that netvip had put back."""

    objects: tuple[KernelObject, ...]


@dataclass(frozen=True, slots=True)
class ListObjects(Action):
    """Report which routes and rules the kernel has that may be keepalived's; ObjectsListed
    answers."""


@dataclass(frozen=True, slots=True)
class Announce(Action):
    """Send gratuitous ARP (RFC 5227) and unsolicited NA (RFC 4861 7.2.6) for an instance's
    addresses, while keepalived keeps its VIPs here."""

    instance: str
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class RunCheck(Action):
    """Send a check's probes: which hosts answer for the VIPs, which hosts the VIPs reach, whether
    the services answer."""

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
    """Have systemd restart a keepalived that stays in FAULT."""


@dataclass(frozen=True, slots=True)
class RequestDump(Action):
    """Ask keepalived for its dump; `again`: ask a second time soon, as a reload may not be over."""

    again: bool = False


@dataclass(frozen=True, slots=True)
class SetTrackFile(Action):
    """Set FAULT in the instance's track file, or clear it."""

    instance: str
    fault: bool


@dataclass(frozen=True, slots=True)
class PublishInstance(Action):
    """Write down for the checks that keepalived runs how an instance stands."""

    instance: str
    state: str
    verdict: str
    why: str
    #: Whether netvip restores a missing VIP for the moment, so that the check must not fail for it.
    held: bool
    #: Interface and address of every VIP that was seen on its interface.
    vips: tuple[tuple[str, str], ...]
    #: How often keepalived has (re)loaded its configuration, as far as was seen.
    load: int
    #: The files and directories that it was loaded from.
    files: tuple[str, ...] = ()
    #: Its routes and rules that keepalived does not track, each as words: route, 4 or 6, table, and
    #: type and destination as ip-route(8) shows them; rule, 4 or 6, and preference.
    objects: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class RenewLists(Action):
    """keepalived still holds what the published lists of VIPs say: they are as new as its dump,
    though a file of its configuration was edited since they were written."""


@dataclass(frozen=True, slots=True)
class WithdrawInstance(Action):
    """keepalived no longer has this instance: remove what was published of it."""

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
    """Write down what keepalived's next start has to wait for: interface and source address; and
    the files that say so, as the list is void when one of them was edited."""

    sources: frozenset[tuple[str, str]]
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QueryLinks(Action):
    """Ask networkd for the state of links; of those that are members of bonds, remember the
    files."""

    ifindexes: tuple[int, ...]
    members: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class SaveSnapshot(Action):
    """Write down what the next daemon needs to finish this one's work."""

    addresses: tuple[Address, ...]
    put_back: tuple[Address, ...]
    objects: tuple[KernelObject, ...] = ()
    objects_put_back: tuple[KernelObject, ...] = ()


@dataclass(frozen=True, slots=True)
class SaveHolds(Action):
    """Write down the holds for the next daemon."""

    holds: tuple[Hold, ...]


@dataclass(frozen=True, slots=True)
class Log(Action):
    """One line of the journal (Law 11)."""

    level: Level
    text: str
