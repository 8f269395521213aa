"""What other programs may read of how the instances stand: written again where it changed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from netvip.core.actions import (
    Action,
    PublishInstance,
    PublishWindow,
    RenewLists,
    SaveSourceList,
    SaveStates,
    WithdrawInstance,
)
from netvip.core.events import DumpReceived
from netvip.core.instance.instance import Instance
from netvip.core.instance.states import IN_FAULT, PROTECTED, Phase
from netvip.core.mirror import Mirror
from netvip.core.model import Role, Tri
from netvip.core.objects import Identity, RouteIdentity

#: keepalived has at most 255 instances of a family on an interface.
INSTANCES_KEPT = 512


def verdict(instance: Instance, now: float) -> str:
    """good, failed or unknown. A BACKUP without its VIPs is good."""
    if instance.phase is Phase.FAILED or instance.phase in IN_FAULT - PROTECTED:
        return "failed"
    master = instance.master(now)
    if instance.protected or master is Tri.NO:
        return "good"
    whole = instance.whole and instance.objects.is_whole
    if master is Tri.UNKNOWN or (instance.unprotected and not whole):
        return "unknown"
    return "good" if whole else "failed"


class Publisher:
    """Remembers what was written last. It appends what is to be written to its outbox."""

    def __init__(self, mirror: Mirror, outbox: list[Action]) -> None:
        self._mirror, self._out = mirror, outbox
        self._written: dict[str, PublishInstance] = {}
        self._window: bool | None = None
        self._load = 0
        self._files: tuple[str, ...] = ()

    def loaded(self) -> None:
        """keepalived has read its configuration (again): what it holds is as new as that."""
        self._load += 1

    def dumped(self, event: DumpReceived) -> None:
        """keepalived's dump: for its notify script, and for what its next start waits for."""
        self._files = event.files
        self._out.append(RenewLists())
        if event.configured is None:
            return  # which instances have our notify script is not known: what it wrote stays
        notifying = event.configured.notifying
        states = tuple(
            (spec.name, role.name)
            for spec, role in event.instances
            if spec.name in notifying and role is not Role.UNKNOWN
        )
        self._out.append(SaveSourceList(event.configured.sources, event.files))
        self._out.append(SaveStates(event.processes, states, notifying))

    def run(self, instances: Mapping[str, Instance], window: bool, now: float) -> None:
        """Have written what has changed."""
        for name in [name for name in self._written if name not in instances]:
            del self._written[name]
            self._out.append(WithdrawInstance(name))
        for name, instance in instances.items():
            record = self._record(name, instance, window, now)
            if record != self._written.get(name):
                self._written[name] = record
                self._out.append(record)
        # A shield that is up without a window (Law 2) holds the checks just the same.
        window = window or any(instance.protected for instance in instances.values())
        if window is not self._window:
            self._window = window
            self._out.append(PublishWindow(window))

    def _record(self, name: str, instance: Instance, window: bool, now: float) -> PublishInstance:
        return PublishInstance(
            name,
            instance.role(now).name,
            verdict(instance, now),
            instance.why_failed,
            not instance.unprotected and (window or instance.held(now)),
            instance.presence.names,
            self._load,
            self._files,
            _in_words(instance.objects.required),
        )


@lru_cache(INSTANCES_KEPT)  # asked for at each event
def _in_words(identities: tuple[Identity, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(map(_words, identities))


def _words(identity: Identity) -> tuple[str, ...]:
    if isinstance(identity, RouteIdentity):
        words = identity.shown.split()
        return "route", str(identity.destination.version), str(identity.table), *words
    return "rule", str(identity.version), str(identity.priority)
