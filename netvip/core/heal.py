"""Restarting a keepalived that stays in FAULT although it has all that it needs. Off by default.

keepalived 2.1.0 to 2.3.2 with a configured unicast source that was missing at its start do not
look for it again (fact stuck-in-fault). Where anything else in the configuration could hold it in
FAULT, netvip does not restart it, as it cannot know whether that is the reason."""

from __future__ import annotations

from collections.abc import Mapping

from netvip.const import DUMP_LIMIT, NEVER, RESTART_AGAIN, STUCK_FOR
from netvip.core.actions import Action, Level, Log, RequestDump, RestartKeepalived
from netvip.core.instance.instance import Instance
from netvip.core.instance.states import IN_FAULT
from netvip.core.mirror import Mirror
from netvip.core.model import Role, Tri
from netvip.core.pacing import Pace

#: A keepalived without netvip's fifo does not report that it has left FAULT. It logs a line for
#: each dump that it is asked for.
ASK_EVERY = 30.0


class Healer:
    """Watches instances in FAULT; has systemd restart a stuck keepalived, once in five minutes."""

    def __init__(self, outbox: list[Action]) -> None:
        self._allowed = False
        self._out = outbox
        self._since: dict[str, float] = {}
        self._asked = float("-inf")
        self._ask_at = NEVER
        self._pace = Pace(1, RESTART_AGAIN)
        self._not_before = float("-inf")

    def configure(self, allowed: bool) -> None:
        """Whether the operator allows the restart."""
        self._allowed = allowed

    def due(self) -> float:
        """When tick() has something to do."""
        stuck = max(min(self._since.values(), default=NEVER) + STUCK_FOR, self._not_before)
        return min(self._ask_at, stuck)

    def tick(
        self, now: float, instances: Mapping[str, Instance], mirror: Mirror, held: bool
    ) -> None:
        """Restart keepalived, where it has been stuck for long enough and no VIP is lost by it."""
        faulty = [n for n, i in instances.items() if i.role(now) is Role.FAULT]
        self._ask(now, bool(faulty))
        stuck = {n for n in faulty if self._allowed and _stuck(instances[n], mirror)}
        if held or any(i.master(now) is not Tri.NO for i in instances.values()):
            stuck = set()  # an operator works here, or another instance is MASTER
        self._since = {name: self._since.get(name, now) for name in sorted(stuck)}
        for name, since in self._since.items():
            if now >= max(since + STUCK_FOR, self._not_before):
                self._heal(now, name, instances[name])
                return

    def _ask(self, now: float, faulty: bool) -> None:
        if now >= self._ask_at and faulty:
            self._out.append(RequestDump())
        if not faulty or self._ask_at == NEVER or now >= self._ask_at:
            self._ask_at = now + ASK_EVERY if faulty else NEVER

    def _heal(self, now: float, name: str, instance: Instance) -> None:
        self._not_before = now + DUMP_LIMIT
        if (
            instance.mastership.dumped_at < self._asked
            or self._asked < self._since[name] + STUCK_FOR
        ):
            self._asked = now
            self._out.append(RequestDump())
        elif self._pace.allow(now):
            self._not_before = now + RESTART_AGAIN
            self._since.clear()
            why = f"in FAULT for {STUCK_FOR:.0f} s although its link and source address are present"
            self._out.append(RestartKeepalived())
            self._out.append(Log(Level.WARNING, f"{name}: {why}; restarting keepalived"))


def _stuck(instance: Instance, mirror: Mirror) -> bool:
    """Whether it is in FAULT by itself, with the link and the address that were missing before."""
    source = instance.spec.sticks_without
    if instance.phase in IN_FAULT or source is None:
        return False
    there = any(mirror.on(ifindex, source) for ifindex in mirror.links)
    return there and instance.presence.has_carrier
