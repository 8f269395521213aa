"""What can happen. Every event carries its time in seconds of CLOCK_MONOTONIC, never older than
the event before."""

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
from netvip.core.objects import KernelObject
from netvip.core.requests.holds import Hold


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened at `time`."""

    time: float


@dataclass(frozen=True, slots=True)
class Tick(Event):
    """The time has come at which the core asked to be woken."""


@dataclass(frozen=True, slots=True)
class Stop(Event):
    """The daemon was asked to stop: finish what is under way, begin nothing."""


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
class ObjectSeen(Event):
    """A route or rule that may be keepalived's was added or changed."""

    object: KernelObject
    author: Author


@dataclass(frozen=True, slots=True)
class ObjectLost(Event):
    """A route or rule that may be keepalived's was removed."""

    object: KernelObject
    author: Author


@dataclass(frozen=True, slots=True)
class ObjectsListed(Event):
    """All routes and rules that may be keepalived's: the answer to ListObjects."""

    objects: tuple[KernelObject, ...]


@dataclass(frozen=True, slots=True)
class ChangeExpected(Event):
    """networkd is about to act: on one interface, or on all (ifindex 0)."""

    reason: str
    ifindex: int = 0
    #: Identifies the method call that announced it, which networkd has not answered yet.
    call: str = ""


@dataclass(frozen=True, slots=True)
class FilesChanged(Event):
    """root told networkd to read its files again, and those of these links have changed."""

    ifindexes: frozenset[int]


@dataclass(frozen=True, slots=True)
class CallAnswered(Event):
    """A method call to networkd has its answer: networkd carries it out from now on, or refused
    it."""

    call: str
    refused: bool


@dataclass(frozen=True, slots=True)
class SystemdJobs(Event):
    """How many systemd jobs for networkd and keepalived are under way."""

    pending: int


@dataclass(frozen=True, slots=True)
class NetworkdRunning(Event):
    """Whether networkd is on the bus."""

    running: Tri


@dataclass(frozen=True, slots=True)
class SystemdVersion(Event):
    """systemd's major version."""

    version: int


@dataclass(frozen=True, slots=True)
class LinkState(Event):
    """networkd reports the state of a link: whether it has finished with it, and whether it manages
    it at all."""

    ifindex: int
    final: Tri
    managed: Tri = Tri.UNKNOWN


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
    #: The VIPs in it; keepalived omits those of virtual_ipaddress_excluded.
    addresses: tuple[IP, ...] = ()
    version: int = 0
    #: Version 2: the interval in seconds, and a digest of the authentication.
    interval: int = 0
    authentication: bytes = b""


@dataclass(frozen=True, slots=True)
class AddressAnnounced(Event):
    """Another node announced an address on the wire (gratuitous ARP, unsolicited NA)."""

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
    """keepalived wrote no dump, or one that cannot be read."""

    why: str


@dataclass(frozen=True, slots=True)
class KeepalivedRunning(Event):
    """keepalived started (YES) or stopped (NO)."""

    running: Tri


@dataclass(frozen=True, slots=True)
class KeepalivedElsewhere(Event):
    """The keepalived processes that are not this host's, or a second one, each in a sentence."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeepalivedReloaded(Event):
    """keepalived may have another configuration now: its job ended, or its adverts differ."""


@dataclass(frozen=True, slots=True)
class StateReported(Event):
    """keepalived reported by its fifo that an instance changed its state."""

    instance: str
    role: Role
    origin: str


@dataclass(frozen=True, slots=True)
class StateSignalled(Event):
    """keepalived reported it on D-Bus, which names an instance by interface, VRID and family."""

    interface: str
    vrid: int
    family: int
    role: Role


@dataclass(frozen=True, slots=True)
class SnapshotLoaded(Event):
    """What an earlier daemon saved: its VIPs, those that it had put back, its holds, and its
    virtual routes and rules likewise."""

    addresses: tuple[Address, ...]
    put_back: tuple[Address, ...] = ()
    holds: tuple[Hold, ...] = ()
    objects: tuple[KernelObject, ...] = ()
    objects_put_back: tuple[KernelObject, ...] = ()


@dataclass(frozen=True, slots=True)
class ShieldBlocked(Event):
    """Whether a packet filter would drop what reaches a VIP that is on lo."""

    blocked: Tri
    why: str = ""


@dataclass(frozen=True, slots=True)
class KernelRefused(Event):
    """The kernel refused what an action requested."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class CheckFinished(Event):
    """The findings of a check whose probes were sent after `asked`."""

    asked: float
    findings: tuple[Findings, ...]


@dataclass(frozen=True, slots=True)
class HomeNode(Event):
    """The home node of netvip.conf: its address if it is known, and whether this node is it."""

    address: IP | None
    here: Tri


class RequestKind(Enum):
    """The kinds of requests; the value is the word that hooks and commands send."""

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
    """A request of a hook, a command or a maintainer script. subject: a hold's reason, an instance,
    or an interface with its state; seconds: a hold's lease."""

    kind: RequestKind
    subject: str = ""
    state: str = ""
    seconds: float = 0.0
