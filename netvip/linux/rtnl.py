"""Converts rtnetlink messages to the core's values and back (rtnetlink(7)).

It decodes with struct alone: netvip reacts to a deletion only after it has decoded it. Addresses
and rules, of which a host with a thousand VIPs has thousands, are encoded with struct as well;
nexthops and routes in route_messages.py.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from dataclasses import dataclass
from ipaddress import ip_network

from netvip.core import ip as ips
from netvip.core.model import (
    AF_INET,
    CHOSEN_FLAGS,
    FOREVER,
    IP,
    TABLE_MAIN,
    Address,
    Link,
    Network,
    Route,
    family_of,
)
from netvip.linux.netlink_messages import (
    HEADER,
    IFA_ADDRESS,
    IFA_LOCAL,
    IFADDRMSG,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    NLM_F_REQUEST,
    Message,
    attributes,
)

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE = 32, 33, 34
RTM_NEWNEXTHOP, RTM_DELNEXTHOP, RTM_GETNEXTHOP = 104, 105, 106
ADD = NLM_F_CREATE | NLM_F_EXCL
SET = NLM_F_CREATE | NLM_F_REPLACE

#: linux/rtnetlink.h: multicast groups.
GROUP_LINK, GROUP_IPV4_IFADDR, GROUP_IPV4_ROUTE, GROUP_IPV4_RULE = 1, 5, 7, 8
GROUP_IPV6_IFADDR, GROUP_IPV6_ROUTE, GROUP_IPV6_RULE = 9, 11, 19
GROUPS = (
    GROUP_LINK,
    GROUP_IPV4_IFADDR,
    GROUP_IPV4_ROUTE,
    GROUP_IPV4_RULE,
    GROUP_IPV6_IFADDR,
    GROUP_IPV6_ROUTE,
    GROUP_IPV6_RULE,
)

RT_TABLE_MAIN, RT_TABLE_LOCAL = TABLE_MAIN, 255
RTN_UNICAST = 1
RTPROT_KERNEL = 2
RTM_F_CLONED = 0x200
RTNH_F_ONLINK = 4
FR_ACT_TO_TBL = 1
FIB_RULE_INVERT = 2
#: FRA_SUPPRESS_PREFIXLEN is -1 where no prefix is suppressed.
UNSUPPRESSED = 0xFFFFFFFF
IFF_UP, IFF_LOWER_UP = 0x1, 0x10000

#: linux/if_addr.h
IFA_LABEL, IFA_BROADCAST, IFA_CACHEINFO, IFA_FLAGS, IFA_RT_PRIORITY, IFA_PROTO = 3, 4, 6, 8, 9, 11
#: linux/if_link.h
IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINK, IFLA_MASTER, IFLA_LINKINFO = 1, 3, 5, 10, 18
IFLA_LINK_NETNSID, IFLA_INFO_KIND = 37, 1
#: linux/rtnetlink.h
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC = 1, 4, 5, 6, 7
RTA_MULTIPATH, RTA_TABLE, RTA_VIA, RTA_ENCAP, RTA_NH_ID = 9, 15, 18, 22, 30
#: linux/nexthop.h
NHA_ID, NHA_OIF, NHA_GATEWAY = 1, 5, 6
#: linux/fib_rules.h
FRA_SRC, FRA_IIFNAME, FRA_PRIORITY, FRA_FLOW = 2, 3, 6, 11
FRA_SUPPRESS_PREFIXLEN, FRA_TABLE = 14, 15
FRA_PAD, FRA_PROTOCOL = 18, 21

#: struct ifa_cacheinfo, ifinfomsg, rtmsg, nhmsg and fib_rule_hdr.
CACHEINFO = struct.Struct("=IIII")
ATTRIBUTE, U32 = struct.Struct("=HH"), struct.Struct("=I")
IFINFOMSG = struct.Struct("=BxHiII")
RTMSG = struct.Struct("=BBBBBBBBI")
NHMSG = struct.Struct("=BBBBI")
RULE_HEADER = struct.Struct("=BBBBBxxBI")


@dataclass(frozen=True, slots=True)
class Rule:
    """A routing rule, as far as netvip reads rules."""

    family: int
    pref: int
    table: int
    source: Network | None
    #: Whether it leads every packet to its table, without a condition.
    unconditional: bool
    #: Whether it leads packets to its table by their source alone, or without a condition.
    by_source: bool


# --- decoding -----------------------------------------------------------------------------------


def _ip(value: bytes | None) -> IP | None:
    return ips.address(value) if value else None


def _number(value: bytes | None, default: int = 0) -> int:
    """An unsigned number in the byte order of the host, of any size."""
    return default if value is None else int.from_bytes(value, sys.byteorder)


def _name(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="surrogateescape")


def address(message: Message) -> Address | None:
    """The address of an RTM_NEWADDR or RTM_DELADDR; None if the message has none."""
    _, prefixlen, flags, scope, index = IFADDRMSG.unpack_from(message.data, HEADER.size)
    attrs = attributes(message.data, HEADER.size + IFADDRMSG.size)
    peer = _ip(attrs.get(IFA_ADDRESS))
    ip = _ip(attrs.get(IFA_LOCAL)) or peer
    if ip is None:
        return None
    preferred, valid = FOREVER, FOREVER
    if (lifetimes := attrs.get(IFA_CACHEINFO)) is not None:
        preferred, valid, _, _ = CACHEINFO.unpack_from(lifetimes)
    return Address(
        index,
        ip,
        prefixlen,
        scope,
        _name(attrs.get(IFA_LABEL, b"")),
        peer if peer != ip else None,
        _ip(attrs.get(IFA_BROADCAST)),
        _number(attrs.get(IFA_FLAGS), flags),
        valid,
        preferred,
        _number(attrs.get(IFA_RT_PRIORITY)),
        _number(attrs.get(IFA_PROTO)),
    )


def link(message: Message) -> Link:
    """The interface of an RTM_NEWLINK."""
    _, _, index, flags, _ = IFINFOMSG.unpack_from(message.data, HEADER.size)
    attrs = attributes(message.data, HEADER.size + IFINFOMSG.size)
    carrier = flags & (IFF_UP | IFF_LOWER_UP) == IFF_UP | IFF_LOWER_UP
    kind = attributes(attrs.get(IFLA_LINKINFO, b""), 0).get(IFLA_INFO_KIND, b"")
    # In another network namespace its number means nothing here.
    lower = 0 if IFLA_LINK_NETNSID in attrs else _number(attrs.get(IFLA_LINK))
    return Link(
        index,
        _name(attrs.get(IFLA_IFNAME, b"")),
        attrs.get(IFLA_ADDRESS, b""),
        carrier,
        _name(kind),
        lower,
        _number(attrs.get(IFLA_MASTER)),
    )


def ifindex(message: Message) -> int:
    """The interface number of a link message."""
    return int(IFINFOMSG.unpack_from(message.data, HEADER.size)[2])


def route(message: Message) -> Route | None:
    """A unicast route through one interface; None for all others, and for one that a bridge would
    lead elsewhere: its gateway has the other version of IP (RTA_VIA), or its packets are wrapped
    (RTA_ENCAP)."""
    fields = RTMSG.unpack_from(message.data, HEADER.size)
    family, prefixlen, _, _, table, protocol, _, kind, flags = fields
    attrs = attributes(message.data, HEADER.size + RTMSG.size)
    if kind != RTN_UNICAST or flags & RTM_F_CLONED or RTA_OIF not in attrs:
        return None
    if attrs.keys() & {RTA_MULTIPATH, RTA_VIA, RTA_ENCAP}:
        return None
    destination = attrs.get(RTA_DST, bytes(4 if family == AF_INET else 16))
    return Route(
        _number(attrs[RTA_OIF]),
        ip_network((destination, prefixlen), strict=False),
        _ip(attrs.get(RTA_GATEWAY)),
        _ip(attrs.get(RTA_PREFSRC)),
        _number(attrs.get(RTA_PRIORITY)),
        protocol,
        _number(attrs.get(RTA_TABLE), table),
    )


def nexthop_id(message: Message) -> int:
    """The number of a nexthop object."""
    return _number(attributes(message.data, HEADER.size + NHMSG.size).get(NHA_ID))


#: Attributes of a rule that are no condition. All others are one, also those of later kernels.
_NO_CONDITION = frozenset(
    [FRA_SRC, FRA_PRIORITY, FRA_FLOW, FRA_SUPPRESS_PREFIXLEN, FRA_TABLE, FRA_PAD, FRA_PROTOCOL]
)


def rule(message: Message) -> Rule:
    """A routing rule."""
    fields = RULE_HEADER.unpack_from(message.data, HEADER.size)
    family, _, source_length, tos, table, action, flags = fields
    attrs = attributes(message.data, HEADER.size + RULE_HEADER.size)
    by_source = (
        attrs.keys() <= _NO_CONDITION
        and not flags & FIB_RULE_INVERT
        and action == FR_ACT_TO_TBL
        and not tos
        and _number(attrs.get(FRA_SUPPRESS_PREFIXLEN), UNSUPPRESSED) == UNSUPPRESSED
    )
    source = attrs.get(FRA_SRC)
    return Rule(
        family,
        _number(attrs.get(FRA_PRIORITY)),
        _number(attrs.get(FRA_TABLE), table),
        ip_network((source, source_length), strict=False) if source else None,
        by_source and source is None,
        by_source,
    )


# --- encoding -----------------------------------------------------------------------------------


def set_address(address: Address, flags: int) -> bytes:
    """RTM_NEWADDR that gives an address all its attributes."""
    return _address(RTM_NEWADDR, flags, address)


def delete_address(address: Address) -> bytes:
    """RTM_DELADDR of exactly this address."""
    return _address(RTM_DELADDR, 0, address)


def _address(kind: int, flags: int, address: Address) -> bytes:
    packed = address.ip.packed
    body = IFADDRMSG.pack(
        family_of(address.ip), address.prefixlen, 0, address.scope, address.ifindex
    )
    attrs = [
        body,
        _attribute(IFA_LOCAL, packed),
        _attribute(IFA_ADDRESS, address.peer.packed if address.peer else packed),
        _attribute(IFA_BROADCAST, address.broadcast.packed) if address.broadcast else b"",
        _attribute(IFA_LABEL, address.label.encode(errors="surrogateescape") + b"\0")
        if address.label
        else b"",
        _attribute(IFA_FLAGS, U32.pack(address.flags & CHOSEN_FLAGS)),
        _attribute(IFA_RT_PRIORITY, U32.pack(address.metric)) if address.metric else b"",
        _attribute(IFA_CACHEINFO, CACHEINFO.pack(address.preferred, address.valid, 0, 0)),
        _attribute(IFA_PROTO, bytes([address.proto])) if address.proto else b"",
    ]
    return _message(kind, flags, b"".join(attrs))


def _attribute(kind: int, value: bytes) -> bytes:
    length = ATTRIBUTE.size + len(value)
    return ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def _message(kind: int, flags: int, body: bytes) -> bytes:
    flags |= NLM_F_REQUEST | NLM_F_ACK
    return HEADER.pack(HEADER.size + len(body), kind, flags, 0, 0) + body


def delete_nexthop(number: int) -> bytes:
    """RTM_DELNEXTHOP; the routes that use it go with it."""
    body = NHMSG.pack(0, 0, 0, 0, 0) + _attribute(NHA_ID, U32.pack(number))
    return _message(RTM_DELNEXTHOP, 0, body)


def set_rule(
    kind: int,
    family: int,
    pref: int,
    table: int,
    source: Network | None = None,
    suppress: int | None = None,
    only_sent: bool = False,
) -> bytes:
    """RTM_NEWRULE or RTM_DELRULE of one of our rules, all of it named, so no other ever matches. A
    route that is no longer than `suppress` bits does not count. `only_sent`: for packets that the
    host itself sends, not for those that it forwards."""
    length = source.prefixlen if source else 0
    header = (family, 0, length, 0, table if table < 256 else 0, FR_ACT_TO_TBL, 0)
    attrs = [
        RULE_HEADER.pack(*header),
        _attribute(FRA_SRC, source.network_address.packed) if source else b"",
        _attribute(FRA_IIFNAME, b"lo\0") if only_sent else b"",
        _attribute(FRA_PRIORITY, U32.pack(pref)),
        _attribute(FRA_TABLE, U32.pack(table)),
        _attribute(FRA_PROTOCOL, bytes([RTPROT_KERNEL])),
        b"" if suppress is None else _attribute(FRA_SUPPRESS_PREFIXLEN, U32.pack(suppress)),
    ]
    return _message(kind, ADD if kind == RTM_NEWRULE else 0, b"".join(attrs))


def dump_request(kind: int) -> bytes:
    """A request for all objects of a kind (RTM_GET...)."""
    layouts = {RTM_GETNEXTHOP: NHMSG, RTM_GETLINK: IFINFOMSG, RTM_GETADDR: IFADDRMSG}
    body = bytes(layouts.get(kind, RTMSG).size)
    return HEADER.pack(HEADER.size + len(body), kind, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + body


def number(messages: list[bytes], first: int) -> bytes:
    """One send of several messages, numbered from `first`, so that each answer can be told."""
    sent = bytearray()
    for offset, message in enumerate(messages):
        numbered = bytearray(message)
        struct.pack_into("=I", numbered, 8, (first + offset) & 0xFFFFFFFF)
        struct.pack_into("=I", numbered, 0, len(numbered))
        sent += numbered + bytes(-len(numbered) % 4)
    return bytes(sent)


def why(code: int) -> str:
    """An errno in words."""
    return f"{os.strerror(code)} ({errno.errorcode.get(code, code)})"
