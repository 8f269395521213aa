"""Whether a link's file has changed since networkd read it: then a reload configures it anew."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from netvip.core.model import Tri
from netvip.networkd.files import ROOTS, Settings
from netvip.networkd.state import ManagedLink

#: PID 1 makes this link as the unit starts.
STARTED = Path("/run/systemd/units/invocation:systemd-networkd.service")
#: networkd writes a link's file there at each change of its state.
LINKS = Path("/run/systemd/netif/links")


def changed(
    link: ManagedLink,
    settings: Settings,
    started: Path = STARTED,
    links: Path = LINKS,
    roots: Iterable[str] = ROOTS,
) -> Tri:
    """Whether the files of a link differ from what networkd read; UNKNOWN where they were written
    after its start, and networkd may have read them since."""
    if not settings.path.exists():
        return Tri.YES
    if link.drop_ins is not None and {Path(d) for d in link.drop_ins} != set(settings.files[1:]):
        return Tri.YES
    directories = [Path(root, f"systemd/network/{settings.path.name}.d") for root in roots]
    written = max((_written(path) for path in (*settings.files, *directories)), default=0)
    if written > _written(links / str(link.ifindex)) > 0:
        return Tri.YES
    begun = _written(started)
    return Tri.NO if begun and written < begun else Tri.UNKNOWN


def _written(path: Path) -> int:
    """When a file was written, linked or moved, in ns; 0 if it is not there."""
    found = 0
    for follow in (False, True):  # networkd compares the target of a link
        try:
            status = path.stat(follow_symlinks=follow)
        except OSError:
            continue
        found = max(found, status.st_mtime_ns, status.st_ctime_ns)
    return found
