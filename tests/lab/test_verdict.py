"""What cannot be put back ends in a failover: with the daemon, and without it by a check."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.follow import now, states, wait
from tests.lab.measure import Tool, probed, reconfigure, restart, touch_and_reload
from tests.lab.node import Node
from tests.lab.pair import GATEWAY, INTERFACE, OWN, VIP, Pair, has_address, netvip_status

pytestmark = pytest.mark.once("bookworm")

CONFIGURATION = "/etc/keepalived/keepalived.conf"
#: Law 10: 4 s, in probes.
DEAD_MAN = 4000
#: Seconds for which a thief takes the VIP away: longer than any machine takes to let it go.
THEFT = "60"
#: How long nobody may move once all is settled: the third bad check in a row comes after 6 s, and a
#: failover that follows it takes 1.6 s.
WATCHED = 8.0
NO_RESTART = "/etc/systemd/system/netvip.service.d/lab.conf"


def conf(node: Node) -> Path:
    return node.root / CONFIGURATION.lstrip("/")


@pytest.fixture(scope="module")
def pair(guarded: Pair) -> Pair:
    return guarded


def calm(pair: Pair) -> None:
    """Every daemon up, `a` MASTER, no memory of earlier thefts."""
    for node in pair.nodes:
        node.run("rm", "-f", NO_RESTART)
        node.run("systemctl", "daemon-reload")
        node.run("systemctl", "restart", "netvip.service")
    pair.make_master()


@pytest.fixture
def master(pair: Pair) -> Iterator[Node]:
    yield pair.a
    calm(pair)  # for the next test; the first one has a pair that nothing has happened to


def test_a_vip_that_cannot_be_kept_goes_to_the_peer_and_stays_there(
    pair: Pair, master: Node, figures: list[str]
) -> None:
    since = now(master)
    probe = probed(pair.near, VIP)
    thief = Tool(master.net, "thief", INTERFACE, f"{VIP}/24", THEFT)
    try:
        wait(lambda: pair.holder() == [pair.b], 30.0, "the takeover")
        time.sleep(WATCHED)  # the observation itself: nobody moves any more
        lost = int(probe.stop()["lost"])
    finally:
        thief.kill()
        probe.kill()
    assert pair.holder() == [pair.b]
    story = master.journal("netvip.service", since)
    figures.append(f"VIP stolen for good, {pair.suite}: lost {lost}, and the peer has it")
    assert states(master, since) == ["FAULT", "BACKUP"], story
    assert story.count("setting FAULT so that the peer takes over") == 1
    assert lost < 1600, "within its skew and a second"
    status = netvip_status(master)["instances"][0]
    assert (status["state"], status["verdict"]) == ("BACKUP", "good")
    assert master.run("netvip", "check").startswith("VI_1: BACKUP")
    told = netvip_status(pair.b)
    assert told["fifo"]["lines"] >= 1 and told["fifo"]["dropped"] == 0


def _killed(node: Node) -> None:
    node.write(NO_RESTART, "[Service]\nRestart=no\n")
    node.run("systemctl", "daemon-reload")
    node.run("systemctl", "kill", "-s", "KILL", "netvip.service")


def _stopped(node: Node) -> None:
    node.run("systemctl", "stop", "netvip.service")


def _hung(node: Node) -> None:
    node.write(NO_RESTART, "[Service]\nRestart=no\nWatchdogSec=0\n")
    node.run("systemctl", "daemon-reload")
    node.run("systemctl", "restart", "netvip.service")
    wait(lambda: bool(netvip_status(node).get("instances")), 30.0, "the daemon")
    time.sleep(2.0)  # the evidence of MASTER is two adverts old then
    node.run("systemctl", "kill", "-s", "STOP", "netvip.service")
    time.sleep(2.0)  # a hung daemon's last sign of life counts for 1.5 s


@pytest.mark.parametrize("fate", [_killed, _stopped, _hung], ids=["killed", "stopped", "hung"])
def test_without_the_daemon_keepalived_s_check_lets_go(
    pair: Pair, master: Node, fate: Callable[[Node], None], figures: list[str]
) -> None:
    fate(master)
    since = now(master)
    probe = probed(pair.near, VIP)
    try:
        restart(master)
        wait(lambda: not has_address(master, VIP), 30.0, "the loss")
        wait(lambda: has_address(pair.b, VIP), 30.0, "the takeover")
        time.sleep(1.0)  # the last probes' answers
        lost = int(probe.stop()["lost"])
    finally:
        probe.kill()
    figures.append(
        f"without the daemon, {pair.suite}, {fate.__name__}: lost {lost}, and the peer has it"
    )
    assert lost <= DEAD_MAN
    wait(lambda: states(master, since)[-1:] == ["BACKUP"], 30.0, "the return to BACKUP")
    assert pair.holder() == [pair.b]
    if fate is _hung:
        master.run("systemctl", "kill", "-s", "KILL", "netvip.service")


def test_control_without_the_check_it_stays_dark(pair: Pair, master: Node) -> None:
    text = conf(master).read_text()
    conf(master).write_text(text.replace("/etc/netvip/keepalived-check VI_1", "/bin/true"))
    master.run("systemctl", "reload", "keepalived.service")
    try:
        _stopped(master)
        restart(master)
        wait(lambda: not has_address(master, VIP), 30.0, "the loss")
        time.sleep(WATCHED)  # the observation itself
        assert pair.holder() == [], "the control shows no damage"
    finally:
        conf(master).write_text(text)
        master.run("systemctl", "restart", "keepalived.service")


@pytest.mark.parametrize("how", ["reload", "restart", "kill"])
def test_keepalived_s_state_is_found_again(pair: Pair, master: Node, how: str) -> None:
    since = now(master)
    if how == "kill":
        master.run("systemctl", "kill", "-s", "KILL", "keepalived.service")
        wait(lambda: pair.holder() != [master], 30.0, "the takeover")
        master.run("systemctl", "reset-failed", "keepalived.service")
        master.run("systemctl", "start", "keepalived.service")
    else:
        master.run("systemctl", how, "keepalived.service")
    elected = {"reload": "MASTER", "restart": "BACKUP", "kill": "BACKUP"}[how]
    wait(lambda: states(master, since)[-1:] == [elected] or how == "reload", 30.0, elected)

    def known() -> bool:
        instances = netvip_status(master).get("instances") or [{}]
        return bool(instances[0].get("state") == elected)

    wait(known, 30.0, f"netvip knowing of {elected}")
    assert "put back" not in master.journal("netvip.service", since)
    evidence = netvip_status(master)["instances"][0]["evidence"]
    assert evidence["origin"] in ("advert", "dump", "fifo", "D-Bus") and evidence["age"] < 10.0


def test_an_address_that_comes_long_after_keepalived_is_no_fault_for_good(
    pair: Pair, master: Node
) -> None:
    network = master.root / "etc/systemd/network/10-lan.network"
    text = network.read_text()
    master.run("systemctl", "stop", "keepalived.service")
    network.write_text("\n".join(line for line in text.splitlines() if "10.77" not in line))
    try:
        touch_and_reload(master)
        wait(lambda: not has_address(master, "10.77.0.1"), 30.0, "the address's absence")
        master.run("systemctl", "start", "keepalived.service")
        time.sleep(10.0)  # what is to be lived through
    finally:
        network.write_text(text)
        since = now(master)
        touch_and_reload(master)
    wait(lambda: has_address(master, "10.77.0.1"), 30.0, "the address")

    def serves() -> bool:
        return netvip_status(master)["instances"][0]["state"] in ("MASTER", "BACKUP")

    wait(serves, 30.0, f"MASTER or BACKUP; since then {states(master, since)}")


GATEWAY_CHECK = f"""vrrp_script chk_gw {{
    script "/usr/bin/ping -c 1 -W 1 {GATEWAY}"
    interval 1
    fall 1
    user root
}}
"""


#: The host's address is away for so long, in seconds: a check a second fails in it for certain.
AWAY = 2.5


def readdress(node: Node) -> None:
    """networkd reloads twice: the host's own address goes, and comes back."""
    network = node.root / "etc/systemd/network/10-lan.network"
    text = network.read_text()
    try:
        kept = [line for line in text.splitlines() if not line.startswith(("Address=", "Gateway="))]
        network.write_text("\n".join([*kept, ""]))
        touch_and_reload(node)
        time.sleep(AWAY)
    finally:
        network.write_text(text)
        touch_and_reload(node)
    wait(lambda: has_address(node, OWN["a"]), 30.0, "the address")


@pytest.fixture
def gateway_checked(pair: Pair, master: Node) -> Iterator[Node]:
    """A check of the operator's on the master, beside netvip's."""
    text = conf(master).read_text()
    checked = text.replace("    track_script {\n", "    track_script {\n        chk_gw\n", 1)
    conf(master).write_text(
        checked.replace("vrrp_script netvip_VI_1", f"{GATEWAY_CHECK}\nvrrp_script netvip_VI_1", 1)
    )
    master.run("systemctl", "reload", "keepalived.service")
    pair.make_master()
    yield master
    conf(master).write_text(text)
    master.run("systemctl", "reload", "keepalived.service")


def test_an_unwrapped_check_of_the_operator_s_is_a_failover(
    pair: Pair, gateway_checked: Node
) -> None:
    """The control: no netvip, and keepalived's check (it would fail first) says that all is well
    as its list of addresses is gone."""
    gateway_checked.run("systemctl", "stop", "netvip.service")
    gateway_checked.run("rm", "/run/netvip/verdict/VI_1")
    since = now(gateway_checked)
    readdress(gateway_checked)
    assert "VRRP_Script(chk_gw) failed" in gateway_checked.journal("keepalived.service", since)
    assert "FAULT" in states(gateway_checked, since)


def test_a_wrapped_check_of_the_operator_s_survives_what_networkd_does(
    pair: Pair, gateway_checked: Node
) -> None:
    gateway_checked.run("netvip", "adopt", "--apply", "--wrap-checks")
    assert "keepalived-hold /usr/bin/ping" in conf(gateway_checked).read_text()
    pair.make_master()
    since = now(gateway_checked)
    for action in (restart, reconfigure, readdress, restart, reconfigure):
        action(gateway_checked)
        time.sleep(1.5)  # a check a second
    assert states(gateway_checked, since) == [] and pair.holder() == [gateway_checked]


def test_removed_with_python_broken_keepalived_goes_on_as_before(suite: str, package: Path) -> None:
    with Pair(suite) as pair:
        originals = {node.name: conf(node).read_bytes() for node in pair.nodes}
        pair.protect(package, guarded=True)
        since = {node.name: now(node) for node in pair.nodes}
        for node in pair.nodes:
            node.run("sh", "-c", "mv /usr/lib/python3/dist-packages/netvip /root/netvip.gone")
        for node in pair.nodes:
            node.run("apt-get", "-qq", "remove", "-y", "netvip")
        time.sleep(3.0)  # two failures of a check, and more
        for node in pair.nodes:
            assert "FAULT" not in states(node, since[node.name])
            assert conf(node).read_bytes() == originals[node.name]
            assert node.succeeds("test", "-x", "/etc/netvip/keepalived-check")
        assert pair.holder() == [pair.a]
        for node in pair.nodes:
            node.run("apt-get", "-qq", "purge", "-y", "netvip")
        time.sleep(3.0)
        assert pair.holder() == [pair.a]
        assert not pair.a.succeeds("test", "-e", "/etc/netvip")
