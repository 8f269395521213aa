"""What can happen. Every event carries its time: CLOCK_MONOTONIC seconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from netvip.core.check.findings import Findings
from netvip.core.model import (
    IP,
    Address,
    Author,
    Configured,
    InstanceSpec,
    Kernel,
    Link,
    Role,
    Route,
    Rules,
    Tri,
)
from netvip.core.requests.holds import Hold


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened at `time`."""

    time: float


@dataclass(frozen=True, slots=True)
class Tick(Event):
    """The time that the core asked to be woken at has come."""


@dataclass(frozen=True, slots=True)
class Stop(Event):
    """The daemon was asked to end: finish what is under way, begin nothing."""


@dataclass(frozen=True, slots=True)
class Resync(Event):
    """A complete dump of the kernel, at the start and after lost notifications."""

    kernel: Kernel


@dataclass(frozen=True, slots=True)
class AddressSeen(Event):
    """An address was added or changed."""

    address: Address
    author: Author


@dataclass(frozen=True, slots=True)
class AddressLost(Event):
    """An address was removed."""

    address: Address
    author: Author


@dataclass(frozen=True, slots=True)
class LinkSeen(Event):
    """An interface appeared or changed."""

    link: Link


@dataclass(frozen=True, slots=True)
class LinkLost(Event):
    """An interface is gone."""

    ifindex: int


@dataclass(frozen=True, slots=True)
class RouteSeen(Event):
    """A route of the main table was added."""

    route: Route


@dataclass(frozen=True, slots=True)
class RouteLost(Event):
    """A route of the main table was removed."""

    route: Route


@dataclass(frozen=True, slots=True)
class RulesSeen(Event):
    """The routing policy of a family, after a change."""

    family: int
    rules: Rules


@dataclass(frozen=True, slots=True)
class ChangeExpected(Event):
    """networkd is about to act: on one interface, or on all (ifindex 0)."""

    reason: str
    ifindex: int = 0


@dataclass(frozen=True, slots=True)
class SystemdJobs(Event):
    """How many systemd jobs for networkd and keepalived are under way."""

    pending: int


@dataclass(frozen=True, slots=True)
class NetworkdRunning(Event):
    """Whether networkd is on the bus."""

    running: Tri


@dataclass(frozen=True, slots=True)
class LinkState(Event):
    """networkd's state of a link: whether it has done with it."""

    ifindex: int
    final: Tri


@dataclass(frozen=True, slots=True)
class Advert(Event):
    """A VRRP advertisement on the wire; own: this node sent it."""

    ifindex: int
    family: int
    vrid: int
    priority: int
    own: bool
    sender: str = ""
    mac: bytes = b""
    #: The VIPs that it is about; keepalived leaves out those of virtual_ipaddress_excluded.
    addresses: tuple[IP, ...] = ()


@dataclass(frozen=True, slots=True)
class AddressAnnounced(Event):
    """Another node said on the wire, unasked, that an address is at its interface."""

    ifindex: int
    ip: IP


@dataclass(frozen=True, slots=True)
class DumpReceived(Event):
    """keepalived's dump of its instances, true as of when it was asked for."""

    asked: float
    instances: tuple[tuple[InstanceSpec, Role], ...]
    #: What its configuration files say besides; None where they cannot be read.
    configured: Configured | None = None
    #: The files and directories of its configuration.
    files: tuple[str, ...] = ()
    #: Its processes that run scripts, by number and start time.
    processes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeepalivedLookedFor(Event):
    """The answer to LookForKeepalived."""

    running: Tri
    instance: str
    sender: str


@dataclass(frozen=True, slots=True)
class DumpFailed(Event):
    """keepalived gave no account of itself."""

    why: str


@dataclass(frozen=True, slots=True)
class KeepalivedRunning(Event):
    """keepalived started (YES) or ended (NO)."""

    running: Tri


@dataclass(frozen=True, slots=True)
class KeepalivedReloaded(Event):
    """keepalived may have another configuration now: its job ended, or its adverts differ."""


@dataclass(frozen=True, slots=True)
class StateReported(Event):
    """keepalived said, by its fifo or its notify script, that an instance changed its state."""

    instance: str
    role: Role
    origin: str


@dataclass(frozen=True, slots=True)
class StateSignalled(Event):
    """keepalived said so on D-Bus, where an instance is an interface's label, a VRID, a family."""

    interface: str
    vrid: int
    family: int
    role: Role


@dataclass(frozen=True, slots=True)
class SnapshotLoaded(Event):
    """What an earlier daemon knew: its VIPs, those it had put back, and the holds on it."""

    addresses: tuple[Address, ...]
    put_back: tuple[Address, ...] = ()
    holds: tuple[Hold, ...] = ()


@dataclass(frozen=True, slots=True)
class ShieldBlocked(Event):
    """Whether a packet filter would drop what reaches a VIP that is on lo."""

    blocked: Tri
    why: str = ""


@dataclass(frozen=True, slots=True)
class KernelRefused(Event):
    """The kernel refused what an action asked for."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class CheckFinished(Event):
    """What was found, by probes that were sent after `asked`."""

    asked: float
    findings: tuple[Findings, ...]


@dataclass(frozen=True, slots=True)
class HomeNode(Event):
    """The node where the VIPs belong: its address if it is known, and whether it is this one."""

    address: IP | None
    here: Tri


class RequestKind(Enum):
    """What others tell or ask; the value is its word."""

    HOLD = "hold"
    RELEASE = "release"
    YIELD = "yield"
    VERIFY = "verify"
    NETWORKD_STOPS = "networkd-stops"
    NETWORKD_STOPPED = "networkd-stopped"
    NETWORKD_STARTED = "networkd-started"
    KEEPALIVED_STOPS = "keepalived-stops"
    LINK = "link"
    APT_BEGINS = "apt-begins"
    APT_ENDED = "apt-ended"
    UPGRADED = "upgraded"


@dataclass(frozen=True, slots=True)
class Request(Event):
    """Somebody came in: a hook, a command, a maintainer script. subject: a hold's reason, an
    instance, an interface with its state; seconds: a hold's lease."""

    kind: RequestKind
    subject: str = ""
    state: str = ""
    seconds: float = 0.0
