"""What netvip's rules cost a packet: the kernel compares them one by one.

Three namespaces in a row. The middle one answers echo requests to a VIP, and forwards those to the
last; it has rules as netvip makes them, the VIP's own as the last.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path

from netvip.actuators.prefixes import few, fewest
from netvip.const import BRIDGE_PREFIXES
from tests.bench.report import ratio, table
from tests.lab.demo import say
from tests.lab.netns import Namespace
from tests.lab.pair import VIP

#: VIPs whose rules are there.
SCATTERED = (0, 1, 100, 1000)
SECONDS, RUNS = 1.0, 5
BEHIND = "10.78.0.50"
TOOLS = Path(__file__).parents[1] / "lab/tools"


def scattered(number: int) -> list[str]:
    """So many VIPs of which no two are neighbours."""
    others = [f"10.80.{n // 100}.{n % 100 * 2 + 1}" for n in range(number - 1)]
    return [*others, VIP] if number else []


def neighbours(number: int) -> list[str]:
    """So many VIPs in ranges."""
    return [*(f"10.80.{n // 250}.{n % 250 + 1}" for n in range(number - 1)), VIP]


@contextmanager
def three() -> Iterator[tuple[Namespace, Namespace]]:
    """The first and the middle namespace."""
    with ExitStack() as stack:
        spaces = [Namespace(f"nvbench-{n}") for n in range(3)]
        for space in spaces:
            stack.callback(space.close)
        first, middle, last = spaces
        for space, name in ((first, "left"), (last, "right")):
            ends = (name, "type", "veth", "peer", "name", "eth0", "netns", space.name)
            middle.run("ip", "link", "add", *ends)
            middle.run("ip", "link", "set", name, "up")
            space.run("ip", "link", "set", "eth0", "up")
        middle.run("ip", "address", "add", "10.77.0.100/24", "dev", "left")
        middle.run("ip", "address", "add", f"{VIP}/24", "dev", "left")
        middle.run("ip", "address", "add", "10.78.0.100/24", "dev", "right")
        middle.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        first.run("ip", "address", "add", "10.77.0.50/24", "dev", "eth0")
        last.run("ip", "address", "add", f"{BEHIND}/24", "dev", "eth0")
        first.run("ip", "route", "add", "default", "via", "10.77.0.100")
        last.run("ip", "route", "add", "default", "via", "10.78.0.100")
        # netvip's table of the VIPs.
        middle.run("ip", "route", "add", "10.77.0.0/24", "dev", "left", "table", "71000")
        yield first, middle


def rules(vips: list[str], shared: bool = False) -> list[str]:
    """A pair of rules for each of the fewest prefixes that are the VIPs; or those that netvip makes
    where these are many."""
    ips = [ip_address(vip) for vip in vips]
    networks = few(ips, [], BRIDGE_PREFIXES) if shared else fewest(ips)
    sent = "iif lo " if shared else ""
    return [
        f"from {network} {sent}{where} pref 32765 protocol kernel"
        for network in sorted(networks, key=lambda n: ip_address(VIP) in n)
        for where in ("lookup main suppress_prefixlength 0", "lookup 71000")
    ]


def change(space: Namespace, verb: str, wanted: list[str]) -> None:
    """Add or delete rules."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("".join(f"rule {verb} {rule}\n" for rule in wanted))
        file.flush()
        space.run("ip", "-batch", file.name)


def round_trip(space: Namespace, target: str) -> float:
    """Seconds of one request and its answer."""
    tool = str(TOOLS / "rounds.py")
    shown = space.run("python3", "-I", tool, target, str(SECONDS))
    return float(json.loads(shown)["each"])


def main(suite: str) -> None:
    """Print the table; the rules cost the same on every release."""
    del suite
    say("the rules' cost a packet")
    most = SCATTERED[-1]
    kinds = [(f"{n} scattered VIPs, a pair each", rules(scattered(n))) for n in SCATTERED]
    kinds.append((f"{most} neighbours, exact prefixes", rules(neighbours(most))))
    kinds.append((f"{most} scattered VIPs, netvip's", rules(scattered(most), shared=True)))
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name, _ in kinds}
    with three() as (first, middle):
        for _ in range(RUNS):
            for name, wanted in kinds:
                change(middle, "add", wanted)
                for found, target in zip(times[name], (VIP, BEHIND), strict=True):
                    found.append(round_trip(first, target))
                change(middle, "del", wanted)
    none = [statistics.median(found) for found in times[kinds[0][0]]]
    rows = []
    for name, wanted in kinds:
        answered, forwarded = (statistics.median(found) for found in times[name])
        rows.append(
            (
                name,
                str(len(wanted)),
                *_cost(answered, none[0], 1),
                *_cost(forwarded, none[1], 2),
            )
        )
    table(
        "what rules cost while a window is open (µs)",
        (
            "rules for",
            "rules",
            "round trip to the VIP",
            "a packet",
            "ratio",
            "forwarded round trip",
            "a packet",
            "ratio",
        ),
        rows,
    )


def _cost(measured: float, none: float, packets: int) -> tuple[str, str, str]:
    """The round trip, what each of so many packets that looked rules up cost, and the ratio."""
    each = (measured - none) / packets
    return f"{measured * 1e6:.1f}", f"{each * 1e6:+.2f}", ratio(measured, none)
