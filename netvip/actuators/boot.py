"""What the next start of keepalived waits for, kept where it outlives a boot."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from netvip.actuators.files import write_atomically
from netvip.const import SOURCES_FILE
from netvip.keepalived.declared import Declared

#: Any address of the interface will do.
ANY = "-"


class Sources:
    """The interfaces and source addresses of the instances, for scripts/wait-source."""

    def __init__(self, path: Path = Path(SOURCES_FILE)) -> None:
        self._path = path

    def save(self, instances: Iterable[Declared]) -> None:
        """Write them down where they differ from what is there."""
        lines = sorted({f"{i.interface} {i.source_ip or ANY}\n" for i in instances if i.interface})
        text = "".join(lines)
        if text != self._saved():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path, text, 0o644)

    def _saved(self) -> str:
        try:
            return self._path.read_text(errors="surrogateescape")
        except OSError:
            return ""
