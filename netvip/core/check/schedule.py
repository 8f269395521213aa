"""The coordinated check: when it runs, on which instances, and what follows. One at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from ipaddress import ip_address
from math import ceil

from netvip.const import CHECK_LIMIT, COLLECT, NEVER, VIPS_PER_INTERVAL
from netvip.core.actions import Action, Level, Log, RunCheck
from netvip.core.check.findings import Findings, Subject
from netvip.core.check.history import History
from netvip.core.check.policy import Policy
from netvip.core.check.steps import steps, strangers
from netvip.core.check.verdicts import REMEDIES, Problem, Remedy, Step, bad, by_problem
from netvip.core.events import Advert, CheckFinished
from netvip.core.instance.instance import Instance
from netvip.core.mirror import Mirror
from netvip.core.model import IP, AddressKey, Role, Tri
from netvip.core.plan import build

#: More targets are no better evidence.
MOST_TARGETS = 8
#: An operator reads a line of the journal at a glance.
MOST_REASONS = 6


class CheckSchedule:
    """Has the instances checked, and tells them what was found."""

    def __init__(self, mirror: Mirror, outbox: list[Action]) -> None:
        self._policy = Policy()
        # The home node is asked like any host where its address is known.
        self._home: IP | None = None
        self._at_home = Tri.UNKNOWN
        self._histories: dict[str, History] = {}
        self._counts: dict[Problem, int] = {}
        self._mirror, self._out = mirror, outbox
        self._due = NEVER
        self._asked: float | None = None

    def configure(self, policy: Policy) -> None:
        """How the operator wants the instances checked."""
        self._policy = policy

    def history(self, instance: str) -> History:
        """What was found of an instance so far."""
        return self._histories.setdefault(instance, History())

    @property
    def counts(self) -> Mapping[Problem, int]:
        """How often each problem was found to exist since the start."""
        return self._counts

    # --- when -----------------------------------------------------------------------------------

    def want(self, now: float) -> None:
        """Have a check run now; triggers that come together cause one check."""
        self._due = min(self._due, now + COLLECT)

    def due(self) -> float:
        """When tick() has something to do."""
        return self._due if self._asked is None else self._asked + CHECK_LIMIT

    def tick(
        self, now: float, instances: Mapping[str, Instance], acting_on: Collection[int]
    ) -> None:
        """Begin a check that is due, unless one is running, or networkd acts on an interface."""
        for name in self._histories.keys() - instances.keys():
            del self._histories[name]
        if not instances:
            self._asked, self._due = None, NEVER
        elif self._due == NEVER and self._asked is None:
            self._due = self._next(now, instances)
        if now < self.due():
            return
        self._asked, self._due = None, self._next(now, instances)
        if acting_on:
            return  # the end of the window asks for a check
        found = (self._subject(now, instance) for instance in instances.values())
        subjects = tuple(subject for subject in found if subject is not None)
        if subjects:
            self._asked = now
            self._out.append(RunCheck(subjects))

    def _next(self, now: float, instances: Mapping[str, Instance]) -> float:
        vips = sum(len(instance.spec.vips) for instance in instances.values())
        factor = max(1, ceil(vips / VIPS_PER_INTERVAL))
        return now + self._policy.interval * factor if self._policy.interval else NEVER

    def checked(self, instances: Collection[str], since: float) -> bool:
        """Whether all of these were checked by probes that were sent since then."""
        return all(self.history(name).asked >= since for name in instances)

    # --- on what --------------------------------------------------------------------------------

    def hear(self, instance: str, advert: Advert) -> None:
        """Another node's advert."""
        try:
            sender = ip_address(advert.sender)
        except ValueError:
            sender = None
        self.history(instance).hear(advert, sender)

    def home_found(self, address: IP | None, here: Tri) -> None:
        """The home node's address, if it is known, and whether this node is it."""
        self._home, self._at_home = address, here

    @property
    def at_home(self) -> Tri:
        """Whether this node is the home node."""
        return self._at_home

    def home_answers(self) -> Tri:
        """Whether the home node answered an echo when it was last asked."""
        found = [history.is_alive(self._home) for history in self._histories.values()]
        return next((answer for answer in found if answer is not Tri.UNKNOWN), Tri.UNKNOWN)

    def _subject(self, now: float, instance: Instance) -> Subject | None:
        spec, role = instance.spec, instance.role(now)
        if role not in (Role.MASTER, Role.BACKUP) or instance.protection or instance.unprotected:
            return None
        keys = instance.vip_keys()
        bases = instance.presence.bases.items()
        vips = tuple(_asked_on(base, key) for key, base in bases if base)
        if role is Role.BACKUP:
            return Subject(spec.name, role, vips)
        own = build.own_addresses(self._mirror, instance.home, keys)
        # An echo leaves by the interface below a VMAC, and so does the broadcast that asks for its
        # target: it would give every neighbour that interface's hardware address for the VIP.
        on_vmacs = instance.presence.on_vmacs
        return Subject(
            spec.name,
            role,
            vips,
            tuple(key.ip for key in instance.presence.vips if self._mirror.get(key) is not None),
            self._targets(instance, {address.ip for address in own}) if not on_vmacs else (),
            tuple(address.ip for address in own),
            self._policy.services(spec.name),
        )

    def _targets(self, instance: Instance, own: set[IP]) -> tuple[IP, ...]:
        routes = self._mirror.every_route(instance.home)
        defaults = (r for r in routes if not r.destination.prefixlen and not build.by_daemon(r))
        gateways = [r.gateway for r in defaults if r.gateway]
        peers = [*instance.spec.peers, *self.history(instance.name).peers]
        home = [self._home] if self._home is not None else []
        asked = dict.fromkeys([*home, *self._policy.hosts(instance.name), *gateways, *peers])
        return tuple(target for target in asked if target not in own)[:MOST_TARGETS]

    # --- what follows ---------------------------------------------------------------------------

    def take(
        self, event: CheckFinished, instances: Mapping[str, Instance], acting_on: Collection[int]
    ) -> None:
        """The findings of a check have come."""
        self._asked = None
        for findings in event.findings:
            instance = instances.get(findings.instance)
            if instance is not None and _is_current(event, findings, instance, acting_on):
                self._judge(event, findings, instance)

    def _judge(self, event: CheckFinished, findings: Findings, instance: Instance) -> None:
        history, now = self.history(findings.instance), event.time
        history.begin(findings.role)
        history.note_answers(findings)
        found_steps = steps(findings, instance, history, self._mirror, now)
        history.note_steps(event.asked, now, found_steps)
        self._judge_conflict(now, findings, instance, history)
        found = by_problem(findings.role, found_steps)
        known = [problem for problem, about in found.items() if _known(about)]
        history.note_well(findings, [problem for problem in known if not bad(found[problem])])
        for problem, about in found.items():
            self._weigh(now, instance, history, problem, about)
        self._judge_fitness(now, instance, history, found)

    def _weigh(
        self, now: float, instance: Instance, history: History, problem: Problem, about: list[Step]
    ) -> None:
        remedy, lasting = REMEDIES[problem]
        belief, now_bad = history.belief(problem), bad(about)
        fall = self._policy.fall if lasting else 1
        changed = belief.take(about, fall, self._policy.rise)
        if changed and belief.bad:
            self._counts[problem] = self._counts.get(problem, 0) + 1
        if changed and remedy is not Remedy.CONFLICT:
            self._report(instance, problem, belief.bad, now_bad)
        if remedy is Remedy.ANNOUNCE and now_bad and history.may_announce(now):
            instance.announce(now)

    def _report(
        self, instance: Instance, problem: Problem, exists: bool, steps: list[Step]
    ) -> None:
        if exists:
            words = f"check failed: {problem.value}: {_sentence(map(str, steps))}"
        else:
            words = f"check passed again; problem solved: {problem.value}"
        level = Level.ERROR if exists else Level.NOTICE
        self._out.append(Log(level, f"{instance.name}: {words}"))

    def _judge_fitness(
        self,
        now: float,
        instance: Instance,
        history: History,
        found: Mapping[Problem, list[Step]],
    ) -> None:
        """Whether the VIPs are of use here."""
        grave = [
            problem
            for problem, (remedy, _) in REMEDIES.items()
            if remedy is Remedy.RELEASE
            and history.belief(problem).bad
            and not history.is_patient(now, problem)
        ]
        reasons = [str(step) for problem in grave for step in bad(found.get(problem, []))]
        if grave and history.role is Role.MASTER:
            instance.found_unfit(now, _sentence(reasons) or grave[0].value)
        elif not grave:
            instance.found_fit(now)

    def _judge_conflict(
        self, now: float, findings: Findings, instance: Instance, history: History
    ) -> None:
        backup = findings.role is Role.BACKUP
        asked = [h for h in findings.holders if h.asked is Tri.YES]
        if not asked or (backup and not history.mac):
            return
        master = history.mac if backup else b""
        macs = frozenset(
            m for h in asked for m in strangers(h, self._mirror, instance.spec.vrid, master)
        )
        if macs:
            instance.conflict_found(now, macs, backup)
        else:
            instance.conflict_not_found(self._policy.rise)


def _is_current(
    event: CheckFinished, findings: Findings, instance: Instance, acting_on: Collection[int]
) -> bool:
    """Whether what was found then is true now."""
    same = instance.role(event.time) is findings.role
    unmoved = event.asked >= instance.moved_at and not instance.protection
    return same and unmoved and instance.home not in acting_on


def _asked_on(base: int, key: AddressKey) -> AddressKey:
    """Where other hosts are asked about a VIP: on the interface by which its answers leave. By a
    VMAC a BACKUP would send from the master's hardware address, and switches would send the
    master's packets to it."""
    return key if key.ifindex == base else AddressKey(base, key.ip, key.prefixlen)


def _known(about: Iterable[Step]) -> bool:
    return any(step.finding is not Tri.UNKNOWN for step in about)


def _sentence(reasons: Iterable[str]) -> str:
    """All of them, for one line; of fifty VIPs the first few."""
    listed = list(reasons)
    more = [f"and {len(listed) - MOST_REASONS} more"] if len(listed) > MOST_REASONS else []
    return "; ".join([*listed[:MOST_REASONS], *more])
