"""rtnetlink messages, compared with bytes that follow the kernel's headers."""

from __future__ import annotations

import errno
import socket
import struct
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip.core.model import IP, Address, Link, Network, Route
from netvip.linux import route_messages, rtnl
from netvip.linux.netlink_messages import HEADER, Message, attributes, error_of, split

OWN, VIP, VIP6 = (ip_address(t) for t in ("10.77.0.1", "10.77.0.10", "2001:db8::10"))
REQUEST, CHOICES = 0x5, (0x02, 0x10, 0x200, 0x400)
FOREVER = 0xFFFFFFFF


def attribute(kind: int, value: bytes | int) -> bytes:
    data = value if isinstance(value, bytes) else struct.pack("=I", value)
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def netlink(kind: int, flags: int, body: bytes, *attributes: bytes) -> bytes:
    whole = body + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(whole), kind, flags, 0, 0) + whole


def message(data: bytes) -> Message:
    (only,) = split(data)
    return only


def ips(version: int) -> st.SearchStrategy[IP]:
    return st.ip_addresses(v=4) if version == 4 else st.ip_addresses(v=6)


@st.composite
def addresses(draw: st.DrawFn) -> Address:
    version = draw(st.sampled_from([4, 6]))
    lifetimes = st.integers(0, FOREVER)
    ip, peer = draw(ips(version)), draw(st.none() | ips(version))
    return Address(
        ifindex=draw(st.integers(1, 2**31 - 1)),
        ip=ip,
        prefixlen=draw(st.integers(0, ip.max_prefixlen)),
        scope=draw(st.integers(0, 255)),
        label=draw(st.text("abcxyz019.:-", max_size=15)) if version == 4 else "",
        peer=peer if peer != ip else None,
        broadcast=draw(st.none() | ips(4)) if version == 4 else None,
        flags=sum(draw(st.sets(st.sampled_from(CHOICES)))),
        valid=draw(lifetimes),
        preferred=draw(lifetimes),
        metric=draw(lifetimes),
        proto=draw(st.integers(0, 255)),
    )


# --- addresses ----------------------------------------------------------------------------------


@given(addresses())
def test_an_address_survives_encoding(address: Address) -> None:
    assert rtnl.address(message(rtnl.set_address(address, rtnl.ADD))) == address
    assert rtnl.address(message(rtnl.delete_address(address))) == address


@given(addresses(), st.integers(0, FOREVER))
def test_only_flags_that_a_creator_chooses_are_requested(address: Address, flags: int) -> None:
    decoded = rtnl.address(message(rtnl.set_address(replace(address, flags=flags), 0)))
    assert decoded is not None and decoded.flags == flags & sum(CHOICES)


def test_an_ipv4_address_is_encoded_as_linux_reads_it() -> None:
    address = Address(
        7, VIP, 24, 254, "eth0:vip", OWN, IPv4Address("10.77.0.255"), 0x202, 8, 3, 42, 0x6E
    )
    expected = netlink(
        20,
        REQUEST | 0x600,
        struct.pack("=BBBBI", 2, 24, 0, 254, 7),
        attribute(2, VIP.packed),
        attribute(1, OWN.packed),
        attribute(4, bytes([10, 77, 0, 255])),
        attribute(3, b"eth0:vip\0"),
        attribute(8, 0x202),
        attribute(9, 42),
        attribute(6, struct.pack("=IIII", 3, 8, 0, 0)),
        attribute(11, b"\x6e"),
    )
    assert rtnl.number([rtnl.set_address(address, rtnl.ADD)], 0) == expected


def test_a_leased_ipv6_shield_is_encoded_without_duplicate_address_detection() -> None:
    address = Address(1, VIP6, 128, 254, flags=0x02, valid=3, preferred=3, proto=0x6E)
    expected = netlink(
        20,
        REQUEST | 0x500,
        struct.pack("=BBBBI", 10, 128, 0, 254, 1),
        attribute(2, VIP6.packed),
        attribute(1, VIP6.packed),
        attribute(8, 0x02),
        attribute(6, struct.pack("=IIII", 3, 3, 0, 0)),
        attribute(11, b"\x6e"),
    )
    assert rtnl.number([rtnl.set_address(address, rtnl.SET)], 0) == expected


def decoded_address(family: int, *attributes: bytes, flags: int = 0x80) -> Address | None:
    body = struct.pack("=BBBBI", family, 24, flags, 0, 7)
    return rtnl.address(message(netlink(20, 0, body, *attributes)))


def test_an_ipv6_address_without_ifa_local_is_ifa_address() -> None:
    assert decoded_address(10, attribute(1, VIP6.packed)) == Address(7, VIP6, 24)


def test_a_peer_is_not_taken_for_the_address() -> None:
    decoded = decoded_address(2, attribute(1, OWN.packed), attribute(2, VIP.packed))
    assert decoded == Address(7, VIP, 24, peer=OWN)


def test_ifa_flags_replaces_the_flags_of_the_header() -> None:
    decoded = decoded_address(2, attribute(2, VIP.packed), attribute(8, 0x280))
    assert decoded is not None and decoded.flags == 0x280


def test_an_attribute_of_a_newer_kernel_is_ignored() -> None:
    decoded = decoded_address(2, attribute(2, VIP.packed), attribute(10, 5), attribute(99, b"new"))
    assert decoded == Address(7, VIP, 24)


def test_an_address_message_without_an_address_is_none() -> None:
    assert decoded_address(2, attribute(3, b"eth0\0")) is None


# --- routes, nexthops, links --------------------------------------------------------------------


def route_message(
    destination: Network,
    *attributes: bytes,
    table: int = 254,
    kind: int = 1,
    flags: int = 0,
    proto: int = 4,
) -> Message:
    family = 2 if destination.version == 4 else 10
    fields = (family, destination.prefixlen, 0, 0, table, proto, 0, kind, flags)
    dst = attribute(1, destination.network_address.packed) if destination.prefixlen else b""
    return message(netlink(24, 0, struct.pack("=BBBBBBBBI", *fields), dst, *attributes))


@given(st.data())
def test_a_route_is_read(data: st.DataObject) -> None:
    version = data.draw(st.sampled_from([4, 6]))
    gateway, source = data.draw(st.none() | ips(version)), data.draw(st.none() | ips(version))
    prefixlen = data.draw(st.integers(0, 32 if version == 4 else 128))
    destination = ip_network(f"{data.draw(ips(version))}/{prefixlen}", strict=False)
    oif, metric = data.draw(st.integers(1, 2**31 - 1)), data.draw(st.integers(0, FOREVER))
    table = data.draw(st.integers(1, FOREVER))
    one = route_message(
        destination,
        attribute(4, oif),
        attribute(6, metric),
        attribute(5, gateway.packed) if gateway else b"",
        attribute(7, source.packed) if source else b"",
        attribute(15, table),
    )
    assert rtnl.route(one) == Route(oif, destination, gateway, source, metric, 4, table)


SUBNET, OIF = ip_network("10.77.0.0/24"), attribute(4, 7)


@pytest.mark.parametrize(
    "other",
    [
        route_message(SUBNET),
        route_message(SUBNET, OIF, kind=7),
        route_message(SUBNET, OIF, flags=0x200),
        route_message(SUBNET, attribute(9, struct.pack("=HBBi", 8, 0, 0, 7))),
    ],
    ids=["no-oif", "unreachable", "cloned", "multipath"],
)
def test_only_unicast_routes_through_one_interface_are_read(other: Message) -> None:
    assert rtnl.route(other) is None


@pytest.mark.parametrize(
    ("route", "source", "fields", "attributes"),
    [
        (
            Route(7, SUBNET, metric=100),
            OWN,
            (2, 24, 0, 0, 0, 2, 253, 1, 0),
            (attribute(1, bytes([10, 77, 0, 0])), attribute(7, OWN.packed), attribute(6, 100)),
        ),
        (Route(7, ip_network("0.0.0.0/0"), OWN), None, (2, 0, 0, 0, 0, 2, 0, 1, 0), ()),
        (
            Route(7, ip_network("2001:db8::/64")),
            None,
            (10, 64, 0, 0, 0, 2, 0, 1, 0),
            (attribute(1, ip_address("2001:db8::").packed),),
        ),
    ],
    ids=["connected", "default", "ipv6"],
)
def test_a_route_of_the_bridge_is_encoded_as_linux_reads_it(
    route: Route, source: IP | None, fields: tuple[int, ...], attributes: tuple[bytes, ...]
) -> None:
    ours = (attribute(15, 71000), attribute(30, 71001))
    body = struct.pack("=BBBBBBBBI", *fields)
    encoded = route_messages.add_route(route, 71000, 71001, source)
    assert rtnl.number([encoded], 0) == netlink(24, REQUEST | 0x600, body, *attributes, *ours)
    assert rtnl.route(message(encoded)) is None


def test_a_nexthop_is_encoded_as_linux_reads_it() -> None:
    connected = route_messages.add_nexthop(71001, socket.AF_INET, 7, None)
    via = route_messages.add_nexthop(71002, socket.AF_INET6, 7, VIP6)
    assert rtnl.number([connected, via, rtnl.delete_nexthop(71001)], 0) == b"".join(
        [
            netlink(
                104,
                REQUEST | 0x600,
                struct.pack("=BBBBI", 2, 0, 2, 0, 0),
                attribute(1, 71001),
                attribute(5, 7),
            ),
            sequenced(
                1,
                netlink(
                    104,
                    REQUEST | 0x600,
                    struct.pack("=BBBBI", 10, 0, 2, 0, 4),
                    attribute(1, 71002),
                    attribute(5, 7),
                    attribute(6, VIP6.packed),
                ),
            ),
            sequenced(2, netlink(105, REQUEST, bytes(8), attribute(1, 71001))),
        ]
    )
    assert [rtnl.nexthop_id(message(one)) for one in (connected, via)] == [71001, 71002]


def sequenced(sequence: int, data: bytes) -> bytes:
    return data[:8] + struct.pack("=I", sequence) + data[12:]


def link_message(flags: int, *attributes: bytes) -> Message:
    return message(netlink(16, 0, struct.pack("=BxHiII", 0, 1, 7, flags, 0), *attributes))


@pytest.mark.parametrize(
    ("flags", "carrier"), [(0x11043, True), (0x1, False), (0x10000, False), (0, False)]
)
def test_a_link_is_read(flags: int, carrier: bool) -> None:
    mac = bytes.fromhex("0200000a4d01")
    one = link_message(flags, attribute(1, mac), attribute(3, b"ens160\0"), attribute(44, b"new"))
    assert rtnl.link(one) == Link(7, "ens160", mac, carrier)
    assert rtnl.ifindex(one) == 7


def test_a_link_without_a_mac_is_read() -> None:
    assert rtnl.link(link_message(0x10001, attribute(3, b"tun0\0"))) == Link(7, "tun0")


# --- rules --------------------------------------------------------------------------------------


def test_a_rule_is_encoded_as_linux_reads_it() -> None:
    fields = (2, 0, 32, 0, 0, 0, 0, 1, 0)
    attributes = (attribute(2, VIP.packed), attribute(6, 31000), attribute(15, 71000))
    expected = netlink(
        32, REQUEST | 0x600, struct.pack("=BBBBBBBBI", *fields), *attributes, attribute(21, b"\2")
    )
    encoded = rtnl.set_rule(rtnl.RTM_NEWRULE, socket.AF_INET, 31000, 71000, ip_network(VIP))
    assert rtnl.number([encoded], 0) == expected


@given(st.data())
def test_a_rule_survives_encoding(data: st.DataObject) -> None:
    version = data.draw(st.sampled_from([4, 6]))
    source = data.draw(st.none() | ips(version).map(ip_network))
    pref, table = data.draw(st.integers(1, 32767)), data.draw(st.integers(1, FOREVER))
    suppress = data.draw(st.none() | st.integers(0, 127))
    only_sent = data.draw(st.booleans())
    kind = data.draw(st.sampled_from([rtnl.RTM_NEWRULE, rtnl.RTM_DELRULE]))
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    encoded = message(rtnl.set_rule(kind, family, pref, table, source, suppress, only_sent))
    by_source = suppress is None and not only_sent
    always = by_source and source is None
    assert rtnl.rule(encoded) == rtnl.Rule(family, pref, table, source, always, by_source)


def decoded_rule(*attributes: bytes, tos: int = 0, action: int = 1, flags: int = 0) -> rtnl.Rule:
    body = struct.pack("=BBBBBBBBI", 2, 0, 0, tos, 254, 0, 0, action, flags)
    return rtnl.rule(message(netlink(32, 0, body, attribute(6, 32766), *attributes)))


def test_the_rule_that_looks_up_main_is_unconditional() -> None:
    rule = decoded_rule(attribute(15, 254), attribute(14, FOREVER))
    assert rule == rtnl.Rule(2, 32766, 254, None, True, True)


@pytest.mark.parametrize(
    "rule",
    [
        decoded_rule(attribute(3, b"eth0\0")),
        decoded_rule(attribute(17, b"eth0\0")),
        decoded_rule(attribute(10, 7), attribute(16, FOREVER)),
        decoded_rule(attribute(1, VIP.packed)),
        decoded_rule(attribute(14, 0)),
        decoded_rule(tos=4),
        decoded_rule(action=7),
        decoded_rule(flags=2),
        decoded_rule(attribute(25, b"\x10")),
        decoded_rule(attribute(200, 1)),
    ],
    ids=["iif", "oif", "fwmark", "to", "suppress", "tos", "unreachable", "not", "dscp", "unknown"],
)
def test_a_rule_with_a_condition_is_not_unconditional(rule: rtnl.Rule) -> None:
    assert not rule.unconditional and not rule.by_source


# --- datagrams ----------------------------------------------------------------------------------

MESSAGES = st.lists(
    st.one_of(
        addresses().map(lambda address: rtnl.set_address(address, rtnl.ADD)),
        st.integers(1, FOREVER).map(rtnl.delete_nexthop),
        st.binary(max_size=9).map(lambda body: netlink(20, 0, body)),
    ),
    min_size=1,
    max_size=5,
)


@given(MESSAGES, st.integers(0, FOREVER))
def test_a_batch_is_numbered_and_splits_into_its_messages(
    messages: list[bytes], first: int
) -> None:
    batch = split(rtnl.number(messages, first))
    numbers = [(first + i) & FOREVER for i in range(len(messages))]
    assert [part.sequence for part in batch] == numbers
    assert [part.data[16:] for part in batch] == [part[16:] for part in messages]


@given(MESSAGES, st.data())
def test_a_truncated_message_is_left_out(messages: list[bytes], data: st.DataObject) -> None:
    batch = rtnl.number(messages, 1)
    cut = [part.data for part in split(batch[: data.draw(st.integers(0, len(batch) - 1))])]
    assert cut == [part.data for part in split(batch)][: len(cut)]


@given(st.binary(max_size=80))
def test_splitting_garbage_never_raises(data: bytes) -> None:
    assert sum(len(part.data) for part in split(data)) <= len(data)


@given(st.binary(max_size=80))
def test_attributes_of_garbage_never_raise(data: bytes) -> None:
    assert sum(4 + len(value) for value in attributes(data, 0).values()) <= len(data)


def test_attributes_end_at_a_truncated_one_and_lose_their_flags() -> None:
    nested = attribute(0x8000 | 5, b"nested")
    data = netlink(20, 0, b"", attribute(1, 7), nested, attribute(2, 8)[:-1])
    assert attributes(data, HEADER.size) == {1: struct.pack("=I", 7), 5: b"nested"}


def test_an_author_is_the_port_in_the_header() -> None:
    assert message(struct.pack("=IHHII", 16, 21, 0, 0, 1)).author == 1


def test_an_error_carries_an_errno_and_0_is_an_acknowledgement() -> None:
    answers = [netlink(2, 0, struct.pack("=i", -code) + bytes(16)) for code in (errno.EEXIST, 0)]
    assert [error_of(message(answer)) for answer in answers] == [errno.EEXIST, 0]
    assert rtnl.why(errno.EEXIST) == "File exists (EEXIST)"


@pytest.mark.parametrize(
    ("kind", "length"),
    [
        (rtnl.RTM_GETADDR, 24),
        (rtnl.RTM_GETNEXTHOP, 24),
        (rtnl.RTM_GETROUTE, 28),
        (rtnl.RTM_GETRULE, 28),
        (rtnl.RTM_GETLINK, 32),
    ],
)
def test_a_dump_request_has_the_header_of_its_kind(kind: int, length: int) -> None:
    request = rtnl.dump_request(kind)
    assert len(request) == length
    assert request[:16] == struct.pack("=IHHII", length, kind, 0x301, 1, 0)
    assert not any(request[16:])


def test_an_ipv6_address_has_the_type_of_one() -> None:
    decoded = decoded_address(10, attribute(1, VIP6.packed))
    assert decoded is not None and isinstance(decoded.ip, IPv6Address)
