"""Puts back keepalived's VIPs, routes and rules, and removes them."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from itertools import takewhile

from netvip.actuators.netlink import NetlinkRequest, NetlinkSender
from netvip.actuators.parts import Parts
from netvip.const import TAG
from netvip.core.actions import PutBackObjects, RemoveObjects
from netvip.core.model import Address
from netvip.linux import objects, rtnl

#: A route whose gateway's subnet, or whose source address, is away: IPv4 answers ENETUNREACH and
#: EINVAL, IPv6 EHOSTUNREACH and EINVAL; ENETDOWN where the interface is down.
AWAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL, errno.ENETDOWN})


def put_back(
    sender: NetlinkSender, addresses: Iterable[Address], wanted: Callable[[], bool]
) -> Parts:
    """Add addresses in this order, with netvip's tag, as long as they are wanted. An address that
    exists is not changed."""
    return sender.do(
        NetlinkRequest(rtnl.set_address(address.tagged(TAG), rtnl.ADD), f"to put back {address}")
        for address in takewhile(lambda _: wanted(), addresses)
    )


def remove(sender: NetlinkSender, addresses: Iterable[Address]) -> Parts:
    """Remove addresses."""
    return sender.do(
        NetlinkRequest(rtnl.delete_address(address), f"to remove {address}")
        for address in addresses
    )


def put_back_objects(
    sender: NetlinkSender, action: PutBackObjects, wanted: Callable[[], bool]
) -> Parts:
    """Add routes and rules in this order, as long as they are wanted. What exists is not
    changed."""
    expected = AWAY if action.may_fail else frozenset[int]()
    return sender.do(
        NetlinkRequest(objects.add(thing), f"to put back {thing}", expected)
        for thing in takewhile(lambda _: wanted(), action.objects)
    )


def remove_objects(sender: NetlinkSender, action: RemoveObjects) -> Parts:
    """Remove routes and rules."""
    return sender.do(
        NetlinkRequest(objects.delete(thing), f"to remove {thing}") for thing in action.objects
    )
