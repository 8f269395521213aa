"""Every kind of route and rule of keepalived's comes back as it was, byte by byte (Law 5)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from netvip.core import events
from netvip.core.objects import KernelObject
from netvip.linux import objects
from netvip.sources.netlink import KernelSource, snapshot
from tests.netns.conftest import ip

#: What follows `ip route add` and `ip -6 route add`, with keepalived's protocol.
ROUTES = (
    "10.99.0.0/16 via 10.77.0.50 dev ens160",
    "10.98.0.0/16 via 10.77.0.50 dev ens160 src 10.77.0.10 metric 7 table 100",
    "10.97.0.0/16 via 10.77.0.50 dev ens160 table 1000 mtu 1400 advmss 1200 initcwnd 20",
    "10.96.0.0/16 dev ens160 scope link",
    "blackhole 10.95.0.0/16",
    "unreachable 10.94.0.0/16 table 300",
    "prohibit 10.89.0.0/16 metric 4000000000",
    "throw 10.88.0.0/16 table 300",
    "10.93.0.0/16 table 100 nexthop via 10.77.0.50 dev ens160 weight 1 onlink"
    " nexthop via 10.77.0.51 dev ens160 weight 3",
    "10.92.0.0/16 via 10.177.0.50 dev ens160 onlink",
    "default via 10.77.0.50 dev ens160 table 100",
    "10.91.0.0/16 tos 8 via 10.77.0.50 dev ens160",
    "10.90.0.0/16 via inet6 fd77::50 dev ens160",
    "10.87.0.0/16 dev ens160 rto_min 200ms quickack 1",
)
IPV6_ROUTES = (
    "fd01::/64 via fd77::1 dev ens160",
    "fd02::/64 dev ens160 metric 5 table 100 mtu 1300",
    "blackhole fd03::/64",
    "fd04::/64 nexthop via fd77::1 dev ens160 nexthop via fd77::2 dev ens160 weight 2",
    "fd05::/64 via fd77::1 dev ens160 src fd77::10 table 1000 pref high",
    "default via fd77::1 dev ens160 table 100",
)
RULES = (
    "from 10.77.0.10 table 100 pref 5000",
    "from 10.77.0.10/32 to 10.99.0.0/16 table 1000 pref 5001",
    "iif ens160 table 1000 pref 5002",
    "oif ens160 table 1000 pref 5003",
    "fwmark 7/15 table 100 pref 5004",
    "to 10.98.0.0/16 table main suppress_prefixlength 0 pref 5005",
    "from 10.77.0.12 blackhole pref 5006",
    "not from 10.77.0.13 tos 8 table 100 pref 5007",
    "from 10.77.0.14 goto 32766 pref 5008",
    "ipproto tcp sport 80-90 dport 100-200 uidrange 0-10 table 100 pref 5009",
    "iif missing0 table 100 pref 5010",
    "from 10.77.0.15 goto 9000 pref 5011",
)
IPV6_RULES = ("from fd77::10 table 100 pref 5000", "fwmark 9 to fd01::/16 prohibit pref 5001")


@pytest.fixture
def things(lan: int) -> None:
    """All of them."""
    ip("address", "add", "fd77::10/64", "dev", "ens160", "nodad")
    for family, kind, several in (
        ("-4", "route", ROUTES),
        ("-6", "route", IPV6_ROUTES),
        ("-4", "rule", RULES),
        ("-6", "rule", IPV6_RULES),
    ):
        for words in several:
            # keepalived's rules without tracking have no protocol.
            protocol = "18" if kind == "route" or "5000" in words else "0"
            ip(family, kind, "add", "protocol", protocol, *words.split())


def test_routes_that_differ_in_their_gateways_alone_keep_their_order(
    lan: int, kernel: socket.socket
) -> None:
    for gateway in (50, 51, 52):
        words = f"10.86.0.0/16 via 10.77.0.{gateway} dev ens160 protocol 18"
        ip("route", "prepend", *words.split())
    before = ip("route", "show", "10.86.0.0/16")
    found = snapshot().objects
    # As they were added, which is the order in which the core has them.
    added = sorted(found, key=lambda thing: str(thing.identity.gateways))  # type: ignore[union-attr]
    for thing in added:
        assert ask(kernel, objects.delete(thing)) == 0
    for thing in (*added, *added):  # the second time they are there
        assert ask(kernel, objects.add(thing)) in (0, 17)
    assert ip("route", "show", "10.86.0.0/16") == before and before.count("via") == 3


@pytest.fixture
def kernel() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        yield sock


def shown() -> str:
    """Everything as ip(8) shows it."""
    routes = [ip("-d", f, "route", "show", "table", "all", "proto", "18") for f in ("-4", "-6")]
    rules = [ip("-d", f, "rule", "show") for f in ("-4", "-6")]
    # ip(8) lists the IPv6 routes of all tables twice.
    return "\n".join(sorted({line for text in (*routes, *rules) for line in text.splitlines()}))


def ours() -> tuple[KernelObject, ...]:
    """Those of the tests, without the kernel's own rules."""
    return tuple(sorted(snapshot().objects, key=str))


def ask(kernel: socket.socket, message: bytes) -> int:
    """Send a request, and return the errno of the answer."""
    kernel.send(message)
    return -int.from_bytes(kernel.recv(8192)[16:20], "little", signed=True)


def test_each_comes_back_as_it_was(things: None, kernel: socket.socket) -> None:
    before, found = shown(), ours()
    assert len(found) == len(ROUTES) + len(IPV6_ROUTES) + len(RULES) + len(IPV6_RULES)
    for thing in found:
        assert ask(kernel, objects.delete(thing)) == 0, thing
    assert not ours() and shown() != before
    # A route with a gateway needs the way to it, a rule none.
    for thing in found:
        assert ask(kernel, objects.add(thing)) == 0, thing
    assert shown() == before and ours() == found


def test_one_that_is_there_stays_as_it_is(things: None, kernel: socket.socket) -> None:
    before = shown()
    for thing in ours():
        assert ask(kernel, objects.add(thing)) == 17, thing  # EEXIST
    assert shown() == before


def test_what_the_kernel_finds_is_no_part_of_it(things: None) -> None:
    before = ours()
    ip("link", "set", "peer", "down")  # ens160 has no carrier: the routes are marked linkdown
    assert "linkdown" in ip("route", "show", "table", "all")
    assert ours() == before


def test_a_change_is_reported_with_its_author(things: None) -> None:
    loop, seen = asyncio.new_event_loop(), list[events.Event]()
    source = KernelSource(seen.append, 0xFFFF0000)
    source.start(loop)

    async def until(count: int) -> None:
        kinds = (events.ObjectLost, events.ObjectSeen)
        while sum(isinstance(event, kinds) for event in seen) < count:
            await asyncio.sleep(0.001)

    words = (("-4", "route", ROUTES[1]), ("-6", "route", IPV6_ROUTES[0]), ("-4", "rule", RULES[0]))
    for family, kind, text in words:
        ip(family, kind, "delete", *text.split())
        ip(family, kind, "add", "protocol", "18", *text.split())
    loop.run_until_complete(asyncio.wait_for(until(2 * len(words)), 5.0))
    source.list_objects()
    source.close(loop)
    loop.close()
    first, listed = seen[0], seen[-1]
    assert isinstance(first, events.Resync) and isinstance(listed, events.ObjectsListed)
    assert set(listed.objects) == set(first.kernel.objects) == set(ours())
    lost = [(e.object, e.author) for e in seen if isinstance(e, events.ObjectLost)]
    added = [(e.object, e.author) for e in seen if isinstance(e, events.ObjectSeen)]
    assert [thing for thing, _ in lost] == [thing for thing, _ in added]
    assert all("netlink port" in author.name for _, author in (*lost, *added))
