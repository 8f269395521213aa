"""netvip daemon: run the daemon, or remove what a killed one left behind."""

from __future__ import annotations

import argparse
import asyncio
import errno
import fcntl
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from netvip import config
from netvip.const import RUN
from netvip.errors import ConfigError, NetvipError

#: New objects, as a check of a thousand VIPs makes them; some MiB.
COLLECT_AFTER = 20_000


def main(arguments: list[str]) -> int:
    """Run the daemon until SIGTERM."""
    parser = argparse.ArgumentParser(prog="netvip daemon", description=__doc__)
    parser.add_argument(
        "--sweep",
        action="store_true",
        help="remove what a killed daemon left behind (ExecStopPost=), and exit",
    )
    options = parser.parse_args(arguments)
    from netvip import daemon

    try:
        with _alone():
            if options.sweep:
                daemon.sweep_leftovers()
            else:
                _spare_collector()
                asyncio.run(daemon.serve(*_settings()))
    except OSError as problem:
        if problem.errno not in (errno.EPERM, errno.EACCES):
            raise
        _complain(
            "the daemon needs root with CAP_NET_ADMIN and CAP_NET_RAW; start netvip.service "
            f"({problem})"
        )
        return 1
    except NetvipError as problem:
        _complain(str(problem))
        return 1
    return 0


def _spare_collector() -> None:
    """Python looks for garbage in circles after each 700 new objects, which takes as long as the
    handling of a loss of many VIPs; the daemon makes little of it."""
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def _settings() -> tuple[config.Config, str]:
    """The configuration; if it is invalid, the defaults and the problem: a mistake in an optional
    file must not leave the VIPs without protection."""
    try:
        return config.load(), ""
    except ConfigError as problem:
        _complain(f"{problem}; using the defaults")
        return config.Config(), str(problem)


@contextmanager
def _alone() -> Iterator[None]:
    """Refuse to start a second daemon: each would remove the bridge of the other."""
    os.makedirs(RUN, mode=0o755, exist_ok=True)
    lock = _lock()
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise NetvipError("another netvip daemon is running; see netvip status") from None
    finally:
        os.close(lock)


def _lock() -> int:
    """What a daemon locks: a file that root alone may open; without room for it, the directory."""
    try:
        return os.open(f"{RUN}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        if problem.errno not in (errno.ENOSPC, errno.EROFS):
            raise
        return os.open(RUN, os.O_RDONLY | os.O_CLOEXEC)


def _complain(text: str) -> None:
    print(f"<3>{text}", file=sys.stderr)
