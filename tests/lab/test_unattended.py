"""unattended-upgrades upgrades everything, and needrestart restarts what used it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.lab.follow import now, shell
from tests.lab.measure import measure
from tests.lab.node import Node
from tests.lab.pair import Pair, leftovers
from tests.lab.repository import offer
from tests.lab.upgrades import INSTALL, Outcome

pytestmark = pytest.mark.once("bookworm")

#: The node's own repository names no origin; Debian's security archive does.
ORIGINS = """#clear Unattended-Upgrade::Origins-Pattern;
Unattended-Upgrade::Origins-Pattern { "origin="; };
"""
#: keepalived's own upgrade restarts it: the peer takes over, once.
ALLOWED = 20


@dataclass(frozen=True)
class Upgrades(Outcome):
    """What it cost, what was said, and how often keepalived was started anew."""

    restarts: int


def upgrade_everything(pair: Pair) -> Upgrades:
    """Upgrade everything on the master, by itself, while everything is probed."""
    node, said = pair.a, list[str]()
    node.run(*INSTALL, "--no-install-recommends", "needrestart", "unattended-upgrades")
    node.write("/etc/apt/apt.conf.d/99lab", ORIGINS)
    node.write("/etc/needrestart/conf.d/lab.conf", "$nrconf{restart} = 'a';\n")
    offer(node)
    pair.make_master()
    since = now(node)

    def upgrade(master: Node) -> None:
        said.append(shell(master, "unattended-upgrade --verbose; echo rc $?"))

    cost = measure(pair, upgrade)
    starts = node.journal("keepalived.service", since).count("Starting Keepalived")
    return Upgrades(cost, said[0], starts)


@pytest.fixture(scope="module")
def control(suite: str) -> Upgrades:
    """What it costs without netvip."""
    with Pair(suite) as pair:
        return upgrade_everything(pair)


def test_unattended_upgrades_lose_nothing(
    control: Upgrades, guarded: Pair, figures: list[str]
) -> None:
    guarded_run = upgrade_everything(guarded)
    figures.append(
        f"unattended-upgrades with needrestart, {guarded.suite}: lost {guarded_run.lost}, "
        f"without netvip {control.lost}"
    )
    for one in (control, guarded_run):
        assert one.output.endswith("All upgrades installed\nrc 0"), one.output
    # sid's own systemctl finds no bus while PID 1 re-executes.
    assert set(guarded_run.complaints) <= set(control.complaints), guarded_run.output
    assert control.lost > 300 and control.restarts > 1, "the control shows no damage"
    story = guarded.a.journal("netvip.service")
    assert guarded_run.lost <= ALLOWED, story
    assert guarded_run.restarts == 1, "by its own upgrade, and not by needrestart"
    guarded.make_master()
    assert leftovers(guarded.a) == [], story
