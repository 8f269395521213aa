"""netvip daemon: run, or sweep up after one that was killed."""

from __future__ import annotations

import argparse
import asyncio
import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from netvip import config
from netvip.const import RUN
from netvip.errors import ConfigError, NetvipError


def main(arguments: list[str]) -> int:
    """Run the daemon until SIGTERM."""
    parser = argparse.ArgumentParser(prog="netvip daemon", description=__doc__)
    parser.add_argument(
        "--sweep",
        action="store_true",
        help="remove what a killed daemon left (ExecStopPost=), and end",
    )
    options = parser.parse_args(arguments)
    from netvip import daemon

    try:
        with _alone():
            if options.sweep:
                daemon.sweep_leftovers()
            else:
                asyncio.run(daemon.serve(*_settings()))
    except OSError as problem:
        if problem.errno not in (errno.EPERM, errno.EACCES):
            raise
        _complain(
            "netvip's daemon needs root, CAP_NET_ADMIN and CAP_NET_RAW; start it as "
            f"netvip.service ({problem})"
        )
        return 1
    except NetvipError as problem:
        _complain(str(problem))
        return 1
    return 0


def _settings() -> tuple[config.Config, str]:
    """The configuration, or every default and what is wrong with it: a slip of the pen in a file
    that nobody needs is no reason to leave a VIP alone."""
    try:
        return config.load(), ""
    except ConfigError as problem:
        _complain(f"{problem}; going on with the defaults")
        return config.Config(), str(problem)


@contextmanager
def _alone() -> Iterator[None]:
    """Two daemons would take down each other's bridge: the second one does not start."""
    os.makedirs(RUN, mode=0o755, exist_ok=True)
    with open(f"{RUN}/lock", "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NetvipError("another netvip daemon is running; see netvip status") from None
        yield


def _complain(text: str) -> None:
    print(f"<3>{text}", file=sys.stderr)
