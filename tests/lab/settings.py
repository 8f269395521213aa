"""What the lab does otherwise on a slow kernel: each from an environment variable, in seconds.

tests/kernels sets them for its guests, which are some ten times slower than the machine.
"""

from __future__ import annotations

import os
from pathlib import Path


def _seconds(name: str, default: float) -> float:
    return float(os.environ.get(f"NETVIP_LAB_{name}", default))


#: The prober in C, where Python is too slow for the interval; built by make.
PROBER = os.environ.get("NETVIP_LAB_PROBER", "")
#: From one probe to the next.
PROBE_EVERY = _seconds("PROBE_EVERY", 0.001)
#: A probe is lost when no answer came within this time.
LOST_AFTER = _seconds("LOST_AFTER", 0.5)
#: From one echo of the long TCP stream, and from one short connection, to the next.
ECHO_EVERY = _seconds("ECHO_EVERY", 0.005)
CONNECT_EVERY = _seconds("CONNECT_EVERY", 0.005)
#: A short connection has failed after this time.
CONNECT_FAILS_AFTER = _seconds("CONNECT_FAILS_AFTER", 0.5)
#: A node boots within this time.
BOOT_LIMIT = _seconds("BOOT_LIMIT", 60.0)
#: No command of the lab takes longer.
COMMAND_LIMIT = _seconds("COMMAND_LIMIT", 180.0)
#: Factor for everything that the lab waits for, such as an election.
PATIENCE = _seconds("PATIENCE", 1.0)
#: A loss that a test counts in milliseconds, as probes.
PROBES_PER_SECOND = 1 / PROBE_EVERY

if PROBER:
    assert Path(PROBER).exists(), f"{PROBER} is missing: make builds it"
