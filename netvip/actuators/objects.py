"""Puts back keepalived's VIPs, and removes them."""

from __future__ import annotations

from collections.abc import Iterable

from netvip.actuators.netlink import NetlinkRequest, NetlinkSender
from netvip.core.model import Address
from netvip.linux import rtnl


def put_back(sender: NetlinkSender, addresses: Iterable[Address]) -> None:
    """Add addresses in this order, in one send. An address that exists is not changed."""
    sender.do(
        [
            NetlinkRequest(rtnl.set_address(address, rtnl.ADD), f"to put back {address}")
            for address in addresses
        ]
    )


def remove(sender: NetlinkSender, addresses: Iterable[Address]) -> None:
    """Remove addresses, in one send."""
    sender.do(
        [
            NetlinkRequest(rtnl.delete_address(address), f"to remove {address}")
            for address in addresses
        ]
    )
