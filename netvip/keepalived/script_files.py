"""The files of scripts: whether keepalived finds one, may execute it, and who may change it."""

from __future__ import annotations

import shlex
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from netvip.core.model import Tri

#: Where a service finds a program without a path (systemd.exec(5), Environment=PATH).
SERVICE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def words(command: str) -> tuple[str, ...]:
    """The words of a command."""
    try:
        return tuple(shlex.split(command))
    except ValueError:  # an open quote
        return tuple(command.split())


def find(program: str) -> Path | None:
    """The file of a program; None if there is none."""
    if "/" not in program:
        found = shutil.which(program, mode=0, path=SERVICE_PATH)
        return Path(found) if found else None
    path = Path("/", program)
    try:
        return path if path.exists() else None
    except (OSError, ValueError):  # a loop of links, a NUL
        return None


def is_executable(path: Path) -> bool:
    """Whether it is a regular file that some user may execute."""
    mode = path.stat().st_mode
    return stat.S_ISREG(mode) and bool(mode & 0o111)


def changeable(path: Path) -> Tri:
    """Whether a user other than root may change the file or a directory above it."""
    try:
        parts = [path.resolve(), *path.resolve().parents, *path.absolute().parents]
        return Tri.of(any(map(_loose, parts)))
    except (OSError, RuntimeError):
        return Tri.UNKNOWN


def _loose(path: Path) -> bool:
    """As keepalived checks it (check_security in its lib/notify.c)."""
    status = path.stat()
    sticky = status.st_mode & stat.S_ISVTX and stat.S_ISDIR(status.st_mode)
    group = status.st_mode & stat.S_IWGRP and status.st_gid
    return bool(status.st_uid or (not sticky and (group or status.st_mode & stat.S_IWOTH)))


def missing(commands: Iterable[str]) -> frozenset[str]:
    """The commands whose program does not exist on this host."""
    return frozenset(c for c in commands if (w := words(c)) and find(w[0]) is None)


def disabled(commands: Iterable[str], secure: bool) -> frozenset[str]:
    """The commands whose program exists and that keepalived disables: it may not be executed or,
    with enable_script_security, users other than root may change it."""
    found = ((command, find(words(command)[0])) for command in commands if words(command))
    there = [(command, path) for command, path in found if path is not None]
    return frozenset(c for c, path in there if _is_disabled(path, secure))


def _is_disabled(path: Path, secure: bool) -> bool:
    try:
        return not is_executable(path) or (secure and changeable(path) is Tri.YES)
    except OSError:
        return True
