"""The bridge: rules, tables and nexthop objects by which answers find their way while networkd has
the host's own address. All of it is `protocol kernel`, which networkd leaves alone (FACTS 2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from netvip.actuators.netlink import NetlinkRequest
from netvip.core.actions import Plan
from netvip.core.model import IP, Route
from netvip.linux import rtnl

#: Nexthops that a family may use of an interface's numbers: the device, and three gateways.
NEXTHOPS_PER_FAMILY = 4


@dataclass(frozen=True, slots=True)
class RuleKey:
    """One of our rules: enough to add it, and to remove exactly it."""

    family: int
    pref: int
    table: int
    source: str | None = None
    suppress_default: bool = False

    def request(self, kind: int) -> NetlinkRequest:
        """Add (RTM_NEWRULE) or remove (RTM_DELRULE) it."""
        source = ip_address(self.source) if self.source else None
        data = rtnl.set_rule(
            kind, self.family, self.pref, self.table, source, self.suppress_default
        )
        return NetlinkRequest(data, f"the rule from {self.source or 'all'} to table {self.table}")


def vip_rules(plan: Plan) -> list[RuleKey]:
    """Ahead of main, for packets from the VIPs: main's more specific routes first, then ours."""
    if plan.numbers is None:
        return []
    rules: list[RuleKey] = []
    prefs = {family: before for family, before, _ in plan.prefs}
    for vip in plan.vips:
        family = _family(vip.ip)
        if (before := prefs.get(family)) is not None:
            main = RuleKey(family, before, rtnl.RT_TABLE_MAIN, str(vip.ip), True)
            rules += [main, RuleKey(family, before, plan.numbers.vip_table, str(vip.ip))]
    return rules


def host_rules(plan: Plan) -> list[RuleKey]:
    """Behind main, for the host's own connections, where its own address is shielded."""
    if plan.numbers is None or not plan.own:
        return []
    table = plan.numbers.host_table
    return [RuleKey(family, after, table) for family, _, after in plan.prefs if family == 2]


def nexthops(plan: Plan) -> dict[tuple[int, IP | None], int]:
    """The number of each nexthop object, by family and gateway."""
    found: dict[tuple[int, IP | None], int] = {}
    if plan.numbers is None:
        return found
    for family, base in ((2, plan.numbers.nexthop), (10, plan.numbers.nexthop + 4)):
        routes = [r for r in plan.routes if _family(r.destination.network_address) == family]
        gateways = dict.fromkeys(route.gateway for route in routes)
        for offset, gateway in enumerate(list(gateways)[:NEXTHOPS_PER_FAMILY]):
            found[family, gateway] = base + offset
    return found


def up(plan: Plan) -> list[NetlinkRequest]:
    """Build the bridge: nexthops, then the routes over them, then the rules that lead there."""
    numbered = nexthops(plan)
    requests = [
        NetlinkRequest(rtnl.add_nexthop(number, family, plan.ifindex, gateway), f"nexthop {number}")
        for (family, gateway), number in numbered.items()
    ]
    for route in plan.routes:
        number = numbered.get((_family(route.destination.network_address), route.gateway))
        requests += _routes(plan, route, number) if number is not None else []
    rules = [*vip_rules(plan), *host_rules(plan)]
    return requests + [rule.request(rtnl.RTM_NEWRULE) for rule in rules]


def _routes(plan: Plan, route: Route, number: int) -> list[NetlinkRequest]:
    assert plan.numbers is not None
    what = f"the bridge's route to {route.destination}"
    table = plan.numbers.vip_table
    requests = [NetlinkRequest(rtnl.add_route(route, table, number, None), what)]
    own = [a.ip for a in plan.own if a.ip.version == route.destination.version]
    if own:
        source = route.source if route.source in own else own[0]
        table = plan.numbers.host_table
        requests.append(NetlinkRequest(rtnl.add_route(route, table, number, source), what))
    return requests


def down(plan: Plan) -> list[NetlinkRequest]:
    """Remove what is one instance's alone: its VIPs' rules."""
    return [rule.request(rtnl.RTM_DELRULE) for rule in vip_rules(plan)]


def down_shared(plans: Iterable[Plan]) -> list[NetlinkRequest]:
    """Remove what the instances of an interface shared: the host's rules, and the nexthops, with
    which the routes go."""
    built = list(plans)
    rules = {rule for plan in built for rule in host_rules(plan)}
    gone = {number for plan in built for number in nexthops(plan).values()}
    return [rule.request(rtnl.RTM_DELRULE) for rule in rules] + list(map(_without, sorted(gone)))


def _without(number: int) -> NetlinkRequest:
    return NetlinkRequest(rtnl.delete_nexthop(number), f"the removal of nexthop {number}")


def record(plans: list[Plan]) -> dict[str, Any]:
    """What a sweep has to remove after a daemon that did not."""
    rules = {rule for plan in plans for rule in (*vip_rules(plan), *host_rules(plan))}
    return {
        "rules": [[r.family, r.pref, r.table, r.source, r.suppress_default] for r in rules],
        "nexthops": sorted({n for plan in plans for n in nexthops(plan).values()}),
    }


def sweep(recorded: dict[str, Any]) -> list[NetlinkRequest]:
    """Remove what an earlier daemon recorded."""
    rules = [RuleKey(*fields).request(rtnl.RTM_DELRULE) for fields in recorded["rules"]]
    return rules + [_without(int(number)) for number in recorded["nexthops"]]


def _family(ip: IP) -> int:
    return 2 if ip.version == 4 else 10
