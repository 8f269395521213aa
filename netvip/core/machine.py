"""The node: takes every event, tells windows and instances, and says when it wants to be woken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import singledispatchmethod
from itertools import chain

from netvip.core import bond, coverage, events, loss
from netvip.core.actions import (
    Action,
    Level,
    Listen,
    ListObjects,
    Log,
    LookForKeepalived,
    QueryLinks,
    RequestDump,
)
from netvip.core.check.policy import Policy
from netvip.core.check.schedule import CheckSchedule
from netvip.core.events import RequestKind
from netvip.core.heal import Healer
from netvip.core.instance.instance import Instance
from netvip.core.instance.states import Phase
from netvip.core.loss import Loss, Meaning
from netvip.core.mirror import Mirror
from netvip.core.model import (
    Address,
    AddressKey,
    Author,
    AuthorKind,
    InstanceSpec,
    Link,
    Role,
    Tri,
)
from netvip.core.objects import KernelObject
from netvip.core.plan.keep import PlanKeeper
from netvip.core.publish import Publisher
from netvip.core.requests.handle import AptPolicy, RequestHandler
from netvip.core.statics import Statics
from netvip.core.windows import Window, Windows

#: These requests ask for a check, or report something after which one is due.
VERIFYING = frozenset({RequestKind.VERIFY, RequestKind.APT_ENDED, RequestKind.UPGRADED})


class Machine:
    """Feed it events in the order of their times; it returns what is to be done."""

    def __init__(self) -> None:
        self.mirror = Mirror()
        self.instances: dict[str, Instance] = {}
        self.keepalived = Tri.UNKNOWN
        self.dump_problem = ""
        #: The keepalived processes that netvip leaves alone, in sentences.
        self.elsewhere: tuple[str, ...] = ()
        self.shield_blocked: tuple[Tri, str] = (Tri.UNKNOWN, "")
        self.stopping = False
        self._now, self._systemd = float("-inf"), 0
        self._out: list[Action] = []
        self._listening: Listen | None = None
        # Where the VIPs of each instance are, and those of all.
        self._parts: list[frozenset[AddressKey]] = []
        self._keys: frozenset[AddressKey] = frozenset()
        self._remembered = events.SnapshotLoaded(float("-inf"), ())
        self.windows = Windows(self.mirror, self._out)
        self.requests = RequestHandler(self.mirror, self._out)
        self.checks = CheckSchedule(self.mirror, self._out)
        self._plans = PlanKeeper(self.mirror, self._out)
        self._publisher = Publisher(self.mirror, self._out)
        self._healer = Healer(self._out)
        self.statics = Statics(self.mirror, self._out)

    def configure(
        self, policy: Policy | None = None, apt: AptPolicy = AptPolicy.HOLD, restart: bool = False
    ) -> None:
        """Take the operator's settings: how to check, what an apt run means, and whether a
        keepalived that is stuck in FAULT may be restarted."""
        self.checks.configure(policy or Policy())
        self.requests.configure(apt)
        self._healer.configure(restart)

    # --- the way in and out ---------------------------------------------------------------------

    def handle(self, event: events.Event) -> Iterator[Action]:
        """Take one event; return the actions that follow from it, in order.

        What is published for others comes last, and is only worked out when the actions before it
        were carried out: a shield does not wait for it.
        """
        assert event.time >= self._now, f"{event} is older than the last event ({self._now})"
        self._now = event.time
        self._on(event)
        self._advance(event.time)
        return chain(self._take_out(), self._publish(event.time))

    def _take_out(self) -> list[Action]:
        actions = self._out[:]
        self._out.clear()
        return actions

    def _publish(self, now: float) -> Iterator[Action]:
        self._publisher.run(self.instances, bool(self.windows), now)
        yield from self._take_out()

    def deadline(self) -> float:
        """When a Tick is wanted; infinity for never."""
        due = [self._plans.due, self.requests.holds.due(), self.checks.due(), self._healer.due()]
        due += (i.deadline() for i in self.instances.values())
        due += (i.changes_at(self._now) for i in self.instances.values())
        return min(*due, self.windows.due(self._now))

    @property
    def yielding(self) -> bool:
        """Whether a hand-over is under way."""
        return any(instance.phase is Phase.YIELDING for instance in self.instances.values())

    @property
    def busy(self) -> bool:
        """Whether something is under way that a stop should wait for."""
        return any(instance.protection for instance in self.instances.values())

    # --- events: the kernel ---------------------------------------------------------------------

    @singledispatchmethod
    def _on(self, event: events.Event) -> None:
        """Ticks need nothing but _advance()."""

    @_on.register
    def _(self, event: events.Resync) -> None:
        known = {key: a for key in self._all_keys() if (a := self.mirror.get(key)) is not None}
        links = self.mirror.links
        for ifindex in links.keys() - {link.ifindex for link in event.kernel.links}:
            self._link_down(event.time, ifindex)
            self.windows.link_gone(ifindex)
        self.mirror.load(event.kernel)
        self._plans.number_from(self.mirror.taken)
        for link in event.kernel.links:
            self._link_changed(event.time, links.get(link.ifindex), link)
        self._listen()
        self._cover(event.time)
        gone = [a for key, a in known.items() if self.mirror.get(key) is None]
        for address in gone:
            self._lose(self._decide(event.time, address, Author()))
        for instance in self.instances.values():
            if instance.vip_keys() - known.keys() - instance.presence.absent:
                instance.seen(event.time, Author())
        if not self.windows:
            self._objects_listed(event.time)
        self._plans.changed(event.time)

    @_on.register
    def _(self, event: events.AddressSeen) -> None:
        address = event.address
        self.mirror.add(address)
        if event.author.kind is not AuthorKind.NETVIP:
            self.windows.note_change(address.ifindex, event.time)
        self._plans.changed(event.time)
        for instance in self._select(lambda i: address.key in i.vip_keys()):
            instance.seen(event.time, event.author)
            if instance.unplanned():
                self._plans.hurry(event.time)

    @_on.register
    def _(self, event: events.AddressLost) -> None:
        self._lose(self._decide(event.time, event.address, event.author))
        self._plans.changed(event.time)

    @_on.register
    def _(self, event: events.LinkSeen) -> None:
        known = self.mirror.links.get(event.link.ifindex)
        self.mirror.add_link(event.link)
        self._cover(event.time)
        self._link_changed(event.time, known, event.link)
        self._listen()
        self._plans.changed(event.time)

    @_on.register
    def _(self, event: events.LinkLost) -> None:
        self._link_down(event.time, event.ifindex)
        self.mirror.remove_link(event.ifindex)
        self.statics.forget_link(event.ifindex)
        for instance in self.instances.values():
            instance.objects.forget_link(event.ifindex)
        self._cover(event.time)
        self.windows.link_gone(event.ifindex)
        self._listen()
        self._plans.changed(event.time)

    @_on.register
    def _(self, event: events.RouteSeen) -> None:
        self.mirror.add_route(event.route)
        self.windows.note_change(event.route.ifindex, event.time)
        self._plans.changed(event.time)

    @_on.register
    def _(self, event: events.RouteLost) -> None:
        self.mirror.remove_route(event.route)
        self.windows.note_change(event.route.ifindex, event.time)
        self._plans.changed(event.time)

    @_on.register
    def _(self, event: events.RulesSeen) -> None:
        self.mirror.set_rules(event.family, event.rules)
        self._cover(event.time)
        self._plans.changed(event.time)

    @_on.register
    def _(self, event: events.ObjectSeen) -> None:
        self.mirror.add_object(event.object)
        owners = self._owners(event.object)
        for instance in owners:
            instance.objects.seen(event.object, event.author)
        if not owners:
            self.statics.seen(event.object, event.author)
        self._plans.changed(event.time)

    @_on.register
    def _(self, event: events.ObjectLost) -> None:
        thing, author = event.object, event.author
        self.mirror.remove_object(thing.identity)
        owners, reason = self._owners(thing), f"{thing} was deleted by {author}"
        for instance in owners:
            if instance.lose_object(event.time, thing, author):
                self._open(event.time, instance.home, f"virtual {reason}")
                self.windows.note_change(instance.home, event.time)
        if not owners and self.statics.lost(event.time, thing, author):
            for ifindex in thing.ifindexes:
                self._open(event.time, ifindex, f"static {reason}")

    @_on.register
    def _(self, event: events.ObjectsListed) -> None:
        self.mirror.load_objects(event.objects)
        self._objects_listed(event.time)

    def _list_objects(self) -> None:
        """Have it looked which routes and rules there really are, if there were any."""
        if self.statics.any or any(i.objects.saved for i in self.instances.values()):
            self._out.append(ListObjects())

    def _owners(self, thing: KernelObject) -> list[Instance]:
        return self._select(lambda instance: instance.objects.lists(thing.identity))

    def _objects_listed(self, now: float) -> None:
        for instance in self.instances.values():
            if not instance.places & self.windows.keys():
                instance.objects_listed(now)
        if not self.windows:
            self.statics.listed(now)

    @_on.register
    def _(self, event: events.KernelRefused) -> None:
        self._log(Level.ERROR, f"the kernel refused {event.what}: {event.why}")

    @_on.register
    def _(self, event: events.ShieldBlocked) -> None:
        if event.blocked is Tri.UNKNOWN is not self.shield_blocked[0]:
            return  # what was found before stands until another look succeeds
        if event.blocked is not self.shield_blocked[0] and event.blocked is Tri.YES:
            self._log(Level.WARNING, f"cannot use a shield on this host: {event.why}")
        self.shield_blocked = (event.blocked, event.why)
        for instance in self.instances.values():
            instance.block_shield(event.blocked is Tri.YES)

    # --- events: networkd and systemd -----------------------------------------------------------

    @_on.register
    def _(self, event: events.ChangeExpected) -> None:
        self._query_links()
        if event.call:
            self.windows.called(event.time, event.call, event.ifindex)
        for ifindex in self._places():
            if event.ifindex in (0, ifindex):
                self.windows.announce(event.time, ifindex, event.reason, self._all_keys())
                for instance in self._at(ifindex):
                    self._prepare_unplanned(instance)
                    instance.threaten(event.time)

    @_on.register
    def _(self, event: events.CallAnswered) -> None:
        self.windows.answered(event.time, event.call, event.refused, self._all_keys())
        self._query_links()

    @_on.register
    def _(self, event: events.SystemdJobs) -> None:
        if self.windows.jobs_pending(event.time, event.pending):
            self._query_links()

    @_on.register
    def _(self, event: events.NetworkdRunning) -> None:
        if event.running is Tri.NO and self.windows.networkd is Tri.YES:
            self._networkd_stops(event.time)
        self.windows.networkd_running(event.time, event.running)
        if event.running is Tri.YES:
            self._query_links()

    @_on.register
    def _(self, event: events.SystemdVersion) -> None:
        self._systemd = event.version

    @_on.register
    def _(self, event: events.FilesChanged) -> None:
        def reconfigured(member: int) -> Tri:
            return Tri.of(member in event.ifindexes)

        self._hand_over_bonds(event.time, reconfigured, "reads changed files")

    def _networkd_stops(self, now: float) -> None:
        """networkd stops, or has stopped: its next start may take the carrier of a bond."""
        self._hand_over_bonds(now, self.windows.managed, "restarts")

    def _hand_over_bonds(self, now: float, reconfigured: Callable[[int], Tri], as_it: str) -> None:
        why = f"systemd-networkd {self._systemd} takes a bond's members away as it {as_it}"
        for instance in self.instances.values():
            if bond.loses_carrier(self.mirror, instance.home, self._systemd, reconfigured):
                self._prepare_unplanned(instance)
                instance.hand_over(now, why)

    def _hand_over_groups(self, now: float) -> None:
        """FAULT of one member of a sync group is FAULT of all: keepalived releases their VIPs, and
        each needs its own shield until the peer has it."""
        for leaving in self._select(lambda i: i.phase is Phase.YIELDING and i.moved_at == now):
            why = f"{leaving.name}, of the same sync group, is handed over"
            for member in self._select(lambda i: bool(i.spec.group)):
                if member.spec.group == leaving.spec.group and member is not leaving:
                    self._prepare_unplanned(member)
                    member.hand_over(now, why)

    @_on.register
    def _(self, event: events.LinkState) -> None:
        self.windows.link_state(event.time, event.ifindex, event.final, event.managed)

    # --- events: keepalived and the wire --------------------------------------------------------

    @_on.register
    def _(self, event: events.Advert) -> None:
        for instance in self._select(lambda i: self._is_about(event, i)):
            if not instance.heeds(event):
                continue
            if instance.advert(event.time, event.own, event.priority, event.sender):
                self._became_master(event.time, instance)
            if not event.own:
                self._other_s_advert(event, instance)

    def _is_about(self, event: events.Advert, instance: Instance) -> bool:
        """Whether it is this instance's. Another virtual router may have the same VRID: keepalived
        drops an advert with other addresses, and so does netvip."""
        spec = instance.spec
        if (spec.vrid, spec.family) != (event.vrid, event.family):
            return False
        ours = {vip.ip for vip in spec.vips}
        if event.addresses and ours and ours.isdisjoint(event.addresses):
            return False
        return event.ifindex in (self.mirror.index(spec.interface), instance.home)

    def _other_s_advert(self, event: events.Advert, instance: Instance) -> None:
        self.checks.hear(instance.name, event)
        left_behind = event.priority and self.keepalived is Tri.NO and instance.presence.present()
        if left_behind:
            self._out.append(LookForKeepalived(instance.name, event.sender))

    @_on.register
    def _(self, event: events.KeepalivedLookedFor) -> None:
        instance = self.instances.get(event.instance)
        if instance is not None and event.running is self.keepalived is Tri.NO:
            instance.remove_leftovers(event.sender)

    @_on.register
    def _(self, event: events.AddressAnnounced) -> None:
        for instance in self._at(event.ifindex):
            instance.announced_by_other(event.ip)

    @_on.register
    def _(self, event: events.StateReported) -> None:
        if (instance := self.instances.get(event.instance)) is not None:
            self._reported(event.time, instance, event.role, event.origin)

    @_on.register
    def _(self, event: events.StateSignalled) -> None:
        signalled = (event.interface, event.vrid, event.family)
        for instance in self.instances.values():
            spec = instance.spec
            if (spec.bus_label, spec.vrid, spec.family) == signalled:
                self._reported(event.time, instance, event.role, "D-Bus")

    def _reported(self, now: float, instance: Instance, role: Role, origin: str) -> None:
        if instance.reported(now, role, origin):
            self._became_master(now, instance)

    @_on.register
    def _(self, event: events.DumpReceived) -> None:
        self.dump_problem, self.keepalived = "", Tri.YES
        named = {spec.name: (spec, role) for spec, role in event.instances}
        for name in [name for name in self.instances if name not in named]:
            self.instances.pop(name).end(event.time)
        for spec, role in named.values():
            self._dumped(event, spec, role)
        self._cover(event.time)
        self._remembered = events.SnapshotLoaded(
            event.time, ()
        )  # what is added later is no earlier daemon's unfinished work
        declared = event.configured is not None and event.configured.statics
        self.statics.dumped((spec for spec, _ in named.values()), declared)
        self._publisher.dumped(event)
        self._listen()
        self._plans.changed(event.time)

    def _dumped(self, event: events.DumpReceived, spec: InstanceSpec, role: Role) -> None:
        instance = self.instances.get(spec.name)
        if instance is None:
            instance = self._adopt(event.time, spec)
            # Its adverts were not heard while this dump was written: the role in it may have
            # changed since. The next dump is asked for while adverts are heard.
            self._out.append(RequestDump())
        else:
            instance.reconfigure(spec)
            if instance.dumped(event.asked, event.time, role):
                self._became_master(event.time, instance)
            instance.restore.take_unfinished()
        if instance.unplanned():
            self._plans.hurry(event.time)

    def _adopt(self, now: float, spec: InstanceSpec) -> Instance:
        blocked = self.shield_blocked[0] is Tri.YES
        instance = Instance(spec, self.mirror, self._out, now, blocked)
        self.instances[spec.name] = instance
        instance.recall(self._remembered)
        return instance

    @_on.register
    def _(self, event: events.DumpFailed) -> None:
        if event.why != self.dump_problem:
            self._log(Level.WARNING, f"cannot read keepalived's state: {event.why}")
        self.dump_problem = event.why
        for instance in self.instances.values():
            instance.unanswered()

    @_on.register
    def _(self, event: events.KeepalivedRunning) -> None:
        if event.running is Tri.NO and self.keepalived is Tri.YES:
            self._log(Level.NOTICE, "keepalived is not running; nothing to protect")
        self.keepalived = event.running
        if event.running is Tri.YES:
            self._publisher.loaded()
            self._out.append(RequestDump())
        elif event.running is Tri.NO:
            self.statics.keepalived_gone()
            for instance in self.instances.values():
                instance.keepalived_gone(event.time)

    @_on.register
    def _(self, event: events.KeepalivedElsewhere) -> None:
        for words in event.words:
            if words not in self.elsewhere:
                self._log(Level.NOTICE, words)
        self.elsewhere = event.words

    @_on.register
    def _(self, event: events.KeepalivedReloaded) -> None:
        self._publisher.loaded()
        self._out.append(RequestDump(again=True))
        self.statics.keepalived_reloaded()
        for instance in self.instances.values():
            instance.keepalived_reloaded()

    # --- events: requests and checks ------------------------------------------------------------

    @_on.register
    def _(self, event: events.Request) -> None:
        self.requests.take(event)
        for name, instance in self.instances.items():
            if self.requests.yields(event, name):
                self._prepare_unplanned(instance)  # a daemon that has just started has no plan yet
                instance.hand_over(event.time)
        if event.kind is RequestKind.NETWORKD_STOPS:
            self._networkd_stops(event.time)
        if (expected := self.requests.announced(event, self.windows.networkd)) is not None:
            self._on(expected)
        self.windows.note_change(self.requests.ifindex(event), event.time)
        self._out.append(RequestDump())
        self._query_links()
        self._plans.hurry(event.time)
        if event.kind in VERIFYING:
            self.checks.want(event.time)

    @_on.register
    def _(self, event: events.HomeNode) -> None:
        self.checks.home_found(event.address, event.here)

    @_on.register
    def _(self, event: events.CheckFinished) -> None:
        self.checks.take(event, self.instances, self.windows)

    @_on.register
    def _(self, event: events.SnapshotLoaded) -> None:
        self._remembered = event
        self.requests.holds.remember(event.holds)

    @_on.register
    def _(self, event: events.Stop) -> None:
        self.stopping = True
        self.windows.stop(event.time)

    # --- losses ---------------------------------------------------------------------------------

    def _decide(self, now: float, address: Address, author: Author) -> Loss:
        instances = list(self.instances.values())
        return loss.decide(now, address, author, self.mirror, instances, self.windows)

    def _lose(self, lost: Loss) -> None:
        """React to a deleted address, as loss.py has decided."""
        concerned = [self.instances[name] for name in lost.instances]
        for instance in concerned:
            if instance.accepts(lost):
                if lost.needs_protection:
                    self._open(lost.time, lost.address.ifindex, lost.reason)
                    self._prepare_unplanned(instance)
                instance.lose(lost)
        if lost.meaning not in (Meaning.OWN_DELETION, Meaning.SHIELD):
            self.windows.note_change(lost.address.ifindex, lost.time)
        self.mirror.remove(lost.address.key)
        for instance in concerned:
            instance.restore_at_once(lost)

    def _link_changed(self, now: float, known: Link | None, link: Link) -> None:
        """An interface is as `link` says, and was as `known`."""
        if known is not None and known.carrier is not link.carrier:
            self.windows.note_change(link.ifindex, now)
        if not link.carrier and link.ifindex not in self.windows:
            self._link_down(now, link.ifindex)
        elif link.carrier and known is not None and not known.carrier:
            self._link_up(now, link.ifindex)
            self._list_objects()  # the kernel deleted those through it, and tells nobody

    def _link_down(self, now: float, ifindex: int) -> None:
        for instance in self._select(lambda i: i.home == ifindex):
            instance.link_down(now)

    def _link_up(self, now: float, ifindex: int) -> None:
        """networkd takes the members of a bond and gives them back: within a window a link without
        carrier is no reason to remove a protection that is needed as soon as it has one again."""
        for instance in self._select(lambda i: i.home == ifindex):
            instance.link_up(now)
            if ifindex in self.windows:
                instance.threaten(now)

    def _cover(self, now: float) -> None:
        specs = [instance.spec for instance in self.instances.values()]
        for name, why in coverage.each_why_not(specs, self.mirror).items():
            self.instances[name].cover(now, why)

    def _became_master(self, now: float, instance: Instance) -> None:
        if instance.unprotected:
            return
        instance.master_again(now)
        if instance.restore.unfinished:
            self._finish(now, instance)
        elif not instance.places.isdisjoint(self.windows):
            self._prepare_unplanned(instance)
            instance.threaten(now)

    def _finish(self, now: float, instance: Instance) -> None:
        """Protect and put back what an earlier daemon had seen and left undone."""
        self._open(now, instance.home, "a VIP is missing that an earlier daemon had seen")
        self._prepare_unplanned(instance)
        for address in instance.restore.take_unfinished():
            instance.lose(Loss(now, address, Author(), Meaning.VIP, (instance.name,), True))

    # --- time -----------------------------------------------------------------------------------

    def _advance(self, now: float) -> None:
        self.requests.tick(now)
        self._hand_over_groups(now)
        for instance in self.instances.values():
            instance.tick(now)
            if instance.phase is Phase.SHIELDED and not instance.places & self.windows.keys():
                instance.settle(now, expired=True)
        for window in list(self.windows.values()):
            self._advance_window(window, now)
        if now >= self._plans.due:
            self._prepare()
        self.checks.tick(now, self.instances, self.windows)
        self._healer.tick(now, self.instances, self.mirror, bool(self.requests.holds))

    def _advance_window(self, window: Window, now: float) -> None:
        expired = now >= window.deadline
        if not expired and not self.windows.quiet(window, now, self._all_keys()):
            return
        for instance in self._at(window.ifindex):
            if expired or self._is_quiet(instance, now):
                instance.settle(now, expired)
        if expired or not any(instance.protected for instance in self._at(window.ifindex)):
            self.windows.close(window, now)
            self._list_objects()
            self.checks.want(now)

    def _is_quiet(self, instance: Instance, now: float) -> bool:
        """Whether networkd is done with every interface that the instance needs."""
        windows = [self.windows[place] for place in instance.places if place in self.windows]
        return all(self.windows.quiet(window, now, self._all_keys()) for window in windows)

    def _prepare(self) -> None:
        busy = {instance.home for instance in self.instances.values() if instance.protection}
        self._plans.run(self.instances.values(), busy | set(self.windows), self._all_keys())

    def _prepare_unplanned(self, instance: Instance) -> None:
        if instance.unplanned():
            self._prepare()

    # --- who is where ---------------------------------------------------------------------------

    def _open(self, now: float, ifindex: int, reason: str) -> None:
        self.windows.open(now, ifindex, reason, self._all_keys())

    def _select(self, wanted: Callable[[Instance], bool]) -> list[Instance]:
        return [instance for instance in self.instances.values() if wanted(instance)]

    def _at(self, ifindex: int) -> list[Instance]:
        return self._select(lambda instance: ifindex in instance.places)

    def _places(self) -> set[int]:
        protectable = (i for i in self.instances.values() if not i.unprotected)
        return {place for instance in protectable for place in instance.places}

    def _all_keys(self) -> frozenset[AddressKey]:
        parts = [instance.vip_keys() for instance in self.instances.values()]
        known = self._parts
        if len(parts) != len(known) or any(a is not b for a, b in zip(parts, known, strict=True)):
            self._parts, self._keys = parts, frozenset().union(*parts)
        return self._keys

    def _query_links(self) -> None:
        """Ask networkd for the links that the instances need, and for the members of bonds."""
        places = self._places()
        members = frozenset[int]().union(*(bond.members(self.mirror, place) for place in places))
        self._out.append(QueryLinks(tuple(sorted(places | members)), members))

    def _listen(self) -> None:
        """Have adverts and announcements heard where the instances are."""
        specs = [instance.spec for instance in self.instances.values()]
        vips = [vip for spec in specs for vip in spec.vips]
        # What leaves by a VMAC passes the interface below it, where it is heard once.
        names = {spec.interface for spec in specs} | {vip.base or vip.interface for vip in vips}
        places = {self.mirror.index(name) for name in names} - {0}
        wanted = Listen(tuple(sorted(places)), frozenset(vip.ip for vip in vips))
        if wanted != self._listening:
            self._listening = wanted
            self._out.append(wanted)
            self._query_links()

    def _log(self, level: Level, text: str) -> None:
        self._out.append(Log(level, text))
