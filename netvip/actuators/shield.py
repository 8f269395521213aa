"""The shield: addresses on lo with a lease, at whose end the kernel removes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
    return Address(
        lo,
        address.ip,
        address.ip.max_prefixlen,
        SCOPE_HOST,
        flags=SHIELD_FLAGS if address.ip.version == 6 else 0,
        valid=LEASE,
        preferred=LEASE,
        proto=TAG,
    )


def up(addresses: Iterable[Address], lo: int) -> Iterator[NetlinkRequest]:
    """Add shields, or renew their leases."""
    for address in addresses:
        data = rtnl.set_address(on_lo(address, lo), rtnl.SET)
        yield NetlinkRequest(data, f"to add the shield of {address.ip}")


def down(addresses: Iterable[Address], lo: int) -> Iterator[NetlinkRequest]:
    """Remove shields."""
    for address in addresses:
        data = rtnl.delete_address(on_lo(address, lo))
        yield NetlinkRequest(data, f"to remove the shield of {address.ip}")
