"""rtnetlink messages to and from the core's values. The only module that knows pyroute2.

Nexthop objects, RTA_NH_ID and IFA_PROTO are unknown to the pyroute2 of Debian 12 and 13, so their
messages are declared here, from linux/nexthop.h, linux/rtnetlink.h and linux/if_addr.h.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from pyroute2.netlink import nlmsg
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg_base

from netvip.core.model import (
    CHOSEN_FLAGS,
    IP,
    SCOPE_LINK,
    Address,
    Link,
    Network,
    Route,
)

NLMSG_ERROR, NLMSG_DONE, NLMSG_OVERRUN = 2, 3, 4
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE = 32, 33, 34
RTM_NEWNEXTHOP, RTM_DELNEXTHOP, RTM_GETNEXTHOP = 104, 105, 106
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
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
NETLINK_ADD_MEMBERSHIP, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 1, 11, 12
SOL_NETLINK = 270

RT_TABLE_DEFAULT, RT_TABLE_MAIN, RT_TABLE_LOCAL = 253, 254, 255
RTN_UNICAST = 1
RTPROT_KERNEL = 2
RTM_F_CLONED = 0x200
RTNH_F_ONLINK = 4
FR_ACT_TO_TBL = 1
FIB_RULE_INVERT = 2
IFF_UP, IFF_LOWER_UP = 0x1, 0x10000
HEADER = struct.Struct("=IHHII")


class AddressMessage(nlmsg):  # type: ignore[misc]
    """struct ifaddrmsg, with IFA_RT_PRIORITY and IFA_PROTO."""

    prefix = "IFA_"
    fields = ifaddrmsg.fields
    nla_map = (
        (1, "IFA_ADDRESS", "ipaddr"),
        (2, "IFA_LOCAL", "ipaddr"),
        (3, "IFA_LABEL", "asciiz"),
        (4, "IFA_BROADCAST", "ipaddr"),
        (6, "IFA_CACHEINFO", "cacheinfo"),
        (8, "IFA_FLAGS", "uint32"),
        (9, "IFA_RT_PRIORITY", "uint32"),
        (11, "IFA_PROTO", "uint8"),
    )
    cacheinfo = ifaddrmsg.cacheinfo


class RouteMessage(rtmsg_base, nlmsg):  # type: ignore[misc]
    """struct rtmsg, with RTA_NH_ID, and without what netvip never reads."""

    prefix = "RTA_"
    nla_map = (
        (1, "RTA_DST", "ipaddr"),
        (4, "RTA_OIF", "uint32"),
        (5, "RTA_GATEWAY", "ipaddr"),
        (6, "RTA_PRIORITY", "uint32"),
        (7, "RTA_PREFSRC", "ipaddr"),
        (9, "RTA_MULTIPATH", "hex"),
        (15, "RTA_TABLE", "uint32"),
        (30, "RTA_NH_ID", "uint32"),
    )


class NexthopMessage(nlmsg):  # type: ignore[misc]
    """struct nhmsg."""

    prefix = "NHA_"
    fields = (("family", "B"), ("scope", "B"), ("protocol", "B"), ("resvd", "B"), ("flags", "I"))
    nla_map = ((1, "NHA_ID", "uint32"), (5, "NHA_OIF", "uint32"), (6, "NHA_GATEWAY", "ipaddr"))


class RuleMessage(fibmsg):  # type: ignore[misc]
    """struct fib_rule_hdr."""


class LinkMessage(nlmsg):  # type: ignore[misc]
    """struct ifinfomsg, and of its attributes what netvip reads."""

    prefix = "IFLA_"
    fields = ifinfmsg.fields
    nla_map = ((1, "IFLA_ADDRESS", "hex"), (3, "IFLA_IFNAME", "asciiz"))


@dataclass(frozen=True, slots=True)
class Rule:
    """A routing rule, as far as netvip reads rules."""

    family: int
    pref: int
    table: int
    source: Network | None
    #: Whether it leads every packet to its table, without a condition.
    unconditional: bool


@dataclass(frozen=True, slots=True)
class Message:
    """A netlink message's header and its undecoded whole."""

    kind: int
    flags: int
    sequence: int
    author: int
    data: bytes


def split(datagram: bytes) -> Iterator[Message]:
    """The messages of a datagram."""
    offset, end = 0, len(datagram)
    while offset + HEADER.size <= end:
        length, kind, flags, sequence, author = HEADER.unpack_from(datagram, offset)
        if length < HEADER.size or offset + length > end:
            return  # cut short
        yield Message(kind, flags, sequence, author, datagram[offset : offset + length])
        offset += (length + 3) & ~3


def error_of(message: Message) -> int:
    """The errno of an NLMSG_ERROR; 0 is an acknowledgement."""
    return -int(struct.unpack_from("=i", message.data, HEADER.size)[0])


# --- decoding -----------------------------------------------------------------------------------


def _decoded(kind: type[Any], message: Message) -> tuple[Any, dict[str, Any]]:
    decoder = kind(message.data)
    decoder.decode()
    return decoder, dict(decoder["attrs"])


def _ip(value: str | None) -> IP | None:
    return ip_address(value) if value else None


def address(message: Message) -> Address | None:
    """The address of an RTM_NEWADDR or RTM_DELADDR."""
    body, attrs = _decoded(AddressMessage, message)
    ip = _ip(attrs.get("IFA_LOCAL") or attrs.get("IFA_ADDRESS"))
    if ip is None:
        return None
    peer, lifetime = _ip(attrs.get("IFA_ADDRESS")), attrs.get("IFA_CACHEINFO", {})
    forever = 0xFFFFFFFF
    return Address(
        body["index"],
        ip,
        body["prefixlen"],
        body["scope"],
        attrs.get("IFA_LABEL", ""),
        peer if peer != ip else None,
        _ip(attrs.get("IFA_BROADCAST")),
        attrs.get("IFA_FLAGS", body["flags"]),
        lifetime.get("ifa_valid", forever),
        lifetime.get("ifa_preferred", forever),
        attrs.get("IFA_RT_PRIORITY", 0),
        attrs.get("IFA_PROTO", 0),
    )


def link(message: Message) -> Link:
    """The interface of an RTM_NEWLINK."""
    body, attrs = _decoded(LinkMessage, message)
    mac = bytes.fromhex(attrs.get("IFLA_ADDRESS", "").replace(":", ""))
    carrier = body["flags"] & (IFF_UP | IFF_LOWER_UP) == IFF_UP | IFF_LOWER_UP
    return Link(body["index"], attrs.get("IFLA_IFNAME", ""), mac, carrier)


def ifindex(message: Message) -> int:
    """The interface number of a link message."""
    return int(struct.unpack_from("=i", message.data, HEADER.size + 4)[0])


def route_table(message: Message) -> int:
    """The table of a route message without decoding it, where the number fits a byte."""
    return message.data[HEADER.size + 4]


def route(message: Message) -> Route | None:
    """A unicast route of the main table through one interface; None for all others."""
    body, attrs = _decoded(RouteMessage, message)
    oif = attrs.get("RTA_OIF")
    if body["type"] != RTN_UNICAST or body["flags"] & RTM_F_CLONED or oif is None:
        return None
    if attrs.get("RTA_TABLE", body["table"]) != RT_TABLE_MAIN or "RTA_MULTIPATH" in attrs:
        return None
    anywhere = "0.0.0.0" if body["family"] == socket.AF_INET else "::"
    destination = ip_network(f"{attrs.get('RTA_DST', anywhere)}/{body['dst_len']}", strict=False)
    return Route(
        oif,
        destination,
        _ip(attrs.get("RTA_GATEWAY")),
        _ip(attrs.get("RTA_PREFSRC")),
        attrs.get("RTA_PRIORITY", 0),
        body["proto"],
    )


def table_of(message: Message) -> int:
    """The table of any route."""
    body, attrs = _decoded(RouteMessage, message)
    return int(attrs.get("RTA_TABLE", body["table"]))


def nexthop_id(message: Message) -> int:
    """The number of a nexthop object."""
    return int(_decoded(NexthopMessage, message)[1].get("NHA_ID", 0))


_CONDITIONS = frozenset(
    [
        "FRA_DST",
        "FRA_SRC",
        "FRA_IIFNAME",
        "FRA_OIFNAME",
        "FRA_FWMARK",
        "FRA_TUN_ID",
        "FRA_UID_RANGE",
        "FRA_IP_PROTO",
        "FRA_SPORT_RANGE",
        "FRA_DPORT_RANGE",
        "FRA_L3MDEV",
        "FRA_GOTO",
    ]
)


def rule(message: Message) -> Rule:
    """A routing rule."""
    body, attrs = _decoded(RuleMessage, message)
    source = attrs.get("FRA_SRC")
    conditional = bool(_CONDITIONS & attrs.keys()) or body["flags"] & FIB_RULE_INVERT
    conditional = conditional or body["action"] != FR_ACT_TO_TBL or body["tos"]
    conditional = conditional or attrs.get("FRA_SUPPRESS_PREFIXLEN", 0xFFFFFFFF) != 0xFFFFFFFF
    return Rule(
        body["family"],
        attrs.get("FRA_PRIORITY", 0),
        attrs.get("FRA_TABLE", body["table"]),
        ip_network(f"{source}/{body['src_len']}", strict=False) if source else None,
        not conditional,
    )


# --- encoding -----------------------------------------------------------------------------------


def _encoded(message: Any, kind: int, flags: int, attrs: list[tuple[str, Any]]) -> bytes:
    message["attrs"] = [(name, value) for name, value in attrs if value is not None]
    message["header"]["type"] = kind
    message["header"]["flags"] = NLM_F_REQUEST | NLM_F_ACK | flags
    message.encode()
    return bytes(message.data)


def _text(ip: IP | None) -> str | None:
    return None if ip is None else str(ip)


def _family(ip: IP) -> int:
    return socket.AF_INET if ip.version == 4 else socket.AF_INET6


def set_address(address: Address, flags: int) -> bytes:
    """RTM_NEWADDR that gives an address all its attributes."""
    return _address(RTM_NEWADDR, flags, address)


def delete_address(address: Address) -> bytes:
    """RTM_DELADDR of exactly this address."""
    return _address(RTM_DELADDR, 0, address)


def _address(kind: int, flags: int, address: Address) -> bytes:
    message = AddressMessage()
    message["family"], message["index"] = _family(address.ip), address.ifindex
    message["prefixlen"], message["scope"] = address.prefixlen, address.scope
    chosen = address.flags & CHOSEN_FLAGS
    lifetime = {"ifa_preferred": address.preferred, "ifa_valid": address.valid}
    attrs = [
        ("IFA_LOCAL", str(address.ip)),
        ("IFA_ADDRESS", str(address.peer or address.ip)),
        ("IFA_BROADCAST", _text(address.broadcast)),
        ("IFA_LABEL", address.label or None),
        ("IFA_FLAGS", chosen),
        ("IFA_RT_PRIORITY", address.metric or None),
        ("IFA_CACHEINFO", lifetime),
        ("IFA_PROTO", address.proto or None),
    ]
    return _encoded(message, kind, flags, attrs)


def add_nexthop(number: int, family: int, oif: int, gateway: IP | None) -> bytes:
    """RTM_NEWNEXTHOP: a way out that needs no address on the interface (onlink)."""
    message = NexthopMessage()
    message["family"], message["protocol"] = family, RTPROT_KERNEL
    message["flags"] = RTNH_F_ONLINK if gateway is not None else 0
    attrs = [("NHA_ID", number), ("NHA_OIF", oif), ("NHA_GATEWAY", _text(gateway))]
    return _encoded(message, RTM_NEWNEXTHOP, ADD, attrs)


def delete_nexthop(number: int) -> bytes:
    """RTM_DELNEXTHOP; the routes that use it go with it."""
    return _encoded(NexthopMessage(), RTM_DELNEXTHOP, 0, [("NHA_ID", number)])


def add_route(route: Route, table: int, nexthop: int, source: IP | None) -> bytes:
    """RTM_NEWROUTE over a nexthop object, in a table of our own."""
    message = RouteMessage()
    message["family"] = _family(route.destination.network_address)
    message["dst_len"], message["type"] = route.destination.prefixlen, RTN_UNICAST
    message["proto"] = RTPROT_KERNEL
    message["scope"] = SCOPE_LINK if route.gateway is None and message["family"] == 2 else 0
    attrs = [
        ("RTA_DST", str(route.destination.network_address) if message["dst_len"] else None),
        ("RTA_PREFSRC", _text(source)),
        ("RTA_PRIORITY", route.metric or None),
        ("RTA_TABLE", table),
        ("RTA_NH_ID", nexthop),
    ]
    return _encoded(message, RTM_NEWROUTE, ADD, attrs)


def set_rule(
    kind: int,
    family: int,
    pref: int,
    table: int,
    source: IP | None = None,
    suppress_default: bool = False,
) -> bytes:
    """RTM_NEWRULE or RTM_DELRULE of one of our rules, all of it named, so no other ever matches."""
    message = RuleMessage()
    message["family"], message["action"] = family, FR_ACT_TO_TBL
    message["src_len"] = source.max_prefixlen if source else 0
    message["table"] = table if table < 256 else 0
    attrs = [
        ("FRA_SRC", _text(source)),
        ("FRA_PRIORITY", pref),
        ("FRA_TABLE", table),
        ("FRA_PROTOCOL", RTPROT_KERNEL),
        ("FRA_SUPPRESS_PREFIXLEN", 0 if suppress_default else None),
    ]
    return _encoded(message, kind, ADD if kind == RTM_NEWRULE else 0, attrs)


def dump_request(kind: int, family: int = 0) -> bytes:
    """A request for all objects of a kind (RTM_GET...)."""
    if kind == RTM_GETNEXTHOP:
        body = struct.pack("=BBBBI", family, 0, 0, 0, 0)
    elif kind == RTM_GETLINK:
        body = struct.pack("=BxHiII", family, 0, 0, 0, 0)
    elif kind == RTM_GETADDR:
        body = struct.pack("=BBBBI", family, 0, 0, 0, 0)
    else:
        body = struct.pack("=BBBBBBBBI", family, 0, 0, 0, 0, 0, 0, 0, 0)
    flags = NLM_F_REQUEST | NLM_F_DUMP
    return HEADER.pack(HEADER.size + len(body), kind, flags, 1, 0) + body


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
