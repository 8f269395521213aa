"""The holds on disk, so that they outlive a daemon: an apt run may upgrade netvip itself."""

from __future__ import annotations

import json
import time
from pathlib import Path

from netvip.actuators.files import write_atomically
from netvip.const import HOLDS_FILE
from netvip.core.requests.holds import Hold


def save(holds: tuple[Hold, ...], path: Path = Path(HOLDS_FILE)) -> None:
    """Write them; on tmpfs, and with times of the boot clock: they never outlive a boot."""
    ahead = _boot_ahead()
    document = [[hold.reason, hold.count, hold.until + ahead] for hold in holds]
    write_atomically(path, json.dumps(document))


def load(path: Path = Path(HOLDS_FILE)) -> tuple[Hold, ...]:
    """Those of an earlier daemon; nothing where there are none that can be read."""
    ahead = _boot_ahead()
    try:
        document = json.loads(path.read_text())
        return tuple(
            Hold(str(reason), int(count), float(until) - ahead) for reason, count, until in document
        )
    except (OSError, ValueError, TypeError, RecursionError):
        return ()


def _boot_ahead() -> float:
    """By how much the boot clock is ahead of the core's: it goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
