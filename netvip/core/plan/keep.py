"""Keeps every instance's plan ready, made of what was there while nobody was acting."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from netvip.core.actions import Action, Numbers, SaveSnapshot
from netvip.core.instance.instance import NEVER, Instance
from netvip.core.mirror import Mirror
from netvip.core.model import AddressKey
from netvip.core.plan import build

#: networkd deletes routes some ms before addresses: a plan made in between would lack them. So a
#: change has to stand for this long before it is believed ...
BELIEVED_AFTER = 0.25
#: ... but changes that never end (a routing daemon's) do not put it off for longer than this.
PUT_OFF_LIMIT = 2.0
#: What there is no plan for yet cannot be made worse by haste.
URGENT_AFTER = 0.02


class PlanKeeper:
    """Has plans made when the kernel has stood still, and saved for a next daemon."""

    def __init__(self, mirror: Mirror, outbox: list[Action]) -> None:
        self._mirror, self._out = mirror, outbox
        self._first_number: int | None = None
        self._slots: dict[int, int] = {}
        self._first_change = self.due = NEVER
        self._saved: SaveSnapshot | None = None

    def number_from(self, taken: Iterable[int]) -> None:
        """Choose our table and nexthop numbers, once: those that nobody uses."""
        if self._first_number is None:
            self._first_number = build.first_number(taken)

    def changed(self, now: float) -> None:
        """Something in the kernel changed."""
        self._first_change = min(self._first_change, now)
        self.due = min(now + BELIEVED_AFTER, self._first_change + PUT_OFF_LIMIT)

    def hurry(self, now: float) -> None:
        """Something appeared that no plan has yet."""
        self.changed(now)
        self.due = min(self.due, now + URGENT_AFTER)

    def run(self, instances: Collection[Instance], acting_on: Collection[int]) -> None:
        """Make the plans of instances that are not protected; where networkd is acting, only of
        those that lack one."""
        self._first_change = self.due = NEVER
        keys = frozenset(key for instance in instances for key in instance.vip_keys())
        for instance in instances:
            # Instances of one interface share its bridge: a plan in use keeps the others' still.
            if not instance.protection and (instance.home not in acting_on or instance.unplanned()):
                instance.remember()
                self._prepare(instance, keys)
        self._save(instances)

    def _prepare(self, instance: Instance, keys: frozenset[AddressKey]) -> None:
        own = map(instance.key, instance.spec.vips)
        vips = [instance.memory[key] for key in own if key in instance.memory]
        if vips and instance.home:
            where = self._numbers(instance.home)
            instance.prepare(build.build(self._mirror, instance.home, vips, keys, where))

    def _numbers(self, ifindex: int) -> Numbers | None:
        if self._first_number is None:
            return None
        slot = self._slots.setdefault(ifindex, len(self._slots))
        return build.numbers(self._first_number, slot)

    def _save(self, instances: Collection[Instance]) -> None:
        snapshot = SaveSnapshot(
            tuple(a for instance in instances for a in instance.memory.values()),
            tuple(a for instance in instances for a in instance.put_back.values()),
        )
        if snapshot != self._saved and instances:
            self._saved = snapshot
            self._out.append(snapshot)
