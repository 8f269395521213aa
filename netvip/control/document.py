"""The status document, taken from the core."""

from __future__ import annotations

import time

from netvip import __version__
from netvip.control import status
from netvip.control.status import Status
from netvip.core.check.history import History
from netvip.core.instance.instance import Instance
from netvip.core.machine import Machine
from netvip.core.model import Tri, Vip
from netvip.core.publish import verdict


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
    spec = instance.spec
    return {
        "name": spec.name,
        "interface": spec.interface,
        "vrid": spec.vrid,
        "family": "IPv4" if spec.family == 2 else "IPv6",
        "state": instance.role(now).name,
        "mode": spec.mode,
        "unprotected": instance.unprotected,
        "managed": machine.windows.managed(instance.home).value,
        "track_file": spec.track_file is Tri.YES,
        "phase": instance.phase.value,
        "verdict": verdict(instance, now),
        "why": instance.why_failed,
        "evidence": _evidence(instance, now),
        "vips": [_vip(machine, instance, vip) for vip in spec.vips],
        "conflict": {"with": instance.conflict.words, "confirmed": instance.conflict.confirmed},
        "ignored": [
            {"sender": sender, "why": why, "count": count}
            for sender, (why, count) in instance.foreign.discarded().items()
        ],
        "check": _check(machine.checks.history(spec.name), now),
    }


def _failback(machine: Machine, home: str) -> status.Failback:
    checks = machine.checks
    return {"home": home, "here": checks.at_home.value, "answers": checks.home_answers().value}


def _check(history: History, now: float) -> status.Check:
    return {
        "at": None if history.at == float("-inf") else time.time() - now + history.at,
        "asked": None if history.at == float("-inf") else time.time() - now + history.asked,
        "faults": [problem.value for problem, belief in history.beliefs.items() if belief.bad],
        "steps": [
            {
                "kind": step.kind.value,
                "subject": step.subject,
                "finding": step.finding.value,
                "words": step.words,
                "took": round(step.took, 6),
            }
            for step in history.steps
        ],
    }


def _evidence(instance: Instance, now: float) -> status.Evidence:
    known = instance.mastership
    age = known.age(now)
    return {"origin": known.origin, "age": None if age == float("inf") else round(age, 1)}


def _vip(machine: Machine, instance: Instance, vip: Vip) -> status.Vip:
    mirror = machine.mirror
    rules = mirror.rules.get(2 if vip.ip.version == 4 else 10)
    lo = mirror.index("lo")
    return {
        "address": f"{vip.ip}/{vip.prefixlen}",
        "interface": vip.interface,
        "present": mirror.get(instance.key(vip)) is not None,
        "shielded": any(address.dynamic for address in mirror.on(lo, vip.ip)),
        "steered": bool(rules and rules.steer(vip.ip)),
    }
