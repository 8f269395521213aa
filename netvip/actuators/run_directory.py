"""The directories and pipes below /run/netvip, made where tmpfiles.d has not made them yet."""

from __future__ import annotations

import os
from pathlib import Path

from netvip.const import RUN


def prepare(run: Path = Path(RUN)) -> None:
    """Make what tmpfiles.d makes at boot; after a first installation it has not done so."""
    for name in ("track", "verdict", "state", "checks"):
        path = run / name
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)
    for name in ("fifo", "hook"):
        pipe = run / name
        if not pipe.is_fifo():
            pipe.unlink(missing_ok=True)
            os.mkfifo(pipe, 0o600)
