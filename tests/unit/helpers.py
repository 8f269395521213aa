"""What several unit tests need: a reference checksum, and netvip run with its files elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

_RUN = """
import sys
from netvip import const
const.CONTROL_SOCKET, const.CONFIG_FILE, const.STATE_DIRECTORY = sys.argv[1:4]
from netvip.cli import main
sys.exit(main(sys.argv[4:]))
"""


def rfc1071(data: bytes) -> int:
    """The checksum by another way than netvip's: modulo 65535 a number is the sum of its words."""
    return 0xFFFF - int.from_bytes(data + bytes(len(data) % 2), "big") % 0xFFFF


def command(place: Path, *words: str) -> list[str]:
    """The command line of a netvip that finds its socket, configuration and state in `place`."""
    files = [str(place / name) for name in ("control", "netvip.conf", "state")]
    return [sys.executable, "-c", _RUN, *files, *words]


def environment(**more: str) -> dict[str, str]:
    """An environment in which Python finds the package and encodes strictly, as in en_US.UTF-8."""
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8:strict"} | more


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this environment, at most 20 s."""
    return subprocess.run(
        arguments, capture_output=True, text=True, timeout=20, env=environment(**more), cwd=ROOT
    )
