"""networkd's files for links, and whether they have changed since networkd read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: networkd's notes of a link, by its number. Their format is systemd's own (networkctl reads them
#: through sd-network); of a version that writes another one nothing is known, no more.
LINKS = Path("/run/systemd/netif/links")
NETWORK_FILE = re.compile(r"^NETWORK_FILE=(.+)$", re.MULTILINE)
#: Where systemd.network(5) looks for a file's drop-ins.
DIRECTORIES = tuple(
    Path(root, "systemd/network") for root in ("/etc", "/run", "/usr/local/lib", "/usr/lib")
)


@dataclass(frozen=True, slots=True)
class Files:
    """The file of a link and its drop-ins; of each, what networkd compares as it reads its files
    again (stat_inode_unmodified): time, device, inode and size."""

    file: Path
    identities: frozenset[tuple[Path, int, int, int, int]]


class LinkFiles:
    """Remembers the files of links as networkd read them."""

    def __init__(self, links: Path = LINKS, directories: tuple[Path, ...] = DIRECTORIES) -> None:
        self._links, self._directories = links, directories
        self._read: dict[int, Files] = {}

    def remember(self, ifindex: int) -> None:
        """networkd manages this link: by the files that there are now, unless it is known already
        what they were when networkd read them."""
        found, known = self._find(ifindex), self._read.get(ifindex)
        if found is not None and (known is None or known.file != found.file):
            self._read[ifindex] = found

    def read_again(self) -> None:
        """networkd has read all files again."""
        known = list(self._read)
        self.forget()
        for ifindex in known:
            self.remember(ifindex)

    def forget(self) -> None:
        """networkd started or ended."""
        self._read.clear()

    def changed(self) -> frozenset[int]:
        """The links whose files differ from what networkd read: it configures them anew as it reads
        its files again. A link of which that is not known is not among them."""
        return frozenset(i for i, known in self._read.items() if _differ(known, self._find(i)))

    def _find(self, ifindex: int) -> Files | None:
        """The files of a link; None where they are not known."""
        try:
            notes = (self._links / str(ifindex)).read_text()
        except (OSError, UnicodeDecodeError):
            return None
        if (named := NETWORK_FILE.search(notes)) is None:
            return None
        file = Path(named[1])
        return Files(file, frozenset(self._identities(file)))

    def _identities(self, file: Path) -> Iterator[tuple[Path, int, int, int, int]]:
        places = (directory / f"{file.name}.d" for directory in self._directories)
        for path in (file, *(found for place in places for found in place.glob("*.conf"))):
            try:
                found = path.stat()
            except OSError:
                continue  # it is gone: so the files differ from what was read
            yield path, found.st_mtime_ns, found.st_dev, found.st_ino, found.st_size


def _differ(known: Files, found: Files | None) -> bool:
    return found is not None and found.file == known.file and found != known
