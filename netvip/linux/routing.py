"""Reads the host's addresses, routes, routing rules and nexthops, with what tells whose they are.

`netvip preview` answers within 300 ms. netvip.linux.rtnl imports pyroute2, which alone takes most
of that (fact start-up-cost): so this module decodes with struct alone (rtnetlink(7))."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TypeVar

from netvip.core.model import AF_INET, FOREVER, IP, Address, Link, Network
from netvip.linux.netlink_messages import (
    HEADER,
    IFA_ADDRESS,
    IFA_LOCAL,
    IFADDRMSG,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    Message,
    attributes,
)
from netvip.linux.netlink_socket import dump

#: linux/rtnetlink.h
RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETRULE, RTM_GETNEXTHOP = 18, 22, 26, 34, 106
RTM_F_CLONED = 0x200
RTN_UNICAST = 1
TABLE_LOCAL = 255
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC = 1, 4, 5, 6, 7
RTA_MULTIPATH, RTA_TABLE, RTA_NH_ID = 9, 15, 30
#: linux/if_addr.h
IFA_LABEL, IFA_CACHEINFO, IFA_FLAGS, IFA_PROTO = 3, 6, 8, 11
#: linux/if_link.h
IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINK, IFLA_MASTER, IFLA_LINKINFO, IFLA_INFO_KIND = (
    1,
    3,
    5,
    10,
    18,
    1,
)
#: linux/nexthop.h
NHA_ID, NHA_OIF, NHA_GATEWAY = 1, 5, 6
#: linux/fib_rules.h
FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_PRIORITY, FRA_FWMARK = 1, 2, 3, 6, 10
FRA_TABLE, FRA_FWMASK, FRA_OIFNAME, FRA_L3MDEV, FRA_PROTOCOL = 15, 16, 17, 19, 21

#: struct ifa_cacheinfo, ifinfomsg, rtmsg, rtnexthop, nhmsg and fib_rule_hdr.
CACHEINFO = struct.Struct("=IIII")
IFINFOMSG = struct.Struct("=BxHiII")
RTMSG = struct.Struct("=BBBBBBBBI")
RTNEXTHOP = struct.Struct("=HBBi")
NHMSG = struct.Struct("=BBBBI")
RULE_HEADER = struct.Struct("=BBBBBxxBI")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Route:
    """A route of any kind. ifindexes has the interface of each nexthop, in their order; it is empty
    where the route leads nowhere (blackhole, unreachable)."""

    destination: Network
    table: int
    protocol: int
    ifindexes: tuple[int, ...] = ()
    gateway: IP | None = None
    source: IP | None = None
    metric: int = 0
    #: rtm_type of linux/rtnetlink.h: 1 is unicast.
    kind: int = RTN_UNICAST
    #: The number of the nexthop object that it uses; 0 for none.
    nexthop: int = 0
    #: Whether it has several nexthops of its own, instead of an object.
    multipath: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A routing rule: what it selects by, and the table that it leads to."""

    family: int
    pref: int
    table: int
    protocol: int
    source: Network | None = None
    destination: Network | None = None
    mark: int = 0
    mask: int = 0
    incoming: str = ""
    outgoing: str = ""
    #: Whether it leads to the table of a VRF (l3mdev).
    vrf: bool = False


@dataclass(frozen=True, slots=True)
class Nexthop:
    """A nexthop object; ifindex is 0 for a blackhole or a group."""

    number: int
    protocol: int
    ifindex: int = 0
    gateway: IP | None = None


@dataclass(frozen=True, slots=True)
class Objects:
    """What the kernel has at one moment."""

    links: tuple[Link, ...] = ()
    addresses: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()
    nexthops: tuple[Nexthop, ...] = ()


def read() -> Objects:
    """What the kernel has now; some ms where there are no thousands of routes. Raises OSError."""
    routes = (route(m) for m in _dump(RTM_GETROUTE, RTMSG.size))
    return Objects(
        links(),
        addresses(),
        _each_once(found for found in routes if found is not None),
        _each_once(rule(m) for m in _dump(RTM_GETRULE, RULE_HEADER.size)),
        _each_once(_nexthops()),
    )


def links() -> tuple[Link, ...]:
    """The interfaces that the kernel has now. Raises OSError."""
    return _each_once(link(message) for message in _dump(RTM_GETLINK, IFINFOMSG.size))


def addresses() -> tuple[Address, ...]:
    """The addresses that it has. Raises OSError."""
    found = (address(message) for message in _dump(RTM_GETADDR, IFADDRMSG.size))
    return _each_once(one for one in found if one is not None)


def _each_once(found: Iterable[T]) -> tuple[T, ...]:
    """A dump that was interrupted comes again."""
    return tuple(dict.fromkeys(found))


def _dump(kind: int, size: int) -> Iterator[Message]:
    header = HEADER.pack(HEADER.size + size, kind, NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
    return dump(header + bytes(size))


def _nexthops() -> list[Nexthop]:
    try:
        return [nexthop(message) for message in _dump(RTM_GETNEXTHOP, NHMSG.size)]
    except OSError:
        return []  # a kernel before 5.3 has none


def _number(value: bytes | None, default: int = 0) -> int:
    return default if value is None else int.from_bytes(value, sys.byteorder)


def _text(value: bytes | None) -> str:
    return (value or b"").rstrip(b"\0").decode(errors="surrogateescape")


def _ip(value: bytes | None) -> IP | None:
    return ip_address(value) if value else None


def link(message: Message) -> Link:
    """The interface of an RTM_NEWLINK; whether it has carrier is left out."""
    index = IFINFOMSG.unpack_from(message.data, HEADER.size)[2]
    found = attributes(message.data, HEADER.size + IFINFOMSG.size)
    kind = attributes(found.get(IFLA_LINKINFO, b""), 0).get(IFLA_INFO_KIND)
    return Link(
        index,
        _text(found.get(IFLA_IFNAME)),
        found.get(IFLA_ADDRESS, b""),
        kind=_text(kind),
        lower=_number(found.get(IFLA_LINK)),
        master=_number(found.get(IFLA_MASTER)),
    )


def address(message: Message) -> Address | None:
    """The address of an RTM_NEWADDR; None if the message has none."""
    _, prefixlen, flags, scope, index = IFADDRMSG.unpack_from(message.data, HEADER.size)
    found = attributes(message.data, HEADER.size + IFADDRMSG.size)
    peer = _ip(found.get(IFA_ADDRESS))
    ip = _ip(found.get(IFA_LOCAL)) or peer
    if ip is None:
        return None
    preferred, valid = FOREVER, FOREVER
    if (lifetimes := found.get(IFA_CACHEINFO)) is not None:
        preferred, valid, _, _ = CACHEINFO.unpack_from(lifetimes)
    return Address(
        index,
        ip,
        prefixlen,
        scope,
        _text(found.get(IFA_LABEL)),
        peer if peer != ip else None,
        flags=_number(found.get(IFA_FLAGS), flags),
        valid=valid,
        preferred=preferred,
        proto=_number(found.get(IFA_PROTO)),
    )


def route(message: Message) -> Route | None:
    """The route of an RTM_NEWROUTE; None for an entry of the cache."""
    fields = RTMSG.unpack_from(message.data, HEADER.size)
    family, length, _, _, table, protocol, _, kind, flags = fields
    if flags & RTM_F_CLONED:
        return None
    found = attributes(message.data, HEADER.size + RTMSG.size)
    several = _hops(found[RTA_MULTIPATH]) if RTA_MULTIPATH in found else ()
    single = ((_number(found.get(RTA_OIF)), _ip(found.get(RTA_GATEWAY))),)
    hops = several or (single if RTA_OIF in found else ())
    return Route(
        _network(found.get(RTA_DST), length, family),
        _number(found.get(RTA_TABLE), table),
        protocol,
        tuple(index for index, _ in hops),
        hops[0][1] if hops else None,
        _ip(found.get(RTA_PREFSRC)),
        _number(found.get(RTA_PRIORITY)),
        kind,
        _number(found.get(RTA_NH_ID)),
        bool(several),
    )


def _network(value: bytes | None, length: int, family: int) -> Network:
    packed = value or bytes(4 if family == AF_INET else 16)
    return ip_network((packed, length), strict=False)


def _hops(data: bytes) -> tuple[tuple[int, IP | None], ...]:
    """Interface and gateway of each struct rtnexthop."""
    found: list[tuple[int, IP | None]] = []
    offset = 0
    while offset + RTNEXTHOP.size <= len(data):
        length, _, _, index = RTNEXTHOP.unpack_from(data, offset)
        if length < RTNEXTHOP.size:
            break
        one = attributes(data[offset : offset + length], RTNEXTHOP.size)
        found.append((index, _ip(one.get(RTA_GATEWAY))))
        offset += (length + 3) & ~3
    return tuple(found)


def rule(message: Message) -> Rule:
    """The rule of an RTM_NEWRULE."""
    fields = RULE_HEADER.unpack_from(message.data, HEADER.size)
    family, to_length, from_length, _, table, _, _ = fields
    found = attributes(message.data, HEADER.size + RULE_HEADER.size)
    source, target = found.get(FRA_SRC), found.get(FRA_DST)
    return Rule(
        family,
        _number(found.get(FRA_PRIORITY)),
        _number(found.get(FRA_TABLE), table),
        _number(found.get(FRA_PROTOCOL)),
        _network(source, from_length, family) if source else None,
        _network(target, to_length, family) if target else None,
        _number(found.get(FRA_FWMARK)),
        _number(found.get(FRA_FWMASK)),
        _text(found.get(FRA_IIFNAME)),
        _text(found.get(FRA_OIFNAME)),
        _number(found.get(FRA_L3MDEV)) != 0,
    )


def nexthop(message: Message) -> Nexthop:
    """The nexthop object of an RTM_NEWNEXTHOP."""
    protocol = NHMSG.unpack_from(message.data, HEADER.size)[2]
    found = attributes(message.data, HEADER.size + NHMSG.size)
    return Nexthop(
        _number(found.get(NHA_ID)),
        protocol,
        _number(found.get(NHA_OIF)),
        _ip(found.get(NHA_GATEWAY)),
    )
