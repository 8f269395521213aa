"""The .deb: one command installs it, and nothing else on the node moves."""

from __future__ import annotations

import re
from pathlib import Path

from tests.lab.measure import Tool, probed
from tests.lab.node import Node
from tests.lab.pair import VIP, Pair, has_address, netvip_status
from tests.lab.versions import sentence

CONFIGURATION = "etc/keepalived/keepalived.conf"
OTHERS = ("keepalived.service", "systemd-networkd.service", "networkd-dispatcher.service")


def pids(node: Node) -> list[int]:
    """The main processes of the other packages' services; 0 for one that does not run."""
    return [node.main_pid(unit) for unit in OTHERS]


def policy(node: Node) -> str:
    """The scheduling policy of the networkd that runs."""
    networkd = node.main_pid("systemd-networkd.service")
    return node.run("chrt", "--pid", str(networkd)).splitlines()[0].split()[-1]


def test_a_scheduling_policy_of_the_operator_s_own_stays(suite: str, package: Path) -> None:
    with Pair(suite) as pair:
        node, unit = pair.a, "systemd-networkd.service"
        own = "[Service]\nCPUSchedulingPolicy=idle\n"
        node.write(f"/etc/systemd/system/{unit}.d/own.conf", own)
        node.run("systemctl", "daemon-reload")
        node.run("systemctl", "restart", unit)
        node.install(package)
        assert policy(node) == "SCHED_IDLE"
        node.run("apt-get", "-qq", "remove", "-y", "netvip")
        assert policy(node) == "SCHED_IDLE"


def test_installed_beside_a_running_keepalived_and_purged(
    suite: str, package: Path, figures: list[str]
) -> None:
    with Pair(suite) as pair:
        node = pair.a
        figures.append(sentence(node))
        before = (pids(node), (node.root / CONFIGURATION).read_bytes())
        watch = Tool(node.net, "watch")
        try:
            assert policy(node) == "SCHED_OTHER"
            node.install(package)
            assert policy(node) == "SCHED_BATCH"
            assert node.unit("netvip.service")["ActiveState"] == "active"
            status = pair.wait_status(node, lambda status: bool(status["instances"]))
            node.run("apt-get", "-qq", "purge", "-y", "netvip")
            assert policy(node) == "SCHED_OTHER"
            assert watch.stop()["events"] == []
        finally:
            watch.kill()
        assert status["instances"][0]["mode"] == "assisted"
        assert (pids(node), (node.root / CONFIGURATION).read_bytes()) == before
        assert has_address(node, VIP)
        assert (
            node.run(
                "find",
                "/etc",
                "/usr",
                "/var/lib",
                "/run",
                "-xdev",
                "-name",
                "*netvip*",
                "-not",
                "-path",
                "/var/lib/dpkg/*",
            ).split()
            == []
        )
        assert netvip_status(node) == {} if node.succeeds("which", "netvip") else True


def test_purged_though_the_adoption_cannot_be_taken_back(suite: str, package: Path) -> None:
    """keepalived still runs the scripts that its configuration names: no node goes into FAULT."""
    with Pair(suite) as pair:
        pair.protect(package, guarded=True)
        pair.make_master()
        node = pair.a
        node.run("mount", "--bind", "/etc/keepalived", "/etc/keepalived")
        node.run("mount", "-o", "remount,bind,ro", "/etc/keepalived")
        probe = probed(pair.near, VIP)
        try:
            said = node.run("sh", "-c", "apt-get -qq purge -y netvip 2>&1")
            node.run("systemctl", "reload", "keepalived")
            node.run("sleep", "3")  # longer than two runs of the check, whose failures are FAULT
            assert int(probe.stop()["lost"]) == 0
        finally:
            probe.kill()
        assert "still has netvip's lines" in said
        assert pair.holder() == [node]


def test_adopted_and_reverted_byte_for_byte(suite: str, package: Path) -> None:
    with Pair(suite) as pair:
        node = pair.a
        before = (node.root / CONFIGURATION).read_bytes()
        node.install(package)
        pair.wait_status(node, lambda s: bool(s["instances"]))
        assert "NV101" in node.run("netvip", "doctor", check=False)
        probe = probed(pair.near, VIP)
        try:
            node.run("netvip", "adopt", "--apply")
            status = pair.wait_status(
                node, lambda s: {i["mode"] for i in s["instances"]} == {"guarded"}
            )
            assert status["problem"] == ""
            # Only that networkd-dispatcher does not run, which a boot would start.
            told = re.findall(r"NV\d+", node.run("netvip", "doctor"))
            assert told == ["NV407"]
            assert "nothing to do" in node.run("netvip", "adopt", "--apply")
            assert node.run("netvip", "check").startswith("VI_1: MASTER, ")
            node.run("netvip", "adopt", "--revert")
            assert int(probe.stop()["lost"]) == 0
        finally:
            probe.kill()
        assert (node.root / CONFIGURATION).read_bytes() == before
        pair.wait_status(node, lambda s: {i["mode"] for i in s["instances"]} == {"assisted"})
        assert pair.holder() == [node]
