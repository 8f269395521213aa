"""Cold boots of whole machines: of one node, of both, and of one whose network comes 30 s late.

Each boot without netvip is the control of the same boot with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kernels.boots import Boot, boot
from tests.kernels.fetch import Kernel, kernel
from tests.kernels.report import Report
from tests.lab.hosts import BRIDGE, PLAIN, QUIET, Host
from tests.lab.pair import OWN, PRIORITY, VIP, Pair

KERNELS = os.environ.get("NETVIP_LAB_KERNELS", "6.1").split()
WITHOUT = "without"
MODES = (WITHOUT, *os.environ.get("NETVIP_LAB_MODES", "assisted guarded").split())
#: How often one node boots in each mode. The quickest boot counts.
BOOTS = int(os.environ.get("NETVIP_LAB_BOOTS", "3"))
ROOT = Path(__file__).parents[2]

#: Without link-local addresses networkd 252 soon has configured the interface (fact
#: configuring-without-routers): keepalived starts beside netvip, not long after it.
QUICK = replace(PLAIN, more=QUIET)
#: The port of a virtual machine, which the lab's bridge has, answers for the VIPs as well.
BRIDGED = replace(BRIDGE, prepare=None)
#: A bridge with the spanning tree protocol has no carrier, and networkd gives it no address, until
#: its port has listened and learned, for 15 s each (IEEE 802.1D).
LATE = "[NetDev]\nName=br0\nKind=bridge\n\n[Bridge]\nSTP=yes\nForwardDelaySec=15\n"
LATE_BY = 30.0

#: Two nodes that would be MASTER within this time of each other, in seconds: either may be, and the
#: other one for a moment.
CLOSE = 0.5
#: Seconds by which netvip may delay a boot on a machine as quick as the one that the test runs on,
#: and those that scripts/wait-source waits while the machine boots.
DELAY_MOST, WAIT_MOST = 1.0, 10.0
MISSING = "netvip: keepalived starts although its source address is still missing on br0"

KEEPALIVED, NETVIP = "keepalived.service", "netvip.service"
NETWORKD, ONLINE = "systemd-networkd.service", "network-online.target"

pytestmark = pytest.mark.boot

Boots = dict[str, list[Boot]]


@pytest.fixture(scope="module", params=KERNELS)
def booted(request: pytest.FixtureRequest) -> Kernel:
    """A kernel of Debian's; the nodes are of its suite."""
    if os.geteuid() != 0:
        pytest.skip("the lab makes namespaces, which needs root")
    return kernel(request.param)


def ran(suite: str, host: Host, stack: ExitStack) -> dict[str, Pair]:
    """Nodes that have run, by mode. The power of the first is off; the second is MASTER."""
    pairs: dict[str, Pair] = {}
    for mode in MODES:
        pairs[mode] = pair = stack.enter_context(Pair(suite, host=host))
        if mode != WITHOUT:
            pair.protect(ROOT / "build/netvip.deb", guarded=mode == "guarded")
        pair.a.cut_power()
        pair.wait_master(pair.b)
    return pairs


@pytest.fixture(scope="module")
def quick(booted: Kernel) -> Iterator[dict[str, Pair]]:
    """Nodes whose networks are there at once."""
    with ExitStack() as stack:
        yield ran(booted.suite, QUICK, stack)


@pytest.fixture(scope="module")
def one(booted: Kernel, quick: dict[str, Pair]) -> Boots:
    """The first node boots while the second is MASTER."""
    boots: Boots = {mode: [] for mode in quick}
    for _ in range(BOOTS):
        for mode, pair in quick.items():
            boots[mode].append(boot(booted, pair, pair.a))
    return boots


@pytest.fixture(scope="module")
def both(booted: Kernel, quick: dict[str, Pair], one: Boots) -> Boots:
    """Both nodes boot at the same time; `one` needs the second one before that."""
    for pair in quick.values():
        pair.b.cut_power()
    return {mode: [boot(booted, pair, *pair.nodes)] for mode, pair in quick.items()}


@pytest.fixture(scope="module")
def late(booted: Kernel) -> Iterator[dict[str, Pair]]:
    """Nodes with a bridge, the first one's with the spanning tree protocol from its boot on."""
    with ExitStack() as stack:
        pairs = ran(booted.suite, BRIDGED, stack)
        for pair in pairs.values():
            pair.a.write("/etc/systemd/network/10-br0.netdev", LATE)
            pair.a.write("/etc/modules-load.d/bridge.conf", "bridge\n")  # nodes have no modprobe
        yield pairs


def row(what: str, mode: str, made: Boot, kernel: Kernel) -> str:
    """A row of the table in docs/hosts.md."""
    release = kernel.modules.name
    roles = ", ".join(f"{r.name} {r.role}" for r in made.reports)
    times = "; ".join(
        f"{started(r):.1f}, {r.before_start(KEEPALIVED):.1f}, {finished(r):.1f}"
        for r in made.reports
    )
    return f"| {what} | {release} | {kernel.suite} | {mode} | {roles} | {times} |"


def started(report: Report) -> float:
    """When keepalived's program was started, in seconds since the boot."""
    return report.at(KEEPALIVED, "ExecMainStart")


def finished(report: Report) -> float:
    """When the machine had booted, in seconds since the boot."""
    return report.at("multi-user.target", "ActiveEnter")


def assert_in_order(report: Report, mode: str) -> None:
    """The units started in the order that they declare, and nothing waits for netvip."""
    assert report.cycles == [] and report.verify == ""
    assert report.is_ordered_after(KEEPALIVED, ONLINE)
    assert report.at(ONLINE, "ActiveEnter") <= report.at(KEEPALIVED, "InactiveExit")
    assert report.at(NETWORKD, "ActiveEnter") <= report.at(ONLINE, "ActiveEnter")
    if mode == WITHOUT:
        return
    assert report.units[NETVIP]["ActiveState"] == "active"
    assert report.units[NETVIP]["NRestarts"] == "0"
    assert report.is_ordered_after(NETVIP, "dbus.socket")
    waiting = {u for u, unit in report.units.items() if NETVIP in unit.get("After", "").split()}
    assert waiting <= {"multi-user.target", "shutdown.target"}
    assert KEEPALIVED in report.chain and NETVIP not in report.chain


def assert_backup(report: Report, mode: str) -> None:
    """The node is BACKUP, has had no VIP, and netvip had nothing to do."""
    assert report.role == "BACKUP" and "MASTER" not in [role for _, role in report.roles]
    assert report.moves_of(VIP) == []
    assert VIP not in report.addresses
    assert_calm(report, mode, "BACKUP")


def assert_master(report: Report, mode: str) -> None:
    """The node is MASTER; keepalived alone added the VIP, once and on no other interface."""
    assert report.role == "MASTER"
    (came,) = report.moves_of(VIP)
    assert came.has_come and came.link != "lo"
    assert came.time >= report.began("MASTER")
    assert_calm(report, mode, "MASTER")


def assert_calm(report: Report, mode: str, state: str) -> None:
    """netvip knows the state, put nothing back, and did not complain."""
    assert mode == WITHOUT or {i["state"] for i in report.status["instances"]} == {state}
    assert report.said(NETVIP) == []


def assert_beside_master(made: Boot, mode: str) -> None:
    """A boot of the first node took nothing from the second, which is MASTER."""
    (report,) = made.reports
    assert made.masters == ("b",) and made.moved == () and made.lost == 0
    assert_in_order(report, mode)
    assert_backup(report, mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_node_that_boots_beside_a_master_is_backup(
    one: Boots, booted: Kernel, mode: str, figures: list[str]
) -> None:
    fails = {unit for made in one[WITHOUT] for report in made.reports for unit in report.failed}
    for made in one[mode]:
        figures.append(row("one node", mode, made, booted))
        assert_beside_master(made, mode)
        assert made.reports[0].failed <= fails  # nodes have no kmod


@pytest.mark.parametrize("mode", MODES[1:])
def test_netvip_delays_no_boot(one: Boots, mode: str, figures: list[str]) -> None:
    """By more than a second, on a machine as quick as the one that the test runs on, and beyond
    what the same boots differ by: other work on that machine delays them."""
    factor = slowness(made for boots in one.values() for made in boots)
    pace = min(sysinit(report) for made in one[WITHOUT] for report in made.reports)
    for what, moment in (("keepalived's start", started), ("the boot", finished)):
        control, protected = (at_pace(one[m], moment, pace) for m in (WITHOUT, mode))
        delay = min(protected) - min(control)
        noise = max(max(boots) - min(boots) for boots in (control, protected))
        figures.append(
            f"{mode}: {what} {delay:+.1f} s against the control, where the same boots differ by "
            f"{noise:.1f} s, on a machine {factor:.1f} times slower than this one: "
            f"{delay / factor:+.1f} s"
        )
        assert delay <= DELAY_MOST * factor + noise


def slowness(boots: Iterable[Boot]) -> float:
    """How many times slower a machine is than the one that the test runs on."""
    made = list(boots)
    quickest = min(report.yardstick for b in made for report in b.reports)
    return quickest / min(b.yardstick for b in made)


def at_pace(boots: list[Boot], moment: Callable[[Report], float], pace: float) -> list[float]:
    """The same moment of several boots, in seconds, as if each had reached sysinit.target at the
    same time: netvip and all that depends on it comes later."""
    reports = [report for made in boots for report in made.reports]
    return [moment(report) * pace / sysinit(report) for report in reports]


def sysinit(report: Report) -> float:
    """When the machine was initialized, in seconds since the boot."""
    return report.at("sysinit.target", "ActiveEnter")


@pytest.mark.parametrize("mode", MODES)
def test_of_two_nodes_that_boot_the_first_is_master(
    both: Boots, booted: Kernel, mode: str, figures: list[str]
) -> None:
    (made,) = both[mode]
    figures.append(row("both nodes", mode, made, booted))
    (master,) = made.masters
    # RFC 5798 6.1: the master-down interval, of adverts each second.
    due = {r.name: r.began("BACKUP") + 3 + (256 - PRIORITY[r.name]) / 256 for r in made.reports}
    assert due[master] <= min(due.values()) + CLOSE
    for report in made.reports:
        assert_in_order(report, mode)
        if report.name == master:
            assert_master(report, mode)
        elif max(due.values()) - min(due.values()) <= CLOSE:
            assert report.role == "BACKUP" and VIP not in report.addresses
        else:
            assert_backup(report, mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_boot_that_waits_for_a_late_network_starts_keepalived_then(
    late: dict[str, Pair], booted: Kernel, mode: str, figures: list[str]
) -> None:
    made = boot(booted, late[mode], late[mode].a)
    figures.append(row("network 30 s late, waited for", mode, made, booted))
    (report,) = made.reports
    assert started(report) - report.at(NETWORKD, "ActiveEnter") >= LATE_BY
    assert_beside_master(made, mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_boot_that_does_not_wait_starts_keepalived_without_its_address(
    late: dict[str, Pair], booted: Kernel, mode: str, figures: list[str]
) -> None:
    """netvip waits for the source address, 10 s at most, and says so; keepalived is in FAULT until
    the address is there. A wait that the drop-in's time-out ended (12 s) would say nothing."""
    made = boot(booted, late[mode], late[mode].a, waits=False)
    figures.append(row("network 30 s late, not waited for", mode, made, booted))
    (report,) = made.reports
    (came,) = report.moves_of(OWN["a"])
    assert report.began("BACKUP") >= came.time - CLOSE
    assert_beside_master(made, mode)
    waited, said = report.before_start(KEEPALIVED), report.said(KEEPALIVED)
    if mode == WITHOUT:
        assert MISSING not in said
    else:
        assert waited >= WAIT_MOST and MISSING in said
