"""VIPs on another interface than the one that their answers need: a VMAC, a dummy."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from netvip.core import actions, events
from netvip.core.model import Address, Author, InstanceSpec, Link, Role, Tri, Vip
from tests.sim.world import (
    LAN,
    LO,
    NETWORKD,
    ON_VMAC,
    OPERATOR,
    OWN,
    VIP,
    VMAC,
    VMAC_LINKS,
    Lease,
    Node,
    with_vmac,
)


class OnVmac(Node):
    """Its VIP is on vrrp.51."""

    vip, links = ON_VMAC, VMAC_LINKS
    #: Whether a .network of the operator's matches the VMAC as well.
    managed = False

    def configured(self, spec: InstanceSpec) -> InstanceSpec:
        return with_vmac(spec)

    def _drop(self, own_too: bool) -> None:
        if self.managed:
            super()._drop(own_too)
        elif own_too:
            self.unset(OWN.key, NETWORKD)


class Managed(OnVmac):
    """networkd takes the VIP as well."""

    managed = True


DUMMY = Link(7, "dummy0", kind="dummy")


class OnDummy(Node):
    """Its VIP is on dummy0, which networkd manages."""

    vip = replace(VIP, ifindex=DUMMY.ifindex, prefixlen=32, label="dummy0")
    links = (*Node.links, DUMMY)

    def configured(self, spec: InstanceSpec) -> InstanceSpec:
        return replace(spec, vips=(Vip(VIP.ip, 32, "dummy0", tracked=False),))


Kind = TypeVar("Kind", bound=actions.Action)


def every(node: Node, kind: type[Kind]) -> list[Kind]:
    return [action for _, action in node.done if isinstance(action, kind)]


def put_back(node: Node) -> list[Address]:
    return [address for action in every(node, actions.PutBack) for address in action.addresses]


def test_what_is_taken_from_the_interface_below_is_carried() -> None:
    for guarded in (True, False):
        node = OnVmac(guarded=guarded)
        node.run(3.0)
        assert (node.plans["VI_1"].ifindex, node.plans["VI_1"].vips) == (LAN, ())
        assert node.plans["VI_1"].carried == (VIP.ip,)
        assert [address.ip for address in node.plans["VI_1"].own] == [OWN.ip]
        node.reload(away=6.0)
        node.run(5.0)
        assert node.bridged and not node.shielded and not node.has(OWN), node.log
        assert any(key.ifindex == LO and key.ip == OWN.ip for key in node.addresses)
        node.run(10.0)
        assert not node.bridged and not put_back(node), node.log
        assert node.role is Role.MASTER and node.has(ON_VMAC)


def test_a_loss_below_that_nothing_announced_is_carried_as_well() -> None:
    node = OnVmac()
    node.run(3.0)
    node.reload(announced=False, away=1.0)
    node.run(0.1)
    assert node.answers and node.bridged, node.log
    node.run(10.0)
    assert not node.bridged and node.has(OWN)


def test_a_vip_that_networkd_takes_from_the_vmac_is_put_back_at_once() -> None:
    """It has no shield (fact vmac-sysctls)."""
    node = Managed()
    node.run(3.0)
    node.reload(away=2.0)
    node.run(0.2)
    assert node.has(ON_VMAC) and not node.has(OWN) and node.bridged, node.log
    node.run(10.0)
    assert put_back(node) == [ON_VMAC] and not node.shielded, node.log
    announced = [a.ifindex for action in every(node, actions.Announce) for a in action.addresses]
    assert announced and set(announced) == {VMAC}


def test_what_an_operator_flushes_waits_for_keepalived_s_word() -> None:
    """It may have deleted it itself, and not yet reported FAULT (Law 1)."""
    node = OnVmac()
    node.run(3.0)
    node.feed(events.LinkState(node.now, VMAC, Tri.YES, Tri.NO))
    node.unset(ON_VMAC.key, OPERATOR)
    node.run(0.01)
    assert not node.has(ON_VMAC)
    node.run(0.3)
    assert node.has(ON_VMAC), node.log
    node.run(10.0)
    assert node.has(ON_VMAC) and not node.bridged and node.role is Role.MASTER, node.log


def test_what_keepalived_drops_from_the_vmac_stays_away() -> None:
    node = OnVmac()
    node.run(3.0)
    node.spec = replace(node.spec, vips=())
    node.unset(ON_VMAC.key, Author())
    node.run(10.0)
    assert not node.has(ON_VMAC), node.log


def test_no_echo_leaves_from_a_vip_on_a_vmac() -> None:
    node = OnVmac()
    node.run(5.0)
    subjects = [subject for run in every(node, actions.RunCheck) for subject in run.subjects]
    assert subjects and not any(subject.targets for subject in subjects)


def test_the_quiet_vmac_does_not_end_what_the_interface_below_needs() -> None:
    node = OnVmac()
    node.run(3.0)
    node.reload(away=6.0)
    node.feed(events.LinkState(node.now, VMAC, Tri.YES, Tri.NO))
    node.run(4.0)
    assert node.answers and node.bridged, node.log


def test_adverts_are_heard_once_and_others_are_asked_by_the_interface_below() -> None:
    """By the VMAC a BACKUP would send from the master's hardware address."""
    node = OnVmac(role=Role.BACKUP, guarded=True)
    node.after(0.5, node.peer_is_master)
    node.run(4.0)
    assert [action.ifindexes for action in every(node, actions.Listen)][-1] == (LAN,)
    subjects = [subject for run in every(node, actions.RunCheck) for subject in run.subjects]
    asked = {vip.ifindex for subject in subjects for vip in subject.vips}
    assert asked == {LAN}


def test_a_vmac_that_keepalived_makes_again_changes_nothing() -> None:
    node = OnVmac()
    node.run(3.0)
    node.feed(events.LinkLost(node.now, VMAC))
    assert node.machine is not None
    instance = node.machine.instances["VI_1"]
    assert instance.unprotected == "" and instance.home == LAN
    node.feed(events.LinkSeen(node.now, replace(VMAC_LINKS[-1], ifindex=12)))
    assert instance.places == {LAN, 12}


def test_a_vip_on_a_dummy_needs_the_instance_s_interface() -> None:
    node = OnDummy()
    node.run(3.0)
    assert node.plans["VI_1"].ifindex == LAN
    node.reload(away=3.0)
    node.run(1.0)
    assert node.shielded and node.bridged and not node.has(OWN), node.log
    node.run(10.0)
    assert put_back(node) == [node.vip] and not node.bridged, node.log
    assert not [key for key in node.addresses if key.ifindex == LO]


class ManyOnVmac(Managed):
    """More VIPs than go back at once where one is deleted again and again."""

    more = tuple(replace(ON_VMAC, ip=VIP.ip + n, prefixlen=32) for n in range(1, 21))

    def configured(self, spec: InstanceSpec) -> InstanceSpec:
        further = (replace(spec.vips[0], ip=a.ip, prefixlen=32) for a in self.more)
        return with_vmac(replace(spec, vips=(*spec.vips, *further)))

    def start_netvip(self) -> None:
        for address in self.more:
            self.addresses[address.key] = Lease(address, float("inf"))
        super().start_netvip()

    def _drop(self, own_too: bool) -> None:
        super()._drop(own_too)
        for address in self.more:
            self.unset(address.key, NETWORKD)


def test_each_of_many_vips_is_put_back_at_once() -> None:
    node = ManyOnVmac()
    node.run(3.0)
    node.reload(away=2.0)
    node.run(0.2)
    assert all(node.has(address) for address in (ON_VMAC, *node.more)), node.log
    node.run(10.0)
    assert len(put_back(node)) == 21 and node.role is Role.MASTER
