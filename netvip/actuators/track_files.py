"""The track files that keepalived follows: FAULT, or not."""

from __future__ import annotations

import errno
from pathlib import Path

from netvip.actuators.files import write_atomically
from netvip.const import RUN
from netvip.keepalived.names import file_name


class TrackFiles:
    """The files below /run/netvip/track, one for each instance. None is ever removed, as some
    versions of keepalived mishandle that; 0 is as good (fact track-file)."""

    def __init__(self, run: Path = Path(RUN)) -> None:
        self._directory = run / "track"

    def set(self, instance: str, fault: bool) -> None:
        """Have keepalived put the instance into FAULT, or no longer."""
        _write(self._directory / file_name(instance), fault)

    def clear(self) -> None:
        """End every FAULT of netvip's, in all track files (Law 3)."""
        for path in self._directory.glob("[!.]*"):
            _write(path, False)


def _write(path: Path, fault: bool) -> None:
    text = f"{int(fault)}\n"
    try:
        write_atomically(path, text, 0o644)
    except OSError as problem:
        if problem.errno not in (errno.ENOSPC, errno.EDQUOT) or not path.exists():
            raise
        # A full file system has no room for a new file, but for another digit in the old one.
        with open(path, "r+b", buffering=0) as file:
            file.write(text.encode())
