"""One action on the master, with every probe running: what did it cost?"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab import settings
from tests.lab.netns import Namespace
from tests.lab.node import Node
from tests.lab.pair import INTERFACE, Pair
from tests.lab.shell import LabError

TOOLS = Path(__file__).parent / "tools"
SERVICE_PORT, BACKEND_PORT = 7000, 9000
#: How long the probes go on after the action: a failover takes 0.6 s.
AFTERWARDS = 2.5
#: The same where the same node may be elected again, which takes 3.6 s.
REELECTED = 5.0


class Tool:
    """A measuring tool at work in a namespace."""

    def __init__(self, space: Namespace, name: str, *arguments: str) -> None:
        self._process = space.popen(*_command(name, *arguments))
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            self.kill()
            raise LabError(f"{name} {' '.join(arguments)} did not start")

    def stop(self) -> dict[str, Any]:
        """End the measurement and return what it found."""
        output, _ = self._process.communicate(timeout=30)
        result: dict[str, Any] = json.loads(output)
        return result

    def result(self, limit: float) -> dict[str, Any]:
        """Wait for a measurement that ends by itself, `limit` seconds at most."""
        assert self._process.stdout is not None
        output = self._process.stdout.readline()
        self._process.wait(limit)
        result: dict[str, Any] = json.loads(output)
        return result

    def kill(self) -> None:
        """Make sure that nothing is left running."""
        self._process.kill()
        self._process.wait()


def probed(space: Namespace, target: str) -> Tool:
    """Probes from a namespace to an address, at the lab's interval."""
    return Tool(space, "probe", target, str(settings.PROBE_EVERY), str(settings.LOST_AFTER))


def _command(name: str, *arguments: str) -> list[str]:
    if name == "probe" and settings.PROBER and ":" not in arguments[0]:  # it knows IPv4 alone
        return [settings.PROBER, *arguments]
    return [sys.executable, "-I", "-c", _BOOTSTRAP, str(TOOLS / f"{name}.py"), *arguments]


#: -I keeps the environment out; the tools need their own directory for `frame` alone.
_BOOTSTRAP = (
    "import sys, runpy, os; del sys.argv[0]; sys.path.insert(0, os.path.dirname(sys.argv[0]));"
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)


@dataclass(frozen=True)
class Cost:
    """What one action cost, and what was seen while it ran."""

    near: dict[str, Any]
    far: dict[str, Any]
    stream: dict[str, Any]
    connects: dict[str, Any]
    watched: dict[str, list[dict[str, Any]]]
    started: float
    vips: tuple[str, ...] = field(default=())
    interface: str = INTERFACE
    #: When each run of the action began.
    runs: tuple[float, ...] = field(default=())

    def lost_typically(self, side: str) -> int:
        """Lost probes of the run in the middle, by how many each lost."""
        return sorted(self._lost_by_run(getattr(self, side)["gaps"]))[len(self.runs) // 2]

    def _lost_by_run(self, gaps: list[tuple[float, float, int]]) -> list[int]:
        ends = (*self.runs[1:], float("inf"))
        spans = zip((float("-inf"), *self.runs[1:]), ends, strict=True)
        return [sum(n for at, _, n in gaps if since <= at < end) for since, end in spans]

    @property
    def lost(self) -> int:
        """Lost probes, near and far."""
        return int(self.near["lost"] + self.far["lost"])

    @property
    def longest_gap(self) -> float:
        """Seconds of the longest run of lost probes."""
        return max([gap[1] for side in (self.near, self.far) for gap in side["gaps"]], default=0.0)

    @property
    def tcp_broken(self) -> bool:
        """Whether the long stream through the VIP ended."""
        return bool(self.stream["error"])

    @property
    def failed_connects(self) -> int:
        """The master's own connects that failed."""
        return len(self.connects["failed"])

    def moves(self, node: str, what: str, interface: str, address: str) -> list[float]:
        """When the address came ("add") or went ("del") on a node's interface."""
        return [
            event["time"]
            for event in self.watched[node]
            if (event["what"], event["interface"], event["address"]) == (what, interface, address)
        ]

    @property
    def failovers(self) -> int:
        """How often the backup took the first VIP."""
        return len(self.moves("b", "add", self.interface, self.vips[0]))

    def lead(self) -> float | None:
        """Seconds from the shield to the first deletion of the VIP; None if nothing was deleted."""
        gone = self.moves("a", "del", self.interface, self.vips[0])
        shield = self.moves("a", "add", "lo", self.vips[0])
        if not gone:
            return None
        return gone[0] - shield[0] if shield else float("-inf")

    def on_both(self) -> float:
        """The longest time, in seconds, that a VIP was on both nodes' interfaces."""
        return max((self._overlap(vip) for vip in self.vips), default=0.0)

    def _overlap(self, vip: str) -> float:
        timeline = sorted(
            (event["time"], node, event["what"] == "add")
            for node, events in self.watched.items()
            for event in events
            if event["address"] == vip and event["interface"] == self.interface
        )
        held = {"a": True, "b": False}
        since, longest = None, 0.0
        for when, node, present in [*timeline, (time.monotonic(), "a", False)]:
            if all(held.values()) and since is not None:
                longest = max(longest, when - since)
            held[node] = present
            since = when if all(held.values()) else None
        return longest


@contextmanager
def services(pair: Pair) -> Iterator[None]:
    """The proxy's service on both nodes and the backends it connects to."""
    places = [(node.net, SERVICE_PORT) for node in pair.nodes]
    places += [(space, BACKEND_PORT) for space in (pair.near, pair.far)]
    with ExitStack() as stack:
        for space, port in places:
            stack.callback(Tool(space, "serve", str(port)).kill)
        yield


def connects(space: Namespace) -> Tool:
    """Short connections out of a node to both backends."""
    times = (str(settings.CONNECT_EVERY), str(settings.CONNECT_FAILS_AFTER))
    backends = (f"10.77.0.50:{BACKEND_PORT}", f"10.78.0.50:{BACKEND_PORT}")
    return Tool(space, "connects", *times, *backends)


def measure(
    pair: Pair,
    action: Callable[[Node], None],
    afterwards: float = AFTERWARDS,
    until: Callable[[], None] | None = None,
    runs: int = 1,
) -> Cost:
    """Run the action on the master, once or several times, while everything is probed."""
    vip = pair.vips[0]
    with services(pair), ExitStack() as stack:
        stream = ("stream", vip, str(SERVICE_PORT), str(settings.ECHO_EVERY))
        begin: dict[str, Callable[[], Tool]] = {
            "a": lambda: Tool(pair.a.net, "watch"),
            "b": lambda: Tool(pair.b.net, "watch"),
            "near": lambda: probed(pair.near, vip),
            "far": lambda: probed(pair.far, vip),
            "stream": lambda: Tool(pair.far, *stream),
            "connects": lambda: connects(pair.a.net),
        }
        tools = {}
        for name, begun in begin.items():  # one that does not start leaves none of the others
            tools[name] = begun()
            stack.callback(tools[name].kill)
        started: list[float] = []
        for _ in range(runs):
            if started:
                pair.make_master()
            started.append(time.monotonic())
            action(pair.a)
            if until is not None:
                until()
            time.sleep(afterwards)  # to observe: there is no event for "nothing happens"
        found = {name: tool.stop() for name, tool in tools.items()}
    watched = {name: found[name]["events"] for name in ("a", "b")}
    return Cost(
        found["near"],
        found["far"],
        found["stream"],
        found["connects"],
        watched,
        started[0],
        pair.vips,
        pair.host.has_vips_on,
        tuple(started),
    )


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_kib(pid: int) -> int:
    """A process's resident memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def restart(node: Node) -> None:
    """systemctl restart systemd-networkd."""
    node.run("systemctl", "reset-failed", "systemd-networkd.service")
    node.run("systemctl", "restart", "systemd-networkd.service")


def touch_and_reload(node: Node) -> None:
    """Touch the .network file, networkctl reload."""
    os.utime(node.root / "etc/systemd/network/10-lan.network")
    node.run("networkctl", "reload")


def reconfigure(node: Node) -> None:
    """networkctl reconfigure IF."""
    node.run("networkctl", "reconfigure", node.interface)


ACTIONS: dict[str, Callable[[Node], None]] = {
    "restart": restart,
    "reload": touch_and_reload,
    "reconfigure": reconfigure,
}
