"""What the benchmark prints: the machine, and tables for docs/bench.md."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path


def machine() -> str:
    """The processor, how many of it, and the kernel."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "")
    cores = len(os.sched_getaffinity(0))
    return f"{model or platform.machine()}, {cores} processors, Linux {platform.release()}"


def table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table of Markdown at once: the next one may take minutes."""
    lines = [f"\n### {title}\n", f"| {' | '.join(headings)} |", "| --- " * len(headings) + "|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    print("\n".join(lines), flush=True)


def milliseconds(seconds: float, digits: int = 1) -> str:
    """A time in milliseconds."""
    return f"{seconds * 1000:.{digits}f}"


def ratio(measured: float, compared: float) -> str:
    """How many times as much."""
    return f"{measured / compared:.2f}" if compared else "–"


def spread(seconds: Sequence[float]) -> str:
    """Least, median and most, in milliseconds."""
    values = (min(seconds), statistics.median(seconds), max(seconds))
    return " / ".join(milliseconds(value, 2) for value in values)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
