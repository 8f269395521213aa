"""netvip notify TYPE NAME STATE [PRIORITY]: keepalived's notify script.

It records the state for the check that keepalived runs, and reports it to the daemon. It never
waits, and succeeds without a daemon as well."""

from __future__ import annotations

import os
import sys

from netvip.const import FIFO, RUN
from netvip.keepalived.names import file_name

USAGE = "usage: netvip notify INSTANCE|GROUP NAME STATE [PRIORITY]"
#: keepalived's states of an instance, and those that it reports to a fifo alone.
STATES = frozenset({"MASTER", "BACKUP", "FAULT", "STOP", "DELETED"})


def main(arguments: list[str]) -> int:
    """Record and report a state; exit 0 although the daemon may not be running."""
    if arguments[:1] in (["--help"], ["-h"]):
        print(f"{USAGE}\n\n{__doc__}")
        return 0
    if len(arguments) not in (3, 4) or arguments[0] not in ("INSTANCE", "GROUP"):
        print(USAGE, file=sys.stderr)
        return 2
    kind, name, state = arguments[:3]
    if kind == "INSTANCE" and state in STATES:
        _keep(name, state)
    _tell(f'{kind} "{name}" {state} {arguments[3] if arguments[3:] else "0"}\n')
    return 0


def _keep(name: str, state: str) -> None:
    caller = os.getppid()  # keepalived's VRRP process, which runs the check as well
    try:
        with open(f"/proc/{caller}/stat") as stat:
            start = stat.read().rpartition(")")[2].split()[19]
        path = f"{RUN}/state/{file_name(name)}@{caller}.{start}"
        with open(path, "w", opener=lambda place, flags: os.open(place, flags, 0o644)) as file:
            file.write(f"{state}\n")
    except (OSError, IndexError) as problem:
        print(f"netvip: cannot record the state: {problem}", file=sys.stderr)


def _tell(line: str) -> None:
    try:
        pipe = os.open(FIFO, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # the daemon does not run
    try:
        os.write(pipe, line.encode(errors="surrogateescape"))  # short enough to be written whole
    except OSError:
        pass  # it is full, or the daemon has just stopped: the adverts tell the state as well
    finally:
        os.close(pipe)
