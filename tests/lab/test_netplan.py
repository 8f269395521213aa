"""netplan apply on the master: netplan rewrites networkd's files and has it reload them."""

from __future__ import annotations

import pytest

from tests.lab.measure import Cost, measure
from tests.lab.node import Node
from tests.lab.pair import GATEWAY, INTERFACE, OWN, Pair, leftovers

pytestmark = pytest.mark.once("bookworm")

NETPLAN = f"""network:
  version: 2
  renderer: networkd
  ethernets:
    {INTERFACE}:
      addresses: [{OWN["a"]}/24]
      routes:
        - to: default
          via: {GATEWAY}
"""


def apply(node: Node) -> None:
    """netplan apply."""
    node.run("netplan", "apply")


def use_netplan(pair: Pair) -> Pair:
    """Have netplan configure the first node as the .network file did, from apt's own archive."""
    pair.a.run("apt-get", "-qq", "install", "-y", "--no-install-recommends", "netplan.io")
    pair.a.write("/etc/netplan/50-lab.yaml", NETPLAN, mode=0o600)
    (pair.a.root / "etc/systemd/network/10-lan.network").unlink()
    apply(pair.a)
    return pair


@pytest.fixture(scope="module")
def control(suite: str) -> Cost:
    """What it costs without netvip."""
    with Pair(suite) as pair:
        use_netplan(pair)
        pair.make_master()
        return measure(pair, apply)


def test_netplan_apply_goes_unnoticed(control: Cost, guarded: Pair, figures: list[str]) -> None:
    use_netplan(guarded).make_master()
    cost = measure(guarded, apply)
    story = guarded.a.journal("netvip.service")
    figures.append(
        f"netplan apply, {guarded.suite}: lost {cost.near['lost']} / {cost.far['lost']}, "
        f"without netvip {control.near['lost']} / {control.far['lost']}"
    )
    assert control.near["lost"] > 300 and control.far["lost"] > 300, "the control shows no damage"
    # On a busy machine the shield may once be a little too late, as in test_networkd.
    assert max(cost.near["lost"], cost.far["lost"]) * 100 <= control.near["lost"], story
    assert cost.failovers == 0 and not cost.tcp_broken, story
    guarded.make_master()
    assert leftovers(guarded.a) == [], story
