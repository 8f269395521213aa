"""make demo: break networkd without netvip, with it, and with an adopted configuration.

usage: python -m tests.lab.demo [SUITE…]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.lab import settings
from tests.lab.measure import ACTIONS, Cost, measure
from tests.lab.node import Node
from tests.lab.pair import Pair
from tests.lab.rootfs import rootfs
from tests.lab.shell import LabError
from tests.lab.versions import version

PACKAGE = Path(__file__).parents[2] / "build/netvip.deb"
DEFAULT_SUITES = ("bookworm", "trixie")
HEADINGS = (
    "release",
    "systemd / keepalived",
    "action",
    "netvip",
    "lost near",
    "lost far",
    "longest gap",
    "failovers",
    "TCP stream",
    "failed connects",
)

Row = tuple[str, ...]


def say(text: str) -> None:
    """Progress goes to standard error, so that the table can be redirected."""
    print(text, file=sys.stderr, flush=True)


def versions(node: Node) -> str:
    """The node's systemd and keepalived, as Debian numbers them."""
    return " / ".join(version(node, name) for name in ("systemd", "keepalived"))


def row(pair: Pair, action: str, mode: str, cost: Cost) -> Row:
    """One line of the table."""
    return (
        pair.suite,
        versions(pair.a),
        action,
        mode,
        str(cost.near["lost"]),
        str(cost.far["lost"]),
        f"{cost.longest_gap * 1000:.0f} ms",
        str(cost.failovers),
        "broken" if cost.tcp_broken else "kept",
        str(cost.failed_connects),
    )


def in_every_mode(pair: Pair) -> Iterator[str]:
    """The pair as it is, then with netvip installed, then with its configuration adopted."""
    yield "without"
    say(f"{pair.suite}: apt install ./{PACKAGE.name} on both nodes")
    pair.protect(PACKAGE, guarded=False)
    yield "assisted"
    say(f"{pair.suite}: netvip adopt --apply on both nodes")
    pair.adopt()
    yield "guarded"


def rows(suite: str) -> Iterator[Row]:
    """Every action in every mode on one release."""
    say(f"{suite}: preparing its root file system (cached after the first time)")
    rootfs(suite)
    say(f"{suite}: booting two nodes")
    with Pair(suite) as pair:
        for mode in in_every_mode(pair):
            for name, action in ACTIONS.items():
                pair.make_master()
                cost = measure(pair, action)
                say(f"{suite}: {name}, {mode}: {cost.near['lost']} + {cost.far['lost']} lost")
                yield row(pair, name, mode, cost)


def table(lines: list[Row]) -> str:
    """A Markdown table."""
    widths = [max(len(line[i]) for line in [HEADINGS, *lines]) for i in range(len(HEADINGS))]

    def drawn(cells: Row) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    rule = tuple("-" * width for width in widths)
    return "\n".join([drawn(HEADINGS), drawn(rule), *map(drawn, lines)])


def main(arguments: list[str]) -> int:
    """Print the table; exit 1 when a guarded line lost anything."""
    if os.geteuid() != 0:
        say("the demo makes network namespaces: run it as root")
        return 2
    try:
        lines = [line for suite in arguments or DEFAULT_SUITES for line in rows(suite)]
    except LabError as problem:
        say(f"the lab failed: {problem}")
        return 1
    print(table(lines))
    every = f"{settings.PROBE_EVERY * 1000:.0f} ms"
    print(f"\nKernel {os.uname().release}.", end=" ")
    print(
        f"Probes at {every} each, from a client in the subnet (near) and behind the gateway (far)."
    )
    guarded = [line for line in lines if line[3] == "guarded"]
    return int(any(line[4:6] != ("0", "0") for line in guarded))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
