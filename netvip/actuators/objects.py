"""keepalived's addresses: put back exactly as they were, or taken away again."""

from __future__ import annotations

from collections.abc import Iterable

from netvip.actuators.netlink import NetlinkRequest, NetlinkSender
from netvip.core.model import Address
from netvip.linux import rtnl


def put_back(sender: NetlinkSender, addresses: Iterable[Address]) -> None:
    """Add addresses in this order, in one send; one that is there already is left as it is."""
    sender.do(
        [
            NetlinkRequest(rtnl.set_address(address, rtnl.ADD), f"the put-back of {address}")
            for address in addresses
        ]
    )


def remove(sender: NetlinkSender, addresses: Iterable[Address]) -> None:
    """Remove addresses that netvip had put back."""
    sender.do(
        [
            NetlinkRequest(rtnl.delete_address(address), f"the removal of {address}")
            for address in addresses
        ]
    )
