"""What the rules about systemd-networkd look at: its files, and what else restarts it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from netvip.core.model import Tri
from netvip.networkd.files import Settings
from netvip.networkd.preview import Host, Item, preview
from netvip.networkd.takes import Action

NEEDRESTART = "/etc/needrestart"
APT = "/etc/apt/apt.conf.d"
#: netvip's hook in each (debian/netvip.install).
NEEDRESTART_HOOK = f"{NEEDRESTART}/conf.d/netvip.conf"
APT_HOOK = f"{APT}/50netvip"
DROP_IN = "systemd-networkd.service.d/00-netvip.conf"
#: Where an administrator's file hides a drop-in of a package.
UNITS = ("/etc/systemd/system", "/run/systemd/system")
DISPATCHER = "/usr/bin/networkd-dispatcher"
#: PID 1 has such a link for each unit that runs.
DISPATCHER_RUNS = "/run/systemd/units/invocation:networkd-dispatcher.service"

KEEPS = re.compile(r"^\s*\$nrconf\{override_rc\}.*systemd-networkd", re.MULTILINE)
AUTOMATIC = re.compile(r"""^\s*\$nrconf\{restart\}\s*=\s*['"]a['"]""")
UNATTENDED = re.compile(r'^\s*APT::Periodic::Unattended-Upgrade\s+"(?!0")[^"]+"\s*;')
HOOKED = re.compile(r"^\s*DPkg::Pre-Invoke\b.*netvip/apt-hook", re.MULTILINE)
RENDERER = re.compile(r"^\s*renderer:\s*[\"']?NetworkManager\b")


@dataclass(frozen=True, slots=True)
class Networkd:
    """What is known of networkd on this host; where nothing is known, a rule finds nothing."""

    #: systemd's version; 0 if it is not known.
    version: int = 0
    #: The .network file of each interface that networkd manages, by the interface's name.
    governs: Mapping[str, Settings] = field(default_factory=dict)
    conf: Settings = field(default_factory=lambda: Settings(Path("/etc/systemd/networkd.conf")))
    #: What the next restart deletes for good.
    lost: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Hooks:
    """netvip's hooks in what restarts networkd, and whether each is in place. Places are file:line,
    and empty where the program is not installed or does not run by itself."""

    #: Where needrestart is told to restart services by itself; its own file if it is not.
    needrestart: str = ""
    needrestart_is_automatic: bool = False
    needrestart_hooked: bool = True
    #: Where unattended-upgrades is switched on.
    unattended: str = ""
    apt_hooked: bool = True
    #: The file that hides netvip's drop-in for systemd-networkd.service.
    hides_drop_in: str = ""
    dispatcher_installed: Tri = Tri.UNKNOWN
    dispatcher_runs: Tri = Tri.UNKNOWN
    #: Where netplan is told to use NetworkManager.
    renderer: str = ""


def networkd(host: Host) -> Networkd:
    """What a preview's input tells."""
    governs = {governed.link.name: governed.settings for governed in host.links}
    lost = tuple(preview(host, Action.RESTART).lost)
    return Networkd(host.state.version, governs, host.conf, lost)


def hooks(root: Path = Path("/")) -> Hooks:
    """Looks for netvip's hooks below a root directory."""

    def at(name: str) -> Path:
        return root / name.lstrip("/")

    needrestart = [at(f"{NEEDRESTART}/needrestart.conf"), *_listed(at(f"{NEEDRESTART}/conf.d"))]
    automatic = _first(needrestart, AUTOMATIC)
    installed = needrestart[0].exists()
    hidden = (at(f"{place}/{DROP_IN}") for place in UNITS)
    return Hooks(
        automatic or (f"{needrestart[0]}:1" if installed else ""),
        bool(automatic),
        KEEPS.search(_text(at(NEEDRESTART_HOOK))) is not None,
        _first(_listed(at(APT)), UNATTENDED),
        HOOKED.search(_text(at(APT_HOOK))) is not None,
        next((f"{path}:1" for path in hidden if path.is_symlink() or path.exists()), ""),
        Tri.of(at(DISPATCHER).exists()),
        Tri.of(at(DISPATCHER_RUNS).is_symlink()),
        _first(_listed(at("/etc/netplan"), "*.yaml"), RENDERER),
    )


def _listed(directory: Path, pattern: str = "*") -> list[Path]:
    return sorted(path for path in directory.glob(pattern) if path.is_file())


def _first(paths: Iterable[Path], wanted: re.Pattern[str]) -> str:
    """file:line of the first line that matches; empty if there is none."""
    for path in paths:
        for number, line in enumerate(_text(path).splitlines(), 1):
            if wanted.match(line):
                return f"{path}:{number}"
    return ""


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""  # it is missing, or this user may not read it
