"""Kinds of hosts: what networkd's actions cost there without netvip, and with it in both modes.

A machine's kernel may lack the modules: `make kernels` runs these tests on Debian's kernels.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab import settings
from tests.lab.hosts import HOSTS, Host
from tests.lab.measure import ACTIONS, Cost, measure
from tests.lab.netns import Namespace
from tests.lab.node import Node
from tests.lab.pair import Pair, leftovers

#: A failover of the control takes 0.6 s; a re-election 3.6 s.
CONTROL_AFTERWARDS, AFTERWARDS = 5.0, 3.0
#: The modes to run: the slice in `make test` leaves assisted out.
MODES = os.environ.get("NETVIP_LAB_MODES", "assisted guarded").split()
#: Actions by name, of which NETVIP_LAB_ACTIONS may choose some.
CHOSEN = os.environ.get("NETVIP_LAB_ACTIONS", "")
#: Probes that may be lost where the link stays up.
ALLOWED = 1

Action = Callable[[Node], None]

pytestmark = pytest.mark.hosts


def reconfigure(link: str) -> Action:
    def act(node: Node) -> None:
        node.run("networkctl", "reconfigure", link)

    return act


def touch_all_and_reload(node: Node) -> None:
    for file in (node.root / "etc/systemd/network").iterdir():
        os.utime(file)
    node.run("networkctl", "reload")


def actions(host: Host) -> dict[str, Action]:
    """networkd's actions on this host."""
    found: dict[str, Action] = dict(ACTIONS)
    found |= {f"reconfigure {link}": reconfigure(link) for link in host.links}
    if host.files:
        found["touch all and reload"] = touch_all_and_reload
    return {name: found[name] for name in CHOSEN.split(",")} if CHOSEN else found


@pytest.fixture(scope="module", params=HOSTS, ids=lambda host: host.name.replace(" ", "-"))
def host(request: pytest.FixtureRequest) -> Host:
    """A kind of host that this kernel can make."""
    found: Host = request.param
    space = Namespace(f"nvprobe{os.getpid()}")
    try:
        if kind := found.missing(space):
            pytest.skip(f"kernel {os.uname().release} cannot make a link of kind {kind}")
    finally:
        space.close()
    return found


@pytest.fixture
def pair(suite: str, host: Host) -> Iterator[Pair]:
    """Two such hosts."""
    with Pair(suite, host=host) as found:
        yield found


def row(pair: Pair, mode: str, action: str, cost: Cost) -> str:
    """One line of the table."""
    lead = cost.lead()
    return (
        f"| {pair.host.name} | {os.uname().release} | {pair.suite} | {action} | {mode} "
        f"| {cost.near['lost']} / {cost.far['lost']} | {cost.longest_gap * 1000:.0f} ms "
        f"| {cost.failovers} | {'broken' if cost.tcp_broken else 'kept'} "
        f"| {'' if lead is None else f'{lead * 1000:.0f} ms'} |"
    )


def note(figures: list[str], line: str) -> None:
    """Show a line of the table at once as well (pytest -s): the whole takes an hour."""
    print(line, flush=True)
    figures.append(line)


def test_no_action_of_networkd_s_costs_more_than_without_netvip(
    pair: Pair, package: Path, figures: list[str]
) -> None:
    control, worse = {}, []
    for name, action in actions(pair.host).items():
        pair.make_master()
        control[name] = cost = measure(pair, action, CONTROL_AFTERWARDS)
        note(figures, row(pair, "without", name, cost))
    damage = max(cost.near["lost"] for cost in control.values())
    assert damage > 0.25 * settings.PROBES_PER_SECOND, "the control shows no damage"
    for mode in MODES:
        if mode == MODES[0]:
            pair.protect(package, guarded=False)
        if mode == "guarded":
            pair.adopt()
        for name, action in actions(pair.host).items():
            pair.make_master()
            since = float(pair.a.run("date", "+%s.%6N"))
            cost = measure(pair, action, AFTERWARDS)
            note(figures, row(pair, mode, name, cost))
            story = pair.a.journal("netvip.service", since)
            for side in ("near", "far"):
                lost = getattr(cost, side)["lost"]
                allowed = max(ALLOWED, getattr(control[name], side)["lost"])
                if lost > allowed:
                    worse.append((mode, name, side, lost, allowed, story))
    pair.make_master()
    assert leftovers(pair.a) == []
    assert worse == [], worse
