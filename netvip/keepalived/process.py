"""keepalived's processes, identified so that no later process can be mistaken for one of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

from netvip.core.model import NAMED_MOST

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
    """The parent process of the keepalived on this host's network: as its pid file names it and its
    name confirms, or else (-p may name another file, a container has its own) as the process table
    has it, one that is in no container first; None if none."""
    found = (pid for pid in sorted(running(), key=is_contained) if _has_children(pid))
    return by_pid_file() or next(found, None)


def by_pid_file() -> int | None:
    """The parent process that a pid file of the host names, if there is one."""
    for path in PID_FILES:
        try:
            pid = int(Path(path).read_text())
        except (OSError, ValueError):
            continue
        if is_keepalived(pid) and shares_network(pid):
            return pid
    return None


def running() -> list[int]:
    """All processes of keepalived on this host's network, children and orphans included."""
    with os.scandir("/proc") as entries:
        pids = sorted(int(entry.name) for entry in entries if entry.name.isdigit())
    return [pid for pid in pids if is_keepalived(pid) and shares_network(pid)]


def elsewhere(ours: int | None) -> list[str]:
    """The keepalived processes that netvip leaves alone, each with the reason, in sentences; `ours`
    is the one that it does not."""
    with os.scandir("/proc") as entries:
        pids = sorted(int(entry.name) for entry in entries if entry.name.isdigit())
    found = ((pid, _why_not(pid, ours)) for pid in pids if _is_parent(pid))
    told = (
        f"keepalived (process {pid}) {why}; netvip leaves it alone" for pid, why in found if why
    )
    return list(islice(told, NAMED_MOST))


def _is_parent(pid: int) -> bool:
    family = _stat(pid)[0] == NAME and any(_stat(child.pid)[0] == NAME for child in children(pid))
    return family and _stat(_parent_of(pid))[0] != NAME


def _why_not(pid: int, ours: int | None) -> str:
    if not is_keepalived(pid):
        return "is run by another user than root"
    if not shares_network(pid):
        return "runs in another network namespace"
    return "" if pid == ours else f"is a second one beside process {ours}"


def is_keepalived(pid: int) -> bool:
    """Whether a process has keepalived's name and is root's (or netvip's own user's, who can signal
    no other): any user may give a process any name, and start a program that is root's."""
    users = _status(pid, "Uid:")[:3]  # real, effective, saved
    trusted = {"0", str(os.geteuid())}
    return bool(users) and trusted.issuperset(users) and _stat(pid)[0] == NAME


def _has_children(pid: int) -> bool:
    family = any(is_keepalived(child.pid) for child in children(pid))
    return family and not is_keepalived(_parent_of(pid))


def _parent_of(pid: int) -> int:
    """The process that started it; 0 if none. keepalived's child has children of keepalived's name
    as well: those that it forks for its scripts (fact fork-keeps-the-name)."""
    return next(map(int, _status(pid, "PPid:")), 0)


def is_contained(pid: int) -> bool:
    """Whether it has a number in another PID namespace besides this one (proc(5), NSpid)."""
    return len(_status(pid, "NSpid:")) > 1


def _status(pid: int, name: str) -> list[str]:
    """A line of /proc/PID/status, in words; none if there is no such process."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return []
    return next((line.split()[1:] for line in text.splitlines() if line.startswith(name)), [])


def shares_network(pid: int) -> bool:
    """Whether it is in this process's network namespace. To read the namespace's own name would
    take CAP_SYS_PTRACE; the kernel has files in /proc/PID/net for each namespace."""
    try:
        return os.path.samefile(f"/proc/{pid}/net/dev", "/proc/thread-self/net/dev")
    except OSError:
        return False


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
    first dot (keepalived.conf(5)); None where it cannot be told (a container may have another)."""
    if (given := option(pid, "-i", "--config-id")) is not None:
        return given
    known = _words(pid) and not is_contained(pid)
    return os.uname().nodename.partition(".")[0] if known else None


def option(pid: int, short: str, long: str) -> str | None:
    """The value of an option that a process was started with."""
    for word, following in pairwise([*_words(pid), ""]):
        if word in (short, long):
            return following
        if word.startswith(f"{long}="):
            return word.partition("=")[2]
    return None


def _words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
