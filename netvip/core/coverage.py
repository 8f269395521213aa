"""Which instances netvip can protect: one table of conditions that it cannot.

An instance that netvip cannot protect is left to keepalived alone, untouched and unchecked, and
status says why: so it is never worse than without netvip (Law 12).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from netvip.core.mirror import Mirror
from netvip.core.model import InstanceSpec, Link, family_of

#: docs/never_worse.md: 1,000 and one are measured.
VIPS_MOST = 1024
#: include/net/flow.h: LOOPBACK_IFINDEX, in each network namespace.
LOOPBACK = 1


def _missing_interface(spec: InstanceSpec, mirror: Mirror) -> str:
    # While one of several exists, netvip protects the VIPs on it.
    names = dict.fromkeys(vip.interface for vip in spec.vips)
    if not names or any(map(mirror.index, names)):
        return ""
    return f"there is no interface {', '.join(names)}"


def _virtual_mac(spec: InstanceSpec, _: Mirror) -> str:
    # The shield would answer ARP with the hardware address of the base interface.
    return "its VIPs are on an interface of keepalived's own (use_vmac)" if spec.own_link else ""


def _place(spec: InstanceSpec, mirror: Mirror) -> str:
    places = dict.fromkeys((vip.interface, family_of(vip.ip)) for vip in spec.vips)
    return next((why for place in places if (why := why_not_on(*place, mirror))), "")


def why_not_on(interface: str, family: int, mirror: Mirror) -> str:
    """Why netvip cannot protect any VIP of a family on an interface; empty if it can."""
    return _loopback(interface, mirror) or _vrf(interface, mirror) or _host(family, mirror)


def _loopback(interface: str, mirror: Mirror) -> str:
    # A shield would give keepalived's own address a lifetime, at whose end the kernel deletes it.
    if mirror.index(interface) != LOOPBACK:
        return ""
    return f"its VIPs are on {interface}, where netvip's shield would be"


def _vrf(interface: str, mirror: Mirror) -> str:
    # Its routes and local addresses are in tables that the bridge does not mirror.
    for link in _masters(mirror, mirror.index(interface)):
        if link.kind == "vrf":
            return f"{interface} belongs to the VRF {link.name}"
    return ""


def _host(family: int, mirror: Mirror) -> str:
    if not mirror.nexthops:
        return "this kernel has no nexthop objects (5.3 is the first that has)"
    rules = mirror.rules.get(family)
    # By that rule packets reach an address on lo.
    moved = rules is not None and rules.local_moved
    return "other routing rules come before 'lookup local' (ip rule)" if moved else ""


def too_many(number: int, before: int = 0) -> str:
    """Why netvip cannot protect an instance of so many VIPs, where it protects `before` others on
    this host; empty if it can."""
    if before + number <= VIPS_MOST:
        return ""
    # Without the others' number, which changes: status says it once.
    others = ", and other instances here have VIPs as well" if before else ""
    tested = f"netvip was not tested with more than {VIPS_MOST} on a host"
    return f"it has {number} VIPs{others}; {tested}"


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
    _place,
)


def why_not(spec: InstanceSpec, mirror: Mirror, before: int = 0) -> str:
    """Why netvip cannot protect an instance, where it protects so many VIPs of others; empty if it
    can."""
    found = next((why for find in CONDITIONS if (why := find(spec, mirror))), "")
    return found or too_many(len(spec.vips), before)


def each_why_not(specs: Iterable[InstanceSpec], mirror: Mirror) -> dict[str, str]:
    """The same for each instance, by name. Where all of them have too many VIPs for a host, those
    that are guarded come first, as keepalived alone no longer looks after them; then keepalived's
    own order decides."""
    found, before = dict[str, str](), 0
    for spec in sorted(specs, key=lambda spec: not spec.guarded):
        why = found[spec.name] = why_not(spec, mirror, before)
        before += 0 if why else len(spec.vips)
    return found
