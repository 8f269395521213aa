"""Keeps the holds in a file, so that the next daemon has them: apt may upgrade netvip itself."""

from __future__ import annotations

import json
import time
from pathlib import Path

from netvip.actuators.files import write_atomically
from netvip.const import HOLDS_FILE
from netvip.core.requests.holds import Hold


def save(holds: tuple[Hold, ...], path: Path = Path(HOLDS_FILE)) -> None:
    """Write the holds, with times of CLOCK_BOOTTIME. /run is a tmpfs, so they end with the boot."""
    ahead = _boot_ahead()
    document = [[hold.reason, hold.count, hold.until + ahead] for hold in holds]
    write_atomically(path, json.dumps(document))


def load(path: Path = Path(HOLDS_FILE)) -> tuple[Hold, ...]:
    """The holds of an earlier daemon; none if the file is missing or invalid."""
    ahead = _boot_ahead()
    try:
        document = json.loads(path.read_text())
        return tuple(
            Hold(str(reason), int(count), float(until) - ahead) for reason, count, until in document
        )
    except (OSError, ValueError, TypeError, RecursionError):
        return ()


def _boot_ahead() -> float:
    """Seconds by which CLOCK_BOOTTIME is ahead of the core's CLOCK_MONOTONIC, which does not count
    the time that the machine was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
