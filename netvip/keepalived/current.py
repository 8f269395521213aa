"""The keepalived that a command is about: the one that runs, or else the one that is installed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from netvip.keepalived.ask import Build, build_of, installed
from netvip.keepalived.place import Place, place
from netvip.keepalived.process import configuration_id, parent


@dataclass(frozen=True, slots=True)
class Current:
    """Where its files are, the id that @id lines are compared with (None: not known), and what it
    was built as."""

    place: Place
    node: str | None
    build: Build


async def current(main_file: Path) -> Current:
    """The keepalived of this host; main_file is the one that netvip.conf names. Raises
    DumpError where its files cannot be reached."""
    pid = parent()
    if pid is None:
        node = os.uname().nodename.partition(".")[0]
        return Current(Place(main_file), node, await installed())
    return Current(place(pid, main_file), configuration_id(pid), await build_of(pid))
