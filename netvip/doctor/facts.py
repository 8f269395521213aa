"""What the rules judge by: all of doctor's input, gathered once."""

from __future__ import annotations

import pwd
import shlex
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path

from netvip.const import HOLD_SCRIPT
from netvip.core.model import InstanceSpec, Tri
from netvip.keepalived.model import Configuration

#: More than this no check script has; what is beyond is not read.
LARGEST_SCRIPT = 64 << 10


@dataclass(frozen=True, slots=True)
class Command:
    """A script of the configuration's: its words, and the text of the file it names."""

    words: tuple[str, ...]
    path: Path | None = None
    #: None: not there, not readable, or no text.
    text: str | None = None
    exists: Tri = Tri.UNKNOWN
    executable: Tri = Tri.UNKNOWN
    #: Whether somebody else than root may change it.
    writable_by_others: Tri = Tri.UNKNOWN
    held: bool = False

    @property
    def whole(self) -> str:
        """The command line and the script's text, without its comments."""
        lines = (self.text or "").splitlines()
        return "\n".join(
            [" ".join(self.words), *(x for x in lines if not x.strip().startswith("#"))]
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is known; what is not known is None, UNKNOWN or absent."""

    configuration: Configuration
    version: tuple[int, ...] = ()
    json: Tri = Tri.UNKNOWN
    commands: Mapping[str, Command] = field(default_factory=dict)
    #: Addresses by interface name that are neither VIPs nor netvip's own.
    own: Mapping[str, tuple[IPv4Interface | IPv6Interface, ...]] = field(default_factory=dict)
    #: By interface, its value or the stricter of all's and its own.
    promote_secondaries: Mapping[str, int] = field(default_factory=dict)
    arp_ignore: Mapping[str, int] = field(default_factory=dict)
    #: Why a shield would hurt on this host; empty where it would not, or that is not known.
    shield_hurts: str = ""
    script_user: Tri = Tri.UNKNOWN
    #: The instances as the running keepalived reports them.
    running: tuple[InstanceSpec, ...] | None = None


def commands(configuration: Configuration, here: bool) -> dict[str, Command]:
    """The scripts that the configuration names, by their whole command line; the files of a
    configuration of another host (`here` false) are not looked at."""
    named = [script.command for script in configuration.scripts.values()]
    holders = (i.notifies for i in configuration.instances.values())
    named += [notify.command for notifies in holders for notify in notifies]
    named += [n.command for group in configuration.groups.values() for n in group.notifies]
    return {command: _command(command, here) for command in named if command}


def _command(command: str, here: bool) -> Command:
    try:
        words = tuple(shlex.split(command))
    except ValueError:
        words = tuple(command.split())
    held = words[:1] == (HOLD_SCRIPT,)
    words = words[1:] if held else words
    path = Path(words[0]) if words and words[0].startswith("/") else None
    if path is None or not here:
        return Command(words, path, held=held)
    return _looked_at(words, path, held)


def _looked_at(words: tuple[str, ...], path: Path, held: bool) -> Command:
    try:
        status = path.stat()
    except FileNotFoundError:
        return Command(words, path, exists=Tri.NO, held=held)
    except OSError:
        return Command(words, path, held=held)
    executable = Tri.of(bool(status.st_mode & 0o111) and stat.S_ISREG(status.st_mode))
    return Command(words, path, _text(path), Tri.YES, executable, _writable(path), held)


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_SCRIPT)
    except OSError:
        return None
    return None if b"\0" in data else data.decode(errors="replace")


def _writable(path: Path) -> Tri:
    """Whether the file, or a directory on the way to it, can be changed without being root."""
    try:
        parts = [path.resolve(), *path.resolve().parents]
        return Tri.of(any(map(_loose, parts)))
    except OSError:
        return Tri.UNKNOWN


def _loose(path: Path) -> bool:
    status = path.stat()
    sticky = status.st_mode & stat.S_ISVTX and stat.S_ISDIR(status.st_mode)
    return status.st_uid != 0 or bool(status.st_mode & 0o022 and not sticky)


def sysctl(name: str, interfaces: Iterable[str]) -> dict[str, int]:
    """net.ipv4.conf's value that counts for each interface: the larger of all's and its own."""
    found: dict[str, int] = {}
    for interface in interfaces:
        values = []
        for place in ("all", interface.replace("/", ".")):
            try:
                values.append(int(Path(f"/proc/sys/net/ipv4/conf/{place}/{name}").read_text()))
            except (OSError, ValueError):
                continue
        if values:
            found[interface] = max(values)
    return found


def has_user(name: str) -> Tri:
    """Whether there is such a user here."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return Tri.NO
    return Tri.YES


def own_addresses(vips: set[str]) -> dict[str, tuple[IPv4Interface | IPv6Interface, ...]]:
    """The host's addresses by interface, without these VIPs."""
    from netvip.sources.netlink import snapshot

    kernel = snapshot()
    names = {link.ifindex: link.name for link in kernel.links}
    found: dict[str, tuple[IPv4Interface | IPv6Interface, ...]] = {}
    for address in kernel.addresses:
        name = names.get(address.ifindex, "")
        if name and name != "lo" and str(address.ip) not in vips:
            known = ip_interface(f"{address.ip}/{address.prefixlen}")
            found[name] = (*found.get(name, ()), known)
    return found
