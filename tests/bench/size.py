"""How times, lost probes, processor time and memory grow with the number of VIPs.

Beside netvip stand `ip -batch`, which puts the same objects into the kernel, and keepalived alone.
"""

from __future__ import annotations

import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from netvip.actuators.prefixes import fewest
from tests.bench.report import milliseconds, ratio, table
from tests.lab.demo import PACKAGE, say
from tests.lab.hosts import PLAIN, Host, many
from tests.lab.measure import REELECTED, Tool, memory_kib, probed, reconfigure
from tests.lab.node import Node, cgroup_root
from tests.lab.pair import GATEWAY, INTERFACE, OWN, VIP, Pair, has_address

RUNS = 3
#: Instances, and VIPs of each.
SIZES = ((1, 1), (1, 100), (1, 300), (1, 1000), (20, 50))
IDLE_SECONDS = 8.0
#: Numbers that no daemon takes: they are no multiple of its blocks'.
TABLE, NEXTHOP = 70001, 70001
#: Until the announcements and the check that follow a put-back are over.
SETTLED = 2.0
QUIET_CONF = "etc/netvip/netvip.conf.d/bench.conf"
#: A file of the same name in /etc stands in for the drop-in.
QUIET_DROP_IN = "etc/systemd/system/systemd-networkd.service.d/00-netvip.conf"

INSTANCE = """
vrrp_instance VI_{number} {{
    state BACKUP
    interface ens160
    virtual_router_id {vrid}
    priority 100
    advert_int 1
    nopreempt
    virtual_ipaddress {{
        {first}
    }}
    virtual_ipaddress_excluded {{
{others}
    }}
}}
"""


def sized(instances: int, each: int) -> tuple[Host, tuple[str, ...]]:
    """A host with so many VIPs, and the VIPs."""
    every = [f"10.80.{n // 250}.{n % 250 + 1}" for n in range(instances * each - 1)]
    if instances == 1:
        return (many(each - 1) if each > 1 else PLAIN), (VIP, *every)
    own, blocks, firsts = many(each - 1), "", []
    for number in range(1, instances):
        first, *others = every[number * each - 1 : (number + 1) * each - 1]
        firsts.append((INTERFACE, first))
        blocks += INSTANCE.format(
            number=number + 1,
            vrid=51 + number,
            first=f"{first}/32",
            others="\n".join(f"        {vip}/32" for vip in others),
        )
    return replace(own, blocks=blocks, others=tuple(firsts)), (VIP, *every)


@dataclass(frozen=True)
class Run:
    """What one action cost; times in seconds. `carried`, `back`: from the first deletion until the
    last VIP was carried by shield and bridge, and until the last was back on an interface."""

    lost: int
    back: float
    carried: float | None = None
    #: From the first VIP that went back to the last.
    putting_back: float = 0.0
    processor: float = 0.0


def processor_seconds(node: Node, unit: str) -> float:
    """Processor time of a unit, with all processes that it started."""
    path = cgroup_root() / f"netvip-{node.net.name}" / "system.slice" / unit / "cpu.stat"
    lines = dict(line.split() for line in path.read_text().splitlines())
    return int(lines["usage_usec"]) / 1e6


def follow(
    pair: Pair, vips: tuple[str, ...], afterwards: float, action: Callable[[Node], None]
) -> Run:
    """Run the action on the master, and follow every VIP; probe the first and the last."""
    pair.make_master()
    is_protected = pair.a.succeeds("systemctl", "is-active", "netvip.service")
    before = processor_seconds(pair.a, "netvip.service") if is_protected else 0.0
    with ExitStack() as stack:
        tools = {
            "a": Tool(pair.a.net, "timeline"),
            "b": Tool(pair.b.net, "timeline"),
            "first": probed(pair.near, vips[0]),
            **({"last": probed(pair.near, vips[-1])} if len(vips) > 1 else {}),
        }
        for tool in tools.values():
            stack.callback(tool.kill)
        action(pair.a)
        time.sleep(afterwards)  # to observe: there is no event for "nothing happens"
        found = {name: tool.stop() for name, tool in tools.items()}
    lost = max(found[name]["lost"] for name in ("first", "last") if name in found)
    spent = processor_seconds(pair.a, "netvip.service") - before if is_protected else 0.0
    return _evaluated(found, set(vips), lost, spent)


def _evaluated(found: dict[str, Any], vips: set[str], lost: int, spent: float) -> Run:
    here = _moves(found["a"], vips, INTERFACE)
    gone = min(time for time, what, _ in here if what == "del")
    came = [
        (time, vip)
        for time, what, vip in (*here, *_moves(found["b"], vips, INTERFACE))
        if what == "add" and time > gone
    ]
    back = {vip: time for time, vip in came}  # the last time, for each
    if missing := vips - back.keys():
        say(f"{len(missing)} VIPs did not come back while it was observed")
    shields = {vip: t for t, what, vip in reversed(_moves(found["a"], vips, "lo")) if what == "add"}
    carried = None
    if vips <= shields.keys():
        rules = [event["time"] for event in found["a"]["rules"] if event["what"] == "add"]
        carried = max(*shields.values(), *rules) - gone
    if missing:
        return Run(lost, math.inf, carried, math.inf, spent)
    times = back.values()
    return Run(lost, max(times) - gone, carried, max(times) - min(times), spent)


def _moves(timeline: dict[str, Any], vips: set[str], on: str) -> list[tuple[float, str, str]]:
    return [
        (event["time"], event["what"], event["address"])
        for event in timeline["addresses"]
        if event["interface"] == on and event["address"] in vips
    ]


@contextmanager
def unannounced(node: Node) -> Iterator[None]:
    """netvip without D-Bus and without its drop-in: nothing announces what networkd does."""
    node.write(QUIET_CONF, "[sources]\ndbus = no\n")
    node.write(QUIET_DROP_IN, "")
    reload(node)
    yield
    for path in (QUIET_CONF, QUIET_DROP_IN):
        (node.root / path).unlink()
    reload(node)


def reload(node: Node) -> None:
    """Have netvip and systemd read their files again."""
    node.run("systemctl", "daemon-reload")
    node.run("systemctl", "restart", "netvip.service")


# --- ip -batch ----------------------------------------------------------------------------------


def carrying(node: Node, vips: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Commands that put the same shield and bridge into the kernel, and that remove them."""
    own = OWN[node.name]
    lease = "scope host valid_lft 3 preferred_lft 3"
    rules = [
        f"from {network} {where} pref 32765 protocol kernel"
        for network in fewest(map(ip_address, vips))
        for where in ("lookup main suppress_prefixlength 0", f"lookup {TABLE}")
    ]
    rules.append(f"from all lookup {TABLE + 1} pref 32767 protocol kernel")
    lan, out = NEXTHOP, NEXTHOP + 1
    up = [
        *(f"address replace {ip}/32 dev lo {lease}" for ip in (*vips, own)),
        f"nexthop add id {lan} dev {INTERFACE} protocol kernel",
        f"nexthop add id {out} via {GATEWAY} dev {INTERFACE} onlink protocol kernel",
        f"route add 10.77.0.0/24 nhid {lan} table {TABLE} proto kernel",
        f"route add default nhid {out} table {TABLE} proto kernel",
        f"route add 10.77.0.0/24 nhid {lan} src {own} table {TABLE + 1} proto kernel",
        f"route add default nhid {out} src {own} table {TABLE + 1} proto kernel",
        *(f"rule add {rule}" for rule in rules),
    ]
    down = [
        *(f"rule del {rule}" for rule in rules),
        f"nexthop del id {lan}",
        f"nexthop del id {out}",
        *(f"address del {ip}/32 dev lo" for ip in (*vips, own)),
    ]
    return up, down


def batch(node: Node, commands: list[str]) -> float:
    """Seconds that `ip -batch` takes for these commands, its start included."""
    with tempfile.NamedTemporaryFile("w", suffix=".batch") as file:
        file.write("\n".join([*commands, ""]))
        file.flush()
        tool = Path(__file__).parents[1] / "lab/tools/batch.py"
        shown = json.loads(node.net.run("python3", "-I", str(tool), file.name))
    if shown["errors"]:
        say(shown["errors"])
    return float(shown["ended"] - shown["begun"])


def batches(node: Node, vips: tuple[str, ...]) -> tuple[float, float]:
    """Seconds that `ip -batch` takes to carry the VIPs, and to add them to their interface."""
    up, down = carrying(node, vips)
    on = [f"{vip}/{24 if vip == VIP else 32} dev {INTERFACE}" for vip in vips]
    carried, back = [], []
    for _ in range(RUNS):
        carried.append(batch(node, up))
        batch(node, down)
        batch(node, [f"address del {address}" for address in on])
        back.append(batch(node, [f"address add {address}" for address in on]))
    return statistics.median(carried), statistics.median(back)


# --- the tables ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figures:
    """All of one size."""

    instances: int
    number: int
    alone: Run
    announced: list[Run]
    unannounced: list[Run]
    batched: tuple[float, float]
    idle: float
    memory: int
    ready: float

    @property
    def name(self) -> str:
        """The size, for a table."""
        return f"{self.number}" + (f" on {self.instances}" if self.instances > 1 else "")

    def median(self, runs: list[Run], of: Callable[[Run], float | None]) -> float:
        """The run in the middle; NaN where it has no such figure."""
        found = [value for value in map(of, runs) if value is not None]
        return statistics.median(found) if found else float("nan")


def measured(suite: str, instances: int, each: int) -> Figures:
    """Boot a pair of this size and measure."""
    host, vips = sized(instances, each)
    with Pair(suite, host=host) as pair:
        alone = follow(pair, vips, REELECTED, reconfigure)
        pair.protect(PACKAGE, guarded=True)
        settle(pair, vips)
        announced = [follow(pair, vips, SETTLED, reconfigure) for _ in range(RUNS)]
        settle(pair, vips)
        before, begun = processor_seconds(pair.a, "netvip.service"), time.monotonic()
        time.sleep(IDLE_SECONDS)  # the measurement itself
        spent = processor_seconds(pair.a, "netvip.service") - before
        idle = spent / (time.monotonic() - begun)
        memory = memory_kib(pair.a.host_pid("netvip.service"))
        with unannounced(pair.a):
            settle(pair, vips)
            sudden = [follow(pair, vips, SETTLED, reconfigure) for _ in range(RUNS)]
        pair.a.run("systemctl", "stop", "netvip.service")
        batched = batches(pair.a, vips)
        ready = started(pair.a, "netvip.service")
    return Figures(instances, len(vips), alone, announced, sudden, batched, idle, memory, ready)


def settle(pair: Pair, vips: tuple[str, ...]) -> None:
    """Wait until netvip has prepared what it needs."""
    pair.make_master()
    assert has_address(pair.a, vips[-1])
    time.sleep(SETTLED)  # what only prepares gives no event


def started(node: Node, unit: str) -> float:
    """Seconds from the start of a unit until it is ready."""
    node.run("systemctl", "stop", unit)
    begun = time.monotonic()
    node.run("systemctl", "start", unit)
    return time.monotonic() - begun


def main(suite: str) -> None:
    """Print the tables."""
    every = []
    for instances, each in SIZES:
        say(f"{suite}: {instances * each} VIPs on {instances} instances")
        every.append(measured(suite, instances, each))
    carried, back, costs = [], [], []
    for one in every:
        sudden = one.median(one.unannounced, lambda run: run.carried)
        before = one.median(one.announced, lambda run: run.carried)
        carried.append(
            (
                one.name,
                milliseconds(before),
                milliseconds(sudden, 2),
                milliseconds(one.batched[0], 2),
                ratio(sudden, one.batched[0]),
                milliseconds(one.alone.back, 0),
                ratio(one.alone.back, sudden),
                _lost(one.announced),
                _lost(one.unannounced),
                str(one.alone.lost),
            )
        )
        putting = one.median([*one.announced, *one.unannounced], lambda run: run.putting_back)
        total = one.median([*one.announced, *one.unannounced], lambda run: run.back)
        back.append(
            (
                one.name,
                milliseconds(putting, 2),
                milliseconds(one.batched[1], 2),
                ratio(putting, one.batched[1]),
                milliseconds(total, 0),
                milliseconds(one.alone.back, 0),
                ratio(one.alone.back, total),
            )
        )
        spent = one.median(one.announced, lambda run: run.processor)
        costs.append(
            (
                one.name,
                milliseconds(spent, 0),
                f"{one.idle:.2%}",
                f"{one.memory / 1024:.1f}",
                milliseconds(one.ready, 0),
            )
        )
    table(
        f"{suite}: from the first deletion to the last VIP carried (ms; below 0: before it)",
        (
            "VIPs",
            "netvip, announced",
            "netvip, unannounced",
            "`ip -batch`",
            "netvip / `ip -batch`",
            "keepalived alone: all back",
            "keepalived / netvip",
            "lost, announced",
            "lost, unannounced",
            "lost, keepalived alone",
        ),
        carried,
    )
    table(
        f"{suite}: back on the interface (ms)",
        (
            "VIPs",
            "netvip, first to last",
            "`ip -batch`",
            "netvip / `ip -batch`",
            "netvip, from the first deletion",
            "keepalived alone",
            "keepalived / netvip",
        ),
        back,
    )
    table(
        f"{suite}: cost",
        (
            "VIPs",
            "processor time of a reconfigure, ms",
            "idle, of a core",
            "memory, MiB",
            "start to READY, ms",
        ),
        costs,
    )
    _growth(suite, every)


def _lost(runs: list[Run]) -> str:
    return ", ".join(str(run.lost) for run in runs)


def _growth(suite: str, every: list[Figures]) -> None:
    one, hundred, thousand = (
        next(f for f in every if (f.instances, f.number) == (1, number))
        for number in (1, 100, 1000)
    )
    spent = [f.median(f.announced, lambda run: run.processor) for f in (hundred, thousand)]
    each = (thousand.memory - one.memory) / (thousand.number - one.number)
    table(
        f"{suite}: growth",
        ("", "1,000 VIPs to 100"),
        [
            ("processor time of a reconfigure", ratio(spent[1], spent[0])),
            ("processor time, idle", ratio(thousand.idle, hundred.idle)),
            ("memory", f"{each:.2f} KiB for each VIP"),
        ],
    )
