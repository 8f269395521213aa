"""Routes and rules of keepalived's in rtnetlink's messages (rtnetlink(7)): decoded as far as they
are told by, and encoded from the kernel's own bytes, so that they come back as they were."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from ipaddress import ip_network

from netvip.core import ip as ips
from netvip.core.model import AF_INET, AF_INET6, IP, Network
from netvip.core.objects import (
    KEEPALIVED,
    TO_TABLE,
    UNMARKED,
    WHOLE_MARK,
    KernelObject,
    RouteIdentity,
    RuleIdentity,
)
from netvip.linux.netlink_messages import (
    ATTRIBUTE,
    HEADER,
    NLA_TYPE_MASK,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REQUEST,
    Message,
    attributes,
)

RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWRULE, RTM_DELRULE = 32, 33
ROUTES, RULES = (RTM_NEWROUTE, RTM_DELROUTE), (RTM_NEWRULE, RTM_DELRULE)

RT_TABLE_LOCAL = 255
#: struct rtmsg, and struct fib_rule_hdr, which has the action where rtmsg has the type.
BODY = struct.Struct("=BBBBBBBBI")
RTNEXTHOP = struct.Struct("=HBBi")
#: linux/rtnetlink.h. Of the flags of a route and of its nexthops all but onlink and pervasive are
#: the kernel's findings (dead, linkdown, offload, unresolved, trap; cloned and the other RTM_F_).
RTNH_CHOSEN = 2 | 4
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_MULTIPATH = 1, 4, 5, 6, 9
RTA_CACHEINFO, RTA_TABLE, RTA_VIA, RTA_PAD = 12, 15, 18, 19
#: What the kernel reports of a route and does not take: its age and use, and padding.
NOT_TAKEN = frozenset({RTA_CACHEINFO, RTA_PAD})
#: linux/fib_rules.h. FIB_RULE_UNRESOLVED, and the interface's name that is not there now
#: (IIF_DETACHED, OIF_DETACHED), are the kernel's findings.
FIB_RULE_INVERT, FIB_RULE_CHOSEN = 2, 1 | 2
FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_PRIORITY, FRA_FWMARK = 1, 2, 3, 6, 10
FRA_TABLE, FRA_FWMASK, FRA_OIFNAME, FRA_PROTOCOL = 15, 16, 17, 21

#: Where the protocol stands in a route's message.
PROTOCOL_AT = HEADER.size + 5


def may_be_keepalived_s(message: Message) -> bool:
    """Whether this is a route or a rule that keepalived may have added; told from few bytes, as a
    router's table is large."""
    if message.kind in ROUTES:
        return message.data[PROTOCOL_AT] == KEEPALIVED
    return message.kind in RULES


def decode(message: Message) -> KernelObject | None:
    """The object of a notification or of a dump; None for what is not of keepalived's kind."""
    if not may_be_keepalived_s(message):
        return None
    return _decode(message.kind, message.data[HEADER.size :])


def restored(kind: str, body: bytes) -> KernelObject:
    """An object from its body; kind is route or rule. Raises ValueError where it is none."""
    try:
        found = _decode(RTM_NEWROUTE if kind == "route" else RTM_NEWRULE, body)
    except (struct.error, IndexError) as problem:
        raise ValueError(f"not a {kind}: {problem}") from problem
    if found is None:
        raise ValueError(f"not a {kind} of keepalived's")
    return found


def kind(thing: KernelObject) -> str:
    """route or rule."""
    return "route" if isinstance(thing.identity, RouteIdentity) else "rule"


def add(thing: KernelObject) -> bytes:
    """RTM_NEWROUTE or RTM_NEWRULE that adds it where it is missing, and changes nothing else.

    Of IPv4 routes several may differ in their gateways alone: as keepalived does, this adds one in
    front of the others. Without NLM_F_EXCL IPv6 would make one route with several nexthops of them,
    and would add a rule a second time.
    """
    if not isinstance(thing.identity, RouteIdentity):
        return _message(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, thing.body)
    is_ipv4 = thing.identity.destination.version == 4
    flags = NLM_F_CREATE if is_ipv4 else NLM_F_CREATE | NLM_F_EXCL
    return _message(RTM_NEWROUTE, flags, thing.body)


def delete(thing: KernelObject) -> bytes:
    """RTM_DELROUTE or RTM_DELRULE of exactly this object."""
    number = RTM_DELROUTE if isinstance(thing.identity, RouteIdentity) else RTM_DELRULE
    return _message(number, 0, thing.body)


def dump_request(family: int) -> bytes:
    """A request for a family's routes that have keepalived's protocol. On a socket with
    NETLINK_GET_STRICT_CHK the kernel leaves out the others, of which a router has very many."""
    body = BODY.pack(family, 0, 0, 0, 0, KEEPALIVED, 0, 0, 0)
    flags = NLM_F_REQUEST | NLM_F_DUMP
    return HEADER.pack(HEADER.size + len(body), RTM_GETROUTE, flags, 1, 0) + body


def _message(number: int, flags: int, body: bytes) -> bytes:
    flags |= NLM_F_REQUEST | NLM_F_ACK
    return HEADER.pack(HEADER.size + len(body), number, flags, 0, 0) + body


def _decode(number: int, data: bytes) -> KernelObject | None:
    if len(data) < BODY.size or data[0] not in (AF_INET, AF_INET6):
        return None
    return _route(data) if number in ROUTES else _rule(data)


# --- routes ---------------------------------------------------------------------------------------


def _route(data: bytes) -> KernelObject | None:
    fields = BODY.unpack_from(data)
    family, length, _, tos, short, protocol, _, type_, flags = fields
    found = attributes(data, BODY.size)
    table = _number(found.get(RTA_TABLE), short)  # the byte has no room for a number over 255
    if table == RT_TABLE_LOCAL or protocol != KEEPALIVED:
        return None
    hops = list(_hops(found[RTA_MULTIPATH])) if RTA_MULTIPATH in found else []
    body = BODY.pack(*fields[:-1], flags & RTNH_CHOSEN)
    for number, value in _each(data, BODY.size):
        if number & NLA_TYPE_MASK == RTA_MULTIPATH:
            body += _attribute(number, b"".join(hop for hop, _, _ in hops))
        elif number & NLA_TYPE_MASK not in NOT_TAKEN:
            body += _attribute(number, value)
    ways = [_way(found), *(way for _, way, _ in hops)]
    devices = {_number(found.get(RTA_OIF)), *(device for _, _, device in hops)} - {0}
    identity = RouteIdentity(
        _network(found.get(RTA_DST), length, family),
        table,
        _number(found.get(RTA_PRIORITY)),
        tos,
        type_,
        protocol,
        frozenset(way for way in ways if way is not None),
    )
    return KernelObject(identity, body, frozenset(devices))


def _hops(value: bytes) -> Iterator[tuple[bytes, IP | None, int]]:
    """Of each nexthop its bytes without the kernel's findings, its gateway and its interface."""
    offset = 0
    while offset + RTNEXTHOP.size <= len(value):
        length, flags, weight, ifindex = RTNEXTHOP.unpack_from(value, offset)
        if length < RTNEXTHOP.size or offset + length > len(value):
            return
        rest = value[offset + RTNEXTHOP.size : offset + length]
        hop = RTNEXTHOP.pack(length, flags & RTNH_CHOSEN, weight, ifindex) + rest
        yield hop + bytes(-length % 4), _way(attributes(rest, 0)), ifindex
        offset += (length + 3) & ~3


def _way(found: dict[int, bytes]) -> IP | None:
    if RTA_GATEWAY in found:
        return ips.address(found[RTA_GATEWAY])
    # struct rtvia: a gateway of the other family.
    return ips.address(found[RTA_VIA][2:]) if RTA_VIA in found else None


# --- rules ----------------------------------------------------------------------------------------


def _rule(data: bytes) -> KernelObject | None:
    fields = BODY.unpack_from(data)
    family, to_length, from_length, tos, table, _, _, action, flags = fields
    found = attributes(data, BODY.size)
    protocol = _number(found.get(FRA_PROTOCOL))
    if protocol not in (KEEPALIVED, UNMARKED):
        return None
    header = (family, to_length, from_length, tos, table, 0, 0, action)
    body = BODY.pack(*header, flags & FIB_RULE_CHOSEN) + data[BODY.size :]
    mark = None
    if FRA_FWMARK in found:
        mark = (_number(found[FRA_FWMARK]), _number(found.get(FRA_FWMASK), WHOLE_MARK))
    identity = RuleIdentity(
        4 if family == AF_INET else 6,
        _number(found.get(FRA_PRIORITY)),
        _number(found.get(FRA_TABLE), table) if action == TO_TABLE else 0,
        _network(found[FRA_SRC], from_length, family) if FRA_SRC in found else None,
        _network(found[FRA_DST], to_length, family) if FRA_DST in found else None,
        _name(found.get(FRA_IIFNAME, b"")),
        _name(found.get(FRA_OIFNAME, b"")),
        mark,
        tos,
        action,
        bool(flags & FIB_RULE_INVERT),
        protocol,
    )
    return KernelObject(identity, body)


# --- attributes -----------------------------------------------------------------------------------


def _each(data: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    """The attributes in their order, their types as they stand there."""
    while offset + ATTRIBUTE.size <= len(data):
        length, number = ATTRIBUTE.unpack_from(data, offset)
        if length < ATTRIBUTE.size or offset + length > len(data):
            return
        yield number, data[offset + ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3


def _attribute(number: int, value: bytes) -> bytes:
    length = ATTRIBUTE.size + len(value)
    return ATTRIBUTE.pack(length, number) + value + bytes(-length % 4)


def _number(value: bytes | None, default: int = 0) -> int:
    return default if value is None else int.from_bytes(value, sys.byteorder)


def _name(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="surrogateescape")


def _network(value: bytes | None, length: int, family: int) -> Network:
    packed = value or bytes(4 if family == AF_INET else 16)
    return ip_network((packed, length), strict=False)
