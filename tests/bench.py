"""make bench: figures that a noisy machine may change, and that therefore no test asserts.

usage: python -m tests.bench [SUITE…]
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import time
from contextlib import suppress

from tests.lab.demo import DEFAULT_SUITES, PACKAGE, say
from tests.lab.measure import ACTIONS, cpu_seconds, measure, memory_kib
from tests.lab.node import Node
from tests.lab.pair import VIP, Pair

RUNS = 5
IDLE_SECONDS = 30.0


def milliseconds(seconds: list[float]) -> str:
    """Least, median and most."""
    values = (min(seconds), statistics.median(seconds), max(seconds))
    return " / ".join(f"{value * 1000:.2f}" for value in values)


def leads(pair: Pair) -> None:
    """How long before the deletion the shield is up (below 0: after it)."""
    for name, action in ACTIONS.items():
        found = []
        for _ in range(RUNS):
            pair.make_master()
            lead = measure(pair, action, afterwards=2.0).lead()
            found += [lead] if lead is not None else []
        print(f"{pair.suite} {name}: lead in ms, least / median / most: {milliseconds(found)}")


def unannounced(pair: Pair) -> None:
    """The same when nothing announces it: the reaction time, as a negative lead."""
    # A file of the same name in /etc stands in for the drop-in.
    quiet = {
        "etc/netvip/netvip.conf.d/bench.conf": "[sources]\ndbus = no\n",
        "etc/systemd/system/systemd-networkd.service.d/00-netvip.conf": "",
    }
    for path, text in quiet.items():
        pair.a.write(path, text)
    _reload(pair.a)
    print("without D-Bus and without the drop-in:")
    leads(pair)
    for path in quiet:
        (pair.a.root / path).unlink()
    _reload(pair.a)


def _reload(node: Node) -> None:
    node.run("systemctl", "daemon-reload")
    node.run("systemctl", "restart", "netvip.service")


def idle(node: Node) -> None:
    """Processor time and memory of a daemon that has nothing to do."""
    pid = node.host_pid("netvip.service")
    before = cpu_seconds(pid)
    time.sleep(IDLE_SECONDS)  # the measurement itself
    share = (cpu_seconds(pid) - before) / IDLE_SECONDS
    print(f"{node.suite} idle: {share:.2%} of a core, {memory_kib(pid) / 1024:.1f} MiB")


#: What keepalived would run every second: the classic recipe's check, ours, and the verb.
CHECKS = {
    "the classic bash check": f"bash -c 'ip -o addr show | grep -q {VIP} && ping -qc1 -W1 {VIP}'",
    "keepalived-check": "/etc/netvip/keepalived-check VI_1",
    "netvip check": "netvip check VI_1",
}
#: The loop is the check's parent, and so plays the keepalived that said MASTER.
LOOP = """
stat=$(cat /proc/$$/stat)
set -- ${stat##*) }
echo MASTER >/run/netvip/state/VI_1@$$.${20}
i=0
while [ $i -lt %d ]; do CHECK >/dev/null; i=$((i + 1)); done
rm -f /run/netvip/state/VI_1@$$.${20}
times
"""
ROUNDS = 100


def checks(node: Node) -> None:
    """Processor time of one run of each check."""
    for name, command in CHECKS.items():
        shown = node.run("sh", "-c", (LOOP % ROUNDS).replace("CHECK", command))
        spent = sum(_seconds(word) for word in shown.splitlines()[-1].split())
        print(f"{node.suite} {name}: {spent / ROUNDS * 1000:.1f} ms of processor time")


HOOKS = {
    "hook, waiting for the shield": "/usr/lib/netvip/hook --wait networkd-stops",
    "hook of the dispatcher": "/usr/lib/networkd-dispatcher/routable.d/50-netvip",
    "wait for the source": "/usr/lib/netvip/wait-source",
    "apt's hook": "/usr/lib/netvip/apt-hook ended",
}


def hooks(node: Node, netvip: str) -> None:
    """How long each hook keeps what it hooks into waiting."""
    for name, command in HOOKS.items():
        found = []
        for _ in range(RUNS):
            begun, ended = node.run(
                "sh", "-c", f"date +%s.%N; IFACE=ens160 STATE=routable {command}; date +%s.%N"
            ).split()
            found.append(float(ended) - float(begun))
            time.sleep(0.2)  # the daemon's own work for the last one is not to be measured
        print(f"{node.suite} {name}, netvip {netvip}: ms {milliseconds(found)}")


def hooks_of_a_hung_netvip(node: Node) -> None:
    """The same while the daemon is stopped; its last sign of life counts for 1.5 s."""
    pid = node.host_pid("netvip.service")
    os.kill(pid, signal.SIGSTOP)
    try:
        hooks(node, "hung")
    finally:
        with suppress(ProcessLookupError):  # its watchdog was quicker
            os.kill(pid, signal.SIGCONT)


def examinations(node: Node) -> None:
    """How long a coordinated check takes."""
    found = []
    for _ in range(RUNS):
        (shown,) = json.loads(node.run("netvip", "verify", "--json", check=False))
        found.append(shown["took"])
    print(f"{node.suite} coordinated check: ms {milliseconds(found)}")


def many(suite: str) -> None:
    """A check of fifty VIPs, and what a check every 2 s costs then."""
    vips = [VIP, *(f"10.77.0.{host}" for host in range(150, 199))]
    with Pair(suite, vips) as pair:
        pair.protect(PACKAGE, guarded=True)
        print(f"{len(vips)} VIPs:")
        examinations(pair.a)
        idle(pair.a)


def _seconds(word: str) -> float:
    minutes, _, seconds = word.removesuffix("s").partition("m")
    return int(minutes) * 60 + float(seconds)


def main(arguments: list[str]) -> int:
    """Print the figures of each release."""
    for suite in arguments or DEFAULT_SUITES:
        say(f"{suite}: booting two guarded nodes for {VIP}")
        with Pair(suite) as pair:
            pair.protect(PACKAGE, guarded=True)
            leads(pair)
            unannounced(pair)
            pair.make_master()
            idle(pair.a)
            checks(pair.a)
            hooks(pair.a, "up")
            hooks_of_a_hung_netvip(pair.a)
            pair.make_master()
            examinations(pair.a)
        many(suite)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
