"""An adoption that is written over: noticed at keepalived's reload, and harmless."""

from __future__ import annotations

from dataclasses import replace

from netvip.core import actions, events
from netvip.core.model import Role, Tri
from tests.sim.test_story import did
from tests.sim.world import VIP, Node


def guarded() -> Node:
    node = Node(guarded=True)
    node.run(3.0)
    return node


def write_over(node: Node, **changes: object) -> None:
    """keepalived reloads with another configuration."""
    node.spec = replace(node.spec, **changes)  # type: ignore[arg-type]
    node.feed(events.KeepalivedReloaded(node.now))
    node.run(2.0)


def test_that_it_is_no_longer_guarded_is_said_once_and_with_the_reason() -> None:
    node = guarded()
    tracked = tuple(replace(vip, tracked=True) for vip in node.spec.vips)
    write_over(node, vips=tracked, source_configured=Tri.NO)
    write_over(node)
    said = [line for line in node.log if "no longer guarded" in line]
    assert len(said) == 1, node.log
    assert f"no_track is missing at {VIP}; no source address" in said[0]
    assert node.machine is not None and node.machine.instances["VI_1"].lapsed


def test_adopted_again_it_is_forgotten() -> None:
    node = guarded()
    before = node.spec
    write_over(node, vips=tuple(replace(vip, tracked=True) for vip in node.spec.vips))
    write_over(node, vips=before.vips)
    assert node.machine is not None and not node.machine.instances["VI_1"].lapsed
    assert len([line for line in node.log if "no longer guarded" in line]) == 1


def test_an_assisted_instance_is_not_said_to_have_lapsed() -> None:
    node = Node(guarded=False)
    node.run(3.0)
    write_over(node, priority=120)
    assert not [line for line in node.log if "no longer guarded" in line]


def test_from_then_on_it_is_assisted() -> None:
    node = guarded()
    write_over(node, vips=tuple(replace(vip, tracked=True) for vip in node.spec.vips))
    node.reload()
    node.run(10.0)
    assert did(node, actions.Protect) and not did(node, actions.PutBack), node.log
    assert node.has(VIP) and node.role is Role.MASTER, node.log
