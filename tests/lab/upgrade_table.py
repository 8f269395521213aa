"""make upgrades: upgrade the master's packages without netvip and with it, print the table.

usage: python -m tests.lab.upgrade_table [SUITE…]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.lab.demo import DEFAULT_SUITES, say, versions
from tests.lab.pair import Pair
from tests.lab.repository import offer
from tests.lab.shell import LabError
from tests.lab.upgrades import NETVIP, PACKAGE, UPGRADES, perform

NAMES = [upgrade.name for upgrade in (*UPGRADES, NETVIP)]
#: Lost probes by the upgrade's name; of an upgrade that is not made here there is none.
Losses = dict[str, int]


def losses(suite: str, package: Path | None) -> tuple[str, Losses]:
    """The release's versions, and what each upgrade loses on one pair, one after the other."""
    mode, found = "guarded" if package else "without", Losses()
    say(f"{suite}: booting two nodes, {mode} netvip")
    with Pair(suite) as pair:
        shown = versions(pair.a)
        if package:
            pair.protect(package, guarded=True)
        offer(pair.a)
        for upgrade in (*UPGRADES, *([NETVIP] if package else [])):
            found[upgrade.name] = perform(pair, upgrade).lost
            say(f"{suite}: {upgrade.name}, {mode}: {found[upgrade.name]} lost")
    return shown, found


def column(suite: str) -> list[str]:
    """A release's column: its heading, then "without / with" for every upgrade."""
    shown, without = losses(suite, None)
    _, guarded = losses(suite, PACKAGE)
    pairs = [(without.get(name, "–"), guarded.get(name, "–")) for name in NAMES]
    return [f"{suite}, {shown}: lost without / with", *(f"{a} / {b}" for a, b in pairs)]


def table(columns: list[list[str]]) -> str:
    """A Markdown table, from its columns."""
    widths = [max(map(len, cells)) for cells in columns]
    padded = [
        [cell.ljust(width) for cell in cells] for cells, width in zip(columns, widths, strict=True)
    ]
    lines = [f"| {' | '.join(row)} |" for row in zip(*padded, strict=True)]
    rule = f"| {' | '.join('-' * width for width in widths)} |"
    return "\n".join([lines[0], rule, *lines[1:]])


def main(arguments: list[str]) -> int:
    """Print the table."""
    if os.geteuid() != 0:
        say("the lab makes network namespaces: run it as root")
        return 2
    try:
        columns = [column(suite) for suite in arguments or DEFAULT_SUITES]
    except LabError as problem:
        say(f"the lab failed: {problem}")
        return 1
    print(table([["apt upgrades, on the master", *NAMES], *columns]))
    print("\nProbes at 1 ms, from a client near or far: the larger loss. With: guarded.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
