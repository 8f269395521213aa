"""Draws the table of docs/hosts.md from what `make kernels` prints.

usage: make kernels | python docs/hosts.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

MODES = ("without", "assisted", "guarded")
HEADINGS = ("host", "kernel", "release", "action", *MODES)

Cells = dict[str, str]


def rows(lines: Iterable[str]) -> dict[tuple[str, ...], Cells]:
    """By host, kernel, release and action, what each mode cost."""
    found: dict[tuple[str, ...], Cells] = {}
    for line in lines:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 10 and cells[4] in MODES:
            host, kernel, release, action, mode, lost, gap, failovers, tcp, _ = cells
            found.setdefault((host, kernel, release, action), {})[mode] = _cost(
                lost, gap, failovers, tcp
            )
    return found


def _cost(lost: str, gap: str, failovers: str, tcp: str) -> str:
    words = [lost if lost == "0 / 0" else f"{lost}, {gap}"]
    words += ["failover"] if failovers != "0" else []
    words += ["TCP broken"] if tcp == "broken" and failovers == "0" else []
    return ", ".join(words)


def table(found: dict[tuple[str, ...], Cells]) -> Iterator[str]:
    """The lines of the table."""
    yield f"| {' | '.join(HEADINGS)} |"
    yield f"|{' --- |' * len(HEADINGS)}"
    for where, costs in found.items():
        yield f"| {' | '.join((*where, *(costs.get(mode, '') for mode in MODES)))} |"


if __name__ == "__main__":
    print("\n".join(table(rows(sys.stdin))))
