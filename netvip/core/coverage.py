"""Which instances netvip can protect: one table of conditions that it cannot.

An instance that netvip cannot protect is left to keepalived alone, untouched and unchecked, and
status says why: so it is never worse than without netvip (Law 12).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from netvip.core.mirror import Mirror
from netvip.core.model import InstanceSpec, Link


def _missing_interface(spec: InstanceSpec, mirror: Mirror) -> str:
    # While one of several exists, netvip protects the VIPs on it.
    names = dict.fromkeys(vip.interface for vip in spec.vips)
    if not names or any(map(mirror.index, names)):
        return ""
    return f"there is no interface {', '.join(names)}"


def _virtual_mac(spec: InstanceSpec, _: Mirror) -> str:
    # The shield would answer ARP with the hardware address of the base interface.
    return "its VIPs are on an interface of keepalived's own (use_vmac)" if spec.own_link else ""


def _vrf(spec: InstanceSpec, mirror: Mirror) -> str:
    return next((why for vip in spec.vips if (why := in_vrf(vip.interface, mirror))), "")


def in_vrf(interface: str, mirror: Mirror) -> str:
    """That an interface belongs to a VRF, in a sentence; empty if it does not. Its routes and local
    addresses are in tables that the bridge does not mirror."""
    for link in _masters(mirror, mirror.index(interface)):
        if link.kind == "vrf":
            return f"{interface} belongs to the VRF {link.name}"
    return ""


def _masters(mirror: Mirror, ifindex: int) -> Iterator[Link]:
    seen = {0}
    while ifindex not in seen and (link := mirror.links.get(ifindex)) is not None:
        yield link
        seen.add(ifindex)
        ifindex = link.master


#: Each says why an instance cannot be protected; empty where it finds no reason.
CONDITIONS: Final[tuple[Callable[[InstanceSpec, Mirror], str], ...]] = (
    _missing_interface,
    _virtual_mac,
    _vrf,
)


def why_not(spec: InstanceSpec, mirror: Mirror) -> str:
    """Why netvip cannot protect an instance; empty if it can."""
    return next((why for find in CONDITIONS if (why := find(spec, mirror))), "")
