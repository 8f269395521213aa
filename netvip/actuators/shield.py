"""The shield: addresses on lo with a lease, at whose end the kernel removes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netvip.actuators.netlink import NetlinkRequest
from netvip.const import LEASE, TAG
from netvip.core.model import IFA_F_NODAD, IFA_F_NOPREFIXROUTE, SCOPE_HOST, Address
from netvip.linux import rtnl

#: For IPv6. Without duplicate address detection the address is usable at once: with it (RFC 4862
#: 5.4) after a second. It has no prefix route, because the kernel keeps that of an address with a
#: lifetime until the lifetime ends, even if the address is removed.
SHIELD_FLAGS = IFA_F_NODAD | IFA_F_NOPREFIXROUTE


def on_lo(address: Address, lo: int) -> Address:
    """The address that shields `address`, on lo (interface number `lo`)."""
    return replace(
        address,
        ifindex=lo,
        prefixlen=address.ip.max_prefixlen,
        scope=SCOPE_HOST,
        label="",
        peer=None,
        broadcast=None,
        flags=SHIELD_FLAGS if address.ip.version == 6 else 0,
        valid=LEASE,
        preferred=LEASE,
        metric=0,
        proto=TAG,
    )


def up(addresses: Iterable[Address], lo: int) -> list[NetlinkRequest]:
    """Add shields, or renew their leases."""
    return [
        NetlinkRequest(
            rtnl.set_address(on_lo(address, lo), rtnl.SET), f"to add the shield of {address.ip}"
        )
        for address in addresses
    ]


def down(addresses: Iterable[Address], lo: int) -> list[NetlinkRequest]:
    """Remove shields."""
    return [
        NetlinkRequest(
            rtnl.delete_address(on_lo(address, lo)), f"to remove the shield of {address.ip}"
        )
        for address in addresses
    ]
