"""Encodes routes and nexthop objects for rtnetlink, with pyroute2 (rtnetlink(7)).

It takes 100 us for a message, and 200 ms to be imported (fact start-up-cost): so it is imported
when keepalived runs. No other module imports pyroute2. Nexthop objects and RTA_NH_ID are unknown to
the pyroute2 of Debian 12 and 13, so their messages are declared here, from linux/nexthop.h and
linux/rtnetlink.h.
"""

from __future__ import annotations

from typing import Any

from pyroute2.netlink import nlmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg_base

from netvip.core.model import IP, SCOPE_LINK, Route, family_of
from netvip.linux.netlink_messages import NLM_F_ACK, NLM_F_REQUEST
from netvip.linux.rtnl import (
    ADD,
    RTM_NEWNEXTHOP,
    RTM_NEWROUTE,
    RTN_UNICAST,
    RTNH_F_ONLINK,
    RTPROT_KERNEL,
)


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


def _encoded(message: Any, kind: int, flags: int, attrs: list[tuple[str, Any]]) -> bytes:
    message["attrs"] = [(name, value) for name, value in attrs if value is not None]
    message["header"]["type"] = kind
    message["header"]["flags"] = NLM_F_REQUEST | NLM_F_ACK | flags
    message.encode()
    return bytes(message.data)


def _text(ip: IP | None) -> str | None:
    return None if ip is None else str(ip)


def add_nexthop(number: int, family: int, oif: int, gateway: IP | None) -> bytes:
    """RTM_NEWNEXTHOP: a way out that needs no address on the interface (onlink)."""
    message = NexthopMessage()
    message["family"], message["protocol"] = family, RTPROT_KERNEL
    message["flags"] = RTNH_F_ONLINK if gateway is not None else 0
    attrs = [("NHA_ID", number), ("NHA_OIF", oif), ("NHA_GATEWAY", _text(gateway))]
    return _encoded(message, RTM_NEWNEXTHOP, ADD, attrs)


def add_route(route: Route, table: int, nexthop: int, source: IP | None) -> bytes:
    """RTM_NEWROUTE over a nexthop object, in a table of our own."""
    message = RouteMessage()
    message["family"] = family_of(route.destination.network_address)
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
