"""The classic recipes with netvip's check in place of theirs: what they wanted, they get."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.lab.follow import now, states, wait
from tests.lab.measure import Tool
from tests.lab.node import Node
from tests.lab.pair import INTERFACE, VIP, Pair
from tests.lab.test_verdict import CONFIGURATION, THEFT, WATCHED

pytestmark = pytest.mark.once("trixie")

#: As people paste them, mended as doctor says: the check is netvip's, and has no weight.
COMMON = f"""
vrrp_instance VI_1 {{
    state BACKUP
    interface {INTERFACE}
    virtual_router_id 51
    priority 100
    advert_int 1
    nopreempt
"""
ONE = f"""vrrp_script chk_vip {{
    script "/etc/netvip/keepalived-check VI_1"
    interval 1
    fall 2
    rise 1
    user root
}}
{COMMON}
    authentication {{
        auth_type PASS
        auth_pass secret12
    }}
    virtual_ipaddress {{
        {VIP}
    }}
    track_script {{
        chk_vip
    }}
    notify_master "/usr/bin/logger takes the VIP"
    notify_backup "/usr/bin/logger releases the VIP"
}}
"""
TWO = f"""global_defs {{
    vrrp_garp_master_refresh 60
    vrrp_garp_master_repeat 2
}}
vrrp_script check_vip {{
    script "/etc/netvip/keepalived-check VI_1"
    interval 2
    fall 2
    rise 1
    user root
}}
{COMMON}
    virtual_ipaddress {{
        {VIP}/32
    }}
    track_script {{
        check_vip
    }}
    notify "/etc/netvip/keepalived-notify VI_1" root
}}
"""


def apply(node: Node, text: str) -> None:
    node.write(CONFIGURATION, text)
    node.run("systemctl", "restart", "keepalived.service")


@pytest.mark.parametrize("recipe", [ONE, TWO], ids=["one", "two"])
def test_the_master_loses_the_vip_for_good_and_nobody_logs_in(
    suite: str, package: Path, recipe: str
) -> None:
    with Pair(suite) as pair:
        pair.protect(package, guarded=False)
        for node in pair.nodes:
            apply(node, recipe)
        pair.adopt()
        pair.make_master()
        since = {node.name: now(node) for node in pair.nodes}
        thief = Tool(pair.a.net, "thief", INTERFACE, f"{VIP}/32", THEFT)
        try:
            wait(lambda: pair.holder() == [pair.b], 30.0, "the takeover")
            time.sleep(WATCHED)  # the observation itself: nobody moves any more
        finally:
            thief.kill()
        assert pair.holder() == [pair.b]
        assert states(pair.a, since["a"]) == ["FAULT", "BACKUP"]
        assert states(pair.b, since["b"]) == ["MASTER"]
