"""Addresses, routes, links and VRRP instances as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from netvip.core.objects import KernelObject, Listed

IP = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
#: As Linux numbers the address families (linux/socket.h).
AF_INET, AF_INET6 = 2, 10

#: linux/rtnetlink.h
SCOPE_UNIVERSE, SCOPE_LINK, SCOPE_HOST = 0, 253, 254
TABLE_MAIN, RTPROT_RA = 254, 9
#: include/uapi/linux/if_addr.h
IFA_F_NODAD, IFA_F_DADFAILED, IFA_F_HOMEADDRESS, IFA_F_PERMANENT = 0x02, 0x08, 0x10, 0x80
IFA_F_NOPREFIXROUTE, IFA_F_MCAUTOJOIN = 0x200, 0x400
#: Flags of an address that its creator chose; the others are the kernel's findings.
CHOSEN_FLAGS = IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN
FOREVER = 0xFFFFFFFF


#: A line of the journal names so many addresses, and counts the others.
NAMED_MOST = 5


def in_words(addresses: Sequence[object]) -> str:
    """Addresses, for a line of the journal."""
    named = ", ".join(map(str, addresses[:NAMED_MOST]))
    more = len(addresses) - NAMED_MOST
    return f"{named} and {more} more" if more > 0 else named


def family_of(ip: IP) -> int:
    """AF_INET or AF_INET6."""
    return AF_INET if ip.version == 4 else AF_INET6


class Tri(Enum):
    """An observation. UNKNOWN is neither yes nor no, and netvip changes nothing because of it."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, value: bool) -> Tri:
        """YES or NO."""
        return cls.YES if value else cls.NO


class Role(Enum):
    """A VRRP instance's state, with keepalived's own numbers (vrrp.h)."""

    UNKNOWN = -1
    INIT = 0
    BACKUP = 1
    MASTER = 2
    FAULT = 3


class AuthorKind(Enum):
    """Which program requested a change: told by the netlink port of the request (fact
    netlink-port-names-the-author)."""

    NETWORKD = "networkd"
    NETVIP = "netvip"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Author:
    """The author of an address change; the kernel names none for IPv6."""

    kind: AuthorKind = AuthorKind.UNKNOWN
    name: str = "an unknown process"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class AddressKey:
    """What identifies an address in the kernel."""

    ifindex: int
    ip: IP
    prefixlen: int
    # ipaddress makes a text of an address to hash it: at a thousand VIPs that is felt.
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        number = hash((self.ifindex, int(self.ip), self.prefixlen))
        object.__setattr__(self, "_hash", number)

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class Address:
    """An address of an interface with all attributes that a put-back has to restore (Law 5)."""

    ifindex: int
    ip: IP
    prefixlen: int
    scope: int = SCOPE_UNIVERSE
    label: str = ""
    peer: IP | None = None
    broadcast: IP | None = None
    flags: int = IFA_F_PERMANENT
    valid: int = FOREVER
    preferred: int = FOREVER
    metric: int = 0
    proto: int = 0
    #: The address's identity.
    key: AddressKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", AddressKey(self.ifindex, self.ip, self.prefixlen))

    def tagged(self, proto: int) -> Address:
        """The same address with this protocol. Of a thousand VIPs dataclasses.replace() makes a
        copy in 12 ms, and this in 4."""
        return Address(
            self.ifindex,
            self.ip,
            self.prefixlen,
            self.scope,
            self.label,
            self.peer,
            self.broadcast,
            self.flags,
            self.valid,
            self.preferred,
            self.metric,
            proto,
        )

    @property
    def dynamic(self) -> bool:
        """Whether it has a lifetime, as a DHCP lease has."""
        return self.valid != FOREVER

    def __str__(self) -> str:
        return f"{self.ip}/{self.prefixlen}"


@dataclass(frozen=True, slots=True)
class Link:
    """An interface; carrier is whether it can send and receive.

    kind is rtnetlink's (bond, vlan); lower the interface below it (a VLAN's), master the one that
    it is a port of; 0 for none.
    """

    ifindex: int
    name: str
    mac: bytes = b""
    carrier: bool = True
    kind: str = ""
    lower: int = 0
    master: int = 0

    @property
    def leads_out(self) -> bool:
        """Whether packets leave the host by it: a dummy and lo only hold addresses."""
        return self.kind != "dummy" and self.name != "lo"


@dataclass(frozen=True, slots=True)
class Route:
    """A unicast route through one interface."""

    ifindex: int
    destination: Network
    gateway: IP | None = None
    source: IP | None = None
    metric: int = 0
    protocol: int = 0
    table: int = TABLE_MAIN

    @property
    def by_router(self) -> bool:
        """Whether a router advertised it (RFC 4861)."""
        return self.protocol == RTPROT_RA


@dataclass(frozen=True)
class Rules:
    """The routing policy of a family: where main is consulted, and which rules come before.

    Hundreds of rules are asked for each of a thousand VIPs: so they are found by their prefix.
    """

    #: Preference of the unconditional rule that leads to main; None if there is none.
    main: int | None = 32766
    #: Preference and source prefix (None: any) of the operator's own rules ahead of main.
    ahead: tuple[tuple[int, Network | None], ...] = ()
    #: Of these, in their order, those that lead to a table by the source of a packet alone: source
    #: prefix (None: any) and table.
    by_source: tuple[tuple[Network | None, int], ...] = ()
    #: Whether rules without a further condition than a source come before the kernel's own that
    #: leads to the host's addresses.
    local_moved: bool = False

    def steer(self, ip: IP) -> bool:
        """Whether a rule of the operator's matches packets from this address."""
        return any(_leading(ip, length) in numbers for length, numbers in self._ahead.items())

    def tables(self, ip: IP) -> list[int]:
        """The tables that packets from this address are looked up in before main."""
        found: list[tuple[int, int]] = []
        for length, numbers in self._by_source.items():
            found += numbers.get(_leading(ip, length), ())
        return [table for _, table in sorted(found)]

    @cached_property
    def _ahead(self) -> dict[int, set[int]]:
        """The leading bits of the sources, by the prefixes' lengths."""
        found: dict[int, set[int]] = {}
        for _, source in self.ahead:
            length, number = _prefix(source)
            found.setdefault(length, set()).add(number)
        return found

    @cached_property
    def _by_source(self) -> dict[int, dict[int, list[tuple[int, int]]]]:
        """Which rule of by_source leads to which table, by the same."""
        found: dict[int, dict[int, list[tuple[int, int]]]] = {}
        for order, (source, table) in enumerate(self.by_source):
            length, number = _prefix(source)
            found.setdefault(length, {}).setdefault(number, []).append((order, table))
        return found


def _prefix(source: Network | None) -> tuple[int, int]:
    """A prefix's length and leading bits; any source has none."""
    if source is None:
        return 0, 0
    return source.prefixlen, _leading(source.network_address, source.prefixlen)


def _leading(ip: IP, length: int) -> int:
    return int(ip) >> (ip.max_prefixlen - length)


@dataclass(frozen=True, slots=True)
class Vip:
    """A virtual address as keepalived is configured to hold it."""

    ip: IP
    prefixlen: int
    interface: str
    tracked: bool = True
    #: The interface below, where keepalived made the VIP's interface itself (use_vmac).
    base: str = ""


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """A VRRP instance as the running keepalived reports it. advert_interval in seconds."""

    name: str
    interface: str
    vrid: int
    family: int
    vips: tuple[Vip, ...]
    priority: int = 100
    advert_interval: float = 1.0
    source_configured: Tri = Tri.UNKNOWN
    #: Whether keepalived follows netvip's track file, so that netvip can release the VIPs.
    track_file: Tri = Tri.UNKNOWN
    #: keepalived before 2.0 watches neither its VIPs nor its source address.
    watches_addresses: bool = True
    #: Its unicast peers.
    peers: tuple[IP, ...] = ()
    #: Whether keepalived repeats its gratuitous ARPs while it is MASTER.
    refreshes: Tri = Tri.UNKNOWN
    #: The configured source address whose absence at the start may keep this keepalived in FAULT
    #: for ever, where nothing else in the configuration can; None where that cannot happen.
    sticks_without: IP | None = None
    #: The interface that keepalived made for its adverts (use_vmac, use_ipvlan); `interface` is the
    #: one below it then.
    own_link: str = ""
    #: The name of its vrrp_sync_group; empty where it has none.
    group: str = ""
    #: Its virtual routes and rules.
    objects: tuple[Listed, ...] = ()
    #: Those that netvip cannot read, in keepalived's words.
    unread: tuple[str, ...] = ()

    @property
    def bus_label(self) -> str:
        """The interface as keepalived names it in a D-Bus object path: letters, digits and _."""
        return "".join(c if c.isascii() and c.isalnum() else "_" for c in self.interface)

    @property
    def guarded(self) -> bool:
        """Whether this instance stays MASTER when networkd deletes its VIPs, so that netvip puts
        them back."""
        if not self.watches_addresses:
            return True
        untracked = bool(self.vips) and not any(vip.tracked for vip in self.vips)
        return untracked and self.source_configured is Tri.YES

    @property
    def mode(self) -> str:
        """guarded or assisted."""
        return "guarded" if self.guarded else "assisted"

    @property
    def why_assisted(self) -> str:
        """What a guarded instance has and this one lacks; empty where it lacks nothing."""
        tracked = [f"{vip.ip}/{vip.prefixlen}" for vip in self.vips if vip.tracked]
        reasons = [f"no_track is missing at {in_words(tracked)}"] if tracked else []
        if self.source_configured is not Tri.YES:
            reasons.append("no source address of its adverts is configured")
        return "; ".join(reasons)

    @property
    def words(self) -> str:
        """The VIPs, for the journal."""
        return in_words([f"{vip.ip}/{vip.prefixlen}" for vip in self.vips])

    @property
    def skew(self) -> float:
        """RFC 5798 6.1, seconds."""
        return (256 - self.priority) / 256 * self.advert_interval

    @property
    def master_down(self) -> float:
        """RFC 5798 6.1: a backup takes over after so many seconds without an advert."""
        return 3 * self.advert_interval + self.skew


@dataclass(frozen=True, slots=True)
class Configured:
    """What keepalived's configuration files say that its dump does not tell."""

    #: Interface and source address ("any4", "any6" where none is configured) of each instance.
    sources: frozenset[tuple[str, str]] = frozenset()
    #: Names of the instances whose state netvip's notify script records.
    notifying: frozenset[str] = frozenset()
    #: Whether it has static routes or rules.
    statics: bool = False


@dataclass(frozen=True, slots=True)
class Kernel:
    """The kernel's addresses, links, routes and rules at one moment (a dump)."""

    addresses: tuple[Address, ...] = ()
    links: tuple[Link, ...] = ()
    routes: tuple[Route, ...] = ()
    rules: Mapping[int, Rules] = field(default_factory=dict)
    #: Table and nexthop numbers that are in use.
    taken: frozenset[int] = frozenset()
    #: Whether it has nexthop objects (5.3).
    nexthops: bool = True
    #: Routes and rules that may be keepalived's.
    objects: tuple[KernelObject, ...] = ()
