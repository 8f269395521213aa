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
    """One upgrade: what apt is asked for, and whether it hurts where there is no netvip."""

    name: str
    wanted: Callable[[Node], list[str]]
    hurts: bool
    #: Lost probes that netvip may cost, near or far.
    allowed: int = 1
    #: Where it restarts anything; empty: on every release.
    suites: tuple[str, ...] = ()

    def made_on(self, suite: str) -> bool:
        """Whether it is worth making on this release."""
        return not self.suites or suite in self.suites


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


#: In this order: each can be done once on a node. systemd and libc6 (since trixie, by a trigger of
#: systemd's) restart systemd-networkd; keepalived restarts itself. What networkd-dispatcher
#: restarts has no part in the VIP, and dbus restarts nothing.
UPGRADES = (
    Upgrade("systemd reinstalled", reinstalled, hurts=True),
    Upgrade("systemd", source("systemd"), hurts=True),
    Upgrade("keepalived", source("keepalived"), hurts=True, allowed=20),
    Upgrade("networkd-dispatcher", source("networkd-dispatcher"), hurts=False),
    Upgrade("dbus", source("dbus"), hurts=False),
    Upgrade("libc6", source("glibc"), hurts=True, suites=("trixie", "sid")),
)
NETVIP = Upgrade("netvip", itself, hurts=False)


def upgrades(suite: str) -> list[Upgrade]:
    """What is upgraded on this release; `NETVIP` where it is installed."""
    return [upgrade for upgrade in UPGRADES if upgrade.made_on(suite)]


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
