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
#: Kinds of links (IFLA_INFO_KIND) that have an interface below which answers ARP as well.
STACKED = frozenset({"macvlan", "ipvlan"})


def _missing_interface(spec: InstanceSpec, mirror: Mirror) -> str:
    # While one of several exists, netvip protects the VIPs on it. keepalived makes a VMAC as it
    # starts.
    names = dict.fromkeys(vip.base or vip.interface for vip in spec.vips)
    if not names or any(map(mirror.index, names)):
        return ""
    return f"there is no interface {', '.join(names)}"


def _upper_link(spec: InstanceSpec, mirror: Mirror) -> str:
    # What is on a VMAC of keepalived's needs no shield. Of one of others' that is not known.
    own = {vip.interface for vip in spec.vips if vip.base}
    if spec.own_link and spec.own_link not in own:
        return f"its adverts leave by {spec.own_link}, and its VIPs are not on it (use_ipvlan)"
    for interface in dict.fromkeys(vip.interface for vip in spec.vips if not vip.base):
        link = mirror.links.get(mirror.index(interface))
        if link is not None and link.kind in STACKED:
            return f"{interface} is a {link.kind} that keepalived did not make"
    return ""


def _one_base(spec: InstanceSpec, _: Mirror) -> str:
    bases = dict.fromkeys(vip.base for vip in spec.vips if vip.base)
    others = [base for base in bases if base != spec.interface]
    if not others:
        return ""
    return f"it has VMACs on {others[0]} besides its interface {spec.interface} (use_vmac)"


def _place(spec: InstanceSpec, mirror: Mirror) -> str:
    on = dict.fromkeys((vip.base or vip.interface, family_of(vip.ip)) for vip in spec.vips)
    if why := next((why for name, _ in on if (why := _loopback(name, mirror))), ""):
        return why
    places = dict.fromkeys((_leading_out(name, spec, mirror), family) for name, family in on)
    return next((why for place in places if (why := why_not_on(*place, mirror))), "")


def _leading_out(interface: str, spec: InstanceSpec, mirror: Mirror) -> str:
    """The interface by which what comes from an address of this one leaves the host."""
    link = mirror.links.get(mirror.index(interface))
    return interface if link is None or link.leads_out else spec.interface


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
    _upper_link,
    _one_base,
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
