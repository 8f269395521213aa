"""One node for the core: a kernel, a keepalived and a networkd of few lines, in simulated time.

The kernel carries out what the core asks for and reports it, as netlink does; keepalived and
networkd act upon the same kernel. Time passes only when told to.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from netvip.const import ALIVE_FOR, LEASE, TAG
from netvip.core import actions, events
from netvip.core.actions import Action, Plan
from netvip.core.check.findings import Echo, Findings, Holder, Served, Subject
from netvip.core.machine import Machine
from netvip.core.model import (
    IP,
    SCOPE_HOST,
    Address,
    AddressKey,
    Author,
    AuthorKind,
    Configured,
    InstanceSpec,
    Kernel,
    Link,
    Role,
    Route,
    Rules,
    Tri,
    Vip,
)
from netvip.core.objects import Identity, KernelObject, RuleIdentity

LO, LAN = 1, 2
NETWORKD = Author(AuthorKind.NETWORKD, "systemd-networkd")
KEEPALIVED = Author(AuthorKind.OTHER, "keepalived")
NETVIP = Author(AuthorKind.NETVIP, "netvip")
OPERATOR = Author(AuthorKind.OTHER, "ip (netlink port 4711)")
EXPIRY = Author(AuthorKind.UNKNOWN, "the kernel")
OWN = Address(LAN, ip_address("10.77.0.1"), 24)
VIP = Address(LAN, ip_address("10.77.0.10"), 24, label="ens160", flags=0x80)
CONNECTED = Route(LAN, ip_network("10.77.0.0/24"), source=OWN.ip)
GATEWAY = ip_address("10.77.0.100")
#: keepalived's first gratuitous ARP follows its first advert by up to 9.7 ms (measured).
ANNOUNCED_AFTER = 0.004
PEER_MAC = b"\x02\0\0\0\0\x02"
DEFAULT = Route(LAN, ip_network("0.0.0.0/0"), GATEWAY)


#: Of a VIP on a VMAC: the link that keepalived makes, and what the node's links are then.
VMAC = 9
VMAC_LINKS = (
    Link(LO, "lo"),
    Link(LAN, "ens160"),
    Link(VMAC, "vrrp.51", b"\x00\x00\x5e\x00\x01\x33", kind="macvlan", lower=LAN),
)
ON_VMAC = replace(VIP, ifindex=VMAC, label="vrrp.51")


def with_vmac(spec: InstanceSpec) -> InstanceSpec:
    """The instance with use_vmac."""
    vips = tuple(replace(vip, interface="vrrp.51", base=vip.interface) for vip in spec.vips)
    return replace(spec, vips=vips, own_link="vrrp.51")


def spec(guarded: bool, priority: int = 110) -> InstanceSpec:
    """The one instance of the simulation."""
    vip = Vip(VIP.ip, VIP.prefixlen, "ens160", tracked=not guarded)
    return InstanceSpec("VI_1", "ens160", 51, 2, (vip,), priority, 1.0, Tri.of(guarded))


@dataclass
class Lease:
    """An address and when the kernel ends it."""

    address: Address
    ends: float


#: Whether a target answers the VIP, and whether it answers at all.
ECHOES = {
    Tri.YES: (Tri.YES, Tri.UNKNOWN),
    Tri.NO: (Tri.NO, Tri.YES),
    Tri.UNKNOWN: (Tri.NO, Tri.NO),
}


class Node:
    """A node; `machine` is the real core, or None where netvip is dead."""

    #: The VIP on its interface, and the host's links.
    vip = VIP
    links: tuple[Link, ...] = (Link(LO, "lo"), Link(LAN, "ens160"))

    def __init__(
        self,
        guarded: bool = True,
        role: Role = Role.MASTER,
        dump: bool = True,
        tracks: bool | None = None,
    ) -> None:
        self.now = 0.0
        tracks = guarded if tracks is None else tracks
        self.spec = self.configured(replace(spec(guarded), track_file=Tri.of(tracks)))
        self.role, self.dump_works = role, dump
        #: Whether netvip hears the adverts that keepalived sends.
        self.audible = True
        #: What keepalived's track file says.
        self.fault = False
        self.addresses: dict[AddressKey, Lease] = {}
        self.bridged: set[str] = set()
        #: Routes and rules in the kernel; those of keepalived's that come and go with the VIP, and
        #: its static ones.
        self.objects: dict[Identity, KernelObject] = {}
        self.virtual: tuple[KernelObject, ...] = ()
        self.static: tuple[KernelObject, ...] = ()
        #: Interfaces that are down: the kernel takes no route through them.
        self.down: set[int] = set()
        #: Whether the kernel deletes the routes without a notification, with the host's address.
        self.flushes = False
        self.saved: actions.SaveSnapshot | None = None
        self.plans: dict[str, Plan] = {}
        self.log: list[str] = []
        self.done: list[tuple[float, Action]] = []
        self.wire: list[tuple[float, int]] = []
        #: What an examination finds: who else answers for the VIP, which targets answer it (NO:
        #: they answer the host alone; UNKNOWN: nobody), how the service does; probes fall silent.
        self.strangers: frozenset[bytes] = frozenset()
        self.targets: dict[IP, Tri] = {GATEWAY: Tri.YES}
        self.serves = Tri.YES
        self.examines = True
        #: What keepalived's checks read.
        self.published: dict[str, actions.PublishInstance] = {}
        self.published_window = False
        self.died = float("-inf")
        self.peer_mac = PEER_MAC
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.machine: Machine | None = None
        self.set(OWN, EXPIRY)
        if role is Role.MASTER:
            self.set(self.vip, KEEPALIVED)
        self.start_netvip()
        self._advertise()

    def configured(self, spec: InstanceSpec) -> InstanceSpec:
        """The instance as this node's keepalived runs it."""
        return spec

    # --- time -----------------------------------------------------------------------------------

    def after(self, delay: float, what: Callable[[], None]) -> None:
        """Have something happen later."""
        heapq.heappush(self._later, (self.now + delay, next(self._order), what))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while (due := self._next()) <= end:
            self.now = max(self.now, due)
            self._expire()
            if self._later and self._later[0][0] <= self.now:
                heapq.heappop(self._later)[2]()
            elif self.machine is not None and self.machine.deadline() <= self.now:
                self.feed(events.Tick(self.now))
        self.now = end

    def _next(self) -> float:
        core = self.machine.deadline() if self.machine is not None else float("inf")
        leases = [lease.ends for lease in self.addresses.values()]
        return min([self._later[0][0] if self._later else float("inf"), core, *leases])

    def _expire(self) -> None:
        for lease in [x for x in self.addresses.values() if x.ends <= self.now]:
            self.unset(lease.address.key, EXPIRY)

    # --- the kernel -----------------------------------------------------------------------------

    def set(self, address: Address, author: Author) -> None:
        """Add or renew an address, and tell netvip."""
        ends = self.now + address.valid if address.dynamic else float("inf")
        self.addresses[address.key] = Lease(address, ends)
        self.feed(events.AddressSeen(self.now, address, author))
        if address.key == VIP.key and author is KEEPALIVED:
            for thing in self.virtual:
                self.set_object(thing, author)

    def set_object(self, thing: KernelObject, author: Author) -> None:
        """Add a route or rule where it is missing, and tell netvip."""
        if thing.identity not in self.objects:
            self.objects[thing.identity] = thing
            self.feed(events.ObjectSeen(self.now, thing, author))

    def unset_object(self, thing: KernelObject, author: Author | None) -> None:
        """Remove a route or rule; without an author the kernel does, and tells nobody."""
        if self.objects.pop(thing.identity, None) is not None and author is not None:
            self.feed(events.ObjectLost(self.now, thing, author))

    def _add_objects(self, action: actions.PutBackObjects) -> None:
        for thing in action.objects:
            is_possible = isinstance(thing.identity, RuleIdentity) or self.has(OWN)
            if is_possible and not thing.ifindexes & self.down:
                self.set_object(thing, NETVIP)
            elif not action.may_fail:
                self.feed(events.KernelRefused(self.now, f"to put back {thing}", "unreachable"))

    def unset(self, key: AddressKey, author: Author) -> None:
        """Remove an address, and tell netvip."""
        if key == VIP.key and author is KEEPALIVED:
            for thing in self.virtual:
                self.unset_object(thing, author)
        lease = self.addresses.pop(key, None)
        if lease is not None:
            self.feed(events.AddressLost(self.now, lease.address, author))

    def has(self, address: Address) -> bool:
        """Whether an address is there."""
        return address.key in self.addresses

    @property
    def shielded(self) -> bool:
        """Whether the VIP stands on lo."""
        return any(key.ifindex == LO and key.ip == self.vip.ip for key in self.addresses)

    @property
    def answers(self) -> bool:
        """Whether the node answers for the VIP and its answers find a way out."""
        local = self.has(self.vip) or self.shielded
        return local and (self.has(OWN) or bool(self.bridged))

    @property
    def check_fails(self) -> bool:
        """Whether the check that keepalived runs (scripts/keepalived-check) fails (Law 10)."""
        record = self.published.get("VI_1")
        if record is None or self.role is not Role.MASTER:
            return False
        alive = self.machine is not None or self.now < self.died + ALIVE_FOR
        if alive and (record.held or self.published_window):
            return False
        return not self.has(self.vip)

    # --- netvip ---------------------------------------------------------------------------------

    def start_netvip(self) -> None:
        """Start a daemon: it sweeps, remembers, and sees what there is."""
        self.bridged.clear()
        self.machine = Machine()
        if self.saved is not None:
            saved = self.saved
            remembered = (saved.addresses, saved.put_back, (), saved.objects)
            self.feed(events.SnapshotLoaded(self.now, *remembered, saved.objects_put_back))
        addresses = tuple(lease.address for lease in self.addresses.values())
        rules = {2: Rules(), 10: Rules()}
        things = tuple(self.objects.values())
        kernel = Kernel(addresses, self.links, (CONNECTED, DEFAULT), rules, objects=things)
        self.feed(events.Resync(self.now, kernel))
        self.feed(events.NetworkdRunning(self.now, Tri.YES))
        self.feed(events.KeepalivedRunning(self.now, Tri.YES))

    def kill_netvip(self) -> None:
        """kill -9, and systemd runs ExecStopPost=."""
        self.machine = None
        self.died = self.now
        self.bridged.clear()
        self.track(False)

    def feed(self, event: events.Event) -> None:
        """Hand an event to the core, carry out what it answers."""
        if self.machine is not None:
            for action in self.machine.handle(event):
                self.done.append((self.now, action))
                self._act(action)

    def _act(self, action: Action) -> None:
        if isinstance(action, actions.Log):
            self.log.append(f"{self.now:.3f} {action.text}")
        elif isinstance(action, actions.Prepare):
            self.plans[action.instance] = action.plan
        elif isinstance(action, actions.Protect):
            self._shield(action.instance)
            self.bridged.add(action.instance)
        elif isinstance(action, actions.Renew):
            self._shield(action.instance)
            if action.bridge:
                self.bridged.add(action.instance)
        elif isinstance(action, actions.Unprotect):
            self._unprotect(action.instance)
        elif isinstance(action, actions.SaveSnapshot):
            self.saved = action
        elif isinstance(action, actions.RunCheck) and self.examines:
            self._examine(action)
        elif isinstance(action, actions.PublishInstance):
            self.published[action.instance] = action
        elif isinstance(action, actions.WithdrawInstance):
            self.published.pop(action.instance, None)
        elif isinstance(action, actions.PublishWindow):
            self.published_window = action.open
        elif isinstance(action, actions.LookForKeepalived):
            left = Tri.of(self.role is not Role.UNKNOWN)
            looked = (left, action.instance, action.sender)
            self.feed(events.KeepalivedLookedFor(self.now, *looked))
        else:
            self._act_on_vips(action)

    def _examine(self, action: actions.RunCheck) -> None:
        asked, machine = self.now, self.machine
        observed = tuple(map(self._observe, action.subjects))

        def answer() -> None:
            if self.machine is machine:
                self.feed(events.CheckFinished(self.now, asked, observed))

        self.after(0.3, answer)

    def _observe(self, subject: Subject) -> Findings:
        macs = self.strangers | self.answering(subject.role)
        return Findings(
            subject.instance,
            subject.role,
            tuple(Holder(vip.ifindex, vip.ip, macs, Tri.YES, 0.3) for vip in subject.vips),
            tuple(
                Echo(vip, target, *ECHOES[self.targets.get(target, Tri.UNKNOWN)])
                for vip in subject.sources
                for target in subject.targets
            ),
            tuple(Served(self.vip.ip, text, self.serves, "as it is") for text in subject.services),
        )

    def answering(self, role: Role) -> frozenset[bytes]:
        """Which of the two nodes answer an ARP probe of this one's."""
        return frozenset({self.peer_mac}) if role is Role.BACKUP else frozenset()

    def _act_on_vips(self, action: Action) -> None:
        if isinstance(action, actions.PutBack):
            for address in action.addresses:
                self.after(0.0, lambda a=address: self._add(a))  # type: ignore[misc]
        elif isinstance(action, actions.Remove):
            for address in action.addresses:
                self.after(0.0, lambda a=address: self.unset(a.key, NETVIP))  # type: ignore[misc]
        elif isinstance(action, actions.PutBackObjects):
            self.after(0.0, lambda: self._add_objects(action))
        elif isinstance(action, actions.RemoveObjects):
            for thing in action.objects:
                self.unset_object(thing, NETVIP)
        elif isinstance(action, actions.ListObjects):
            self.feed(events.ObjectsListed(self.now, tuple(self.objects.values())))
        elif isinstance(action, actions.SetTrackFile):
            self.track(action.fault)
        elif isinstance(action, actions.RequestDump):
            self._dump()
            if action.again:
                self.after(1.0, self._dump)

    def _add(self, address: Address) -> None:
        if not self.has(address):
            self.set(address.tagged(TAG), NETVIP)

    def _shield(self, instance: str) -> None:
        plan = self.plans.get(instance)
        for address in (*plan.vips, *plan.own) if plan else ():
            on_lo = replace(
                address, ifindex=LO, prefixlen=32, scope=SCOPE_HOST, valid=LEASE, proto=TAG
            )
            self.after(0.0, lambda a=on_lo: self.set(a, NETVIP))  # type: ignore[misc]

    def _unprotect(self, instance: str) -> None:
        self.bridged.discard(instance)
        for key in [key for key in self.addresses if key.ifindex == LO]:
            self.after(0.0, lambda k=key: self.unset(k, NETVIP))  # type: ignore[misc]

    # --- keepalived -----------------------------------------------------------------------------

    def _dump(self) -> None:
        if not self.dump_works:
            return
        asked, role, known = self.now, self.role, self.spec
        sources = frozenset({("ens160", "any4")})
        configured = Configured(sources, frozenset({"VI_1"}), bool(self.static))
        told = ((known, role),)
        files = ("/etc/keepalived/keepalived.conf",)

        def answer() -> None:
            event = events.DumpReceived(self.now, asked, told, configured, files, ("4711.1",))
            self.feed(event)

        self.after(0.02, answer)

    def _advertise(self) -> None:
        if self.role is Role.MASTER:
            self.advert(own=True, priority=self.spec.priority)
        self.after(self.spec.advert_interval, self._advertise)

    def advert(self, own: bool, priority: int) -> None:
        """An advert passes on the wire."""
        if own:
            self.wire.append((self.now, priority))
        if own and not self.audible:
            return
        self.feed(
            events.Advert(
                self.now, LAN, 2, 51, priority, own, "10.77.0.2", b"" if own else self.peer_mac
            )
        )

    def release(self, role: Role = Role.BACKUP) -> None:
        """keepalived leaves MASTER: priority 0, then its VIPs go."""
        if self.role is Role.MASTER:
            self.advert(own=True, priority=0)
            self.unset(self.vip.key, KEEPALIVED)
        self.role = role

    def elect(self) -> None:
        """keepalived becomes MASTER: an advert, then its VIPs come."""
        if self.role is not Role.MASTER and not self.fault:
            self.role = Role.MASTER
            self.advert(own=True, priority=self.spec.priority)
            self.set(self.vip, KEEPALIVED)

    def track(self, fault: bool) -> None:
        """keepalived's track file says FAULT, or no longer does."""
        self.fault = fault
        if fault:
            self.release(Role.FAULT)
        elif self.role is Role.FAULT:
            self.role = Role.BACKUP
            self.backup()

    def backup(self) -> None:
        """keepalived has become BACKUP: it waits for a master's adverts."""
        self.after(self.spec.master_down, self.elect)

    def peer_is_master(self) -> None:
        """The peer's advert arrives; keepalived gives way. Some ms later the peer announces."""
        self.advert(own=False, priority=100)
        if self.role is Role.MASTER:
            self.role = Role.BACKUP
            self.unset(self.vip.key, KEEPALIVED)
        self.after(ANNOUNCED_AFTER, self.claim)

    def claim(self) -> None:
        """The peer's gratuitous ARP arrives."""
        self.feed(events.AddressAnnounced(self.now, LAN, self.vip.ip))

    # --- networkd -------------------------------------------------------------------------------

    def reload(self, announced: bool = True, away: float = 0.02, own_too: bool = True) -> None:
        """networkd reconfigures: what is not its own goes, its own goes and comes."""
        if announced:
            self.feed(events.ChangeExpected(self.now, "somebody called Reload"))
            self.feed(events.LinkState(self.now, LAN, Tri.NO))
        self.after(0.03 if announced else 0.0, lambda: self._drop(own_too))
        self.after(0.03 + away, lambda: self._configured(own_too))

    def reload_now(self) -> None:
        """networkd, announced earlier, reconfigures now."""
        self._drop(own_too=True)
        self.after(0.02, lambda: self._configured(own_too=True))

    def carrier(self, there: bool) -> None:
        """The interface loses its carrier or has it again; keepalived tracks it, and the kernel
        deletes the bridge without one."""
        self.feed(events.LinkSeen(self.now, Link(LAN, "ens160", carrier=there)))
        if not there:
            self.bridged.clear()
            if self.role is not Role.FAULT:
                self.role = Role.FAULT
                self.unset(self.vip.key, KEEPALIVED)
                self.feed(events.StateReported(self.now, "VI_1", Role.FAULT, "fifo"))
        elif self.role is Role.FAULT:
            self.role = Role.BACKUP
            self.feed(events.StateReported(self.now, "VI_1", Role.BACKUP, "fifo"))
            self.backup()

    def _drop(self, own_too: bool) -> None:
        for thing in (*self.virtual, *self.static):
            self.unset_object(thing, None if self.flushes else NETWORKD)
        if own_too:
            self.unset(OWN.key, NETWORKD)
        if self.has(self.vip):
            self.unset(self.vip.key, NETWORKD)
            if not self.spec.guarded:
                self.release()
                self.after(self.spec.skew, self.elect)

    def _configured(self, own_too: bool) -> None:
        if own_too:
            self.set(OWN, NETWORKD)
        self.feed(events.LinkState(self.now, LAN, Tri.YES))
