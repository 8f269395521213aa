"""The leased shield: addresses on lo that the kernel itself ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netvip.actuators.netlink import NetlinkRequest
from netvip.const import LEASE, TAG
from netvip.core.model import IFA_F_NODAD, IFA_F_NOPREFIXROUTE, SCOPE_HOST, Address
from netvip.linux import rtnl

#: IPv6: usable at once (RFC 4862 5.4 would take a second), and without a prefix route, which the
#: kernel leaves behind until the lease's end when an address with a lifetime is removed.
SHIELD_FLAGS = IFA_F_NODAD | IFA_F_NOPREFIXROUTE


def on_lo(address: Address, lo: int) -> Address:
    """The shield of an address."""
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
    """Put shields up, or renew their leases."""
    return [
        NetlinkRequest(
            rtnl.set_address(on_lo(address, lo), rtnl.SET), f"the shield of {address.ip}"
        )
        for address in addresses
    ]


def down(addresses: Iterable[Address], lo: int) -> list[NetlinkRequest]:
    """Take shields down."""
    return [
        NetlinkRequest(
            rtnl.delete_address(on_lo(address, lo)), f"the removal of {address.ip}'s shield"
        )
        for address in addresses
    ]
