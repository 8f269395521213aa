"""Events from a real kernel: changes with their authors, and adverts."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from netvip.core import events
from netvip.core.model import AuthorKind
from netvip.linux import rtnl
from netvip.sources import netlink
from netvip.sources.adverts import AdvertSource
from netvip.sources.netlink import KernelSource
from netvip.wire import arp, ndp
from netvip.wire.checksum import checksum
from tests.netns.conftest import ip

OWN_PORT = 0xFFFF0000
VIPS = ("10.77.0.10", "fd77::10")


class Recorder:
    """Records events; wait() runs the loop until one of a kind was emitted."""

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
def recorder(lan: int) -> Iterator[Recorder]:
    found = Recorder()
    yield found
    found.loop.close()


@pytest.fixture
def kernel(recorder: Recorder) -> Iterator[KernelSource]:
    source = KernelSource(recorder.events.append, OWN_PORT)
    source.start(recorder.loop)
    yield source
    source.close(recorder.loop)


def test_a_deletion_has_its_author(recorder: Recorder, kernel: KernelSource) -> None:
    ip("address", "delete", "10.77.0.10/24", "dev", "ens160")
    lost = recorder.wait(lambda event: isinstance(event, events.AddressLost))
    assert isinstance(lost, events.AddressLost)
    assert str(lost.address) == "10.77.0.10/24"
    assert lost.author.kind is AuthorKind.OTHER and "netlink port" in lost.author.name


def test_port_one_is_networkd_s(recorder: Recorder, kernel: KernelSource) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.bind((1, 0))
        first = recorder.events[0]
        assert isinstance(first, events.Resync)
        [vip] = [a for a in first.kernel.addresses if str(a) == "10.77.0.10/24"]
        sock.send(rtnl.delete_address(vip))
    lost = recorder.wait(lambda event: isinstance(event, events.AddressLost))
    assert isinstance(lost, events.AddressLost) and lost.author.kind is AuthorKind.NETWORKD


def test_changes_of_links_routes_and_rules_are_emitted(
    recorder: Recorder, kernel: KernelSource
) -> None:
    ip("route", "add", "192.0.2.0/24", "via", "10.77.0.100")
    ip("route", "delete", "192.0.2.0/24")
    ip("rule", "add", "from", "10.77.0.10", "lookup", "99")
    ip("link", "set", "peer", "down")
    for kind in (events.RouteSeen, events.RouteLost, events.RulesSeen):
        recorder.wait(lambda event, kind=kind: isinstance(event, kind))  # type: ignore[misc]
    recorder.wait(lambda event: isinstance(event, events.LinkSeen) and not event.link.carrier)


@pytest.mark.parametrize(
    ("rule", "moved"),
    [
        ("from 10.77.0.0/16 lookup 99", True),
        ("from all lookup 99", True),
        ("fwmark 0x200/0xf00 lookup 99", False),
        ("from all iif peer lookup 99", False),
    ],
)
def test_a_rule_for_local_addresses_that_is_not_the_first_is_told(
    recorder: Recorder, kernel: KernelSource, rule: str, moved: bool
) -> None:
    assert not any(found.local_moved for found in netlink._rules().values())
    ip("rule", "add", "pref", "9", *rule.split())
    ip("rule", "add", "pref", "100", "from", "all", "lookup", "local")
    ip("rule", "delete", "pref", "0", "from", "all", "lookup", "local")
    changed = recorder.wait(
        lambda event: (
            isinstance(event, events.RulesSeen)
            and event.family == socket.AF_INET
            and event.rules == netlink._rules()[socket.AF_INET]
        )
    )
    assert isinstance(changed, events.RulesSeen) and changed.rules.local_moved is moved


def test_a_burst_of_rules_is_read_once(
    recorder: Recorder, kernel: KernelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    monkeypatch.setattr(netlink, "_rules", lambda: reads.append(1) or {})  # type: ignore[func-returns-value]
    for number in range(100):
        ip("rule", "add", "from", f"10.77.1.{number}", "lookup", "99")
    ip("route", "add", "192.0.2.0/24", "via", "10.77.0.100")
    recorder.wait(lambda event: isinstance(event, events.RouteSeen))
    assert len(reads) == 1


def test_routes_of_a_routing_daemon_are_ignored(recorder: Recorder, kernel: KernelSource) -> None:
    ip("route", "add", "192.0.2.0/24", "via", "10.77.0.100", "proto", "bird")
    ip("route", "add", "198.51.100.0/24", "via", "10.77.0.100")
    recorder.wait(lambda event: isinstance(event, events.RouteSeen))
    seen = [e.route.destination for e in recorder.events if isinstance(e, events.RouteSeen)]
    assert list(map(str, seen)) == ["198.51.100.0/24"]


def test_a_dump_follows_lost_notifications(recorder: Recorder, kernel: KernelSource) -> None:
    kernel._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    for _ in range(50):
        ip("address", "delete", "10.77.0.10/24", "dev", "ens160")
        ip("address", "add", "10.77.0.10/24", "dev", "ens160")
    ip("address", "delete", "10.77.0.10/24", "dev", "ens160")
    recorder.wait(
        lambda event: isinstance(event, events.Resync) and event is not recorder.events[0]
    )
    last = [event for event in recorder.events if isinstance(event, events.Resync)][-1]
    assert "10.77.0.10/24" not in map(str, last.kernel.addresses)


def test_rules_are_read_though_the_turn_ends_with_the_last_of_them(
    recorder: Recorder, kernel: KernelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left then for which the loop would call again."""
    recorder.wait(lambda event: isinstance(event, events.Resync))
    monkeypatch.setattr(netlink, "TURN", 0.0)
    ip("rule", "add", "from", "10.77.0.10", "lookup", "99")
    recorder.wait(lambda event: isinstance(event, events.RulesSeen))


def test_a_dump_comes_after_all_that_is_older(recorder: Recorder, kernel: KernelSource) -> None:
    """The kernel reports an overflow before what had arrived by then."""
    recorder.wait(lambda event: isinstance(event, events.Resync))
    recorder.events.clear()
    kernel._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    ip("address", "delete", "10.77.0.10/24", "dev", "ens160")
    for number in range(50):
        ip("address", "add", f"10.88.0.{number + 1}/24", "dev", "ens160")
    ip("address", "add", "10.77.0.10/24", "dev", "ens160")
    dump = recorder.wait(lambda event: isinstance(event, events.Resync))
    assert isinstance(dump, events.Resync)
    assert "10.77.0.10/24" in map(str, dump.kernel.addresses)
    lost = [event for event in recorder.events if isinstance(event, events.AddressLost)]
    assert len(lost) == 1 and recorder.events.index(lost[0]) < recorder.events.index(dump)


def test_a_route_that_a_bridge_would_lead_elsewhere_is_none(
    recorder: Recorder, kernel: KernelSource
) -> None:
    """Its gateway has the other version of IP."""
    ip("-4", "route", "add", "10.88.0.0/24", "via", "inet6", "fd77::1", "dev", "ens160", "onlink")
    ip("route", "add", "10.98.0.0/24", "via", "10.77.0.7", "dev", "ens160", "onlink")
    seen = recorder.wait(
        lambda e: isinstance(e, events.RouteSeen) and str(e.route.destination) == "10.98.0.0/24"
    )
    routes = [event for event in recorder.events if isinstance(event, events.RouteSeen)]
    assert seen in routes
    assert "10.88.0.0/24" not in {str(event.route.destination) for event in routes}


# --- adverts ------------------------------------------------------------------------------------


def advert(priority: int) -> bytes:
    """A version 2 advert of VRID 51 with the VIP 10.77.0.10."""
    body = struct.pack("!BBBBBBH", 0x21, 51, priority, 1, 0, 1, 0) + ip_address("10.77.0.10").packed
    body += bytes(8)
    return body[:6] + struct.pack("!H", checksum(body)) + body[8:]


def send_advert(interface: str, priority: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 112) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        sock.sendto(advert(priority), ("224.0.0.18", 0))


@pytest.fixture
def adverts(lan: int, recorder: Recorder) -> Iterator[AdvertSource]:
    source = AdvertSource(recorder.events.append, recorder.loop)
    source.watch([lan], map(ip_address, VIPS))
    yield source
    source.close()


def test_an_advert_is_known_as_own_or_of_another_node(
    recorder: Recorder, adverts: AdvertSource, lan: int
) -> None:
    ip("address", "add", "10.77.0.2/24", "dev", "peer")
    send_advert("ens160", 110)
    send_advert("peer", 100)
    own = recorder.wait(lambda event: isinstance(event, events.Advert) and event.own)
    other = recorder.wait(lambda event: isinstance(event, events.Advert) and not event.own)
    assert isinstance(own, events.Advert) and isinstance(other, events.Advert)
    assert (own.priority, own.vrid, own.ifindex) == (110, 51, lan)
    assert (other.priority, other.vrid) == (100, 51)


#: As keepalived numbers them where there are many.
MANY = [IPv6Address(f"fd77::a:{n}") for n in range(1, 256)]
#: linux/in6.h; the socket module has it not everywhere.
IPV6_CHECKSUM = 7


def send_many(interface: str, priority: int) -> None:
    """Send a version 3 advert of VRID 61 with 255 VIPs; the kernel fragments it."""
    body = struct.pack("!BBBBHH", 0x31, 61, priority, len(MANY), 100, 0)
    body += b"".join(vip.packed for vip in MANY)
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, 112) as sock:
        index = socket.if_nametoindex(interface)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_CHECKSUM, 6)
        sock.sendto(body, ("ff02::12", 0, 0, index))


def test_an_advert_in_fragments_is_read(recorder: Recorder, adverts: AdvertSource) -> None:
    send_many("ens160", 110)
    own = recorder.wait(lambda event: isinstance(event, events.Advert) and event.own)
    send_many("peer", 100)
    other = recorder.wait(lambda event: isinstance(event, events.Advert) and not event.own)
    assert isinstance(own, events.Advert) and isinstance(other, events.Advert)
    assert (own.priority, own.addresses) == (110, tuple(MANY))
    assert (other.priority, other.addresses) == (100, tuple(MANY))


@pytest.mark.parametrize("vip", VIPS)
def test_announcements_of_other_hosts_are_emitted(
    recorder: Recorder, adverts: AdvertSource, lan: int, vip: str
) -> None:
    for interface in ("ens160", "peer"):
        announce_from(interface, vip)
    announce_from("peer", "10.77.0.77")
    claimed = recorder.wait(lambda event: isinstance(event, events.AddressAnnounced))
    assert isinstance(claimed, events.AddressAnnounced)
    assert (claimed.ifindex, claimed.ip) == (lan, ip_address(vip))
    send_advert("peer", 100)
    recorder.wait(lambda event: isinstance(event, events.Advert))
    ips = [event.ip for event in recorder.events if isinstance(event, events.AddressAnnounced)]
    assert ips == [ip_address(vip)]


def announce_from(interface: str, vip: str) -> None:
    """Send a gratuitous ARP, or an unsolicited neighbour advertisement."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((interface, 0))
        mac, address = sock.getsockname()[4], ip_address(vip)
        if isinstance(address, IPv4Address):
            sock.send(arp.announcement(mac, address))
        else:
            sock.send(ndp.announcement(mac, address))


def test_the_filter_in_the_kernel_passes_nothing_else(
    recorder: Recorder, adverts: AdvertSource, lan: int
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noise:
        noise.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for _ in range(100):
            noise.sendto(b"x", ("10.77.0.255", 9))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind(("peer", 0))
        sock.send(arp.probe(sock.getsockname()[4], IPv4Address("10.77.0.10")))
        sock.send(ndp.probe(sock.getsockname()[4], IPv6Address("fe80::2"), IPv6Address("fd77::10")))
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


def test_drain_reads_without_the_loop(recorder: Recorder, adverts: AdvertSource) -> None:
    send_advert("ens160", 0)
    adverts.drain()
    assert [e.priority for e in recorder.events if isinstance(e, events.Advert)] == [0]


class Wired:
    """Both sources as the daemon connects them, and an author of deletions."""

    def __init__(self, recorder: Recorder, lan: int) -> None:
        self._recorder, self._loop = recorder, recorder.loop
        emit = recorder.events.append
        self.adverts = AdvertSource(emit, recorder.loop, self._after_kernel)
        drain = self.adverts.drain
        self.kernel = KernelSource(emit, OWN_PORT, drain, drain)
        self.adverts.watch([lan])
        self.kernel.start(recorder.loop)

    def _after_kernel(self, report: Callable[[], None]) -> None:
        self.kernel.report_after(report)

    def close(self) -> None:
        self.kernel.close(self._loop)
        self.adverts.close()

    def order(self, count: int) -> list[str]:
        """So many adverts and changes of addresses, in the order in which they were reported."""

        def found() -> list[str]:
            kinds = (events.Advert, events.AddressLost, events.AddressSeen)
            return [type(e).__name__ for e in self._recorder.events if isinstance(e, kinds)]

        self._recorder.wait(lambda _: len(found()) >= count)
        return found()


@pytest.fixture
def wired(recorder: Recorder, lan: int) -> Iterator[Wired]:
    found = Wired(recorder, lan)
    yield found
    found.close()


def delete_as(port: int, *addresses: str) -> None:
    """Delete addresses as the process with this netlink port."""
    found = {str(a): a for a in netlink.snapshot().addresses}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.bind((port, 0))
        for address in addresses:
            sock.send(rtnl.delete_address(found[address]))


@pytest.mark.parametrize("first", ["adverts", "netlink"])
def test_law_2_networkd_s_deletion_comes_before_the_release_that_it_caused(
    wired: Wired, recorder: Recorder, first: str
) -> None:
    delete_as(1, "10.77.0.10/24")
    send_advert("ens160", 0)
    if first == "adverts":  # the loop may serve either socket first
        recorder.loop.call_soon(wired.adverts.drain)
    else:
        recorder.loop.call_soon(wired.kernel._readable)
    assert wired.order(2) == ["AddressLost", "Advert"]


def test_adverts_of_a_pause_come_before_the_kernel_s_news(wired: Wired, recorder: Recorder) -> None:
    """They say that this node is MASTER still, which a deletion by networkd makes a loss."""
    send_advert("ens160", 100)
    delete_as(1, "10.77.0.10/24")
    recorder.loop.call_soon(wired.kernel._readable)
    assert wired.order(2) == ["Advert", "AddressLost"]


@pytest.mark.parametrize("first", ["adverts", "netlink"])
def test_law_6_keepalived_s_release_comes_before_its_deletion(
    wired: Wired, recorder: Recorder, first: str
) -> None:
    send_advert("ens160", 0)
    delete_as(4711, "10.77.0.10/24")
    if first == "adverts":
        recorder.loop.call_soon(wired.adverts.drain)
    else:
        recorder.loop.call_soon(wired.kernel._readable)
    assert wired.order(2) == ["Advert", "AddressLost"]


def test_what_comes_after_keepalived_s_deletion_is_reported_after_it(
    wired: Wired, recorder: Recorder
) -> None:
    send_advert("ens160", 0)
    delete_as(4711, "10.77.0.10/24")
    ip("address", "add", "10.77.0.10/24", "dev", "ens160")
    recorder.loop.call_soon(wired.kernel._readable)
    assert wired.order(3) == ["Advert", "AddressLost", "AddressSeen"]


def test_of_two_deletions_the_release_stands_between(wired: Wired, recorder: Recorder) -> None:
    """networkd deletes one VIP; keepalived releases, and deletes the other."""
    ip("address", "add", "10.77.0.11/24", "dev", "ens160")
    wired.order(1)
    delete_as(1, "10.77.0.10/24")
    send_advert("ens160", 0)
    delete_as(4711, "10.77.0.11/24")
    recorder.loop.call_soon(wired.adverts.drain)
    assert wired.order(4)[1:] == ["AddressLost", "Advert", "AddressLost"]


def test_a_release_waits_for_all_that_came_before_it_while_the_loop_turns(
    wired: Wired, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netvip.sources.netlink.TURN", 0.0)  # a deletion for each turn of the loop
    count = 50
    addresses = [f"10.77.9.{number + 1}/24" for number in range(count)]
    for address in addresses:
        ip("address", "add", address, "dev", "ens160")
    wired.order(count)
    delete_as(1, *addresses)
    send_advert("ens160", 0)
    send_advert("ens160", 100)
    recorder.loop.call_soon(wired.adverts.drain)
    turns = count_turns(recorder.loop)
    found = wired.order(2 * count + 2)[count:]
    assert found == ["AddressLost"] * count + ["Advert"] * 2
    assert next(turns) > count


def count_turns(loop: asyncio.AbstractEventLoop) -> Iterator[int]:
    """How often the loop has turned."""
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        loop.call_soon(turn)

    loop.call_soon(turn)
    return iter(lambda: turns, -1)


def test_a_deleted_interface_raises_nothing(recorder: Recorder, adverts: AdvertSource) -> None:
    ip("link", "delete", "ens160")
    adverts.drain()
    adverts.watch([])
    adverts.watch([4711])
