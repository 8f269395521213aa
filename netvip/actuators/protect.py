"""Prepares, adds, renews and removes the shield and the bridge of each instance."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from netvip.actuators import bridge, shield
from netvip.actuators.files import write_atomically
from netvip.actuators.netlink import Batch, NetlinkSender
from netvip.const import BRIDGE_FILE
from netvip.core.actions import Plan


class Protector:
    """Knows the plan of each instance, and which plans are in the kernel."""

    def __init__(self, sender: NetlinkSender) -> None:
        self._sender = sender
        self._lo = socket.if_nametoindex("lo")
        self._plans: dict[str, Plan] = {}
        self._up: dict[str, Batch] = {}
        self._renewal: dict[str, Batch] = {}
        #: By instance, the plans whose shield and bridge are in the kernel.
        self.active: dict[str, Plan] = {}
        #: By interface, the plans whose shared objects are in the kernel.
        self._built: dict[int, list[Plan]] = {}

    def prepare(self, instance: str, plan: Plan) -> None:
        """Encode an instance's shield and bridge, and record what a sweep has to delete."""
        self._plans[instance] = plan
        shields = shield.up((*plan.vips, *plan.own), self._lo)
        self._renewal[instance] = self._sender.prepare(shields)
        self._up[instance] = self._sender.prepare(shields + bridge.up(plan))
        plans = [*self._plans.values(), *self.active.values()]
        write_atomically(Path(BRIDGE_FILE), json.dumps(bridge.record(plans)))

    def protect(self, instance: str) -> None:
        """Add the shield and the bridge in one send."""
        self._sender.send(self._up.get(instance, Batch()))
        if (plan := self._plans.get(instance)) is not None:
            self.active[instance] = plan
            self._built.setdefault(plan.ifindex, []).append(plan)

    def protect_again(self, instance: str) -> None:
        """Send all of it again: the kernel deletes the bridge of an interface without carrier."""
        self._sender.send(self._up.get(instance, Batch()))

    def renew(self, instance: str) -> None:
        """Renew the leases of the shield; an address that was removed is added again."""
        self._sender.send(self._renewal.get(instance, Batch()))

    def unprotect(self, instance: str) -> None:
        """Remove the shield and the bridge, except what other instances of the interface use."""
        plan = self.active.pop(instance, None)
        if plan is None:
            return
        others = [p for p in self.active.values() if p.ifindex == plan.ifindex]
        shared = {address.ip for other in others for address in (*other.vips, *other.own)}
        gone = [a for a in (*plan.vips, *plan.own) if a.ip not in shared]
        requests = bridge.down(plan)
        if not others:
            requests += bridge.down_shared(self._built.pop(plan.ifindex, ()))
        self._sender.do(requests + shield.down(gone, self._lo))

    def unprotect_all(self) -> None:
        """Remove the shield and the bridge of each instance."""
        for instance in list(self.active):
            self.unprotect(instance)


def sweep(sender: NetlinkSender) -> None:
    """Delete the bridge of a daemon that was killed. The kernel removes the shield when its lease
    ends."""
    try:
        recorded: dict[str, Any] = json.loads(Path(BRIDGE_FILE).read_text())
        requests = bridge.sweep(recorded)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return  # the record is written before the first object is added: without it there is none
    sender.do(requests)
