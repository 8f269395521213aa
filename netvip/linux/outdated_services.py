"""Which services still run with libraries that an upgrade has replaced."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

#: A process's name (proc(5): 15 characters) and its unit.
SERVICES = {"systemd-network": "systemd-networkd", "keepalived": "keepalived"}


def outdated(proc: Path = Path("/proc")) -> list[str]:
    """The units that carry virtual addresses and are due for a restart which is held back."""
    found = {SERVICES[name] for name, place in _processes(proc) if any(_replaced(place))}
    return sorted(found)


def _processes(proc: Path) -> Iterator[tuple[str, Path]]:
    here = _namespace(proc / "self")
    for place in proc.glob("[1-9]*"):
        try:
            name = (place / "comm").read_text().rstrip("\n")
        except OSError:
            continue  # it has just ended
        if name in SERVICES and _namespace(place) == here:
            yield name, place


def _namespace(place: Path) -> str:
    """A container's processes are seen from its host, and are none of its business."""
    try:
        return os.readlink(place / "ns/pid")
    except OSError:
        return ""


def _replaced(place: Path) -> Iterable[str]:
    try:
        lines = (place / "maps").read_text(errors="replace").splitlines()
    except OSError:
        return []  # ended, or not ours to look into
    # proc(5): what was unlinked while mapped ends so.
    return [line for line in lines if ".so" in line and line.endswith(" (deleted)")]
