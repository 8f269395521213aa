"""The node: routes events to windows and instances, and says when it wants to be woken."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatchmethod

from netvip.const import TAG
from netvip.core import events
from netvip.core.actions import (
    Action,
    Level,
    Log,
    QueryLinks,
    Renew,
    RequestDump,
)
from netvip.core.check.schedule import CheckSchedule
from netvip.core.events import RequestKind
from netvip.core.heal import Healer
from netvip.core.instance.consequences import clear_away, hand_over
from netvip.core.instance.instance import Instance
from netvip.core.instance.states import LEAVING, Phase
from netvip.core.mirror import Mirror
from netvip.core.model import (
    Address,
    AddressKey,
    Author,
    AuthorKind,
    InstanceSpec,
    Role,
    Tri,
)
from netvip.core.plan import build
from netvip.core.plan.keep import PlanKeeper
from netvip.core.publish import Publisher
from netvip.core.requests.handle import RequestHandler
from netvip.core.window import Window
from netvip.core.windows import Windows

#: Who comes for a check, or has done something that asks for one.
VERIFYING = frozenset({RequestKind.VERIFY, RequestKind.APT_ENDED, RequestKind.UPGRADED})


class Machine:
    """Feed it events in the order of their times; it returns what is to be done."""

    def __init__(self) -> None:
        self.mirror = Mirror()
        self.instances: dict[str, Instance] = {}
        self.keepalived = Tri.UNKNOWN
        self.dump_problem = ""
        self.shield_hurts: tuple[Tri, str] = (Tri.UNKNOWN, "")
        self.stopping = False
        self._out: list[Action] = []
        self.windows = Windows(self.mirror, self._out)
        self._plans = PlanKeeper(self.mirror, self._out)
        self._publisher = Publisher(self.mirror)
        self.requests = RequestHandler(self.mirror, self._out)
        self.checks = CheckSchedule(self.mirror, self._out)
        self.healer = Healer(self._out)
        self._remembered: tuple[tuple[Address, ...], tuple[Address, ...]] = ((), ())

    # --- the way in and out ---------------------------------------------------------------------

    def handle(self, event: events.Event) -> list[Action]:
        """Take one event; return the actions that follow from it, in order."""
        self._on(event)
        self._advance(event.time)
        actions = self._out[:]
        self._out.clear()
        return actions

    def report(self, now: float) -> list[Action]:
        """What is to be written down for others of how things stand: asked after the deeds."""
        return self._publisher.run(self.instances, bool(self.windows), now)

    def deadline(self) -> float:
        """When a Tick is wanted; infinity for never."""
        due = [self._plans.due, self.requests.holds.due(), self.checks.due()]
        due.append(self.healer.due())
        due += (i.deadline() for i in self.instances.values())
        due += [window.due(self._now) for window in self.windows.values()]
        return min(due)

    @property
    def yielding(self) -> bool:
        """Whether a hand-over is under way."""
        return any(instance.phase is Phase.YIELDING for instance in self.instances.values())

    @property
    def busy(self) -> bool:
        """Whether something is under way that a stop should wait for."""
        return any(instance.protection for instance in self.instances.values())

    # --- events ---------------------------------------------------------------------------------

    @singledispatchmethod
    def _on(self, event: events.Event) -> None:
        """Ticks need nothing but _advance()."""

    @_on.register
    def _(self, event: events.Resync) -> None:
        known = {key: a for key in self._all_keys() if (a := self.mirror.get(key)) is not None}
        self.mirror.load(event.kernel)
        self._plans.number_from(self.mirror.taken)
        gone = [a for key, a in known.items() if self.mirror.get(key) is None]
        for address in gone:
            self._address_lost(event.time, address, Author())
        self._changed(event.time)

    @_on.register
    def _(self, event: events.AddressSeen) -> None:
        address = event.address
        self.mirror.add(address)
        if event.author.kind is not AuthorKind.NETVIP:
            self.windows.stir(address.ifindex, event.time)
        self._changed(event.time)
        for instance in self._holding(address.key):
            instance.seen(event.time, event.author)
            if instance.unplanned():
                self._plans.hurry(event.time)

    @_on.register
    def _(self, event: events.AddressLost) -> None:
        if event.author.kind is AuthorKind.NETVIP:
            self.mirror.remove(event.address.key)
        elif event.address.proto == TAG and self.mirror.name(event.address.ifindex) == "lo":
            self._shield_lost(event.time, event.address)
        else:
            self._address_lost(event.time, event.address, event.author)
        self._changed(event.time)

    @_on.register
    def _(self, event: events.LinkSeen) -> None:
        self.mirror.add_link(event.link)
        if not event.link.carrier:
            self._link_down(event.time, event.link.ifindex)
        self._changed(event.time)

    @_on.register
    def _(self, event: events.LinkLost) -> None:
        self._link_down(event.time, event.ifindex)
        self.mirror.remove_link(event.ifindex)
        self.windows.final.pop(event.ifindex, None)
        self._changed(event.time)

    @_on.register
    def _(self, event: events.RouteSeen) -> None:
        self.mirror.add_route(event.route)
        self.windows.stir(event.route.ifindex, event.time)
        self._changed(event.time)

    @_on.register
    def _(self, event: events.RouteLost) -> None:
        self.mirror.remove_route(event.route)
        self.windows.stir(event.route.ifindex, event.time)
        self._changed(event.time)

    @_on.register
    def _(self, event: events.RulesSeen) -> None:
        self.mirror.rules[event.family] = event.rules
        self._changed(event.time)

    @_on.register
    def _(self, event: events.ChangeExpected) -> None:
        self._out.append(QueryLinks(tuple(sorted(self._homes()))))
        for ifindex in self._homes():
            if event.ifindex in (0, ifindex):
                self._open(event.time, ifindex, event.reason).announce(
                    event.time, self.windows.limit(ifindex, self._all_keys())
                )
                for instance in self._at(ifindex):
                    instance.threaten(event.time)

    @_on.register
    def _(self, event: events.SystemdJobs) -> None:
        if event.pending < self.windows.jobs:
            self.windows.stir_all(event.time)
            self._out.append(QueryLinks(tuple(sorted(self._homes()))))
        self.windows.jobs = event.pending

    @_on.register
    def _(self, event: events.NetworkdRunning) -> None:
        self.windows.networkd = event.running
        self.windows.final.clear()
        self.windows.stir_all(event.time)
        if event.running is Tri.YES:
            self._out.append(QueryLinks(tuple(sorted(self._homes()))))

    @_on.register
    def _(self, event: events.LinkState) -> None:
        self.windows.told(event.time, event.ifindex, event.final)

    @_on.register
    def _(self, event: events.Advert) -> None:
        for instance in self.instances.values():
            if self._is_about(event, instance):
                before = instance.master(event.time)
                instance.advert(event.time, event.own, event.priority, event.sender)
                self._became_master(event.time, instance, before)
                if not event.own:
                    self._other_s_advert(event, instance)

    def _is_about(self, event: events.Advert, instance: Instance) -> bool:
        """Another virtual router's may have the same VRID by accident: keepalived drops those of
        other addresses, and so do we."""
        spec = instance.spec
        if (spec.vrid, spec.family) != (event.vrid, event.family):
            return False
        ours = {vip.ip for vip in spec.vips}
        if event.addresses and ours and ours.isdisjoint(event.addresses):
            return False
        return event.ifindex in (self.mirror.index(spec.interface), instance.home)

    def _other_s_advert(self, event: events.Advert, instance: Instance) -> None:
        self.checks.hear(instance.spec.name, event)
        if event.priority and self.keepalived is Tri.NO:
            self._out += clear_away(instance, event.sender)

    @_on.register
    def _(self, event: events.AddressAnnounced) -> None:
        for instance in self._at(event.ifindex):
            instance.protection.claimed(event.ip)

    @_on.register
    def _(self, event: events.HomeNode) -> None:
        self.checks.home, self.checks.at_home = event.address, event.here

    @_on.register
    def _(self, event: events.CheckFinished) -> None:
        self.checks.take(event, self.instances, self.windows)

    @_on.register
    def _(self, event: events.StateReported) -> None:
        if (instance := self.instances.get(event.instance)) is not None:
            self._told(event.time, instance, event.role, event.origin)

    @_on.register
    def _(self, event: events.StateSignalled) -> None:
        for instance in self.instances.values():
            spec = instance.spec
            if (spec.bus_label, spec.vrid, spec.family) == (
                event.interface,
                event.vrid,
                event.family,
            ):
                self._told(event.time, instance, event.role, "D-Bus")

    @_on.register
    def _(self, event: events.DumpReceived) -> None:
        self.dump_problem, self.keepalived = "", Tri.YES
        named = {spec.name: (spec, role) for spec, role in event.instances}
        for name in [name for name in self.instances if name not in named]:
            self.instances.pop(name).end(event.time)
        for spec, role in named.values():
            self._dumped(event, spec, role)
        self._remembered = ((), ())  # what is added later is no earlier daemon's unfinished work
        self._changed(event.arrived)

    @_on.register
    def _(self, event: events.DumpFailed) -> None:
        if event.why != self.dump_problem:
            self._log(Level.WARNING, f"keepalived's state is not known: {event.why}")
        self.dump_problem = event.why

    @_on.register
    def _(self, event: events.KeepalivedRunning) -> None:
        if event.running is Tri.NO and self.keepalived is Tri.YES:
            self._log(Level.NOTICE, "keepalived is not running: nothing to protect")
        self.keepalived = event.running
        if event.running is Tri.YES:
            self._publisher.loaded()
            self._out.append(RequestDump())
        elif event.running is Tri.NO:
            for instance in self.instances.values():
                instance.keepalived_gone(event.time)

    @_on.register
    def _(self, event: events.KeepalivedReloaded) -> None:
        self._publisher.loaded()
        self._out.append(RequestDump(again=True))
        for instance in self.instances.values():
            instance.look_anew = True

    @_on.register
    def _(self, event: events.SnapshotLoaded) -> None:
        self._remembered = (event.addresses, event.put_back)
        self.requests.holds.remember(event.holds)

    @_on.register
    def _(self, event: events.Request) -> None:
        self.requests.take(event)
        for name, instance in self.instances.items():
            if self.requests.yields(event, name):
                hand_over(event.time, instance)
        if (announced := self.requests.announced(event, self.windows.networkd)) is not None:
            self._on(announced)
        self.windows.stir(self.requests.ifindex(event), event.time)
        self._out += [RequestDump(), QueryLinks(tuple(sorted(self._homes())))]
        self._plans.hurry(event.time)
        if event.kind in VERIFYING:
            self.checks.want(event.time)

    @_on.register
    def _(self, event: events.ShieldBlocked) -> None:
        if event.hurts is not self.shield_hurts[0] and event.hurts is Tri.YES:
            self._log(Level.WARNING, f"no shield on this host: {event.why}")
        self.shield_hurts = (event.hurts, event.why)
        for instance in self.instances.values():
            instance.protection.hurts = event.hurts is Tri.YES

    @_on.register
    def _(self, event: events.KernelRefused) -> None:
        self._log(Level.ERROR, f"the kernel refused {event.what}: {event.why}")

    @_on.register
    def _(self, event: events.Stop) -> None:
        self.stopping = True
        self.windows.hurry(event.time)

    def _link_down(self, now: float, ifindex: int) -> None:
        for instance in self.instances.values():
            if instance.home == ifindex:
                instance.link_down(now)

    # --- losses ---------------------------------------------------------------------------------

    def _address_lost(self, now: float, address: Address, author: Author) -> None:
        holders = self._holding(address.key)
        if holders:
            self._vip_lost(now, holders, address, author)
        elif author.kind is AuthorKind.NETWORKD and self._is_own(address):
            self._own_lost(now, address)
        self.windows.stir(address.ifindex, now)
        self.mirror.remove(address.key)
        for instance in holders:
            if address.ip.version == 6 or instance.protection.hurts:
                instance.restore_at_once(now, address)

    def _vip_lost(
        self, now: float, holders: list[Instance], address: Address, author: Author
    ) -> None:
        for instance in holders:
            if not instance.protected and instance.master(now) is not Tri.YES:
                continue  # keepalived released it, and said so
            if instance.phase in LEAVING:
                continue  # the same, while its shield goes on: its VIPs go one by one
            announced = address.ifindex in self.windows
            if not announced and not instance.allows(now, author):
                continue
            self._open(now, address.ifindex, f"{address} was taken by {author}, unannounced")
            self._prepare_unplanned(instance)
            instance.vip_lost(now, address, author)

    def _own_lost(self, now: float, address: Address) -> None:
        masters = [i for i in self._at(address.ifindex) if i.master(now) is Tri.YES]
        if not masters:
            return
        reason = f"{address} was taken by systemd-networkd, unannounced"
        self._open(now, address.ifindex, reason)
        for instance in masters:
            self._prepare_unplanned(instance)
            instance.threaten(now)

    def _is_own(self, address: Address) -> bool:
        return address in build.own_addresses(self.mirror, address.ifindex, self._all_keys())

    def _shield_lost(self, now: float, address: Address) -> None:
        self.mirror.remove(address.key)
        for instance in self.instances.values():
            prepared = instance.prepared
            if not instance.protected or prepared is None:
                continue
            if any(a.ip == address.ip for a in (*prepared.vips, *prepared.own)):
                self._out.append(Renew(instance.spec.name))

    # --- keepalived's word ----------------------------------------------------------------------

    def _dumped(self, event: events.DumpReceived, spec: InstanceSpec, role: Role) -> None:
        instance = self.instances.get(spec.name)
        if instance is None:
            instance = self._adopt(spec)
            instance.born = event.arrived
            # Its adverts were not listened to while this was written: the role it tells may have
            # been left since, unheard. The next dump is asked for with open ears.
            self._out.append(RequestDump())
        else:
            instance.reconfigure(spec)
            before = instance.master(event.arrived)
            instance.dumped(event.time, event.arrived, role)
            self._became_master(event.arrived, instance, before)
            instance.take_unfinished()
        if instance.unplanned():
            self._plans.hurry(event.arrived)

    def _told(self, now: float, instance: Instance, role: Role, origin: str) -> None:
        before = instance.master(now)
        instance.told(now, role, origin)
        self._became_master(now, instance, before)

    def _adopt(self, spec: InstanceSpec) -> Instance:
        instance = self.instances[spec.name] = Instance(spec, self.mirror, self._out)
        instance.protection.hurts = self.shield_hurts[0] is Tri.YES
        instance.recall(*self._remembered)
        return instance

    def _became_master(self, now: float, instance: Instance, before: Tri) -> None:
        if before is Tri.YES or instance.master(now) is not Tri.YES:
            return
        instance.look_anew = True
        instance.conflict.forget()
        if instance.unfinished:
            self._finish(now, instance)
        elif instance.home in self.windows:
            self._prepare_unplanned(instance)
            instance.threaten(now)

    def _finish(self, now: float, instance: Instance) -> None:
        self._open(now, instance.home, "a VIP is missing that an earlier daemon had seen")
        self._prepare_unplanned(instance)
        for key in instance.take_unfinished():
            instance.vip_lost(now, instance.memory[key], Author())

    # --- windows --------------------------------------------------------------------------------

    def _open(self, now: float, ifindex: int, reason: str) -> Window:
        return self.windows.open(now, ifindex, reason, self._all_keys(), self.stopping)

    # --- time -----------------------------------------------------------------------------------

    _now = float("-inf")

    def _advance(self, now: float) -> None:
        self._now = now
        self.requests.tick(now)
        for instance in list(self.instances.values()):
            instance.tick(now)
            if instance.phase is Phase.SHIELDED and not instance.places & self.windows.keys():
                instance.settle(now, expired=True)
        for window in list(self.windows.values()):
            self._advance_window(window, now)
        if now >= self._plans.due:
            self._prepare()
        self.checks.tick(now, self.instances, self.windows)
        self.healer.tick(now, self.instances, self.mirror, bool(self.requests.holds))

    def _advance_window(self, window: Window, now: float) -> None:
        expired = now >= window.deadline
        if not expired and not self.windows.settled(window, now, self._all_keys()):
            return
        for instance in self._at(window.ifindex):
            instance.settle(now, expired)
        if expired or not any(instance.protected for instance in self._at(window.ifindex)):
            self.windows.close(window, now)
            self.checks.want(now)

    def _changed(self, now: float) -> None:
        self._plans.changed(now)

    def _prepare(self) -> None:
        busy = {instance.home for instance in self.instances.values() if instance.protection}
        self._plans.run(self.instances.values(), busy | set(self.windows))

    def _prepare_unplanned(self, instance: Instance) -> None:
        if instance.unplanned():
            self._prepare()

    # --- who is where ---------------------------------------------------------------------------

    def _select(self, wanted: Callable[[Instance], bool]) -> list[Instance]:
        return [instance for instance in self.instances.values() if wanted(instance)]

    def _at(self, ifindex: int) -> list[Instance]:
        return self._select(lambda instance: ifindex in instance.places)

    def _holding(self, key: AddressKey) -> list[Instance]:
        return self._select(lambda instance: key in instance.vip_keys())

    def _homes(self) -> set[int]:
        return {place for instance in self.instances.values() for place in instance.places}

    def _all_keys(self) -> frozenset[AddressKey]:
        return frozenset(key for i in self.instances.values() for key in i.vip_keys())

    def _log(self, level: Level, text: str) -> None:
        self._out.append(Log(level, text))
