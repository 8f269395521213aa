"""Draws the table of docs/hosts.md from what `make kernels` prints.

usage: make kernels | python docs/hosts.py [RUNS] > docs/hosts.new, and move it over docs/hosts.md

The rows that were measured take the place of the page's; its other rows and its text stay. RUNS is
what `make kernels RUNS=` was given: the page names it where it is more than one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

PAGE = Path(__file__).with_name("hosts.md")
MODES = ("without", "assisted", "guarded")
HEADINGS = ("host", "kernel", "release", "action", *MODES)
#: The first words of the table's two lines above its rows.
HEAD = ("| host ", "| --- ")

Where = tuple[str, ...]
Costs = dict[str, str]


def measured(lines: Iterable[str], runs: str = "1") -> dict[Where, Costs]:
    """By host, kernel, release and action, what each mode cost."""
    in_the_middle = "" if runs == "1" else f" ({runs} runs)"
    found: dict[Where, Costs] = {}
    for line in lines:
        cells = _cells(line[line.find("| ") :])  # pytest may have begun the line
        if len(cells) == 10 and cells[4] in MODES:
            host, kernel, release, action, mode, lost, gap, failovers, tcp, _ = cells
            where = (host, kernel, release, action)
            of = in_the_middle if mode != MODES[0] else ""  # the control is run once
            found.setdefault(where, {})[mode] = _cost(lost, gap, failovers, tcp) + of
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _cost(lost: str, gap: str, failovers: str, tcp: str) -> str:
    words = [lost if lost == "0 / 0" else f"{lost}, {gap}"]
    words += ["failover"] if failovers != "0" else []
    words += ["TCP broken"] if tcp == "broken" and failovers == "0" else []
    return ", ".join(words)


def page(text: str, found: dict[Where, Costs]) -> Iterator[str]:
    """The lines of the page, with what was measured."""
    lines = text.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith(HEAD[1])) + 1
    last = next(n for n, line in enumerate(lines[first:], first) if not line.startswith("| "))
    known = {tuple(_cells(line)[:4]): _cells(line)[4:] for line in lines[first:last]}
    rows = {where: dict(zip(MODES, costs, strict=True)) for where, costs in known.items()}
    for where, costs in found.items():
        rows[where] = rows.get(where, {}) | costs
    yield from lines[:first]
    for where, costs in sorted(rows.items(), key=lambda row: _order(row[0], list(rows))):
        yield f"| {' | '.join((*where, *(costs.get(mode, '') for mode in MODES)))} |"
    yield from lines[last:]


def _order(where: Where, rows: list[Where]) -> tuple[int, Where]:
    """Hosts in the order of the page, and those of a kernel and a release together."""
    hosts = list(dict.fromkeys(host for host, *_ in rows))
    return hosts.index(where[0]), where[1:]


if __name__ == "__main__":
    print("\n".join(page(PAGE.read_text(), measured(sys.stdin, *sys.argv[1:2]))))
