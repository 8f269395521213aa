"""What the next start of keepalived waits for, kept where it outlives a boot."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from netvip.actuators.files import write_atomically
from netvip.const import SOURCES_FILE
from netvip.keepalived.declared import Declared

#: Where none is configured, any that keepalived would take: an IPv4 one, or a link-local one
#: (RFC 5798 5.1.2.1).
ANY = {4: "any4", 6: "any6"}


class SourceList:
    """The interfaces and source addresses of the instances, for scripts/wait-source."""

    def __init__(self, path: Path = Path(SOURCES_FILE)) -> None:
        self._path = path

    def save(self, instances: Iterable[Declared]) -> None:
        """Write them down where they differ from what is there. The file's time says how old the
        configuration is that it was made of. Raises OSError."""
        wanted = {(i.interface, i.source_ip or ANY[i.version]) for i in instances if i.interface}
        text = "".join(f"{interface} {source}\n" for interface, source in sorted(wanted))
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
