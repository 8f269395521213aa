"""What others may read of how the instances stand: written anew where it has changed."""

from __future__ import annotations

from collections.abc import Mapping

from netvip.core.actions import Action, PublishInstance, PublishWindow, WithdrawInstance
from netvip.core.instance.instance import Instance
from netvip.core.instance.states import IN_FAULT, PROTECTED, Phase
from netvip.core.mirror import Mirror
from netvip.core.model import Tri


def verdict(instance: Instance, now: float) -> str:
    """good, failed or unknown. A BACKUP without its VIPs is good."""
    if instance.phase is Phase.FAILED or instance.phase in IN_FAULT - PROTECTED:
        return "failed"
    master = instance.master(now)
    if instance.protected or master is Tri.NO:
        return "good"
    if master is Tri.UNKNOWN:
        return "unknown"
    return "failed" if instance.missing() else "good"


class Publisher:
    """Knows what was written last."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._written: dict[str, PublishInstance] = {}
        self._window: bool | None = None
        self._load = 0

    def loaded(self) -> None:
        """keepalived has read its configuration (again): what it holds is as new as that."""
        self._load += 1

    def run(self, instances: Mapping[str, Instance], window: bool, now: float) -> list[Action]:
        """What has to be written."""
        out: list[Action] = [
            WithdrawInstance(name) for name in self._written if name not in instances
        ]
        for action in out:
            del self._written[action.instance]  # type: ignore[attr-defined]
        for name, instance in instances.items():
            record = self._record(name, instance, window, now)
            if record != self._written.get(name):
                self._written[name] = record
                out.append(record)
        # A shield that is up without a window (Law 2) holds the checks just the same.
        window = window or any(instance.protected for instance in instances.values())
        if window is not self._window:
            self._window = window
            out.append(PublishWindow(window))
        return out

    def _record(self, name: str, instance: Instance, window: bool, now: float) -> PublishInstance:
        role = instance.mastership.role(now, instance.spec)
        vips = tuple((self._mirror.name(key.ifindex), str(key.ip)) for key in instance.memory)
        return PublishInstance(
            name,
            role.name,
            verdict(instance, now),
            instance.why_failed,
            window or instance.held(now),
            vips,
            self._load,
        )
