"""netvip daemon: run, or sweep up after one that was killed."""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import sys

from netvip import config
from netvip.const import RUN
from netvip.errors import NetvipError


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
        if options.sweep:
            daemon.sweep_leftovers()
            return 0
        os.makedirs(RUN, mode=0o755, exist_ok=True)
        asyncio.run(daemon.serve(config.load()))
    except OSError as problem:
        if problem.errno not in (errno.EPERM, errno.EACCES):
            raise
        print(
            "<3>netvip's daemon needs root, CAP_NET_ADMIN and CAP_NET_RAW; start it as "
            f"netvip.service ({problem})",
            file=sys.stderr,
        )
        return 1
    except NetvipError as problem:
        print(f"<3>{problem}", file=sys.stderr)
        return 1
    return 0
