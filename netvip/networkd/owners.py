"""Whose an address, route, rule or nexthop is, as far as the kernel can tell.

Numbers of protocols come from linux/rtnetlink.h and /etc/iproute2/rt_protos; marks and tables from
the programs' own sources.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from netvip.const import NUMBER_FIRST, NUMBER_LAST, TAG
from netvip.core.model import IP, Address
from netvip.linux.routing import Nexthop, Route, Rule

KEEPALIVED, NETVIP, ROUTING, BY_HAND = "keepalived", "netvip", "a routing daemon", "by hand"
CONTAINERS, OTHER, UNKNOWN = "a container platform", "another program", "unknown"

#: keepalived's number, on its routes and rules, and from kernel 5.18 on on its addresses.
PROTOCOL_KEEPALIVED = 18


@dataclass(frozen=True, slots=True)
class Owner:
    """Who added an object, and how that is told; the kind is one of the constants above."""

    kind: str
    name: str


#: Of routes, rules and nexthops. What is not here is unknown.
PROTOCOLS: Mapping[int, Owner] = {
    1: Owner(OTHER, "the kernel, by an ICMP redirect"),
    3: Owner(BY_HAND, "ip, by hand or in a script (protocol boot)"),
    4: Owner(BY_HAND, "an operator or a script (protocol static)"),
    8: Owner(ROUTING, "GateD (protocol 8)"),
    9: Owner(OTHER, "a router advertisement (protocol ra)"),
    10: Owner(ROUTING, "MRT (protocol 10)"),
    11: Owner(ROUTING, "FRR or Quagga (protocol zebra)"),
    12: Owner(ROUTING, "BIRD (protocol bird)"),
    14: Owner(ROUTING, "XORP (protocol 14)"),
    16: Owner(OTHER, "a DHCP client (protocol dhcp)"),
    17: Owner(ROUTING, "mrouted (protocol 17)"),
    PROTOCOL_KEEPALIVED: Owner(KEEPALIVED, "keepalived (protocol 18)"),
    42: Owner(ROUTING, "babeld (protocol 42)"),
    80: Owner(CONTAINERS, "Calico (protocol 80)"),
    84: Owner(OTHER, "OVN (protocol 84)"),
    186: Owner(ROUTING, "FRR (protocol bgp)"),
    187: Owner(ROUTING, "FRR (protocol isis)"),
    188: Owner(ROUTING, "FRR (protocol ospf)"),
    189: Owner(ROUTING, "FRR (protocol rip)"),
    192: Owner(ROUTING, "FRR (protocol eigrp)"),
}
#: Interfaces that a program makes and names itself.
INTERFACES: tuple[tuple[re.Pattern[str], Owner], ...] = (
    (re.compile(r"vrrp\.\d+(\.\d+)?$"), Owner(KEEPALIVED, "keepalived (use_vmac)")),
    (re.compile(r"docker0$|docker_gwbridge$|br-[0-9a-f]{12}$"), Owner(CONTAINERS, "Docker")),
    (re.compile(r"cilium_|lxc[0-9a-f]"), Owner(CONTAINERS, "Cilium")),
    (re.compile(r"cali[0-9a-f]|tunl0$|vxlan\.calico$"), Owner(CONTAINERS, "Calico")),
    (re.compile(r"flannel|cni\d"), Owner(CONTAINERS, "flannel or another CNI plugin")),
    (re.compile(r"podman\d|cni-podman\d"), Owner(CONTAINERS, "Podman")),
    (re.compile(r"kube-ipvs0$|kube-bridge$"), Owner(CONTAINERS, "Kubernetes")),
    (re.compile(r"virbr\d"), Owner(OTHER, "libvirt")),
    (re.compile(r"tailscale\d"), Owner(OTHER, "Tailscale")),
)
#: Mark, mask and table of rules that a program adds (None: any table).
MARKS: tuple[tuple[int, int, int | None, Owner], ...] = (
    (0x200, 0xF00, 2004, Owner(CONTAINERS, "Cilium (mark 0x200/0xf00)")),
    (0xA00, 0xF00, 2005, Owner(CONTAINERS, "Cilium (mark 0xa00/0xf00)")),
    (0x80000, 0xFF0000, None, Owner(OTHER, "Tailscale (mark 0x80000/0xff0000)")),
)
NOBODY = Owner(UNKNOWN, "unknown")


def of_address(address: Address, interface: str, vips: Mapping[tuple[str, IP], str]) -> Owner:
    """Whose address this is; vips has the name of the instance by interface and address."""
    if name := vips.get((interface, address.ip)):
        return Owner(KEEPALIVED, f"keepalived ({name})")
    if address.proto == TAG or (interface == "lo" and address.dynamic):
        return Owner(NETVIP, "netvip")
    if address.proto == PROTOCOL_KEEPALIVED:
        return Owner(KEEPALIVED, "keepalived (protocol 18)")
    return of_interface(interface)


def of_interface(interface: str) -> Owner:
    """Who made an interface of this name, and what is on it."""
    return next((owner for name, owner in INTERFACES if name.match(interface)), NOBODY)


def of_route(route: Route, interface: str) -> Owner:
    """Whose route this is; interface is that of its first nexthop, or empty."""
    if route.table in range(NUMBER_FIRST, NUMBER_LAST):
        return Owner(NETVIP, "netvip")
    made = of_interface(interface)
    return made if made.kind != UNKNOWN else PROTOCOLS.get(route.protocol, NOBODY)


def of_rule(rule: Rule) -> Owner:
    """Whose rule this is."""
    for mark, mask, table, owner in MARKS:
        if (rule.mark, rule.mask) == (mark, mask) and table in (None, rule.table):
            return owner
    if rule.table in range(NUMBER_FIRST, NUMBER_LAST):
        return Owner(NETVIP, "netvip")
    return PROTOCOLS.get(rule.protocol, NOBODY)


def of_nexthop(nexthop: Nexthop) -> Owner:
    """Whose nexthop object this is."""
    if nexthop.number in range(NUMBER_FIRST, NUMBER_LAST):
        return Owner(NETVIP, "netvip")
    return PROTOCOLS.get(nexthop.protocol, NOBODY)
