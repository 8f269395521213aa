"""What netvip did not hear: lost notifications, and a keepalived that was not scheduled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netvip.core import events
from netvip.core.events import RequestKind
from netvip.core.model import Address, Author, AuthorKind, Kernel, Link, Rules, Tri
from tests.sim.world import CONNECTED, DEFAULT, LAN, LO, VIP, Lease, Node


class Overflowing(Node):
    """Of a put-back the notification is lost, and a dump follows."""

    def set(self, address: Address, author: Author) -> None:
        if address.key == VIP.key and author.kind is AuthorKind.NETVIP:
            self.addresses[address.key] = Lease(address, float("inf"))
            self.resync()
        else:
            super().set(address, author)

    def resync(self, carrier: bool = True) -> None:
        links = (Link(LO, "lo"), Link(LAN, "ens160", carrier=carrier))
        addresses = tuple(lease.address for lease in self.addresses.values())
        rules = {2: Rules(), 10: Rules()}
        kernel = Kernel(addresses, links, (CONNECTED, DEFAULT), rules)
        self.feed(events.Resync(self.now, kernel))


def test_a_dump_tells_that_a_vip_is_back() -> None:
    node = Overflowing(tracks=True)
    node.run(3.0)
    node.reload()
    node.run(5.0)
    assert node.has(VIP) and not node.shielded
    assert not [line for line in node.log if "did not add" in line]


def test_a_dump_tells_that_the_carrier_is_gone() -> None:
    node = Overflowing(tracks=True)
    node.run(3.0)
    node.feed(events.Request(node.now, RequestKind.YIELD, "VI_1"))
    node.run(0.1)
    assert node.shielded
    node.resync(carrier=False)
    node.run(0.05)
    assert not node.shielded


class Quick(Node):
    """keepalived sends its adverts each 100 ms (VRRP version 3)."""

    def start_netvip(self) -> None:
        self.spec = replace(self.spec, advert_interval=0.1)
        super().start_netvip()


@pytest.mark.parametrize(("kind", "pause"), [(Quick, 0.5), (Node, 4.0)])
def test_a_pause_of_keepalived_s_in_a_window_leaves_nothing_lost(
    kind: type[Node], pause: float
) -> None:
    """Longer than the master-down interval, and there is no peer: it is MASTER all the time, and,
    guarded, does not notice that its VIP is gone."""
    node = kind(tracks=True)
    node.run(3.05)
    node.reload(away=pause + 1.0)
    node.run(0.1)
    assert node.shielded
    node.audible, node.dump_works = False, False
    node.run(pause)
    node.audible, node.dump_works = True, True
    node.run(8.0)
    assert node.has(VIP) and not node.shielded


def test_silence_that_ends_before_the_deletion_makes_it_a_loss() -> None:
    """A daemon that was not scheduled takes silence for the end of MASTER, in a window,
    until it has read the adverts that came meanwhile."""
    node = Quick(tracks=True)
    node.run(3.05)
    node.feed(events.ChangeExpected(node.now, "somebody called Reload"))
    node.feed(events.LinkState(node.now, LAN, Tri.NO))
    node.audible, node.dump_works = False, False
    node.run(0.5)
    node.audible, node.dump_works = True, True
    node.run(0.15)
    node.reload_now()
    node.run(5.0)
    assert node.has(VIP) and not node.shielded
