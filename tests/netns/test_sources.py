"""What the real kernel tells: who took an address, and which adverts pass."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from netvip.core import events
from netvip.core.model import AuthorKind
from netvip.sources.adverts import AdvertSource
from netvip.sources.netlink import KernelSource
from netvip.wire import arp, ndp
from netvip.wire.checksum import checksum
from tests.netns.conftest import ip

OWN_PORT = 0xFFFF0000
VIPS = ("10.77.0.10", "fd77::10")


class Heard:
    """A loop that runs until an event of a kind has come."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.events: list[events.Event] = []

    def wait(self, wanted: Callable[[events.Event], bool]) -> events.Event:
        async def until() -> events.Event:
            while True:
                for event in self.events:
                    if wanted(event):
                        return event
                await asyncio.sleep(0.001)

        return self.loop.run_until_complete(asyncio.wait_for(until(), 5.0))


@pytest.fixture
def heard(lan: int) -> Iterator[Heard]:
    found = Heard()
    yield found
    found.loop.close()


@pytest.fixture
def kernel(heard: Heard) -> Iterator[KernelSource]:
    source = KernelSource(heard.events.append, OWN_PORT)
    source.start(heard.loop)
    yield source
    source.close(heard.loop)


def test_a_deletion_names_its_author(heard: Heard, kernel: KernelSource) -> None:
    ip("address", "delete", "10.77.0.10/24", "dev", "ens160")
    lost = heard.wait(lambda event: isinstance(event, events.AddressLost))
    assert isinstance(lost, events.AddressLost)
    assert str(lost.address) == "10.77.0.10/24"
    assert lost.author.kind is AuthorKind.OTHER and "netlink port" in lost.author.name


def test_port_one_is_networkd_s(heard: Heard, kernel: KernelSource) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as asking:
        asking.bind((1, 0))
        from netvip.linux import rtnl

        first = heard.events[0]
        assert isinstance(first, events.Resync)
        [vip] = [a for a in first.kernel.addresses if str(a) == "10.77.0.10/24"]
        asking.send(rtnl.delete_address(vip))
    lost = heard.wait(lambda event: isinstance(event, events.AddressLost))
    assert isinstance(lost, events.AddressLost) and lost.author.kind is AuthorKind.NETWORKD


def test_links_routes_and_rules_are_told(heard: Heard, kernel: KernelSource) -> None:
    ip("route", "add", "192.0.2.0/24", "via", "10.77.0.100")
    ip("route", "delete", "192.0.2.0/24")
    ip("rule", "add", "from", "10.77.0.10", "lookup", "99")
    ip("link", "set", "peer", "down")
    for kind in (events.RouteSeen, events.RouteLost, events.RulesSeen):
        heard.wait(lambda event, kind=kind: isinstance(event, kind))  # type: ignore[misc]
    heard.wait(lambda event: isinstance(event, events.LinkSeen) and not event.link.carrier)


def test_a_routing_daemon_s_routes_are_not_even_decoded(heard: Heard, kernel: KernelSource) -> None:
    ip("route", "add", "192.0.2.0/24", "via", "10.77.0.100", "proto", "bird")
    ip("route", "add", "198.51.100.0/24", "via", "10.77.0.100")
    heard.wait(lambda event: isinstance(event, events.RouteSeen))
    seen = [e.route.destination for e in heard.events if isinstance(e, events.RouteSeen)]
    assert list(map(str, seen)) == ["198.51.100.0/24"]


def test_lost_notifications_are_made_up_for_by_a_new_dump(
    heard: Heard, kernel: KernelSource
) -> None:
    kernel._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    for _ in range(50):
        ip("address", "delete", "10.77.0.10/24", "dev", "ens160")
        ip("address", "add", "10.77.0.10/24", "dev", "ens160")
    ip("address", "delete", "10.77.0.10/24", "dev", "ens160")
    heard.wait(lambda event: isinstance(event, events.Resync) and event is not heard.events[0])
    last = [event for event in heard.events if isinstance(event, events.Resync)][-1]
    assert "10.77.0.10/24" not in map(str, last.kernel.addresses)


# --- adverts ------------------------------------------------------------------------------------


def advert(priority: int) -> bytes:
    """A version 2 advert of vrid 51 for 10.77.0.10."""
    body = struct.pack("!BBBBBBH", 0x21, 51, priority, 1, 0, 1, 0) + ip_address("10.77.0.10").packed
    body += bytes(8)
    return body[:6] + struct.pack("!H", checksum(body)) + body[8:]


def send_advert(interface: str, priority: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 112) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        sock.sendto(advert(priority), ("224.0.0.18", 0))


@pytest.fixture
def adverts(lan: int, heard: Heard) -> Iterator[AdvertSource]:
    source = AdvertSource(heard.events.append, heard.loop)
    source.watch([lan], map(ip_address, VIPS))
    yield source
    source.close()


def test_its_own_adverts_and_others_are_told_apart(
    heard: Heard, adverts: AdvertSource, lan: int
) -> None:
    ip("address", "add", "10.77.0.2/24", "dev", "peer")
    send_advert("ens160", 110)
    send_advert("peer", 100)
    own = heard.wait(lambda event: isinstance(event, events.Advert) and event.own)
    other = heard.wait(lambda event: isinstance(event, events.Advert) and not event.own)
    assert isinstance(own, events.Advert) and isinstance(other, events.Advert)
    assert (own.priority, own.vrid, own.ifindex) == (110, 51, lan)
    assert (other.priority, other.vrid) == (100, 51)


@pytest.mark.parametrize("vip", VIPS)
def test_others_announcements_are_told_and_its_own_are_not(
    heard: Heard, adverts: AdvertSource, lan: int, vip: str
) -> None:
    for interface in ("ens160", "peer"):
        announce_from(interface, vip)
    announce_from("peer", "10.77.0.77")
    claimed = heard.wait(lambda event: isinstance(event, events.AddressAnnounced))
    assert isinstance(claimed, events.AddressAnnounced)
    assert (claimed.ifindex, claimed.ip) == (lan, ip_address(vip))
    send_advert("peer", 100)
    heard.wait(lambda event: isinstance(event, events.Advert))
    ips = [event.ip for event in heard.events if isinstance(event, events.AddressAnnounced)]
    assert ips == [ip_address(vip)]


def announce_from(interface: str, vip: str) -> None:
    """A gratuitous ARP, or an unsolicited NA."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((interface, 0))
        mac, address = sock.getsockname()[4], ip_address(vip)
        if isinstance(address, IPv4Address):
            sock.send(arp.announcement(mac, address))
        else:
            sock.send(ndp.announcement(mac, address))


def test_the_filter_in_the_kernel_lets_nothing_else_pass(
    heard: Heard, adverts: AdvertSource, lan: int
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noise:
        noise.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for _ in range(100):
            noise.sendto(b"x", ("10.77.0.255", 9))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as asking:
        asking.bind(("peer", 0))
        asking.send(arp.probe(asking.getsockname()[4], IPv4Address("10.77.0.10")))
        asking.send(
            ndp.probe(asking.getsockname()[4], IPv6Address("fe80::2"), IPv6Address("fd77::10"))
        )
    send_advert("ens160", 110)
    packets = 0
    sock = adverts._sockets[lan]
    while True:
        try:
            sock.recv(2048)
            packets += 1
        except BlockingIOError:
            break
    assert packets == 1


def test_drain_takes_what_has_arrived_without_the_loop(heard: Heard, adverts: AdvertSource) -> None:
    send_advert("ens160", 0)
    adverts.drain()
    assert [e.priority for e in heard.events if isinstance(e, events.Advert)] == [0]


def test_an_interface_that_goes_away_is_no_end(heard: Heard, adverts: AdvertSource) -> None:
    ip("link", "delete", "ens160")
    adverts.drain()
    adverts.watch([])
    adverts.watch([4711])
