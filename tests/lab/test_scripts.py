"""The operator's scripts of every kind run as before an adoption, during it and after its revert:
the same ones, as the same users, with the same arguments.

The checks of real servers are left out: keepalived runs them only where the kernel has IPVS.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.follow import wait
from tests.lab.node import Node
from tests.lab.pair import INTERFACE, OWN, PRIORITY, VIP, Pair, netvip_status
from tests.lab.settings import PATIENCE
from tests.lab.shell import LabError

CONFIGURATION = "/etc/keepalived/keepalived.conf"
#: The definition of a second instance, which goes and comes.
SECOND = "/etc/keepalived/second.conf"
SAID = "/usr/local/bin/said"
SAID_FIFO = "/usr/local/bin/said-fifo"
#: Any user may write here, and the directory is not sticky (fs.protected_regular).
PLACE = "/run/said"
#: Writes down its kind, its user and group, and its arguments.
SCRIPT = f"""#!/bin/sh
kind=$1
shift
echo "$kind $(id -u):$(id -g) $*" >>{PLACE}/log
"""
#: The same of each line that comes out of a fifo. keepalived ends it with SIGTERM.
FIFO_SCRIPT = f"""#!/bin/sh
echo "$1 $(id -u):$(id -g) $2" >>{PLACE}/log
while read -r line; do
    echo "$1 $(id -u):$(id -g) $line" >>{PLACE}/log
done <"$2"
"""
#: The notify scripts of an instance and of a group, and of an instance alone.
STATES = ("", "_master", "_backup", "_fault", "_stop")
EVENTS = ("_master_rx_lower_pri", "_deleted")
#: An advert (RFC 5798 5.1) of the second router with the lowest priority, which the master hears.
ADVERT = f"""
import socket, struct
source, group, vip = map(socket.inet_aton, ({OWN["b"]!r}, "224.0.0.18", {VIP!r}))
def advert(checksum):
    return struct.pack("!BBBBHH", 0x31, 51, 1, 1, 20, checksum) + vip
pseudo = source + group + struct.pack("!BBH", 0, 112, len(advert(0)))
data = pseudo + advert(0)
total = sum(struct.unpack(f"!{{len(data) // 2}}H", data))
total = (total & 0xffff) + (total >> 16)
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, source)
sock.sendto(advert(~((total & 0xffff) + (total >> 16)) & 0xffff), ("224.0.0.18", 0))
"""
#: keepalived's switches, the users behind the scripts' lines in turn, and the fifos: netvip takes
#: another one.
Way = tuple[str, tuple[str, ...], tuple[str, ...]]
MIXED: Way = ("", ("daemon", "", "daemon bin"), ("vrrp_", "lvs_"))
SECURED: Way = ("    enable_script_security\n    script_user daemon\n", ("", "root"), ("",))
#: Or systemd may end the scripts that keepalived starts as it ends.
KILL = "[Service]\nKillMode=process\n"
ALL = bool(os.environ.get("NETVIP_LAB_ALL"))
WAYS = {"mixed": MIXED} | ({"secured": SECURED} if ALL else {})


def configuration(way: Way) -> str:
    """keepalived.conf with scripts of every kind that VRRP has."""
    switches, users, kinds = way
    turn = 0

    def user() -> str:
        nonlocal turn
        turn += 1
        chosen = users[turn % len(users)]
        return f" {chosen}" if chosen else ""

    def notifies(whose: str, which: tuple[str, ...]) -> str:
        lines = (f'    notify{w} "{SAID} {whose}{w}"{user()}\n' for w in which)
        return "".join(lines)

    fifos = "".join(
        f"    {whose}notify_fifo {PLACE}/{whose}fifo daemon\n"
        f'    {whose}notify_fifo_script "{SAID_FIFO} {whose}fifo" daemon\n'
        for whose in kinds
    )
    return (
        f"global_defs {{\n    vrrp_version 3\n{switches}{fifos}"
        # With another user keepalived 2.2.7 ends (fact startup-script-user).
        f'    startup_script "{SAID} startup x" root\n'
        f'    shutdown_script "{SAID} shutdown y" root\n}}\n'
        f"vrrp_script checked {{\n    script \"{SAID} vrrp_script 'a b' c\"\n"
        "    interval 1\n    timeout 30\n    user daemon\n}\n"
        f'track_file gate {{\n    file "{PLACE}/gate"\n    weight 0\n    init_file 0\n}}\n'
        f"vrrp_sync_group G {{\n    group {{\n        VI_1\n    }}\n{notifies('group', STATES)}}}\n"
        f"vrrp_instance VI_1 {{\n    state BACKUP\n    interface {INTERFACE}\n"
        f"    virtual_router_id 51\n    priority {PRIORITY['a']}\n    advert_int 0.2\n"
        "    track_script {\n        checked\n    }\n    track_file {\n        gate\n    }\n"
        f"    notify_priority_changes\n{notifies('notify', (*STATES, *EVENTS))}"
        f"    virtual_ipaddress {{\n        {VIP}/24\n    }}\n}}\n"
        f"include {SECOND}\n"
    )


def second() -> str:
    """The second instance, with the one script that a deletion runs."""
    return (
        f"vrrp_instance VI_2 {{\n    state BACKUP\n    interface {INTERFACE}\n"
        "    virtual_router_id 52\n    priority 100\n    advert_int 0.2\n"
        f'    notify_deleted "{SAID} deleted"\n    notify "{SAID} second" daemon\n'
        "    virtual_ipaddress {\n        10.77.0.11/24\n    }\n}\n"
    )


class Story:
    """What a node's scripts write down."""

    def __init__(self, node: Node) -> None:
        self._node = node
        node.write(SAID, SCRIPT, mode=0o755)
        node.write(SAID_FIFO, FIFO_SCRIPT, mode=0o755)
        node.run("sh", "-c", f"mkdir -p {PLACE}; chmod 777 {PLACE}; echo 0 >{PLACE}/gate")
        self.begin()

    def lines(self) -> set[str]:
        """All that was written since begin()."""
        return set(self._node.run("cat", f"{PLACE}/log").splitlines())

    def begin(self) -> None:
        """Forget what was written; every user may write."""
        self._node.run("sh", "-c", f"rm -f {PLACE}/log; umask 0; : >{PLACE}/log")

    def wait(self, *starts: str) -> None:
        """Wait until lines of these kinds were written, since begin()."""

        def happened() -> bool:
            lines = self.lines()
            return all(any(line.startswith(start) for line in lines) for start in starts)

        try:
            wait(happened, 20.0 * PATIENCE, str(starts))
        except LabError as problem:
            units = [self._node.journal(f"{unit}.service") for unit in ("keepalived", "netvip")]
            story = "\n".join((*sorted(self.lines()), *units))
            raise LabError(f"{problem}:\n{story}") from problem


def is_master(node: Node) -> bool:
    states = {one["name"]: one["state"] for one in netvip_status(node).get("instances", ())}
    return states == {"VI_1": "MASTER", "VI_2": "MASTER"}


def has_told_of_an_advert(pair: Pair, story: Story) -> bool:
    """Send an advert; whether keepalived has run its script for one."""
    pair.b.run("python3", "-c", ADVERT)
    return any(line.startswith("notify_master_rx_lower_pri ") for line in story.lines())


def told(pair: Pair, story: Story) -> set[str]:
    """What the scripts write down when each of them has had its reason to run."""
    node = pair.a
    wait(lambda: is_master(node), 30.0 * PATIENCE, "MASTER")
    story.begin()
    node.run("sh", "-c", f"echo 1 >{PLACE}/gate")
    story.wait("notify_fault ", "group_fault ")
    node.run("sh", "-c", f"echo 0 >{PLACE}/gate")
    story.wait("notify_backup ", "notify_master ", "group_master ")
    wait(lambda: has_told_of_an_advert(pair, story), 20.0 * PATIENCE, "a lower priority")
    node.run("mv", SECOND, f"{SECOND}.off")
    node.run("systemctl", "reload", "keepalived.service")
    story.wait("deleted ")
    node.run("mv", f"{SECOND}.off", SECOND)
    node.run("systemctl", "restart", "keepalived.service")
    story.wait("notify_stop ", "group_stop ", "shutdown ", "startup ", "vrrp_script ")
    wait(lambda: is_master(node), 30.0 * PATIENCE, "MASTER")
    story.wait("second 1:1 INSTANCE VI_2 MASTER")
    return story.lines()


@contextmanager
def prepared(pair: Pair, package: Path, text: str) -> Iterator[Story]:
    """A node with netvip and this configuration; the other one is silent."""
    pair.protect(package, guarded=False)
    pair.b.run("systemctl", "stop", "keepalived.service")
    node, story = pair.a, Story(pair.a)
    node.write("/etc/systemd/system/keepalived.service.d/scripts.conf", KILL)
    node.write(SECOND, second())
    node.write(CONFIGURATION, text)
    node.run("systemctl", "daemon-reload")
    node.run("systemctl", "restart", "keepalived.service")
    yield story


def compare(pair: Pair, story: Story) -> set[str]:
    """Run the story before an adoption, with it, and after its revert; what was written down."""
    node = pair.a
    before = told(pair, story)
    node.run("netvip", "adopt", "--apply")
    adopted = told(pair, story)
    text = node.run("cat", CONFIGURATION)
    assert (adopted - before, before - adopted) == (set(), set()), text
    node.run("netvip", "adopt", "--revert")
    reverted = told(pair, story)
    assert (reverted - before, before - reverted) == (set(), set())
    return before


@pytest.mark.parametrize("way", WAYS)
def test_scripts_of_every_kind_run_as_before(suite: str, package: Path, way: str) -> None:
    with Pair(suite) as pair, prepared(pair, package, configuration(WAYS[way])) as story:
        lines = compare(pair, story)
    users = {line.split()[1] for line in lines}
    assert users >= ({"0:0", "1:1", "1:2"} if way == "mixed" else {"0:0", "1:1"})
