"""Puts back keepalived's VIPs, and removes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import takewhile

from netvip.actuators.netlink import NetlinkRequest, NetlinkSender
from netvip.actuators.parts import Parts
from netvip.const import TAG
from netvip.core.model import Address
from netvip.linux import rtnl


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
