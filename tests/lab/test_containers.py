"""keepalived in a container: on the host's network, and on one of its own.

A container here is what a runtime makes of it: namespaces, a /tmp and a /run of its own, and a
configuration that the host does not have.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.measure import REELECTED, Cost, Tool, measure, reconfigure, restart
from tests.lab.node import Node
from tests.lab.pair import VIP, Pair, leftovers, netvip_status

pytestmark = pytest.mark.once("bookworm")

UNIT = """[Unit]
ConditionFileNotEmpty=

[Service]
Type=exec
PIDFile=
ExecStart=
ExecStart=unshare {namespaces} --fork --mount-proc --kill-child /usr/local/sbin/container
"""
CONTAINER = """#!/bin/sh
set -e
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc/keepalived
cp /srv/keepalived/* /etc/keepalived/
if ! ip link show ens160; then
    ip link add ens160 type veth peer name ens161
    ip link set ens161 up
    ip link set ens160 up
    ip address add 10.77.0.1/24 dev ens160
fi
exec keepalived --dont-fork --log-console
"""
#: The operator's own decision (netvip(8), Containers).
CAPABILITY = "[Service]\nCapabilityBoundingSet=CAP_SYS_PTRACE\n"
UNIT_FILE = "/etc/systemd/system/keepalived.service.d/container.conf"


def contain(node: Node, *namespaces: str) -> None:
    """Have the node's keepalived run in a container."""
    node.write("/usr/local/sbin/container", CONTAINER, 0o755)
    node.write(UNIT_FILE, UNIT.format(namespaces=" ".join(namespaces)))
    node.run("cp", "-r", "/etc/keepalived", "/srv/")
    node.run("rm", "/etc/keepalived/keepalived.conf")
    node.run("systemctl", "daemon-reload")
    node.run("systemctl", "restart", "keepalived.service")


@pytest.fixture
def pair(suite: str) -> Iterator[Pair]:
    """Two nodes."""
    with Pair(suite) as found:
        yield found


def costs(pair: Pair) -> list[Cost]:
    found = []
    for action in (restart, reconfigure):
        pair.make_master()
        found.append(measure(pair, action, REELECTED))
    return found


def adopt(node: Node, *options: str) -> subprocess.CompletedProcess[str]:
    command = node.inside("netvip", "adopt", *options)
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_on_the_host_s_network_it_is_protected_as_any_other(
    pair: Pair, package: Path, figures: list[str]
) -> None:
    for node in pair.nodes:
        contain(node, "--pid", "--mount")
    control = costs(pair)
    assert all(cost.near["lost"] > 300 for cost in control), "the control shows no damage"
    for node in pair.nodes:
        node.install(package)
    pair.wait_status(pair.a, lambda status: "CAP_SYS_PTRACE" in status["problem"])
    assert not netvip_status(pair.a)["instances"]
    for node in pair.nodes:
        node.write("/etc/systemd/system/netvip.service.d/containers.conf", CAPABILITY)
        node.run("systemctl", "daemon-reload")
        node.run("systemctl", "restart", "netvip.service")
        pair.wait_status(node, lambda status: bool(status["instances"]))
    for before, cost in zip(control, costs(pair), strict=True):
        lost = (cost.near["lost"], cost.far["lost"])
        figures.append(f"in a container, {pair.suite}: {before.near['lost']} -> {max(lost)}")
        assert max(lost) <= 1, pair.a.journal("netvip.service")
    pair.make_master()
    (instance,) = netvip_status(pair.a)["instances"]
    assert (instance["mode"], instance["state"]) == ("assisted", "MASTER")
    shown, refused = adopt(pair.a), adopt(pair.a, "--apply")
    assert shown.returncode == refused.returncode == 1
    assert "+++ /etc/keepalived/keepalived.conf (guarded)" in shown.stdout, shown
    assert "keepalived runs in a container: make this change" in refused.stderr
    assert leftovers(pair.a) == []


def test_on_another_network_it_is_left_alone(pair: Pair, package: Path) -> None:
    pair.make_master()
    pair.b.run("systemctl", "stop", "keepalived.service")
    contain(pair.a, "--pid", "--mount", "--net")
    pair.a.install(package)
    why = "runs in another network namespace; netvip leaves it alone"
    status = pair.wait_status(pair.a, lambda status: why in "".join(status["elsewhere"]))
    assert (status["keepalived"], status["instances"]) == ("no", [])
    watch = Tool(pair.a.net, "watch")
    try:
        reconfigure(pair.a)
        pair.wait_status(pair.a, lambda status: not status["windows"])
        assert not [e for e in watch.stop()["events"] if e["address"] == VIP]
    finally:
        watch.kill()
    assert pair.a.journal("netvip.service").count(why) == 1
    assert leftovers(pair.a) == []
