"""A keepalived that stays in FAULT though all it needs is there, as 2.1.0 to 2.3.2 do (fact
stuck-in-fault)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.lab.follow import shell, wait
from tests.lab.node import Node
from tests.lab.pair import INTERFACE, OWN, Pair, has_address, netvip_status

pytestmark = pytest.mark.once("bookworm")

OTHER = {"a": "b", "b": "a"}
UNICAST = """    unicast_src_ip {own}
    unicast_peer {{
        {peer}
    }}
"""
#: keepalived waits for its source address where netvip has it; not here.
UNORDERED = "/etc/systemd/system/keepalived.service.d/zz-lab.conf"


def state(node: Node) -> str:
    instances = netvip_status(node).get("instances") or [{}]
    return str(instances[0].get("state"))


def start_without_its_source(node: Node) -> None:
    """As where the address comes long after keepalived: by DHCP, by a slow switch."""
    own = f"{OWN[node.name]}/24"
    node.run("systemctl", "stop", "keepalived.service")
    node.net.run("ip", "address", "delete", own, "dev", INTERFACE)
    node.run("systemctl", "start", "keepalived.service")
    time.sleep(3.0)  # keepalived looks for its source, and finds none
    node.net.run("ip", "address", "add", own, "dev", INTERFACE)


def test_a_keepalived_that_is_stuck_in_fault_is_restarted_where_that_is_wished(
    suite: str, package: Path
) -> None:
    if suite not in ("bookworm", "backports"):
        pytest.skip(f"{suite}'s keepalived finds its source again: there is nothing to heal")
    with Pair(suite) as pair:
        node = pair.b
        pair.protect(package, guarded=False)
        for one in pair.nodes:
            conf = one.root / "etc/keepalived/keepalived.conf"
            peers = UNICAST.format(own=OWN[one.name], peer=OWN[OTHER[one.name]])
            conf.write_text(conf.read_text().replace("    nopreempt\n", "    nopreempt\n" + peers))
            one.run("systemctl", "restart", "keepalived.service")
        pair.make_master()
        node.write(UNORDERED, "[Service]\nExecStartPre=\nExecStartPre=/bin/true\n")
        node.run("systemctl", "daemon-reload")
        start_without_its_source(node)
        assert has_address(node, OWN["b"])
        time.sleep(15.0)  # the control: without being told to, netvip leaves it alone
        assert shell(node, "netvip status") and state(node) == "FAULT", "there is nothing to heal"
        node.write("/etc/netvip/netvip.conf", "[healing]\nrestart = yes\n")
        node.run("systemctl", "restart", "netvip.service")
        restarted = "restarting keepalived"
        wait(lambda: restarted in node.journal("netvip.service"), 90.0, "the restart")
        wait(lambda: state(node) == "BACKUP", 30.0, "the recovery")
        assert node.journal("netvip.service").count(restarted) == 1
        assert pair.holder() == [pair.a]
