"""Services that still use libraries which an upgrade has replaced."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

#: Names of processes, which proc(5) limits to 15 characters, and their units.
SERVICES = {"systemd-network": "systemd-networkd", "keepalived": "keepalived"}


def outdated(proc: Path = Path("/proc")) -> list[str]:
    """The units, of systemd-networkd and keepalived, that use replaced libraries. needrestart is
    configured not to restart them by itself."""
    found = {SERVICES[name] for name, place in _processes(proc) if any(_replaced(place))}
    return sorted(found)


def _processes(proc: Path) -> Iterator[tuple[str, Path]]:
    here = _namespace(proc / "self")
    for place in proc.glob("[1-9]*"):
        try:
            name = (place / "comm").read_text().rstrip("\n")
        except OSError:
            continue  # the process has ended
        if name in SERVICES and _namespace(place) == here:
            yield name, place


def _namespace(place: Path) -> str:
    """The PID namespace of a process. It differs for the processes of containers, which a host also
    sees in /proc."""
    try:
        return os.readlink(place / "ns/pid")
    except OSError:
        return ""


def _replaced(place: Path) -> Iterable[str]:
    try:
        lines = (place / "maps").read_text(errors="replace").splitlines()
    except OSError:
        return []  # the process has ended, or netvip may not read its maps
    # proc(5): the path of a mapped file that was unlinked has this suffix.
    return [line for line in lines if ".so" in line and line.endswith(" (deleted)")]
