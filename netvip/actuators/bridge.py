"""The bridge: nexthop objects, routes and rules that keep routes alive during a window.

All of them have `protocol kernel`, which networkd does not delete (fact nexthops-survive).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, replace
from ipaddress import ip_network
from typing import Any

from netvip.actuators.netlink import NetlinkRequest
from netvip.actuators.prefixes import few, fewest
from netvip.const import BRIDGE_PREFIXES
from netvip.core.actions import Plan
from netvip.core.model import AF_INET, AF_INET6, IP, Route, family_of
from netvip.linux import rtnl

#: Nexthops of one family and interface: one without a gateway, and three gateways.
NEXTHOPS_PER_FAMILY = 4


def load_encoder() -> None:
    """Import what encodes routes and nexthops, which takes 200 ms: else the first plan does."""
    from netvip.linux import route_messages  # noqa: F401


@dataclass(frozen=True, slots=True)
class RuleKey:
    """A rule of netvip's: all that is needed to add it, and to delete it and no other."""

    family: int
    pref: int
    table: int
    source: str | None = None
    #: Routes of the table that are no longer than this do not count.
    suppress: int | None = None
    #: Whether it is for packets alone that the host itself sends.
    only_sent: bool = False

    def request(self, kind: int) -> NetlinkRequest:
        """The request to add (RTM_NEWRULE) or delete (RTM_DELRULE) the rule."""
        source = ip_network(self.source) if self.source else None
        data = rtnl.set_rule(
            kind,
            self.family,
            self.pref,
            self.table,
            source,
            self.suppress,
            self.only_sent,
        )
        verb = "add" if kind == rtnl.RTM_NEWRULE else "delete"
        what = f"to {verb} the rule from {self.source or 'all'} lookup {self.table}"
        return NetlinkRequest(data, what)


@dataclass(frozen=True, slots=True)
class Bridge:
    """What a plan puts into the kernel besides the shield, worked out once."""

    plan: Plan
    #: The rules of its VIPs. Other instances of the interface may have the same.
    vip_rules: tuple[RuleKey, ...]
    #: The rules of the host, which the instances of an interface share.
    host_rules: tuple[RuleKey, ...]
    #: The number of each nexthop object, by family and gateway; shared as well.
    nexthops: dict[tuple[int, IP | None], int]

    @classmethod
    def of(cls, plan: Plan) -> Bridge:
        """The bridge of a plan."""
        return cls(plan, tuple(_vip_rules(plan)), tuple(_host_rules(plan)), _nexthops(plan))

    def up(self) -> Iterator[NetlinkRequest]:
        """Add it: nexthop objects, then the routes that use them, then the rules that look up these
        routes."""
        from netvip.linux.route_messages import add_nexthop

        for (family, gateway), nexthop in self.nexthops.items():
            data = add_nexthop(nexthop, family, self.plan.ifindex, gateway)
            yield NetlinkRequest(data, f"to add nexthop {nexthop}")
        for route in self.plan.routes:
            if (number := self._nexthop(route)) is not None:
                yield from _routes(self.plan, route, number)
        for policy in self.plan.policies:
            for route in policy.routes:
                if (number := self._nexthop(route)) is not None:
                    yield _route(route, policy.table, number, None)
        for rule in (*self.vip_rules, *self.host_rules):
            yield rule.request(rtnl.RTM_NEWRULE)

    def _nexthop(self, route: Route) -> int | None:
        family = family_of(route.destination.network_address)
        return self.nexthops.get((family, route.gateway))

    def down(self, others: Iterable[Bridge]) -> Iterator[NetlinkRequest]:
        """Delete the rules of its VIPs that none of the others uses."""
        used = {rule for other in others for rule in other.vip_rules}
        return (r.request(rtnl.RTM_DELRULE) for r in self.vip_rules if r not in used)


def _vip_rules(plan: Plan) -> list[RuleKey]:
    """The rules for packets from the VIPs, before the lookup of main: the first looks up the copy
    of the operator's table, if there is one; the second main without its default route; the third
    netvip's table. Where another interface has a broader route than one of the bridge's, both
    tables are asked for the longer routes first: the longest prefix wins, as in one table."""
    if plan.numbers is None:
        return []
    rules: list[RuleKey] = []
    vip_table = plan.numbers.vip_table
    policies = {ip: policy.table for policy in plan.policies for ip in policy.vips}
    for family, before, _ in plan.prefs:
        vips = [ip for ip in plan.carried if family_of(ip) == family]
        for table in dict.fromkeys(policies.get(ip) for ip in vips):
            here = [ip for ip in vips if policies.get(ip) == table]
            for source, only_sent in _prefixes(here, plan.apart):
                if table is not None:
                    rules.append(RuleKey(family, before, table, source))
                longer = _longer_first(plan, family, before, vip_table, source)
                main = RuleKey(family, before, rtnl.RT_TABLE_MAIN, source, 0)
                own = RuleKey(family, before, vip_table, source)
                rules += [replace(rule, only_sent=only_sent) for rule in (*longer, main, own)]
    return rules


def _longer_first(
    plan: Plan, family: int, pref: int, table: int, source: str | None
) -> Iterator[RuleKey]:
    """Rules that ask main and a table of netvip's for their longer routes first."""
    for kind, length in plan.longer:
        if kind == family:
            yield RuleKey(family, pref, rtnl.RT_TABLE_MAIN, source, length - 1)
            yield RuleKey(family, pref, table, source, length - 1)


def _prefixes(vips: list[IP], apart: tuple[IP, ...] | None) -> list[tuple[str, bool]]:
    """The prefixes that have rules, and whether these are for packets alone that the host sends.

    The fewest prefixes that are the VIPs and no other address; where these are many, wider ones. A
    rule for other addresses may not match what the host forwards (fact rules-cost).
    """
    exact = fewest(vips)
    if apart is None or len(exact) <= BRIDGE_PREFIXES:
        return [(str(network), False) for network in exact]
    return [(str(network), True) for network in few(vips, apart, BRIDGE_PREFIXES)]


def _host_rules(plan: Plan) -> list[RuleKey]:
    """The rules for the host's own connections and for what it forwards: after the lookup of main,
    before it where another interface has a broader route, and from those of its addresses that the
    operator's rules lead to a table; none unless the shield has an address of the host."""
    if plan.numbers is None or not plan.own:
        return []
    table = plan.numbers.host_table
    rules: list[RuleKey] = []
    for family, before, after in plan.prefs:
        if family == AF_INET:
            rules += _longer_first(plan, family, before, table, None)
            rules.append(RuleKey(family, after, table))
    for family, before, _ in plan.prefs:
        for policy in plan.policies:
            own = (ip for ip in policy.own if family_of(ip) == family)
            rules += [RuleKey(family, before, policy.table, str(ip)) for ip in own]
    return rules


def _nexthops(plan: Plan) -> dict[tuple[int, IP | None], int]:
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


def _routes(plan: Plan, route: Route, number: int) -> list[NetlinkRequest]:
    assert plan.numbers is not None
    requests = [_route(route, plan.numbers.vip_table, number, None)]
    own = [a.ip for a in plan.own if a.ip.version == route.destination.version]
    if own:
        source = route.source if route.source in own else own[0]
        requests.append(_route(route, plan.numbers.host_table, number, source))
    return requests


def _route(route: Route, table: int, number: int, source: IP | None) -> NetlinkRequest:
    from netvip.linux.route_messages import add_route

    what = f"to add the bridge's route to {route.destination}"
    return NetlinkRequest(add_route(route, table, number, source), what)


def down_shared(bridges: Iterable[Bridge]) -> Iterator[NetlinkRequest]:
    """Delete what the instances of an interface shared: the host's rules and the nexthop objects.
    With a nexthop object the kernel deletes the routes that use it."""
    built = list(bridges)
    for rule in {rule for one in built for rule in one.host_rules}:
        yield rule.request(rtnl.RTM_DELRULE)
    for number in sorted({number for one in built for number in one.nexthops.values()}):
        yield _delete_nexthop(number)


def _delete_nexthop(number: int) -> NetlinkRequest:
    return NetlinkRequest(rtnl.delete_nexthop(number), f"to delete nexthop {number}")


def record(bridges: Iterable[Bridge]) -> dict[str, Any]:
    """What a sweep has to delete if the daemon is killed."""
    built = list(bridges)
    # In their order: the kernel takes a rule that suppresses nothing for any that does.
    rules = dict.fromkeys(rule for one in built for rule in (*one.vip_rules, *one.host_rules))
    return {
        "rules": [list(astuple(rule)) for rule in rules],
        "nexthops": sorted({number for one in built for number in one.nexthops.values()}),
    }


def sweep(recorded: dict[str, Any]) -> list[NetlinkRequest]:
    """Delete what an earlier daemon recorded."""
    rules = [RuleKey(*fields).request(rtnl.RTM_DELRULE) for fields in recorded["rules"]]
    return rules + [_delete_nexthop(int(number)) for number in recorded["nexthops"]]
