"""The list of source addresses that the next start of keepalived waits for (scripts/wait-source).

It is kept where it outlives a boot.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from netvip.actuators.files import write_atomically
from netvip.const import SOURCES_FILE


class SourceList:
    """A line for each interface and source address of the instances, and for each file that the
    configuration is in."""

    def __init__(self, path: Path = Path(SOURCES_FILE)) -> None:
        self._path = path

    def save(self, sources: Iterable[tuple[str, str]], files: Iterable[str] = ()) -> None:
        """Write the list where it differs from the file. The file's time tells how old the
        configuration is from which it was made. Raises OSError."""
        # No interface's name has a blank or a slash.
        lines = [f"conf {path}" for path in files if "\n" not in path]
        lines += [f"{interface} {source}" for interface, source in sorted(sources)]
        text = "".join(f"{line}\n" for line in lines)
        if text == self._saved():
            os.utime(self._path)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path, text, 0o644)

    def _saved(self) -> str:
        try:
            return self._path.read_text(errors="surrogateescape")
        except OSError:
            return ""
