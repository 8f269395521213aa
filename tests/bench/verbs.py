"""What keepalived, networkd and apt wait for: checks and hooks; how early a shield is up; how long
a start and a coordinated check take."""

from __future__ import annotations

import json
import os
import signal
import statistics
import time
from contextlib import suppress

from tests.bench.report import milliseconds, ratio, spread, table
from tests.bench.size import started, unannounced
from tests.lab.demo import PACKAGE, say
from tests.lab.measure import ACTIONS, measure
from tests.lab.node import Node
from tests.lab.pair import VIP, Pair

RUNS = 5


def leads(pair: Pair) -> list[tuple[str, str]]:
    """How long before the deletion the shield is up (below 0: after it)."""
    rows = []
    for name, action in ACTIONS.items():
        found = []
        for _ in range(RUNS):
            pair.make_master()
            lead = measure(pair, action, afterwards=2.0).lead()
            found += [lead] if lead is not None else []
        rows.append((name, spread(found)))
    return rows


#: What keepalived would run every second: the classic recipe's checks, ours, and the verb.
CHECKS = {
    "the classic bash check: `ip`, `grep`": f"bash -c 'ip addr show | grep -q {VIP}'",
    "the same and `ping`": f"bash -c 'ip addr show | grep -q {VIP} && ping -qc1 -W1 {VIP}'",
    "`keepalived-check`": "/etc/netvip/keepalived-check VI_1",
    "`netvip check`": "netvip check VI_1",
}
#: The loop is the check's parent, and so plays the keepalived that said MASTER.
LOOP = """
stat=$(cat /proc/$$/stat)
set -- ${stat##*) }
echo MASTER >/run/netvip/state/VI_1@$$.${20}
begun=$(date +%%s.%%N)
i=0
while [ $i -lt %d ]; do CHECK >/dev/null || exit; i=$((i + 1)); done
echo $begun $(date +%%s.%%N)
rm -f /run/netvip/state/VI_1@$$.${20}
times
"""
ROUNDS = 50


def checks(node: Node) -> list[tuple[str, ...]]:
    """Processor time and duration of one run of each check."""
    found = {}
    for name, command in CHECKS.items():
        shown = node.run("sh", "-c", (LOOP % ROUNDS).replace("CHECK", command)).splitlines()
        spent = sum(_seconds(word) for word in shown[-1].split())
        begun, ended = map(float, shown[0].split())
        found[name] = (spent / ROUNDS, (ended - begun) / ROUNDS)
    classic = next(iter(found.values()))
    return [
        (
            name,
            milliseconds(spent),
            ratio(spent, classic[0]),
            milliseconds(took),
            ratio(took, classic[1]),
        )
        for name, (spent, took) in found.items()
    ]


def _seconds(word: str) -> float:
    minutes, _, seconds = word.removesuffix("s").partition("m")
    return int(minutes) * 60 + float(seconds)


HOOKS = {
    "hook, waiting for the shield": "/usr/lib/netvip/hook --wait networkd-stops",
    "hook of the dispatcher": "/usr/lib/networkd-dispatcher/routable.d/50-netvip",
    "wait for the source": "/usr/lib/netvip/wait-source",
    "apt's hook": "/usr/lib/netvip/apt-hook ended",
}


def hooks(node: Node) -> dict[str, str]:
    """How long each hook keeps what it hooks into waiting."""
    rows = {}
    for name, command in HOOKS.items():
        found = []
        for _ in range(RUNS):
            begun, ended = node.run(
                "sh", "-c", f"date +%s.%N; IFACE=ens160 STATE=routable {command}; date +%s.%N"
            ).split()
            found.append(float(ended) - float(begun))
            time.sleep(0.2)  # the daemon's own work for the last one is not to be measured
        rows[name] = spread(found)
    return rows


def hooks_of_a_hung_netvip(node: Node) -> dict[str, str]:
    """The same while the daemon is stopped; its last sign of life counts for 1.5 s."""
    pid = node.host_pid("netvip.service")
    os.kill(pid, signal.SIGSTOP)
    try:
        return hooks(node)
    finally:
        with suppress(ProcessLookupError):  # its watchdog was quicker
            os.kill(pid, signal.SIGCONT)


def examinations(node: Node) -> str:
    """How long a coordinated check takes."""
    found = []
    for _ in range(RUNS):
        (shown,) = json.loads(node.run("netvip", "verify", "--json", check=False))
        found.append(shown["took"])
    return spread(found)


def starts(node: Node) -> list[tuple[str, str, str]]:
    """How long a start of each service takes."""
    units = ("keepalived.service", "netvip.service")
    found = {unit: [started(node, unit) for _ in range(RUNS)] for unit in units}
    first = statistics.median(found[units[0]])
    return [(unit, spread(t), ratio(statistics.median(t), first)) for unit, t in found.items()]


def main(suite: str) -> None:
    """Print the tables."""
    say(f"{suite}: checks, hooks, leads")
    with Pair(suite) as pair:
        pair.protect(PACKAGE, guarded=True)
        up, hung = hooks(pair.a), hooks_of_a_hung_netvip(pair.a)
        pair.make_master()
        ms = "ms, least / median / most"
        table(
            f"{suite}: one run of a check (ms)",
            ("check", "processor time", "ratio", "duration", "ratio"),
            checks(pair.a),
        )
        verified = [("`netvip verify`", examinations(pair.a))]
        table(f"{suite}: a coordinated check", ("", ms), verified)
        table(f"{suite}: from the start to READY", ("service", ms, "ratio"), starts(pair.b))
        rows = [(name, up[name], hung[name]) for name in HOOKS]
        table(f"{suite}: what waits for a hook", ("hook", ms, "the same, netvip hung"), rows)
        announced = leads(pair)
        with unannounced(pair.a):
            sudden = leads(pair)
        both = [
            (name, lead, late) for (name, lead), (_, late) in zip(announced, sudden, strict=True)
        ]
        table(
            f"{suite}: how long before the deletion the shield is up ({ms})",
            ("action", "announced", "without D-Bus and the drop-in"),
            both,
        )
