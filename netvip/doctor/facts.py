"""All input of the rules, gathered once. With networkd_facts.py it alone reads the host."""

from __future__ import annotations

import pwd
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path

from netvip.const import HOLD_SCRIPT, STATE_DIRECTORY
from netvip.core.model import InstanceSpec, Tri
from netvip.doctor.judgement import Judgement
from netvip.doctor.networkd_facts import Hooks, Networkd
from netvip.doctor.shell import SHELLS, WRAPPERS
from netvip.keepalived import script_files
from netvip.keepalived.backup import Backup
from netvip.keepalived.configuration import IP, Configuration, SyncGroup, VrrpInstance
from netvip.keepalived.scripts import DEFAULT_USER, opens_file
from netvip.linux import routing

#: No check script is larger; the rest of a larger file is not read.
LARGEST_SCRIPT = 64 << 10
#: Where an administrator changes a unit.
UNITS = ("/etc/systemd/system", "/run/systemd/system")
#: What networkd tells of each link, by number (networkctl and sd_network read it), and the kernel's
#: interfaces by name.
LINKS, SYS_NET = Path("/run/systemd/netif/links"), Path("/sys/class/net")
SLEEPS = re.compile(r"\s*ExecStartPre\s*=\s*[-+!@:]*\s*(/usr)?/bin/sleep\s+\d")


@dataclass(frozen=True, slots=True)
class Command:
    """A script of the configuration, without netvip's hold around it."""

    #: The command line as keepalived gets it, and its words.
    line: str
    words: tuple[str, ...]
    #: The program's file, where its full path is given.
    path: Path | None = None
    exists: Tri = Tri.UNKNOWN
    executable: Tri = Tri.UNKNOWN
    #: Whether a user other than root may change it.
    writable_by_others: Tri = Tri.UNKNOWN
    #: The text of the shell script that runs, and its arguments; None if it is missing, not
    #: readable, or not a shell script.
    text: str | None = None
    arguments: tuple[str, ...] = ()
    held: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts; an unknown one is None, UNKNOWN or absent."""

    configuration: Configuration
    version: tuple[int, ...] = ()
    json: Tri = Tri.UNKNOWN
    commands: Mapping[str, Command] = field(default_factory=dict)
    #: Addresses by interface name that are neither VIPs nor netvip's own.
    own: Mapping[str, tuple[IPv4Interface | IPv6Interface, ...]] = field(default_factory=dict)
    #: By interface: the value for all interfaces, and its own. The larger counts.
    promote_secondaries: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    arp_ignore: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    #: Why a shield would do harm on this host; empty if it would not, or if that is not known.
    shield_hurts: str = ""
    #: Whether the users that scripts run as exist, including keepalived's default user.
    users: Mapping[str, Tri] = field(default_factory=dict)
    #: The interfaces that systemd-networkd does not manage.
    unmanaged: frozenset[str] = frozenset()
    #: Directories of track files that do not exist.
    missing: frozenset[str] = frozenset()
    #: Where keepalived's unit waits before it starts (file:line), and the line.
    waits: tuple[tuple[str, str], ...] = ()
    #: The instances as the running keepalived reports them.
    running: tuple[InstanceSpec, ...] | None = None
    networkd: Networkd = field(default_factory=Networkd)
    hooks: Hooks = field(default_factory=Hooks)
    #: Whether an adoption is in effect, as far as its backup tells.
    adopted: bool = False
    #: What keepalived -t says; None where it cannot be asked.
    judgement: Judgement | None = None


def adopted(directory: Path = Path(STATE_DIRECTORY) / "adopt") -> bool:
    """Whether there is the backup of an adoption; False where this user may not see it."""
    try:
        return Backup(directory).exists
    except OSError:
        return False


def holders(configuration: Configuration) -> tuple[VrrpInstance | SyncGroup, ...]:
    """The instances and groups: they have scripts, files and notify scripts."""
    return (*configuration.instances.values(), *configuration.groups.values())


def commands(configuration: Configuration, here: bool) -> dict[str, Command]:
    """The scripts that the configuration names, by their whole command line; if the configuration
    is another host's (`here` is false), their files are not read."""
    named = [script.command for script in configuration.scripts.values()]
    named += [n.command for holder in holders(configuration) for n in holder.notifies]
    return {command: _command(command, here) for command in named if command}


def _command(line: str, here: bool) -> Command:
    held = line.split()[:1] == [HOLD_SCRIPT]
    line = line.strip().removeprefix(HOLD_SCRIPT).strip() if held else line
    words = script_files.words(line)
    path = Path(words[0]) if words and words[0].startswith("/") else None
    command = Command(line, words, path, held=held)
    if not here or not words or opens_file(line):
        return command
    if path is None and "/" not in words[0]:
        found = script_files.find(words[0])
        # What the shell script says is read only where its full path is given.
        return replace(command, exists=Tri.of(found is not None))
    return command if path is None else _looked_at(command, path)


def _looked_at(command: Command, path: Path) -> Command:
    try:
        status = path.stat()
    except FileNotFoundError:
        return replace(command, exists=Tri.NO)
    except (OSError, ValueError):
        return command
    executable = Tri.of(bool(status.st_mode & 0o111) and stat.S_ISREG(status.st_mode))
    at = _script(command.words)
    text = _text(Path(command.words[at]), at > 0) if at is not None else None
    return replace(
        command,
        exists=Tri.YES,
        executable=executable,
        writable_by_others=script_files.changeable(path),
        text=text,
        arguments=command.words[at + 1 :] if at is not None else (),
    )


def _script(words: tuple[str, ...]) -> int | None:
    """Which word is the script: the first, or behind a shell or a wrapper the next full path."""
    for at, word in enumerate(words):
        name = word.rpartition("/")[2]
        if name in SHELLS and "-c" in words[at + 1 :]:
            return None  # the script is in the words themselves
        if word.startswith("/") and name not in SHELLS | WRAPPERS:
            return at
    return None


def _text(path: Path, shell: bool) -> str | None:
    """A shell script's text; `shell` is true if a shell runs it, whatever its first line says."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as file:
            data = file.read(LARGEST_SCRIPT)
    except (OSError, ValueError):
        return None
    text = None if b"\0" in data else data.decode(errors="replace")
    return text if text is None or shell or _is_shell(text) else None


def _is_shell(text: str) -> bool:
    first = text.partition("\n")[0]
    return not first.startswith("#!") or any(
        word.rpartition("/")[2] in SHELLS for word in first[2:].split()
    )


def sysctl(name: str, interfaces: Iterable[str]) -> dict[str, tuple[int, int]]:
    """net.ipv4.conf's value for all interfaces and the interface's own, for each interface."""
    found: dict[str, tuple[int, int]] = {}
    for interface in interfaces:
        try:
            every, own = (
                int(Path(f"/proc/sys/net/ipv4/conf/{place}/{name}").read_text())
                for place in ("all", interface)
            )
        except (OSError, ValueError):
            continue  # no such interface now
        found[interface] = every, own
    return found


def users(configuration: Configuration) -> dict[str, Tri]:
    """Whether the users exist that scripts run as."""
    named = {script.user for script in configuration.scripts.values()}
    named |= {n.user for holder in holders(configuration) for n in holder.notifies}
    default = configuration.globals("script_user")
    named |= {DEFAULT_USER, *(default.texts()[1:2] if default else ())}
    return {name: _has_user(name) for name in named if name}


def _has_user(name: str) -> Tri:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return Tri.NO
    return Tri.YES


def unmanaged(interfaces: Iterable[str], links: Path = LINKS) -> frozenset[str]:
    """Of these interfaces those that systemd-networkd does not manage, by its own files: it has one
    for each interface while it runs."""
    return frozenset(name for name in interfaces if _is_unmanaged(name, links))


def _is_unmanaged(interface: str, links: Path) -> bool:
    try:
        number = int((SYS_NET / interface / "ifindex").read_text())
        lines = (links / str(number)).read_text().splitlines()
    except (OSError, ValueError):
        return False
    return "ADMIN_STATE=unmanaged" in lines


def missing_directories(configuration: Configuration) -> frozenset[str]:
    """Directories of track files that do not exist."""
    files = [Path(file.file) for file in configuration.track_files.values()]
    places = {str(file.parent) for file in files if file.is_absolute()}
    return frozenset(place for place in places if not Path(place).exists())


def waits() -> tuple[tuple[str, str], ...]:
    """Lines in the administrator's units that make keepalived sleep before it starts."""
    files = [path for place in UNITS for path in Path(place).glob("keepalived.service.d/*.conf")]
    files += [Path(place) / "keepalived.service" for place in UNITS]
    return tuple(found for path in sorted(files) for found in _waits(path))


def _waits(path: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return
    for number, line in enumerate(lines, 1):
        if SLEEPS.match(line):
            yield f"{path}:{number}", line.strip()


def own_addresses(vips: set[IP]) -> dict[str, tuple[IPv4Interface | IPv6Interface, ...]]:
    """The host's addresses by interface, without these VIPs."""
    names = {link.ifindex: link.name for link in routing.links()}
    found: dict[str, tuple[IPv4Interface | IPv6Interface, ...]] = {}
    for address in routing.addresses():
        name = names.get(address.ifindex, "")
        if name and name != "lo" and address.ip not in vips:
            known = ip_interface(f"{address.ip}/{address.prefixlen}")
            found[name] = (*found.get(name, ()), known)
    return found
