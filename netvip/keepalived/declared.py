"""What the configuration files declare about each instance and a dump does not report."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from netvip.const import CHECK_SCRIPT, NOTIFY_SCRIPT, TRACK_DIRECTORY
from netvip.core.model import IP, Tri
from netvip.errors import ConfigError
from netvip.keepalived.configuration import Configuration, VrrpInstance
from netvip.keepalived.names import file_name
from netvip.keepalived.reader import read
from netvip.linux.rooted import HOST

#: Nanoseconds; the times of files advance in steps of some ms.
SETTLED = 1_000_000_000
STATICS = frozenset({"static_routes", "static_rules"})


@dataclass(frozen=True, slots=True)
class Declared:
    """What is configured of an instance."""

    source: Tri = Tri.UNKNOWN
    #: Whether keepalived follows netvip's track file.
    track_file: Tri = Tri.UNKNOWN
    #: Whether netvip's notify script records the state.
    notify: Tri = Tri.UNKNOWN
    #: The interface and the source address of its adverts; empty if not configured.
    interface: str = ""
    source_ip: str = ""
    #: The adverts' IP version.
    version: int = 4
    unicast: bool = False
    peers: tuple[IP, ...] = ()
    #: Whether keepalived repeats its gratuitous ARPs while it is MASTER.
    refreshes: Tri = Tri.UNKNOWN
    #: Whether something besides netvip's track file and check may hold it in FAULT.
    other_trackers: bool = False
    #: The name of its vrrp_sync_group, whose members keepalived moves together.
    group: str = ""


@dataclass(frozen=True, slots=True)
class Declaration:
    """The instances by name, the files and directories they come from, and what was wrong."""

    instances: dict[str, Declared] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    problem: str = ""
    #: Whether there are static routes or rules.
    statics: bool = False


def declaration(
    main: Path, node: str | None, version: tuple[int, ...], root: Path = HOST
) -> Declaration:
    """Read the configuration; if it cannot be read, nothing is known of any instance."""
    try:
        configuration = read(main, node=node, version=version, root=root)
    except ConfigError as problem:
        return Declaration(files=(main,), problem=str(problem))
    found = {name: _declared(configuration, i) for name, i in configuration.instances.items()}
    files = (*configuration.texts, *configuration.directories)
    statics = any(s.blocks and s.blocks[0][0] in STATICS for s in configuration.statements)
    return Declaration(found, files, statics=statics)


class Declarations:
    """Reads the configuration where it has changed: a large one takes longer than a window may wait
    for a dump."""

    def __init__(self) -> None:
        self._last = Declaration()
        self._read_as: tuple[object, ...] = ()
        self._seen: tuple[object, ...] = ()

    def known(
        self, main: Path, node: str | None, version: tuple[int, ...], root: Path = HOST
    ) -> Declaration | None:
        """What declaration() returned last; None if something that it depends on has changed."""
        same = self._seen and self._read_as == (main, node, version, root)
        return self._last if same and _identities(self._last.files) == self._seen else None

    def read(
        self, main: Path, node: str | None, version: tuple[int, ...], root: Path = HOST
    ) -> Declaration:
        """declaration(), or what it returned last if nothing that it depends on has changed."""
        if (known := self.known(main, node, version, root)) is not None:
            return known
        read_as = (main, node, version, root)
        begun = time.time_ns()
        self._last, self._read_as = declaration(main, node, version, root), read_as
        self._seen = () if self._last.problem else _identities(self._last.files, begun)
        return self._last


def _identities(files: Iterable[Path], before: int | None = None) -> tuple[object, ...]:
    """What tells each file from another one under its name; empty where that is not certain: a file
    that was written within SETTLED of `before` may be written again at the same time."""
    found: list[object] = []
    for file in files:
        try:
            status = file.stat()
        except OSError:
            return ()
        if before is not None and status.st_mtime_ns > before - SETTLED:
            return ()
        found.append((file, status.st_mtime_ns, status.st_dev, status.st_ino, status.st_size))
    return tuple(found)


def _declared(configuration: Configuration, instance: VrrpInstance) -> Declared:
    tracked, notified = tracks(configuration, instance), notifies(instance)
    source_ip = str(instance.source_ip or "")
    return Declared(
        instance.source,
        Tri.of(tracked),
        Tri.of(notified),
        instance.interface,
        source_ip,
        instance.addresses[0].ip.version if instance.addresses else 4,
        instance.unicast,
        instance.unicast_peers,
        refreshes(configuration, instance),
        _other_trackers(configuration, instance),
        _group(configuration, instance),
    )


def _group(configuration: Configuration, instance: VrrpInstance) -> str:
    groups = configuration.groups.values()
    return next((group.name for group in groups if instance.name in group.members), "")


def refreshes(configuration: Configuration, instance: VrrpInstance) -> Tri:
    """Whether garp_master_refresh is on."""
    line = configuration.setting(instance, "garp_master_refresh")
    if line is None:
        return Tri.NO  # keepalived.conf(5)
    if line.applies is not Tri.YES:
        return Tri.UNKNOWN
    return Tri.of(line.texts()[1:2] not in ((), ("0",)))


def _other_trackers(configuration: Configuration, instance: VrrpInstance) -> bool:
    ours = {
        name for name, script in configuration.scripts.items() if CHECK_SCRIPT in script.command
    }
    scripts = {reference.name for reference in instance.track_scripts}
    files = configuration.track_files
    named = (files.get(reference.name) for reference in instance.track_files)
    foreign = any(file is None or file.file != track_path(instance.name) for file in named)
    grouped = bool(_group(configuration, instance))
    further = instance.find("track_process", "track_bfd") or instance.track_interfaces
    within = any(s.inside("track_process") or s.inside("track_bfd") for s in instance.statements)
    return bool(scripts - ours) or foreign or grouped or bool(further) or within


def track_path(instance: str) -> str:
    """The instance's track file."""
    return f"{TRACK_DIRECTORY}/{file_name(instance)}"


def tracks(configuration: Configuration, instance: VrrpInstance) -> bool:
    """Whether one of its track files is netvip's."""
    files = configuration.track_files
    named = (files.get(reference.name) for reference in instance.track_files)
    return any(file is not None and file.file == track_path(instance.name) for file in named)


def notifies(instance: VrrpInstance) -> bool:
    """Whether one of its notify scripts is netvip's."""
    return any(NOTIFY_SCRIPT in notify.command.split() for notify in instance.notifies)
