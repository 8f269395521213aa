"""An instance whose VIPs are on two interfaces."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

from netvip.core import actions, events
from netvip.core.events import Request, RequestKind
from netvip.core.machine import Machine
from netvip.core.model import Address, Author, Kernel, Link, Role, Route, Rules, Tri, Vip
from tests.sim.test_story import did
from tests.sim.world import CONNECTED, DEFAULT, KEEPALIVED, LAN, LO, NETWORKD, OWN, VIP, Lease, Node

WEB = 3
WEB_VIP = Address(WEB, ip_address("192.168.5.10"), 24, label="ens192", flags=0x80)
WEB_OWN = Address(WEB, ip_address("192.168.5.1"), 24)


class TwoPlaces(Node):
    """Its second VIP is on ens192."""

    def start_netvip(self) -> None:
        second = Vip(WEB_VIP.ip, WEB_VIP.prefixlen, "ens192", tracked=False)
        self.spec = replace(self.spec, vips=(*self.spec.vips, second))
        for address in (WEB_VIP, WEB_OWN):
            self.addresses[address.key] = Lease(address, float("inf"))
        self.machine = Machine()
        links = (Link(LO, "lo"), Link(LAN, "ens160"), Link(WEB, "ens192"))
        routes = (CONNECTED, DEFAULT, Route(WEB, ip_network("192.168.5.0/24"), source=WEB_OWN.ip))
        addresses = tuple(lease.address for lease in self.addresses.values())
        self.feed(events.Resync(self.now, Kernel(addresses, links, routes, {2: Rules()})))
        self.feed(events.NetworkdRunning(self.now, Tri.YES))
        self.feed(events.KeepalivedRunning(self.now, Tri.YES))

    def reconfigure_second(self) -> None:
        """networkctl reconfigure ens192."""
        self.feed(events.ChangeExpected(self.now, "somebody called ReconfigureLink", WEB))
        self.feed(events.LinkState(self.now, WEB, Tri.NO))
        for address in (WEB_OWN, WEB_VIP):
            self.after(0.03, lambda a=address: self.unset(a.key, NETWORKD))  # type: ignore[misc]
        self.after(0.05, lambda: self.set(WEB_OWN, NETWORKD))
        self.after(0.05, lambda: self.feed(events.LinkState(self.now, WEB, Tri.YES)))


def test_what_networkd_does_to_the_second_interface_is_restored_as_well() -> None:
    node = TwoPlaces(tracks=True)
    node.run(3.0)
    node.reconfigure_second()
    node.run(10.0)
    assert node.has(VIP) and node.has(WEB_VIP), node.log
    assert node.role is Role.MASTER and not did(node, actions.SetTrackFile), node.log


def test_a_second_interface_without_carrier_takes_no_shield_away() -> None:
    node = TwoPlaces(tracks=True)
    node.run(3.0)
    node.reload(away=0.5)
    node.run(0.1)
    assert node.shielded
    node.feed(events.LinkSeen(node.now, Link(WEB, "ens192", carrier=False)))
    node.run(0.01)
    assert node.shielded, node.log


SIXES = tuple(Address(LAN, ip_address(f"fd00:77::{n}"), 128, preferred=0) for n in (16, 17))


class WithSixes(Node):
    """It has two IPv6 VIPs in virtual_ipaddress_excluded."""

    def start_netvip(self) -> None:
        sixes = tuple(Vip(a.ip, a.prefixlen, "ens160", tracked=False) for a in SIXES)
        self.spec = replace(self.spec, vips=(*self.spec.vips, *sixes))
        for address in SIXES:
            self.addresses[address.key] = Lease(address, float("inf"))
        super().start_netvip()

    def drop(self, address: Address) -> None:
        """keepalived reads a configuration without this VIP, and deletes it; the kernel names no
        author."""
        vips = tuple(vip for vip in self.spec.vips if vip.ip != address.ip)
        self.spec = replace(self.spec, vips=vips)
        self.unset(address.key, Author())


def test_an_ipv6_vip_that_a_reload_of_keepalived_dropped_does_not_stay() -> None:
    node = WithSixes()
    node.run(3.0)
    kept, dropped = SIXES
    node.drop(dropped)
    node.run(2.0)
    assert did(node, actions.PutBack), "it went back before the dump could tell"
    assert not node.has(dropped) and node.has(kept) and node.has(VIP), node.log
    assert any("no longer has it" in line for line in node.log)


def test_an_ipv6_vip_of_an_instance_that_is_gone_does_not_stay() -> None:
    node = WithSixes()
    node.run(3.0)
    node.dump_works = False
    node.unset(SIXES[0].key, Author())
    node.run(0.1)
    assert node.has(SIXES[0])
    node.feed(events.DumpReceived(node.now, node.now, ()))
    node.run(0.1)
    assert not node.has(SIXES[0]) and node.has(SIXES[1]), node.log


def in_a_vrf(node: Node) -> Node:
    node.feed(events.LinkSeen(node.now, Link(7, "vrf0", kind="vrf")))
    node.feed(events.LinkSeen(node.now, Link(LAN, "ens160", master=7)))
    return node


def test_what_netvip_cannot_protect_it_does_not_touch() -> None:
    node = Node(guarded=False)
    node.run(3.0)
    in_a_vrf(node)
    begun = len(node.done)
    node.reload()
    node.run(20.0)
    later = [action for _, action in node.done[begun:]]
    touching = (actions.Protect, actions.PutBack, actions.SetTrackFile, actions.RunCheck)
    assert not [action for action in later if isinstance(action, touching)], node.log
    assert any("not protected: ens160 belongs to the VRF vrf0" in line for line in node.log)
    assert node.role is Role.MASTER and node.has(VIP), "keepalived's own re-election"


def test_its_checks_are_not_held() -> None:
    node = in_a_vrf(Node(tracks=False))
    node.run(3.0)
    node.reload()
    node.run(0.1)
    assert not node.has(VIP) and node.check_fails


def test_it_is_protected_again_when_the_reason_is_gone() -> None:
    node = in_a_vrf(Node())
    node.run(3.0)
    node.feed(events.LinkSeen(node.now, Link(LAN, "ens160")))
    node.run(2.0)
    node.reload()
    node.run(0.1)
    assert node.shielded and node.answers


def test_a_protection_ends_when_the_interface_moves_into_a_vrf() -> None:
    node = Node()
    node.run(3.0)
    node.reload()
    node.run(0.01)
    assert node.shielded
    in_a_vrf(node)
    node.run(0.01)
    assert not node.shielded


def test_an_interface_that_is_made_again_and_again_uses_no_further_numbers() -> None:
    node = Node()
    node.run(3.0)
    first, before = node.plans["VI_1"].numbers, LAN
    for ifindex in range(10, 130):
        node.feed(events.LinkLost(node.now, before))
        node.feed(events.LinkSeen(node.now, Link(ifindex, "ens160")))
        for address in (OWN, VIP):
            moved = replace(address, ifindex=ifindex)
            node.feed(events.AddressSeen(node.now, moved, Author()))
        node.run(0.5)
        before = ifindex
    plan = node.plans["VI_1"]
    assert plan.ifindex == before and plan.numbers == first


def test_an_adopted_one_that_networkd_takes_a_vip_from_leaves_master_at_once() -> None:
    """As keepalived alone would: nothing puts the VIP back (Law 12)."""
    node = in_a_vrf(Node())
    node.run(3.0)
    node.reload()
    node.run(0.031)
    assert node.fault and not node.has(VIP), node.log
    node.after(0.6, node.peer_is_master)
    node.run(0.7)
    assert node.fault and node.role is Role.FAULT
    node.run(2.0)
    assert not node.fault and node.role is Role.BACKUP, node.log
    assert not did(node, actions.Protect) and not did(node, actions.PutBack)


def test_a_deletion_that_may_be_keepalived_s_own_sets_no_fault() -> None:
    node = in_a_vrf(Node())
    node.run(3.0)
    node.unset(VIP.key, Author())
    node.run(5.0)
    assert not did(node, actions.SetTrackFile), node.log


def test_a_fault_ends_when_the_instance_cannot_be_protected_any_more() -> None:
    node = Node()
    node.run(3.0)
    node.feed(Request(node.now, RequestKind.YIELD, "VI_1"))
    assert node.fault
    in_a_vrf(node)
    assert not node.fault and not node.shielded, node.log


def test_what_had_failed_is_forgotten_when_it_cannot_be_protected() -> None:
    node = Node(tracks=False)
    node.run(3.0)
    node.serves = Tri.NO
    assert node.machine is not None
    instance = node.machine.instances["VI_1"]
    instance.found_unfit(node.now, "the service is dead")
    assert instance.why_failed
    in_a_vrf(node)
    assert not instance.why_failed and instance.unprotected


def test_an_unprotected_one_is_threatened_by_nothing_and_handed_over_by_nobody() -> None:
    """Not even by what concerns another instance on its interface."""
    node = Node()
    node.run(3.0)
    in_a_vrf(node)
    assert node.machine is not None
    instance = node.machine.instances["VI_1"]
    instance.threaten(node.now)
    assert not instance.protection
    node.feed(Request(node.now, RequestKind.YIELD, "VI_1"))
    assert not node.shielded and not node.fault, node.log


def test_its_checks_are_not_held_while_a_daemon_has_just_started() -> None:
    node = Node(dump=False)
    node.feed(events.DumpReceived(node.now, node.now, ((node.spec, Role.UNKNOWN),)))
    assert node.published["VI_1"].held
    in_a_vrf(node)
    assert not node.published["VI_1"].held


def test_what_a_killed_keepalived_left_of_it_stays() -> None:
    node = in_a_vrf(Node())
    node.run(3.0)
    node.role = Role.UNKNOWN
    node.feed(events.KeepalivedRunning(node.now, Tri.NO))
    node.advert(own=False, priority=100)
    node.run(1.0)
    assert did(node, actions.LookForKeepalived) and node.has(VIP), node.log


def test_an_interface_that_is_made_again_has_no_memory_of_its_first_number() -> None:
    node = TwoPlaces(tracks=True)
    node.run(3.0)
    assert node.machine is not None
    presence = node.machine.instances["VI_1"].presence
    node.feed(events.LinkLost(node.now, WEB))
    node.feed(events.LinkSeen(node.now, Link(7, "ens192")))
    again = replace(WEB_VIP, ifindex=7)
    node.feed(events.AddressSeen(node.now, again, KEEPALIVED))
    node.run(1.0)
    assert presence.names == (("ens160", "10.77.0.10"), ("ens192", "192.168.5.10"))
    assert presence.is_whole and again.key in presence.memory
