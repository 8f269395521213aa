"""Runs a command in the project's tree under a kernel of Debian's, as root.

usage: python -m tests.kernels KERNEL COMMAND...      (KERNEL: 6.1, 6.12, sid)
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.kernels.boot import Guest
from tests.kernels.fetch import SUITES, kernel
from tests.lab.rootfs import rootfs
from tests.suites import SUITES as LAB_SUITES

TREE = Path(__file__).parents[2]
LIMIT = 3600.0
#: The lab on a kernel that runs some ten times slower than the machine's, with one processor.
SLOW = {
    "NETVIP_LAB_PROBER": str(TREE / "build/probe"),
    "NETVIP_LAB_PROBE_EVERY": "0.002",
    "NETVIP_LAB_LOST_AFTER": "3",
    "NETVIP_LAB_ECHO_EVERY": "0.1",
    "NETVIP_LAB_CONNECT_EVERY": "0.1",
    "NETVIP_LAB_CONNECT_FAILS_AFTER": "3",
    "NETVIP_LAB_BOOT_LIMIT": "240",
    "NETVIP_LAB_COMMAND_LIMIT": "600",
    "NETVIP_LAB_PATIENCE": "4",
}
#: Settings of the lab that the caller's environment may override.
PREFIX = "NETVIP_LAB_"


def main(arguments: list[str]) -> int:
    """Exit with the status of the command."""
    if len(arguments) < 2 or arguments[0] not in SUITES:
        print(__doc__, file=sys.stderr)
        return 2
    for suite in LAB_SUITES:  # a guest has no network to fetch them by
        rootfs(suite)
    chosen = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    return Guest(kernel(arguments[0])).run(arguments[1:], TREE, LIMIT, SLOW | chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
