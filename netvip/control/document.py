"""The status document, taken from the core."""

from __future__ import annotations

import time
from collections.abc import Sequence

from netvip import __version__
from netvip.control import status
from netvip.control.status import Status
from netvip.core.check.history import History
from netvip.core.check.verdicts import Step
from netvip.core.instance.instance import Instance
from netvip.core.machine import Machine
from netvip.core.mirror import Mirror
from netvip.core.model import AddressKey, Tri, Vip, family_of
from netvip.core.publish import verdict

#: So many steps of checks are listed, of all instances together, and at least so many of each: a
#: thousand VIPs have four thousand, which no operator reads, and which take longer to write than
#: the event loop may be held.
MOST_STEPS, LEAST_STEPS = 400, 20


def document(
    machine: Machine,
    now: float,
    home: str = "",
    trouble: str = "",
    fifo: tuple[int, int] = (0, 0),
) -> Status:
    """The status. `home` is the home node of netvip.conf; `trouble` a problem of the daemon that
    the core does not know; `fifo` counts keepalived's lines, and those that were invalid."""
    clock = time.time() - now
    return {
        "version": __version__,
        "keepalived": machine.keepalived.value,
        "networkd": machine.windows.networkd.value,
        "problem": trouble or problem(machine),
        "elsewhere": list(machine.elsewhere),
        "fifo": {"lines": fifo[0], "dropped": fifo[1]},
        "instances": [_instance(machine, i, now) for i in machine.instances.values()],
        "static": [
            {"object": str(thing), "present": is_there} for thing, is_there in machine.statics.known
        ],
        "faults": {problem.name.lower(): n for problem, n in machine.checks.counts.items()},
        "holds": [
            {"reason": hold.reason, "count": hold.count, "until": hold.until + clock}
            for hold in machine.requests.holds
        ],
        "windows": [
            {
                "reason": w.reason,
                "opened": w.opened + clock,
                "deadline": w.deadline + clock,
                "interface": machine.mirror.name(w.ifindex),
            }
            for w in machine.windows.values()
        ],
        "failback": _failback(machine, home),
    }


def problem(machine: Machine) -> str:
    """What keeps netvip from protecting the VIPs, in one sentence; empty if nothing does."""
    blocked, why = machine.shield_blocked
    if machine.keepalived is Tri.NO:
        return "keepalived is not running; nothing to protect"
    if machine.dump_problem:
        return machine.dump_problem
    if blocked is Tri.YES:
        return f"cannot use a shield on this host: {why}"
    if machine.windows.networkd is Tri.NO:
        return "systemd-networkd is not running"
    return ""


def _instance(machine: Machine, instance: Instance, now: float) -> status.Instance:
    spec, most = instance.spec, max(LEAST_STEPS, MOST_STEPS // len(machine.instances))
    return {
        "name": spec.name,
        "interface": spec.interface,
        "vrid": spec.vrid,
        "family": "IPv4" if spec.family == 2 else "IPv6",
        "state": instance.role(now).name,
        "mode": spec.mode,
        "unprotected": instance.unprotected,
        "lapsed": instance.lapsed,
        "managed": machine.windows.managed(instance.home).value,
        "track_file": spec.track_file is Tri.YES,
        "phase": instance.phase.value,
        "verdict": verdict(instance, now),
        "why": instance.why_failed,
        "evidence": _evidence(instance, now),
        "vips": _vips(machine, instance),
        "objects": [
            {"object": str(thing), "present": is_there, "tracked": is_tracked}
            for thing, is_there, is_tracked in instance.objects.known
        ],
        "conflict": {"with": instance.conflict.words, "confirmed": instance.conflict.confirmed},
        "ignored": [
            {"sender": sender, "why": why, "count": count}
            for sender, (why, count) in instance.foreign.discarded().items()
        ],
        "check": _check(machine.checks.history(spec.name), now, most),
    }


def _failback(machine: Machine, home: str) -> status.Failback:
    checks = machine.checks
    return {"home": home, "here": checks.at_home.value, "answers": checks.home_answers().value}


def _check(history: History, now: float, most: int) -> status.Check:
    return {
        "at": None if history.at == float("-inf") else time.time() - now + history.at,
        "asked": None if history.at == float("-inf") else time.time() - now + history.asked,
        "faults": [problem.value for problem, belief in history.beliefs.items() if belief.bad],
        "steps": [_step(step) for step in shown(history.steps, most)],
        "unlisted": max(0, len(history.steps) - most),
    }


def shown(steps: Sequence[Step], most: int) -> Sequence[Step]:
    """The steps that are listed: of very many first those that are not good."""
    if len(steps) <= most:
        return steps
    return sorted(steps, key=lambda step: step.finding is Tri.YES)[:most]


def _step(step: Step) -> status.Step:
    return {
        "kind": step.kind.value,
        "subject": step.subject,
        "finding": step.finding.value,
        "words": step.words,
        "took": round(step.took, 6),
    }


def _evidence(instance: Instance, now: float) -> status.Evidence:
    known = instance.mastership
    age = known.age(now)
    return {"origin": known.origin, "age": None if age == float("inf") else round(age, 1)}


def _vips(machine: Machine, instance: Instance) -> list[status.Vip]:
    mirror = machine.mirror
    on_lo = mirror.addresses(mirror.index("lo"))
    # Bytes, because ipaddress makes a text of an address to hash it.
    shields = {address.ip.packed for address in on_lo if address.dynamic}
    return [_vip(mirror, instance.key(vip), vip, shields) for vip in instance.spec.vips]


def _vip(mirror: Mirror, key: AddressKey, vip: Vip, shields: set[bytes]) -> status.Vip:
    rules = mirror.rules.get(family_of(vip.ip))
    return {
        "address": f"{vip.ip}/{vip.prefixlen}",
        "interface": vip.interface,
        "present": mirror.get(key) is not None,
        "shielded": vip.ip.packed in shields,
        "steered": bool(rules and rules.steer(vip.ip)),
    }
