"""keepalived's virtual and static routes and rules, in simulated time."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from netvip.core import actions, events
from netvip.core.model import Link, Role
from netvip.core.objects import KernelObject, Listed, RouteIdentity, RuleIdentity
from netvip.core.publish import verdict
from tests.sim.test_story import did
from tests.sim.world import KEEPALIVED, LAN, NETWORKD, OPERATOR, VIP, Node

ROUTE = KernelObject(RouteIdentity(ip_network("10.99.0.0/16"), 100), b"1", frozenset({LAN}))
RULE = KernelObject(RuleIdentity(4, 5000, 100, ip_network("10.77.0.10/32"), protocol=0), b"2")
BOTH = (ROUTE, RULE)
STATIC = KernelObject(RouteIdentity(ip_network("10.201.0.0/16")), b"3", frozenset({LAN}))


def node(guarded: bool = True, tracked: bool = False, role: Role = Role.MASTER) -> Node:
    """A node with both kinds, whose keepalived has added what it is to have."""
    found = Node(guarded, role)
    listed = tuple(Listed(thing.identity, tracked) for thing in BOTH)
    found.spec = replace(found.spec, objects=listed)
    found.virtual, found.static = BOTH, (STATIC,)
    found.run(1.0)  # with a dump that lists them
    for thing in (*(BOTH if role is Role.MASTER else ()), STATIC):
        found.set_object(thing, KEEPALIVED)
    found.run(1.0)
    return found


def has(found: Node, *things: KernelObject) -> bool:
    return all(thing.identity in found.objects for thing in things)


def good(found: Node) -> str:
    assert found.machine is not None
    return verdict(found.machine.instances["VI_1"], found.now)


def lines(found: Node, *words: str) -> list[str]:
    return [line for line in found.log if all(word in line for word in words)]


@pytest.mark.parametrize("announced", [True, False])
def test_what_networkd_takes_goes_back_at_once_and_at_the_end(announced: bool) -> None:
    found = node()
    found.reload(announced, away=0.5)
    found.run(0.04)
    assert has(found, RULE) and not has(found, ROUTE), "its gateway's subnet is away"
    found.run(3.0)
    assert has(found, *BOTH, STATIC) and found.has(VIP)
    assert lines(found, "virtual route 10.99.0.0/16 table 100 deleted by systemd-networkd")
    assert lines(found, "virtual", "route 10.99.0.0/16", "put back")
    assert lines(found, "static route 10.201.0.0/16 deleted by systemd-networkd")
    assert not lines(found, "refused"), "what was expected is no error"


def test_it_is_back_before_shield_and_bridge_go() -> None:
    found = node()
    found.reload(own_too=True)
    found.run(3.0)
    back = did(found, actions.PutBackObjects)
    assert max(moment for moment in back if moment <= did(found, actions.Unprotect)[-1]) > 0
    last = [action for _, action in found.done if isinstance(action, actions.PutBackObjects)]
    assert any(set(action.objects) == set(BOTH) for action in last)


@pytest.mark.parametrize("tracked", [True, False])
def test_what_the_kernel_deletes_silently_goes_back_at_the_end(tracked: bool) -> None:
    found = node(tracked=tracked)
    found.flushes = True
    found.reload()
    found.run(3.0)
    assert has(found, *BOTH, STATIC) and good(found) == "good"
    assert lines(found, "put back")


def test_a_silent_deletion_without_the_vip_s_goes_back_as_well() -> None:
    found = node()
    found.reload()
    found.run(0.1)
    for thing in BOTH:
        found.unset_object(thing, None)
    found.run(3.0)
    assert has(found, *BOTH)


def test_what_goes_silently_in_a_window_without_a_shield_is_found_at_its_end() -> None:
    found = node()
    found.unset_object(RULE, NETWORKD)
    found.run(0.02)
    found.unset_object(ROUTE, None)
    found.run(3.0)
    assert has(found, *BOTH) and not did(found, actions.Protect)
    assert lines(found, "is missing: the kernel deleted it with an address of the host")


def test_a_tracked_one_is_left_to_keepalived() -> None:
    found = node(tracked=True)
    before = len(did(found, actions.PutBackObjects))
    found.unset_object(ROUTE, NETWORKD)
    found.release()  # as keepalived does
    found.run(0.3)
    assert len(did(found, actions.PutBackObjects)) == before and not has(found, ROUTE)
    found.elect()
    found.run(3.0)
    assert has(found, *BOTH) and good(found) == "good"


def test_keepalived_s_own_deletion_is_no_loss() -> None:
    found = node()
    found.release()
    found.run(3.0)
    assert not has(found, ROUTE) and not has(found, RULE) and not lines(found, "deleted by")
    assert has(found, STATIC)


def test_a_reload_of_keepalived_s_that_drops_one_is_no_loss() -> None:
    found = node()
    found.spec = replace(found.spec, objects=found.spec.objects[1:])
    found.unset_object(ROUTE, KEEPALIVED)
    found.run(5.0)
    assert not has(found, ROUTE) and not lines(found, "10.99.0.0/16")


def test_what_cannot_be_read_is_told_once_and_no_static_one_is_guessed() -> None:
    found = node()
    found.spec = replace(found.spec, unread=("prepend somewhere",))
    for _ in range(2):
        found.feed(events.KeepalivedReloaded(found.now))
        found.run(2.0)
    assert len(lines(found, "'prepend somewhere'", "cannot read")) == 1
    found.reload()
    found.run(5.0)
    assert has(found, *BOTH) and not has(found, STATIC), "it may be an instance's"


def test_without_static_ones_in_its_configuration_the_mark_alone_proves_nothing() -> None:
    found = node()
    found.static = ()
    found.feed(events.KeepalivedReloaded(found.now))
    found.run(2.0)
    found.unset_object(STATIC, NETWORKD)
    found.run(5.0)
    assert not has(found, STATIC)


def test_a_backup_gets_nothing_back() -> None:
    found = node(role=Role.BACKUP)
    found.set_object(ROUTE, OPERATOR)  # an operator's mistake; networkd takes it
    found.reload()
    found.run(5.0)
    assert not has(found, ROUTE) and not has(found, RULE) and has(found, STATIC)


def test_an_operator_s_deletion_waits_for_keepalived_and_is_made_up_for_three_times() -> None:
    found = node()
    for _ in range(3):
        found.unset_object(ROUTE, OPERATOR)
        assert not has(found, ROUTE)
        found.run(0.5)
        assert has(found, ROUTE)
    found.unset_object(ROUTE, OPERATOR)
    found.run(5.0)
    assert not has(found, ROUTE) and lines(found, "no longer putting it back")
    assert good(found) == "failed"


def test_what_was_put_back_goes_with_the_mastership() -> None:
    found = node()
    found.unset_object(ROUTE, NETWORKD)
    found.run(3.0)
    assert has(found, ROUTE)
    found.virtual = (RULE,)  # a keepalived that thinks that the route is gone
    found.release()
    found.run(1.0)
    assert not has(found, ROUTE) and lines(found, "no longer MASTER")


def test_the_next_daemon_puts_back_what_this_one_could_not() -> None:
    found = node()
    found.kill_netvip()
    found.unset_object(ROUTE, NETWORKD)
    found.start_netvip()
    found.run(3.0)
    assert has(found, *BOTH)


def test_a_refusal_at_the_end_is_said() -> None:
    found = node()
    found.reload(away=60.0)  # the window's limit comes first
    found.run(30.0)
    assert not has(found, ROUTE) and lines(found, "refused", "10.99.0.0/16")
    assert len(lines(found, "refused", "10.99.0.0/16")) == 1


@pytest.mark.parametrize(("tracked", "releases"), [(True, False), (False, True)])
def test_where_netvip_cannot_protect_the_peer_takes_over(tracked: bool, releases: bool) -> None:
    found = node(tracked=tracked)
    assert found.machine is not None
    found.machine.mirror.nexthops = False
    found.feed(events.KeepalivedReloaded(found.now))
    found.run(2.0)  # with a dump, after which the coverage is looked at
    before = len(did(found, actions.PutBackObjects))
    found.unset_object(ROUTE, NETWORKD)
    found.run(0.5)
    assert bool(lines(found, "setting FAULT")) is releases, found.log
    assert len(did(found, actions.PutBackObjects)) == before


def test_a_route_through_an_interface_that_is_down_waits_for_it() -> None:
    found, far = node(), 7
    through = KernelObject(RouteIdentity(ip_network("10.97.0.0/16")), b"4", frozenset({far}))
    found.feed(events.LinkSeen(found.now, Link(far, "ens192")))
    listed = (*found.spec.objects, Listed(through.identity, tracked=False))
    found.spec = replace(found.spec, objects=listed)
    found.feed(events.KeepalivedReloaded(found.now))
    found.run(2.0)
    found.set_object(through, KEEPALIVED)
    found.down.add(far)
    found.feed(events.LinkSeen(found.now, Link(far, "ens192", carrier=False)))
    found.unset_object(through, None)
    found.reload()
    found.run(5.0)
    assert not has(found, through) and good(found) == "good"
    published = found.published["VI_1"].objects
    assert len(published) == 2, "keepalived's check must not miss it either"
    found.down.clear()
    found.feed(events.LinkSeen(found.now, Link(far, "ens192")))
    found.run(1.0)
    assert has(found, through) and len(found.published["VI_1"].objects) == 3
    found.feed(events.LinkLost(found.now, far))
    found.unset_object(through, None)
    found.run(5.0)
    assert good(found) == "good"


def test_an_assisted_instance_s_untracked_ones_are_put_back_too() -> None:
    found = node(guarded=False)
    found.unset_object(ROUTE, NETWORKD)
    found.run(1.0)
    assert has(found, *BOTH) and not did(found, actions.PutBack)


def test_many_are_named_in_few_lines() -> None:
    found = Node()
    networks = [ip_network(f"10.98.{n}.0/24") for n in range(200)]
    found.virtual = tuple(
        KernelObject(RouteIdentity(one), b"", frozenset({LAN})) for one in networks
    )
    listed = tuple(Listed(thing.identity, tracked=False) for thing in found.virtual)
    found.spec = replace(found.spec, objects=listed)
    found.run(1.0)
    for thing in found.virtual:
        found.set_object(thing, KEEPALIVED)
    before = len(found.log)
    found.reload()
    found.run(5.0)
    assert has(found, *found.virtual) and len(found.log) < before + 20, found.log
    assert lines(found, "more than 5 of 200 virtual routes and rules deleted by systemd-networkd")
    assert lines(found, "and 195 more put back")
