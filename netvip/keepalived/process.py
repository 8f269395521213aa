"""keepalived's processes, identified so that no later process can be mistaken for one of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

NAME = "keepalived"
PID_FILES = ("/run/keepalived.pid", "/run/keepalived/keepalived.pid", "/var/run/keepalived.pid")


@dataclass(frozen=True, slots=True)
class Process:
    """A process: its number, and its start time in clock ticks since boot (proc(5), field 22)."""

    pid: int
    start: int

    def __str__(self) -> str:
        return f"{self.pid}.{self.start}"


def parent() -> int | None:
    """keepalived's parent process, as its pid file names it and its name confirms, or else (-p may
    name another file) as the process table has it; None if none."""
    for path in PID_FILES:
        try:
            pid = int(Path(path).read_text())
        except (OSError, ValueError):
            continue
        if is_keepalived(pid):
            return pid
    return next(filter(_has_children, running()), None)


def running() -> list[int]:
    """All processes of keepalived, children and orphans included, without those of containers."""
    with os.scandir("/proc") as entries:
        pids = sorted(int(entry.name) for entry in entries if entry.name.isdigit())
    return [pid for pid in pids if is_keepalived(pid) and _is_of_the_host(pid)]


def is_keepalived(pid: int) -> bool:
    """Whether a process has keepalived's name and is root's (or netvip's own user's, who can signal
    no other): any user may give a process any name."""
    try:
        owner = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return False
    return owner in (0, os.geteuid()) and _stat(pid)[0] == NAME


def _has_children(pid: int) -> bool:
    return any(_stat(child.pid)[0] == NAME for child in children(pid))


def _is_of_the_host(pid: int) -> bool:
    """Whether it has a number in the host's PID namespace only (proc(5), NSpid)."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return False
    numbers = next((line.split()[1:] for line in text.splitlines() if line[:6] == "NSpid:"), [])
    return len(numbers) <= 1


def children(pid: int) -> tuple[Process, ...]:
    """The processes that keepalived's parent process has started: those that run its scripts."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return ()
    found = ((int(word), _stat(int(word))[1]) for word in text.split())
    return tuple(Process(child, start) for child, start in found if start)


def _stat(pid: int) -> tuple[str, int]:
    """Name and start time; empty and 0 if there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return "", 0
    name, _, fields = text.partition("(")[2].rpartition(")")
    return name, int(fields.split()[19])


def configuration_id(pid: int) -> str | None:
    """The id that @id lines are compared with: keepalived's -i, or else the host's name up to its
    first dot (keepalived.conf(5)); None where it cannot be told."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in ("-i", "--config-id"):
            return following
        if word.startswith("--config-id="):
            return word.partition("=")[2]
    return os.uname().nodename.partition(".")[0]
