"""The upgrades that a node lives through in its life, as data, and what each of them costs."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.lab.measure import Cost, measure
from tests.lab.node import Node
from tests.lab.pair import Pair
from tests.lab.repository import installed, repack
from tests.lab.shell import LabError

PACKAGE = Path(__file__).parents[2] / "build/netvip.deb"
INSTALL = ("apt-get", "-y", "--no-remove", "install")
#: What apt and dpkg print where something went wrong, though they may go on and exit with 0.
COMPLAINT = re.compile(r"^(E:|W:|dpkg: (error|warning)|.*([Ff]ailed|Traceback)).*$", re.MULTILINE)


@dataclass(frozen=True)
class Upgrade:
    """One upgrade: what apt is asked for, and where it hurts if there is no netvip."""

    name: str
    wanted: Callable[[Node], list[str]]
    #: Where it takes the VIP away.
    hurts: tuple[str, ...] = ()
    #: Lost probes that netvip may cost, near or far.
    allowed: int = 1


@dataclass(frozen=True)
class Outcome:
    """What an upgrade cost, and all that apt and dpkg said."""

    cost: Cost
    output: str

    @property
    def lost(self) -> int:
        """Lost probes of the side that lost more."""
        return int(max(self.cost.near["lost"], self.cost.far["lost"]))

    @property
    def complaints(self) -> list[str]:
        """The lines in which apt or dpkg was not content."""
        return [found[0] for found in COMPLAINT.finditer(self.output)]


def reinstalled(node: Node) -> list[str]:
    """systemd in its installed version: the maintainer scripts see an upgrade all the same."""
    return ["--reinstall", f"systemd={_packages(node, 'systemd')['systemd']}"]


def source(name: str) -> Callable[[Node], list[str]]:
    """All that is installed of a source: an archive gets all of it at once."""
    return lambda node: ["--only-upgrade", *_packages(node, name)]


def itself(node: Node) -> list[str]:
    """netvip, under a higher version."""
    with tempfile.TemporaryDirectory() as scratch:
        raised = repack(PACKAGE, Path(scratch), ())
        shutil.copy(raised, node.root / "root" / raised.name)
    return [f"/root/{raised.name}"]


def _packages(node: Node, name: str) -> dict[str, str]:
    return installed(node.root / "var/lib/dpkg", name)


STABLE = ("bookworm", "backports", "trixie")

#: In this order: each can be made once on a node. systemd restarts systemd-networkd, and so does
#: libc6 where systemd has a trigger for it; in sid they re-execute PID 1 alone. keepalived restarts
#: itself. The others restart nothing that has to do with a VIP.
UPGRADES = (
    Upgrade("systemd reinstalled", reinstalled, STABLE),
    Upgrade("systemd", source("systemd"), STABLE),
    Upgrade("keepalived", source("keepalived"), (*STABLE, "sid"), allowed=20),
    Upgrade("networkd-dispatcher", source("networkd-dispatcher")),
    Upgrade("dbus", source("dbus")),
    Upgrade("libc6", source("glibc"), ("trixie",)),
)
#: Where it is installed.
NETVIP = Upgrade("netvip", itself)


def perform(pair: Pair, upgrade: Upgrade) -> Outcome:
    """Upgrade the master while everything is probed."""
    pair.make_master()
    command = [*INSTALL, *upgrade.wanted(pair.a)]
    said: list[str] = []

    def action(node: Node) -> None:
        said.append(node.run("sh", "-c", 'exec "$@" 2>&1', "sh", *command))

    cost = measure(pair, action)
    if "\nSetting up " not in said[0]:
        raise LabError(f"{upgrade.name}: apt had nothing to do\n{said[0]}")
    return Outcome(cost, said[0])
