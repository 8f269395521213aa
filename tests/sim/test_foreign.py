"""Adverts of other nodes that keepalived discards change nothing."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from netvip.core import events
from netvip.core.instance.foreign import MOST_SENDERS
from netvip.core.model import Role, Tri
from tests.sim.world import KEEPALIVED, LAN, VIP, Node

STRANGER = "10.77.0.77"
OWN = events.Advert(
    0.0, LAN, 2, 51, 110, True, "10.77.0.1", b"", (VIP.ip,), 2, 1, b"digest of a password"
)


def calm() -> Node:
    """MASTER, with its own adverts as a real keepalived sends them."""
    node = Node()
    node.run(3.0)
    assert node.machine is not None
    node.feed(replace(OWN, time=node.now))
    return node


def heard(node: Node, **changes: object) -> None:
    """A stranger's advert."""
    mine = {"time": node.now, "own": False, "sender": STRANGER, "priority": 200}
    node.feed(replace(OWN, **{**mine, **changes}))  # type: ignore[arg-type]


def master(node: Node) -> Tri:
    assert node.machine is not None
    return node.machine.instances["VI_1"].master(node.now)


def named(node: Node, words: str) -> list[str]:
    return [line for line in node.log if words in line]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"addresses": ()}, "they have other addresses"),
        ({"addresses": (VIP.ip, ip_address("10.77.0.99"))}, "they have other addresses"),
        ({"addresses": (VIP.ip, VIP.ip)}, "they have other addresses"),
        ({"version": 3}, "they are of VRRP version 3, not 2"),
        ({"authentication": b"digest of another"}, "their authentication type or password differs"),
        ({"interval": 2}, "their interval is 2 s, not 1 s"),
    ],
    ids=["no-addresses", "more", "twice", "version", "password", "interval"],
)
def test_an_advert_unlike_this_node_s_own_is_discarded_and_named_once(
    changes: dict[str, object], why: str
) -> None:
    node = calm()
    for _ in range(5):
        heard(node, **changes)
        assert master(node) is Tri.YES
        node.run(1.0)
        node.feed(replace(OWN, time=node.now))
    (line,) = named(node, "keepalived ignores")
    assert (
        line.split(": ", 1)[1].startswith(f"{STRANGER} sends adverts for VRID 51") and why in line
    )
    assert node.has(VIP) and not node.fault


def test_keepalived_is_asked_whether_it_heeds_other_addresses() -> None:
    node = calm()
    heard(node, addresses=())
    assert not named(node, "ignores") and master(node) is Tri.YES
    node.run(0.1)
    assert len(named(node, "ignores")) == 1

    node = calm()
    node.role = Role.BACKUP  # as 2.3.3 does; it sends no advert with priority 0 then
    node.unset(VIP.key, KEEPALIVED)
    heard(node, addresses=())
    node.run(5.0)
    assert master(node) is Tri.NO and not node.has(VIP) and not node.shielded
    assert not named(node, "ignores")


def test_an_interval_of_version_3_is_no_difference() -> None:
    node = calm()
    node.feed(replace(OWN, time=node.now, version=3, interval=0))
    heard(node, version=3, interval=7)
    assert master(node) is Tri.NO


def test_an_advert_like_this_node_s_own_is_heeded() -> None:
    node = calm()
    heard(node)
    assert master(node) is Tri.NO and not named(node, "ignores")


def test_after_a_reload_this_node_s_adverts_may_be_others() -> None:
    node = calm()
    node.feed(events.KeepalivedReloaded(node.now))
    heard(node, version=3)
    assert master(node) is Tri.NO


def two_masters(seconds: int) -> Node:
    """keepalived here stays MASTER although another node's valid adverts go on."""
    node = calm()
    for _ in range(seconds):
        heard(node)
        node.run(1.0)
        node.feed(replace(OWN, time=node.now))
        node.run(0.05)  # the dump that follows
    return node


def test_of_two_masters_keepalived_s_own_word_holds_and_the_firewall_is_named() -> None:
    node = two_masters(8)
    assert len(named(node, "two masters: 10.77.0.77 sends adverts as well")) == 1
    assert named(node, "check the firewalls for IP protocol 112")
    heard(node)
    assert master(node) is Tri.YES
    node.run(3.0)
    assert node.has(VIP)


def test_a_node_that_left_master_heeds_the_other_again() -> None:
    node = two_masters(8)
    node.release()
    heard(node)
    assert master(node) is Tri.NO
    assert node.role is Role.BACKUP and not node.shielded


@pytest.mark.parametrize("seconds", [3, 20])
def test_a_master_that_comes_after_another_is_no_second_one(seconds: int) -> None:
    node = calm()
    node.role = Role.BACKUP  # the peer is MASTER, and keepalived says nothing of it
    for _ in range(seconds):
        heard(node)
        node.run(1.0)
    heard(node, priority=0)
    node.run(0.6)
    node.role = Role.MASTER
    for _ in range(4):
        node.feed(replace(OWN, time=node.now))
        node.run(1.0)
    assert not named(node, "two masters")
    node.feed(replace(OWN, time=node.now))
    assert master(node) is Tri.YES
    heard(node)
    assert master(node) is Tri.NO


def test_many_strangers_are_not_remembered_and_do_not_fill_the_journal() -> None:
    node = calm()
    for number in range(200):
        heard(node, sender=f"10.77.1.{number}", version=3)
    assert master(node) is Tri.YES
    further = 1  # all that are not remembered
    assert len(named(node, "keepalived ignores")) == MOST_SENDERS + further


def test_two_masters_for_a_moment_are_a_takeover() -> None:
    node = two_masters(2)
    assert not named(node, "two masters")
