"""The coordinated check: when it is made, of what, and what follows from it. One at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from ipaddress import ip_address
from math import ceil

from netvip.const import COLLECT, EXAMINATION_LIMIT, VIPS_PER_INTERVAL
from netvip.core.actions import Action, Level, Log, RunCheck
from netvip.core.check.findings import Findings, Subject
from netvip.core.check.history import History
from netvip.core.check.policy import Policy
from netvip.core.check.steps import steps, strangers
from netvip.core.check.verdicts import REMEDIES, Problem, Remedy, Step, bad, by_fault
from netvip.core.events import Advert, CheckFinished
from netvip.core.instance.consequences import end_conflict, find_fit, find_unfit, meet_conflict
from netvip.core.instance.instance import NEVER, Instance
from netvip.core.mirror import Mirror
from netvip.core.model import IP, Address, Role, Tri
from netvip.core.plan import build

#: More are no better evidence.
MOST_TARGETS = 8
#: A line in the journal is read by somebody who was asleep a minute ago.
MOST_REASONS = 6


class CheckSchedule:
    """Has the instances examined, and draws the consequences."""

    def __init__(self, mirror: Mirror, outbox: list[Action]) -> None:
        self.policy = Policy()
        #: The home node, asked like any host where its address is known.
        self.home: IP | None = None
        self.at_home = Tri.UNKNOWN
        self.watches: dict[str, History] = {}
        #: How often each fault was believed in since the start.
        self.counts: dict[Problem, int] = {}
        self._mirror, self._out = mirror, outbox
        self._due = NEVER
        self._asked: float | None = None

    def watch(self, instance: str) -> History:
        """What is known of an instance."""
        return self.watches.setdefault(instance, History())

    # --- when -----------------------------------------------------------------------------------

    def want(self, now: float) -> None:
        """Have one made now: triggers that come together make one."""
        self._due = min(self._due, now + COLLECT)

    def due(self) -> float:
        """When tick() has something to do."""
        return self._due if self._asked is None else self._asked + EXAMINATION_LIMIT

    def tick(
        self, now: float, instances: Mapping[str, Instance], acting_on: Collection[int]
    ) -> None:
        """Begin an examination that is due, unless one is under way, or networkd acts."""
        for name in self.watches.keys() - instances.keys():
            del self.watches[name]
        if not instances:
            self._asked, self._due = None, NEVER
        elif self._due == NEVER and self._asked is None:
            self._due = self._next(now, instances)
        if now < self.due():
            return
        self._asked, self._due = None, self._next(now, instances)
        if acting_on:
            return  # its end asks for one
        found = (self._subject(now, instance) for instance in instances.values())
        subjects = tuple(subject for subject in found if subject is not None)
        if subjects:
            self._asked = now
            self._out.append(RunCheck(subjects))

    def _next(self, now: float, instances: Mapping[str, Instance]) -> float:
        vips = sum(len(instance.spec.vips) for instance in instances.values())
        seldom = max(1, ceil(vips / VIPS_PER_INTERVAL))
        return now + self.policy.interval * seldom if self.policy.interval else NEVER

    def examined(self, instances: Collection[str], since: float) -> bool:
        """Whether all of these have been examined by probes that were sent since then."""
        return all(self.watch(name).asked >= since for name in instances)

    # --- of what --------------------------------------------------------------------------------

    def hear(self, instance: str, advert: Advert) -> None:
        """An advert of another node's."""
        try:
            sender = ip_address(advert.sender)
        except ValueError:
            sender = None
        self.watch(instance).hear(advert, sender)

    def home_answers(self) -> Tri:
        """Whether the home node answered an echo when it was last asked."""
        found = [watch.alive.get(self.home, Tri.UNKNOWN) for watch in self.watches.values()]
        return next((answer for answer in found if answer is not Tri.UNKNOWN), Tri.UNKNOWN)

    def _subject(self, now: float, instance: Instance) -> Subject | None:
        spec, role = instance.spec, instance.mastership.role(now, instance.spec)
        if role not in (Role.MASTER, Role.BACKUP) or instance.protection:
            return None
        keys = [instance.key(vip) for vip in spec.vips]
        vips = tuple(Address(key.ifindex, key.ip, key.prefixlen) for key in keys if key.ifindex)
        if role is Role.BACKUP:
            return Subject(spec.name, role, vips)
        own = build.own_addresses(self._mirror, instance.home, frozenset(keys))
        return Subject(
            spec.name,
            role,
            vips,
            tuple(key.ip for key in keys if self._mirror.get(key) is not None),
            self._targets(instance, {address.ip for address in own}),
            tuple(address.ip for address in own),
            self.policy.services(spec.name),
        )

    def _targets(self, instance: Instance, own: set[IP]) -> tuple[IP, ...]:
        routes = self._mirror.routes(instance.home)
        gateways = [r.gateway for r in routes if r.gateway and not r.destination.prefixlen]
        peers = [*instance.spec.peers, *self.watch(instance.spec.name).peers]
        home = [self.home] if self.home is not None else []
        asked = dict.fromkeys([*home, *self.policy.hosts(instance.spec.name), *gateways, *peers])
        return tuple(target for target in asked if target not in own)[:MOST_TARGETS]

    # --- what follows ---------------------------------------------------------------------------

    def take(
        self, event: CheckFinished, instances: Mapping[str, Instance], acting_on: Collection[int]
    ) -> None:
        """The findings have come."""
        self._asked = None
        for observed in event.observed:
            instance = instances.get(observed.instance)
            if instance is not None and self._current(event, observed, instance, acting_on):
                self._judge(event, observed, instance)

    def _current(
        self,
        event: CheckFinished,
        observed: Findings,
        instance: Instance,
        acting_on: Collection[int],
    ) -> bool:
        """Whether what was seen then says anything of now."""
        same = instance.mastership.role(event.time, instance.spec) is observed.role
        still = event.asked >= instance.moved_at and not instance.protection
        return same and still and instance.home not in acting_on

    def _judge(self, event: CheckFinished, observed: Findings, instance: Instance) -> None:
        watch, now = self.watch(observed.instance), event.time
        if watch.role is not observed.role:
            watch.begin(observed.role)
        watch.trust(observed)
        watch.steps = steps(observed, instance, watch, self._mirror, now)
        watch.asked, watch.at = event.asked, now
        self._note_conflict(now, observed, instance, watch)
        found = by_fault(observed.role, watch.steps)
        told = {fault for fault, about in found.items() if _told(about)}
        watch.learn(observed, {fault for fault in told if not bad(found[fault])})
        for fault, about in found.items():
            self._weigh(now, instance, watch, fault, about)
        self._let_go_or_not(now, instance, watch, found)

    def _weigh(
        self, now: float, instance: Instance, watch: History, fault: Problem, about: list[Step]
    ) -> None:
        remedy, lasting = REMEDIES[fault]
        belief, now_bad = watch.belief(fault), bad(about)
        fall = self.policy.fall if lasting else 1
        changed = belief.take(about, fall, self.policy.rise)
        if changed and belief.bad:
            self.counts[fault] = self.counts.get(fault, 0) + 1
        if changed and remedy is not Remedy.CONFLICT:  # which says more than that
            self._say(instance, fault, belief.bad, now_bad)
        if remedy is Remedy.ANNOUNCE and now_bad and now >= watch.announce_at:
            watch.announce_at = now + watch.announcing.next(now)
            instance.announce(now)

    def _say(self, instance: Instance, fault: Problem, there: bool, steps: list[Step]) -> None:
        why = _sentence(map(str, steps))
        level = Level.ERROR if there else Level.NOTICE
        words = f"{fault.value}: {why}" if there else f"over: {fault.value}"
        self._out.append(Log(level, f"{instance.spec.name}: {words}"))

    def _let_go_or_not(
        self, now: float, instance: Instance, watch: History, found: Mapping[Problem, list[Step]]
    ) -> None:
        grave = [
            fault
            for fault, (remedy, _) in REMEDIES.items()
            if remedy is Remedy.LET_GO and watch.belief(fault).bad and not watch.patient(now, fault)
        ]
        reasons = [str(step) for fault in grave for step in bad(found.get(fault, []))]
        if grave and watch.role is Role.MASTER:
            find_unfit(now, instance, _sentence(reasons) or grave[0].value)
        elif not grave:
            find_fit(now, instance)

    def _note_conflict(
        self, now: float, observed: Findings, instance: Instance, watch: History
    ) -> None:
        backup = observed.role is Role.BACKUP
        asked = [h for h in observed.holders if h.asked is Tri.YES]
        if not asked or (backup and not watch.mac):
            return
        master = watch.mac if backup else b""
        macs = frozenset(
            m for h in asked for m in strangers(h, self._mirror, instance.spec.vrid, master)
        )
        if macs:
            meet_conflict(now, instance, macs, backup)
        else:
            end_conflict(instance, self.policy.rise)


def _told(about: Iterable[Step]) -> bool:
    return any(step.finding is not Tri.UNKNOWN for step in about)


def _sentence(reasons: Iterable[str]) -> str:
    """All of them, for one line; of fifty VIPs the first few."""
    listed = list(reasons)
    more = [f"and {len(listed) - MOST_REASONS} more"] if len(listed) > MOST_REASONS else []
    return "; ".join([*listed[:MOST_REASONS], *more])
