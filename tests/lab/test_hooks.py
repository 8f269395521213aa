"""Before and after: what systemd, apt, the dispatcher and the operator tell, and in what order."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.follow import shell
from tests.lab.measure import ACTIONS, AFTERWARDS, measure
from tests.lab.node import Node
from tests.lab.pair import INTERFACE, OWN, Pair, has_address, leftovers, netvip_status

NETWORKD = "systemd-networkd.service"
HOOK = "/usr/lib/netvip/hook"
#: Milliseconds until a loss that nothing announced is answered, on a busy machine; keepalived
#: alone loses 570 and more.
NETLINK_ALONE = 20


# --- units ----------------------------------------------------------------------------------------


def test_the_units_are_sound(guarded: Pair) -> None:
    units = ("netvip.service", "keepalived.service", NETWORKD, "networkd-dispatcher.service")
    assert shell(guarded.a, f"systemd-analyze verify --man=no {' '.join(units)}") == ""
    assert shell(guarded.a, "systemctl is-active networkd-dispatcher.service") == "active"


# --- networkd in every way ------------------------------------------------------------------------


def stop_and_start(node: Node) -> None:
    """networkd is away for ten seconds."""
    shell(node, "systemctl stop systemd-networkd.socket systemd-networkd.service; sleep 10")
    node.run("systemctl", "start", NETWORKD)


def crash(node: Node) -> None:
    """networkd is killed, and systemd starts it again."""
    node.run("systemctl", "kill", "--signal=SEGV", NETWORKD)


def five_times(node: Node) -> None:
    """Five restarts in a row."""
    shell(node, f"for i in 1 2 3 4 5; do systemctl restart {NETWORKD}; done")


def twenty_times(node: Node) -> None:
    """Twenty restarts in half a minute."""
    once = f"systemctl reset-failed {NETWORKD}; systemctl restart {NETWORKD}; sleep 1.2"
    shell(node, f"for i in $(seq 20); do {once}; done")


def with_the_bus(node: Node) -> None:
    """dbus-daemon is restarted, and networkd with it."""
    shell(node, f"systemctl restart dbus.service; systemctl restart {NETWORKD}")
    shell(node, "systemctl restart networkd-dispatcher.service")  # it dies with its bus


WAYS: dict[str, Callable[[Node], None]] = {
    "stopped, started 10 s later": stop_and_start,
    "killed with SEGV": crash,
    "restarted five times": five_times,
    "restarted twenty times": twenty_times,
    "restarted with dbus-daemon": with_the_bus,
}
every_way = pytest.mark.parametrize("way", WAYS)


@every_way
def test_networkd_in_every_way(bare: Pair, guarded: Pair, figures: list[str], way: str) -> None:
    lost = []
    for pair in (bare, guarded):
        pair.make_master()
        pair.a.run("systemctl", "reset-failed", NETWORKD, check=False)
        cost = measure(pair, WAYS[way])
        lost.append(max(cost.near["lost"], cost.far["lost"]))
    figures.append(f"networkd {way}, {bare.suite}: lost {lost[1]}, without netvip {lost[0]}")
    assert lost[0] > 300, "the control shows no damage"
    assert lost[1] <= 1, guarded.a.journal("netvip.service")[-6000:]
    assert cost.failovers == 0 and not cost.tcp_broken
    guarded.make_master()
    assert leftovers(guarded.a) == []


# --- hooks ----------------------------------------------------------------------------------------


def test_a_hung_netvip_delays_nothing_for_long(guarded: Pair) -> None:
    guarded.make_master()
    guarded.a.run("systemctl", "kill", f"--signal={signal.SIGSTOP.value}", "netvip.service")
    try:
        # timeout(1) says 124 where it had to end it.
        assert shell(guarded.a, f"timeout 1 {HOOK} --wait networkd-stops; echo $?") == "0"
        assert shell(guarded.a, "timeout 1 /usr/lib/netvip/apt-hook ended; echo $?") == "0"
    finally:
        guarded.a.run("systemctl", "restart", "netvip.service")
    guarded.make_master()


def test_hooks_are_silent_without_a_daemon(guarded: Pair) -> None:
    guarded.a.run("systemctl", "stop", "netvip.service")
    for command in (
        f"{HOOK} --wait networkd-stops",
        "/usr/lib/netvip/apt-hook begins",
        f"IFACE={INTERFACE} STATE=routable /usr/lib/networkd-dispatcher/routable.d/50-netvip",
    ):
        assert shell(guarded.a, f"{command}; echo $?") == "0"
    guarded.a.run("systemctl", "start", "netvip.service")
    guarded.make_master()


#: The address comes while keepalived's start waits for it; the second start joins the first.
WAITS = """
systemctl start --no-block keepalived.service
until [ "$(systemctl show -P SubState keepalived.service)" = start-pre ]; do
    systemctl --quiet is-active keepalived.service && exit
done
ip address add {own} dev {interface}
systemctl start keepalived.service
echo waited
"""


#: What keepalived's start waits for; the files of the configuration stand before.
LISTED = "grep -v '^conf /' /var/lib/netvip/sources"


def test_keepalived_waits_for_its_source_address(guarded: Pair) -> None:
    guarded.make_master()
    node, own = guarded.a, f"{OWN['a']}/24"
    assert shell(node, LISTED) == f"{INTERFACE} {OWN['a']}"
    node.run("systemctl", "stop", "keepalived.service")
    node.run("ip", "address", "del", own, "dev", INTERFACE)
    since = float(node.run("date", "+%s.%6N"))
    assert shell(node, WAITS.format(own=own, interface=INTERFACE)) == "waited"
    assert "FAULT" not in node.journal("keepalived.service", since)
    node.run("systemctl", "restart", NETWORKD)  # gives the default route back
    guarded.make_master()


def test_a_list_that_is_out_of_date_delays_no_start(guarded: Pair) -> None:
    guarded.make_master()
    node, away = guarded.a, f"{INTERFACE} 192.0.2.1"
    node.write("/var/lib/netvip/sources", f"{away}\n")
    took = shell(node, "date +%s; /usr/lib/netvip/wait-source; date +%s").split("\n")
    assert (
        took[1]
        == "netvip: keepalived starts although its source address is still missing on ens160"
    )
    assert int(took[2]) - int(took[0]) < 10, "as at boot"
    node.run("touch", "/etc/keepalived/keepalived.conf")
    assert shell(node, "/usr/lib/netvip/wait-source") == "", "edited since: the list says nothing"
    node.run("systemctl", "restart", "netvip.service")
    guarded.make_master()
    assert shell(node, LISTED) == f"{INTERFACE} {OWN['a']}"


# --- the dispatcher and the bus -------------------------------------------------------------------


def test_netlink_alone_restores(guarded: Pair, figures: list[str]) -> None:
    """No bus, and the dispatcher hangs in somebody else's hook."""
    node = guarded.a
    node.write("/usr/lib/networkd-dispatcher/routable.d/00-other", "#!/bin/sh\nsleep 60\n", 0o755)
    node.write("/etc/netvip/netvip.conf.d/lab.conf", "[sources]\ndbus = no\n")
    drop_in = "/usr/lib/systemd/system/systemd-networkd.service.d/00-netvip.conf"
    node.run("mv", drop_in, "/root/")
    shell(node, "systemctl daemon-reload; systemctl restart netvip.service")
    shell(node, "systemctl restart --no-block networkd-dispatcher.service")  # it will hang
    try:
        guarded.make_master()
        cost = measure(guarded, ACTIONS["restart"])
        lost = max(cost.near["lost"], cost.far["lost"])
        figures.append(f"netlink alone, dispatcher hung, {guarded.suite}: lost {lost}")
        assert lost <= NETLINK_ALONE, node.journal("netvip.service")
        assert cost.failovers == 0 and not cost.tcp_broken
    finally:
        node.run("mv", "/root/00-netvip.conf", drop_in)
        (node.root / "usr/lib/networkd-dispatcher/routable.d/00-other").unlink()
        (node.root / "etc/netvip/netvip.conf.d/lab.conf").unlink()
        shell(node, "systemctl kill -s KILL networkd-dispatcher; systemctl daemon-reload")
        shell(node, "systemctl restart netvip networkd-dispatcher")
    guarded.make_master()


def test_the_drop_in_alone_sees_a_restart_coming(guarded: Pair, figures: list[str]) -> None:
    node = guarded.a
    node.write("/etc/netvip/netvip.conf.d/lab.conf", "[sources]\ndbus = no\n")
    node.run("systemctl", "restart", "netvip.service")
    try:
        guarded.make_master()
        cost = measure(guarded, ACTIONS["restart"])
        lost, lead = max(cost.near["lost"], cost.far["lost"]), (cost.lead() or 0.0) * 1000
        figures.append(f"the drop-in alone, {guarded.suite}: lost {lost}, lead {lead:.0f} ms")
        assert lost <= 1 and lead > 0 and cost.failovers == 0
    finally:
        (node.root / "etc/netvip/netvip.conf.d/lab.conf").unlink()
        node.run("systemctl", "restart", "netvip.service")
    guarded.make_master()


# --- holds and apt --------------------------------------------------------------------------------


def test_a_hold_is_shown_and_released(guarded: Pair) -> None:
    node = guarded.a
    node.run("netvip", "hold", "--reason", "cabling", "--for", "2h")
    node.run("netvip", "hold", "--reason", "cabling")
    (hold,) = netvip_status(node)["holds"]
    assert (hold["reason"], hold["count"]) == ("cabling", 2)
    node.run("systemctl", "restart", "netvip.service")  # which holds outlive
    assert "hold 'cabling' (2 times), ends within 1" in node.run("netvip", "status")
    for _ in range(2):
        node.run("netvip", "release", "--reason", "cabling")
    assert netvip_status(node)["holds"] == []
    assert shell(node, "netvip release; echo $?").endswith("no hold exists\n1")
    assert shell(node, "netvip hold --for 25h; echo $?").endswith("use 1 to 86400 seconds\n1")


def test_who_may_ask(guarded: Pair) -> None:
    ask = "setpriv --reuid=nobody --regid=nogroup --groups={} netvip status >/dev/null; echo $?"
    refusal = "netvip: only root and members of the group netvip are answered\n1"
    assert shell(guarded.a, ask.format("users")) == refusal
    assert shell(guarded.a, ask.format("users,netvip")) == "0"


def test_apt_killed_between_its_hooks_leaves_a_hold_that_ends(guarded: Pair) -> None:
    node = guarded.a
    kill = 'DPkg::Pre-Invoke:: "kill -9 $(cat /run/apt.pid)";'
    node.write("/etc/apt/apt.conf.d/99lab", kill)
    reinstall = "apt-get -qq install -y --reinstall /root/netvip.deb"
    shell(node, f"sh -c 'echo $$ >/run/apt.pid; exec {reinstall}'")
    (node.root / "etc/apt/apt.conf.d/99lab").unlink()
    (hold,) = netvip_status(node)["holds"]
    left = hold["until"] - float(node.run("date", "+%s.%6N"))
    assert hold["reason"] == "apt" and 0 < left <= 900
    shell(node, "dpkg --configure -a")
    node.run("netvip", "release", "--reason", "apt")
    node.run("netvip", "hold", "--reason", "apt", "--for", "1s")
    guarded.wait_status(node, lambda status: status["holds"] == [])
    assert "hold 'apt' expired: it was never released" in node.journal("netvip.service")


def test_plain_dpkg_tells_as_well(guarded: Pair) -> None:
    node = guarded.a
    since = float(node.run("date", "+%s.%6N"))
    said = shell(node, "dpkg -i /var/cache/apt/archives/keepalived_*.deb; echo rc $?")
    assert said.endswith("rc 0"), said

    def told() -> bool:
        story = node.journal("netvip.service", since)
        return "systemd or keepalived was upgraded" in story

    guarded.wait_status(node, lambda _: told())


def reinstall_netvip(node: Node) -> None:
    """An apt run."""
    said = shell(node, "apt-get -qq install -y --reinstall /root/netvip.deb; echo rc $?")
    assert said.endswith("rc 0"), said


#: How long the probes go on after a yield. Where the peer is down, the yield is taken back after
#: 1.5 s, and keepalived is MASTER again 3.6 s later.
YIELDED = {"up": AFTERWARDS, "down": 6.0}


@pytest.mark.parametrize("peer", YIELDED)
def test_apt_hands_the_vip_over_where_that_is_wished(
    guarded: Pair, figures: list[str], peer: str
) -> None:
    guarded.make_master()
    guarded.a.write("/etc/netvip/netvip.conf.d/lab.conf", "[maintenance]\napt = yield\n")
    guarded.a.run("systemctl", "restart", "netvip.service")
    guarded.make_master()
    if peer == "down":
        guarded.b.run("systemctl", "stop", "keepalived.service")
    try:
        cost = measure(guarded, reinstall_netvip, afterwards=YIELDED[peer])
    finally:
        (guarded.a.root / "etc/netvip/netvip.conf.d/lab.conf").unlink()
        guarded.a.run("systemctl", "restart", "netvip.service")
        guarded.b.run("systemctl", "start", "keepalived.service")
    lost = max(cost.near["lost"], cost.far["lost"])
    figures.append(f"apt = yield, peer {peer}, {guarded.suite}: lost {lost}")
    assert lost <= 1, guarded.a.journal("netvip.service")[-4000:]
    assert guarded.holder() == [guarded.b if peer == "up" else guarded.a]
    assert cost.failovers == (1 if peer == "up" else 0)


def restart_keepalived(node: Node) -> None:
    """What an operator without netvip does to hand over."""
    node.run("systemctl", "restart", "keepalived.service")


@pytest.mark.parametrize("peer", YIELDED)
def test_a_yield_loses_nothing(bare: Pair, guarded: Pair, figures: list[str], peer: str) -> None:
    """The control: keepalived alone hands over by a restart."""
    bare.make_master()
    control = measure(bare, restart_keepalived)
    assert control.near["lost"] > 300 and bare.holder() == [bare.b]
    guarded.make_master()
    guarded.a.run("systemctl", "restart", "netvip.service")  # no memory of one that was in vain
    guarded.make_master()
    if peer == "down":
        guarded.b.run("systemctl", "stop", "keepalived.service")
    said: list[str] = []

    def hand_over(node: Node) -> None:
        said.append(shell(node, "netvip yield VI_1; echo $?"))

    try:
        cost = measure(guarded, hand_over, afterwards=YIELDED[peer])
    finally:
        guarded.b.run("systemctl", "start", "keepalived.service")
    lost = max(cost.near["lost"], cost.far["lost"])
    figures.append(f"netvip yield, peer {peer}, {guarded.suite}: lost {lost}")
    assert lost <= 1, guarded.a.journal("netvip.service")[-4000:]
    stays = "netvip: VI_1: the peer did not take over; see netvip status\n1"
    assert said == ["VI_1: handed over\n0" if peer == "up" else stays]
    assert guarded.holder() == [guarded.b if peer == "up" else guarded.a]


# --- boot, shutdown, removal ----------------------------------------------------------------------


def test_a_shutdown_and_a_boot_come_out_right(
    bare: Pair, guarded: Pair, figures: list[str]
) -> None:
    lost = []
    for pair in (bare, guarded):
        pair.make_master()
        cost = measure(pair, Node.power_off, afterwards=2.0)
        lost.append(max(cost.near["lost"], cost.far["lost"]))
        pair.wait_master(pair.b)
        pair.a.boot()
        pair.a.ready()
    figures.append(f"shutdown, {bare.suite}: lost {lost[1]}, without netvip {lost[0]}")
    assert lost[0] > 300 and lost[1] <= 1
    status = guarded.wait_status(guarded.a, lambda status: bool(status["instances"]))
    guarded.wait_status(guarded.a, lambda status: status["instances"][0]["state"] == "BACKUP")
    assert status["holds"] == [] and guarded.holder() == [guarded.b]
    assert has_address(guarded.a, OWN["a"])
    guarded.make_master()


def test_removed_it_is_silent_and_purged_it_is_gone(guarded: Pair, package: Path) -> None:
    node = guarded.b
    ours = [line for line in node.run("dpkg", "-L", "netvip").splitlines() if "netvip" in line]
    removed = shell(node, "apt-get -qq remove -y netvip; echo rc $?")
    assert removed.endswith("rc 0") and "rror" not in removed, removed
    since = float(node.run("date", "+%s.%6N"))
    again = shell(node, f"systemctl restart {NETWORKD}; apt-get -qq check; echo rc $?")
    assert again == "rc 0", again
    assert "netvip" not in node.journal(NETWORKD, since)
    before = shell(node, "cat /etc/keepalived/keepalived.conf")
    assert "netvip" not in before, "the adoption was reverted"
    purged = shell(node, "apt-get -qq purge -y netvip; echo rc $?")
    assert purged.endswith("rc 0") and "rror" not in purged, purged
    left = shell(node, f"ls -d {' '.join(map(json.dumps, ours))} /run/netvip /var/lib/netvip")
    assert [line for line in left.splitlines() if "No such file" not in line] == []
    assert shell(node, "cat /etc/keepalived/keepalived.conf") == before
