"""Keeping every instance's plan ready, built from what was present while nothing changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import count

from netvip.const import NEVER
from netvip.core.actions import Action, Numbers, SaveSnapshot
from netvip.core.instance.instance import Instance
from netvip.core.mirror import Mirror
from netvip.core.model import AddressKey
from netvip.core.plan import build

#: networkd deletes routes some ms before addresses (fact routes-before-addresses): a plan built in
#: between would lack them. So
#: the kernel has to be unchanged for this long before a plan is built (seconds) ...
BELIEVED_AFTER = 0.25
#: ... but changes without end (by a routing daemon) delay it for no longer than this.
PUT_OFF_LIMIT = 2.0
#: A VIP without a plan gets one at once: an incomplete plan is better than none.
URGENT_AFTER = 0.02


class PlanKeeper:
    """Has plans built when nothing changes in the kernel, and saved for the next daemon."""

    def __init__(self, mirror: Mirror, outbox: list[Action]) -> None:
        self._mirror, self._out = mirror, outbox
        self._first_number: int | None = None
        self._slots: dict[int, int] = {}
        self._first_change = self._due = NEVER
        self._saved: SaveSnapshot | None = None

    @property
    def due(self) -> float:
        """When run() is due."""
        return self._due

    def number_from(self, taken: Iterable[int]) -> None:
        """Choose netvip's table and nexthop numbers, once, from those that are not in use."""
        if self._first_number is None:
            self._first_number = build.first_number(taken)

    def changed(self, now: float) -> None:
        """Something in the kernel changed."""
        self._first_change = min(self._first_change, now)
        self._due = min(now + BELIEVED_AFTER, self._first_change + PUT_OFF_LIMIT)

    def hurry(self, now: float) -> None:
        """A VIP appeared that no plan has yet."""
        self.changed(now)
        self._due = min(self._due, now + URGENT_AFTER)

    def run(
        self,
        instances: Collection[Instance],
        acting_on: Collection[int],
        keys: frozenset[AddressKey],
    ) -> None:
        """Build the plans of instances that are not protected; where networkd acts on an interface,
        only of those that have none."""
        self._first_change = self._due = NEVER
        found: dict[int, build.Surroundings] = {}
        for instance in instances:
            # Instances of one interface share its bridge: while one is protected the plans of the
            # others stay as they are.
            if not instance.protection and (instance.home not in acting_on or instance.unplanned()):
                instance.presence.note()
                self._prepare(instance, keys, found)
        self._save(instances)

    def _prepare(
        self,
        instance: Instance,
        keys: frozenset[AddressKey],
        found: dict[int, build.Surroundings],
    ) -> None:
        if instance.unprotected:
            return
        vips = instance.presence.noted()
        if vips and (home := instance.home):
            where = self._numbers(home)
            here = found.setdefault(home, build.Surroundings(self._mirror, home, keys))
            on_vmacs = instance.presence.on_vmacs
            instance.prepare(build.build(self._mirror, home, vips, keys, where, here, on_vmacs))

    def _numbers(self, ifindex: int) -> Numbers | None:
        if self._first_number is None:
            return None
        if ifindex not in self._slots:  # those of interfaces that are gone are free again
            links = self._mirror.links
            self._slots = {index: slot for index, slot in self._slots.items() if index in links}
            taken = self._slots.values()
            self._slots[ifindex] = next(slot for slot in count() if slot not in taken)
        return build.numbers(self._first_number, self._slots[ifindex])

    def _save(self, instances: Collection[Instance]) -> None:
        snapshot = SaveSnapshot(
            tuple(a for instance in instances for a in instance.presence.memory.values()),
            tuple(a for instance in instances for a in instance.restore.put_back.values()),
            tuple(thing for instance in instances for thing in instance.objects.saved),
            tuple(thing for instance in instances for thing in instance.objects.put_back),
        )
        if snapshot != self._saved and instances:
            self._saved = snapshot
            self._out.append(snapshot)
