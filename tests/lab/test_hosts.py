"""Kinds of hosts: what networkd's actions cost there without netvip, and with it in both modes.

A machine's kernel may lack the modules: `make kernels` runs these tests on Debian's kernels.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab import settings
from tests.lab.hosts import BOND_VLAN, HOSTS, UNMANAGED, Host
from tests.lab.measure import Cost, measure, restart
from tests.lab.netns import Namespace
from tests.lab.node import Node
from tests.lab.pair import Pair, leftovers, netvip_status
from tests.lab.test_preview import identity, present
from tests.lab.upgrades import INSTALL, reinstalled

#: A failover of the control takes 0.6 s; a re-election 3.6 s.
CONTROL_AFTERWARDS, AFTERWARDS = 5.0, 3.0
#: The modes to run: the slice in `make test` leaves assisted out.
MODES = os.environ.get("NETVIP_LAB_MODES", "assisted guarded").split()
#: Actions by name, of which NETVIP_LAB_ACTIONS may choose some.
CHOSEN = os.environ.get("NETVIP_LAB_ACTIONS", "")
#: How often each action is run with netvip; the figures are those of the run in the middle.
RUNS = int(os.environ.get("NETVIP_LAB_RUNS", "1"))
#: So many runs are judged by themselves: fewer may have met a busy moment of the machine.
ENOUGH_RUNS = 5
#: Probes that may be lost where the link stays up.
ALLOWED = 1

#: networkd's files, and netplan's for networkd.
ETC, RUN = "/etc/systemd/network/*", "/run/systemd/network/*"
#: Where the package's files are for a preview while netvip is not installed.
APART = "/opt/netvip"
#: Seconds without a change: networkd begins some 30 ms after a call (fact lead-time), and its end
#: has no signal (fact no-signal-for-the-end).
STILL, NO_LONGER = 1.5 * settings.PATIENCE, 20.0 * settings.PATIENCE

Action = Callable[[Node], None]

pytestmark = pytest.mark.hosts


def reconfigure(link: str) -> Action:
    def act(node: Node) -> None:
        node.run("networkctl", "reconfigure", link)

    return act


def touch_and_reload(files: str) -> Action:
    def act(node: Node) -> None:
        node.run("sh", "-c", f"touch -c {files}; networkctl reload")

    return act


def apply_netplan(node: Node) -> None:
    node.run("netplan", "apply")


def reinstall_systemd(node: Node) -> None:
    node.run(*INSTALL, *reinstalled(node))


def own_file(host: Host) -> str:
    """The .network file for the interface of the VIP."""
    return f"{RUN}-{host.interface}.network" if host.is_netplan else f"{ETC}-lan.network"


def actions(host: Host) -> dict[str, Action]:
    """networkd's actions on this host."""
    own = own_file(host)
    found: dict[str, Action] = {"restart": restart, "reload": touch_and_reload(own)}
    found |= {"reconfigure": reconfigure(host.interface)}
    found |= {f"reconfigure {link}": reconfigure(link) for link in host.links}
    if host.files or host.is_netplan:
        found["touch all and reload"] = touch_and_reload(f"{ETC} {RUN}")
    if host.is_netplan:
        found["netplan apply"] = apply_netplan
    if host is BOND_VLAN:
        found["systemd reinstalled"] = reinstall_systemd
    return {name: found[name] for name in CHOSEN.split(",") if name in found} if CHOSEN else found


def allowed(pair: Pair, action: str, control: int) -> int:
    """Probes that netvip may lose where keepalived alone lost `control`."""
    loses_carrier = pair.suite == "bookworm" and "ens2" in pair.host.cables
    if RUNS >= ENOUGH_RUNS and not (loses_carrier or pair.host.unprotected):
        return ALLOWED
    # Two runs of the control differ by so much.
    return max(ALLOWED, control + control // 8)


@pytest.fixture(scope="module", params=HOSTS, ids=lambda host: host.name.replace(" ", "-"))
def host(request: pytest.FixtureRequest) -> Host:
    """A kind of host that this kernel can make."""
    found: Host = request.param
    space = Namespace(f"nvprobe{os.getpid()}")
    try:
        if missing := found.missing(space):
            pytest.skip(f"kernel {os.uname().release} lacks {missing}")
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
        f"| {cost.lost_typically('near')} / {cost.lost_typically('far')} "
        f"| {cost.longest_gap * 1000:.0f} ms "
        f"| {cost.failovers} | {'broken' if cost.tcp_broken else 'kept'} "
        f"| {'' if lead is None else f'{lead * 1000:.0f} ms'} |"
    )


def note(figures: list[str], line: str) -> None:
    """Show a line of the table at once as well (pytest -s): the whole takes hours."""
    print(line, flush=True)
    figures.append(line)


def measure_without(pair: Pair, figures: list[str]) -> dict[str, Cost]:
    """The control."""
    control = {}
    for name, action in actions(pair.host).items():
        pair.make_master()
        control[name] = cost = measure(pair, action, CONTROL_AFTERWARDS)
        note(figures, row(pair, "without", name, cost))
    return control


def switch_to(pair: Pair, mode: str, package: Path) -> None:
    """Have netvip run in a mode; where it leaves the host alone it refuses to adopt."""
    if mode == MODES[0]:
        pair.protect(package, guarded=False)
    if mode == "guarded" and pair.host.unprotected:
        for node in pair.nodes:
            assert not node.succeeds("netvip", "adopt", "--apply")
    elif mode == "guarded":
        pair.adopt()


def test_no_action_of_networkd_s_costs_more_than_without_netvip(
    pair: Pair, package: Path, figures: list[str]
) -> None:
    control, worse = measure_without(pair, figures), []
    damage = max(cost.near["lost"] for cost in control.values())
    enough = damage > 0.25 * settings.PROBES_PER_SECOND
    assert damage == 0 or not pair.host.harmless, "networkd does harm here without netvip"
    assert enough or pair.host.harmless or pair.host.unprotected, "the control shows no damage"
    for mode in MODES:
        switch_to(pair, mode, package)
        for name, action in actions(pair.host).items():
            pair.make_master()
            since = float(pair.a.run("date", "+%s.%6N"))
            cost = measure(pair, action, AFTERWARDS, runs=RUNS)
            note(figures, row(pair, mode, name, cost))
            story = pair.a.journal("netvip.service", since)
            for side in ("near", "far"):
                lost, alone = cost.lost_typically(side), getattr(control[name], side)["lost"]
                if lost > allowed(pair, name, alone):
                    worse.append((mode, name, side, lost, alone, story))
        pair.make_master()
        told = netvip_status(pair.a)["instances"][0]
        assert bool(told["unprotected"]) is pair.host.unprotected, told
        if pair.host is UNMANAGED:
            assert told["managed"] == "no", told
            assert "NV308" in pair.a.run("netvip", "doctor", check=False)
    assert leftovers(pair.a) == []
    assert worse == [], worse


# --- what netvip preview says of the same actions -------------------------------------------------


def previewed(host: Host) -> dict[str, tuple[str, tuple[str, ...], str]]:
    """By name: the files that are touched before, preview's words, and the command."""
    reload: tuple[tuple[str, ...], str] = ("reload",), "networkctl reload"
    found: dict[str, tuple[str, tuple[str, ...], str]] = {
        "restart": ("", ("restart",), "systemctl restart systemd-networkd.service"),
        "reload": (own_file(host), *reload),
    }
    for link in dict.fromkeys((host.interface, *host.links)):
        found[f"reconfigure {link}"] = "", ("reconfigure", link), f"networkctl reconfigure {link}"
    if host.files or host.is_netplan:
        found["touch all and reload"] = f"{ETC} {RUN}", *reload
    return found


def leave(pair: Pair) -> None:
    """What keepalived has put on the master, without keepalived: nobody puts anything back."""
    for node in pair.nodes:
        node.run("systemctl", "start", "keepalived.service")
    pair.make_master()
    for node in (pair.b, pair.a):
        # A process of keepalived's that sees its parent end removes its VIPs, unless it is stopped.
        for signal in ("STOP", "KILL"):
            node.run("systemctl", "kill", f"--signal={signal}", "keepalived.service")
        node.run("systemctl", "reset-failed", "keepalived.service", check=False)
    assert pair.holder() == [pair.a]


def named(node: Node, words: tuple[str, ...]) -> set[str]:
    """What netvip preview says that goes; nothing, where networkd does not manage the link."""
    path = f"PYTHONPATH={APART}/usr/lib/python3/dist-packages"
    command = ("env", path, "python3", "-m", "netvip", "preview", "--json", "--action", *words)
    shown = node.run(*command, check=False)
    if shown:
        return {identity(item) for item in json.loads(shown)["taken"]}
    assert words[0] == "reconfigure", "preview has failed"
    return set()


def gone(net: Namespace, before: set[str], expected: set[str]) -> set[str]:
    """What is missing when networkd has finished: when it is what is expected, and nothing has
    changed for STILL."""
    begun = since = time.monotonic()
    last: set[str] = set()
    while time.monotonic() < begun + NO_LONGER:
        found = present(net)
        if found != last:
            last, since = found, time.monotonic()
        if before - found == expected and time.monotonic() > since + STILL:
            break
        time.sleep(0.05)
    return before - last


def test_preview_names_what_goes(pair: Pair, package: Path, figures: list[str]) -> None:
    node, wrong, most = pair.a, [], 0
    shutil.copy(package, node.root / "root" / package.name)
    node.run("dpkg-deb", "-x", f"/root/{package.name}", APART)
    for name, (files, words, command) in previewed(pair.host).items():
        leave(pair)
        node.run("sh", "-c", f"touch -c {files}" if files else "")
        before, begun = present(node.net), time.monotonic()
        told = named(node, words)
        took = (time.monotonic() - begun) * 1000
        node.run("systemctl", "reset-failed", "systemd-networkd.service")
        node.run("sh", "-c", command, check=False)
        lost = gone(node.net, before, told)
        most = max(most, len(lost))
        where = f"{pair.host.name}, {os.uname().release}, {pair.suite}, {name}"
        note(figures, f"preview: {where}: {len(told)} named in {took:.0f} ms, {len(lost)} gone")
        if lost != told:
            wrong.append((name, sorted(lost - told), sorted(told - lost)))
    assert most > 0 or pair.host.harmless or pair.host.unprotected, "the control shows no damage"
    assert wrong == [], "\n".join(map(str, wrong))
