"""Prepares, adds, renews and removes the shield and the bridge of each instance."""

from __future__ import annotations

import json
import socket
from collections.abc import Collection
from pathlib import Path
from typing import Any

from netvip.actuators import bridge, shield
from netvip.actuators.bridge import Bridge
from netvip.actuators.files import write_atomically
from netvip.actuators.netlink import Batch, NetlinkSender
from netvip.actuators.parts import Parts, finish
from netvip.const import BRIDGE_FILE
from netvip.core.actions import Plan


class Protector:
    """Knows the plan of each instance, and which plans are in the kernel."""

    def __init__(self, sender: NetlinkSender) -> None:
        self._sender = sender
        self._lo = socket.if_nametoindex("lo")
        self._bridges: dict[str, Bridge] = {}
        # Encoded, by instance.
        self._shield: dict[str, Batch] = {}
        self._bridge: dict[str, Batch] = {}
        # By instance, those that are in the kernel.
        self._active: dict[str, Bridge] = {}
        #: By interface, the bridges whose shared objects are in the kernel.
        self._built: dict[int, list[Bridge]] = {}

    @property
    def active(self) -> Collection[str]:
        """The instances whose shield and bridge are in the kernel."""
        return self._active.keys()

    def prepare(self, instance: str, plan: Plan) -> Parts:
        """Encode an instance's shield and bridge, and record what a sweep has to delete."""
        known = self._bridges.get(instance)
        if known is None or known.plan is not plan:  # else the record had no room on the disk
            yield from self._encode(instance, plan)
            yield
        every = [*self._bridges.values(), *self._active.values()]
        write_atomically(Path(BRIDGE_FILE), json.dumps(bridge.record(every)))

    def _encode(self, instance: str, plan: Plan) -> Parts:
        shields, routes, built = Batch(), Batch(), Bridge.of(plan)
        yield
        yield from self._sender.prepare(shield.up((*plan.vips, *plan.own), self._lo), shields)
        yield from self._sender.prepare(built.up(), routes)
        self._bridges[instance] = built
        self._shield[instance], self._bridge[instance] = shields, routes

    def protect(self, instance: str) -> Parts:
        """Add the shield, then the bridge."""
        if (built := self._bridges.get(instance)) is not None:
            self._active[instance] = built
            self._built.setdefault(built.plan.ifindex, []).append(built)
        yield from self.protect_again(instance)

    def protect_again(self, instance: str) -> Parts:
        """Send all of it again: the kernel deletes the bridge of an interface without carrier."""
        yield from self.renew(instance)
        yield from self._sender.send(self._bridge.get(instance, Batch()))

    def renew(self, instance: str) -> Parts:
        """Renew the leases of the shield; an address that was removed is added again."""
        yield from self._sender.send(self._shield.get(instance, Batch()))

    def unprotect(self, instance: str) -> Parts:
        """Remove the bridge and the shield, except what other instances of the interface use."""
        built = self._active.pop(instance, None)
        if built is None:
            return
        plan = built.plan
        others = [o for o in self._active.values() if o.plan.ifindex == plan.ifindex]
        yield from self._sender.do(built.down(others))
        if not others:
            yield from self._sender.do(bridge.down_shared(self._built.pop(plan.ifindex, ())))
        shared = {address.ip.packed for o in others for address in (*o.plan.vips, *o.plan.own)}
        gone = (a for a in (*plan.vips, *plan.own) if a.ip.packed not in shared)
        yield from self._sender.do(shield.down(gone, self._lo))

    def unprotect_all(self) -> None:
        """Remove the shield and the bridge of each instance, now."""
        for instance in list(self._active):
            finish(self.unprotect(instance))


def sweep(sender: NetlinkSender) -> None:
    """Delete the bridge of a daemon that was killed. The kernel removes the shield when its lease
    ends."""
    try:
        recorded: dict[str, Any] = json.loads(Path(BRIDGE_FILE).read_text())
        requests = bridge.sweep(recorded)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return  # the record is written before the first object is added: without it there is none
    finish(sender.do(requests))
