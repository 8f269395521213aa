"""The bridge: nexthop objects, routes and rules that keep routes alive during a window.

All of them have `protocol kernel`, which networkd does not delete (fact nexthops-survive).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import collapse_addresses, ip_network
from typing import Any

from netvip.actuators.netlink import NetlinkRequest
from netvip.core.actions import Plan
from netvip.core.model import AF_INET, AF_INET6, IP, Route, family_of
from netvip.linux import rtnl

#: Nexthops of one family and interface: one without a gateway, and three gateways.
NEXTHOPS_PER_FAMILY = 4


@dataclass(frozen=True, slots=True)
class RuleKey:
    """A rule of netvip's: all that is needed to add it, and to delete it and no other."""

    family: int
    pref: int
    table: int
    source: str | None = None
    suppress_default: bool = False

    def request(self, kind: int) -> NetlinkRequest:
        """The request to add (RTM_NEWRULE) or delete (RTM_DELRULE) the rule."""
        source = ip_network(self.source) if self.source else None
        data = rtnl.set_rule(
            kind, self.family, self.pref, self.table, source, self.suppress_default
        )
        verb = "add" if kind == rtnl.RTM_NEWRULE else "delete"
        what = f"to {verb} the rule from {self.source or 'all'} lookup {self.table}"
        return NetlinkRequest(data, what)


def vip_rules(plan: Plan) -> list[RuleKey]:
    """The rules for packets from the VIPs, before the lookup of main: the first looks up the copy
    of the operator's table, if there is one; the second main without its default route; the third
    netvip's table."""
    if plan.numbers is None:
        return []
    rules: list[RuleKey] = []
    policies = {ip: policy.table for policy in plan.policies for ip in policy.vips}
    for family, before, _ in plan.prefs:
        vips = [vip.ip for vip in plan.vips if family_of(vip.ip) == family]
        for table in dict.fromkeys(policies.get(ip) for ip in vips):
            for source in _prefixes(ip for ip in vips if policies.get(ip) == table):
                if table is not None:
                    rules.append(RuleKey(family, before, table, source))
                rules.append(RuleKey(family, before, rtnl.RT_TABLE_MAIN, source, True))
                rules.append(RuleKey(family, before, plan.numbers.vip_table, source))
    return rules


def _prefixes(addresses: Iterable[IP]) -> list[str]:
    """The fewest prefixes that are these addresses and no other: a rule costs the kernel a
    comparison for each packet, and whoever follows rules, as networkd and keepalived do, a message.
    """
    networks: Iterable[Any] = map(ip_network, addresses)  # of one family
    return [str(network) for network in collapse_addresses(networks)]


def host_rules(plan: Plan) -> list[RuleKey]:
    """The rules for the host's own connections: after the lookup of main, and before it from those
    of its addresses that the operator's rules lead to a table; none unless the shield has an
    address of the host."""
    if plan.numbers is None or not plan.own:
        return []
    table = plan.numbers.host_table
    rules = [RuleKey(family, after, table) for family, _, after in plan.prefs if family == AF_INET]
    for family, before, _ in plan.prefs:
        for policy in plan.policies:
            own = (ip for ip in policy.own if family_of(ip) == family)
            rules += [RuleKey(family, before, policy.table, str(ip)) for ip in own]
    return rules


def nexthops(plan: Plan) -> dict[tuple[int, IP | None], int]:
    """The number of each nexthop object, by family and gateway."""
    found: dict[tuple[int, IP | None], int] = {}
    if plan.numbers is None:
        return found
    for family, base in (
        (AF_INET, plan.numbers.nexthop),
        (AF_INET6, plan.numbers.nexthop + NEXTHOPS_PER_FAMILY),
    ):
        routes = [r for r in plan.every_route if family_of(r.destination.network_address) == family]
        used = {route.gateway for route in routes}
        gateways = [gateway for kind, gateway in plan.gateways if kind == family]
        for offset, gateway in enumerate(gateways[:NEXTHOPS_PER_FAMILY]):
            if gateway in used:
                found[family, gateway] = base + offset
    return found


def up(plan: Plan) -> list[NetlinkRequest]:
    """Add the bridge: nexthop objects, then the routes that use them, then the rules that look up
    these routes."""
    numbered = nexthops(plan)
    requests = [
        NetlinkRequest(
            rtnl.add_nexthop(number, family, plan.ifindex, gateway), f"to add nexthop {number}"
        )
        for (family, gateway), number in numbered.items()
    ]

    def number_of(route: Route) -> int | None:
        return numbered.get((family_of(route.destination.network_address), route.gateway))

    for route in plan.routes:
        if (number := number_of(route)) is not None:
            requests += _routes(plan, route, number)
    for policy in plan.policies:
        for route in policy.routes:
            if (number := number_of(route)) is not None:
                requests.append(_route(route, policy.table, number, None))
    rules = [*vip_rules(plan), *host_rules(plan)]
    return requests + [rule.request(rtnl.RTM_NEWRULE) for rule in rules]


def _routes(plan: Plan, route: Route, number: int) -> list[NetlinkRequest]:
    assert plan.numbers is not None
    requests = [_route(route, plan.numbers.vip_table, number, None)]
    own = [a.ip for a in plan.own if a.ip.version == route.destination.version]
    if own:
        source = route.source if route.source in own else own[0]
        requests.append(_route(route, plan.numbers.host_table, number, source))
    return requests


def _route(route: Route, table: int, number: int, source: IP | None) -> NetlinkRequest:
    what = f"to add the bridge's route to {route.destination}"
    return NetlinkRequest(rtnl.add_route(route, table, number, source), what)


def down(plan: Plan) -> list[NetlinkRequest]:
    """Delete the rules of one instance's VIPs; no other instance uses them."""
    return [rule.request(rtnl.RTM_DELRULE) for rule in vip_rules(plan)]


def down_shared(plans: Iterable[Plan]) -> list[NetlinkRequest]:
    """Delete what the instances of an interface shared: the host's rule and the nexthop objects.
    With a nexthop object the kernel deletes the routes that use it."""
    built = list(plans)
    rules = {rule for plan in built for rule in host_rules(plan)}
    numbers = {number for plan in built for number in nexthops(plan).values()}
    return [rule.request(rtnl.RTM_DELRULE) for rule in rules] + [
        _delete_nexthop(number) for number in sorted(numbers)
    ]


def _delete_nexthop(number: int) -> NetlinkRequest:
    return NetlinkRequest(rtnl.delete_nexthop(number), f"to delete nexthop {number}")


def record(plans: list[Plan]) -> dict[str, Any]:
    """What a sweep has to delete if the daemon is killed."""
    rules = {rule for plan in plans for rule in (*vip_rules(plan), *host_rules(plan))}
    return {
        "rules": [[r.family, r.pref, r.table, r.source, r.suppress_default] for r in rules],
        "nexthops": sorted({n for plan in plans for n in nexthops(plan).values()}),
    }


def sweep(recorded: dict[str, Any]) -> list[NetlinkRequest]:
    """Delete what an earlier daemon recorded."""
    rules = [RuleKey(*fields).request(rtnl.RTM_DELRULE) for fields in recorded["rules"]]
    return rules + [_delete_nexthop(int(number)) for number in recorded["nexthops"]]
