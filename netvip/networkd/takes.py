"""What systemd-networkd deletes of what it did not configure: the decision table.

All of it is measured (fact what-networkd-takes): on 252, 254, 257 and 262, for each protocol, value
of KeepConfiguration= and action. Of other versions the nearest one below is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_network

from netvip.core.model import FOREVER, IP, Address
from netvip.linux.routing import TABLE_LOCAL, Nexthop, Objects, Route, Rule
from netvip.networkd.state import State, metric_in_use

#: linux/rtnetlink.h
PROTOCOL_REDIRECT, PROTOCOL_KERNEL, PROTOCOL_STATIC = 1, 2, 4
PROTOCOL_RA, PROTOCOL_DHCP = 9, 16
#: Measured, the newest first: another version behaves as the nearest one below.
MEASURED = (262, 257, 254, 252)
#: From this version on networkd leaves its own addresses in place, and KeepConfiguration=static
#: keeps rules and nexthops as well. 255 and 256 are not measured.
KEEPS_MORE = 257
#: From this version on it keeps rules and nexthops by their protocol, as routes. 258 to 261 are not
#: measured.
KEEPS_BY_PROTOCOL = 262


class Keep(Enum):
    """KeepConfiguration= of a .network file."""

    NO = "no"
    STATIC = "static"
    DHCP = "dhcp"
    YES = "yes"

    @classmethod
    def of(cls, value: str) -> Keep:
        """As systemd reads it. dhcp-on-stop concerns networkd's own leases alone."""
        word = value.strip().lower()
        if word in ("1", "y", "true", "t", "on"):
            return cls.YES
        return cls(word) if word in {keep.value for keep in cls} else cls.NO

    @property
    def static(self) -> bool:
        """Whether static configuration stays."""
        return self in (Keep.STATIC, Keep.YES)

    @property
    def dynamic(self) -> bool:
        """Whether what has a lifetime stays."""
        return self in (Keep.DHCP, Keep.YES)


class Action(Enum):
    """What makes networkd configure links anew."""

    RESTART = "restart"
    RELOAD = "reload"
    RECONFIGURE = "reconfigure"


@dataclass(frozen=True, slots=True)
class Manages:
    """The switches of networkd.conf(5)."""

    routes: bool = True
    rules: bool = True
    nexthops: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """An action and the links that networkd configures anew by it, by number."""

    action: Action
    links: Mapping[int, Keep]
    manages: Manages = field(default_factory=Manages)
    #: What netvip's shield has on lo meanwhile: a route with such a source stays.
    on_lo: frozenset[IP] = frozenset()


@dataclass(frozen=True, slots=True)
class Taken:
    """An object that goes, and by what: `why` is empty where networkd deletes it by itself."""

    thing: Address | Route | Rule | Nexthop
    why: str = ""


def measured(version: int) -> int:
    """The version whose behaviour is taken for this one."""
    return next((known for known in MEASURED if known <= version), MEASURED[-1])


def taken(objects: Objects, state: State, plan: Plan) -> list[Taken]:
    """What goes by this action and does not come back by networkd."""
    if not plan.links:
        return []
    return _Decision(objects, state, plan).all()


class _Decision:
    """One decision: the objects that go depend on each other."""

    def __init__(self, objects: Objects, state: State, plan: Plan) -> None:
        self._objects, self._state, self._plan = objects, state, plan
        self._version = measured(state.version)
        self._new = self._version >= KEEPS_MORE
        self._names = {link.ifindex: link.name for link in objects.links}
        self._addresses = [a for a in objects.addresses if self._address_goes(a)]
        self._nexthops = [n for n in objects.nexthops if self._nexthop_goes(n)]
        away = [*self._addresses, *filter(self._own_goes, objects.addresses)]
        self._gone = {(a.ifindex, a.ip) for a in away}
        self._numbers = {nexthop.number for nexthop in self._nexthops}
        self._prefixes = {
            (a.ifindex, ip_network(f"{a.peer or a.ip}/{a.prefixlen}", strict=False))
            for a in objects.addresses
        }
        self._emptied = {index for index in plan.links if self._is_emptied(index)}

    def all(self) -> list[Taken]:
        """Everything that goes."""
        found = [Taken(address) for address in self._addresses]
        found += self._routes()
        found += [Taken(rule) for rule in self._objects.rules if self._rule_goes(rule)]
        return found + [Taken(nexthop) for nexthop in self._nexthops]

    def _address_goes(self, address: Address) -> bool:
        keep = self._plan.links.get(address.ifindex)
        if keep is None or _is_link_local(address.ip) or address.ip.is_loopback:
            return False
        if (address.ifindex, address.ip, address.prefixlen) in self._state.addresses:
            return False
        # The preferred lifetime decides: an IPv6 VIP of keepalived's has 0 (fact
        # keep-configuration).
        return not (keep.dynamic if address.preferred != FOREVER else keep.static)

    def _nexthop_goes(self, nexthop: Nexthop) -> bool:
        if nexthop.protocol == PROTOCOL_KERNEL or nexthop.number in self._state.nexthops:
            return False
        if not self._plan.manages.nexthops and self._leaves_nexthop(nexthop):
            return False
        return self._drops_rest(nexthop.ifindex, nexthop.protocol)

    def _leaves_nexthop(self, nexthop: Nexthop) -> bool:
        """Whether ManageForeignNextHops=no saves it: 257 deletes what it has noticed while it ran
        all the same, until it is restarted; older versions do not know the switch."""
        if not self._new or self._version >= KEEPS_BY_PROTOCOL:
            return self._new
        noticed = nexthop.number in self._state.noticed
        return self._plan.action is Action.RESTART or not noticed

    def _rule_goes(self, rule: Rule) -> bool:
        if rule.protocol == PROTOCOL_KERNEL or not self._plan.manages.rules:
            return False
        return _rule_key(rule) not in self._state.rules and self._drops_rest(0, rule.protocol)

    def _drops_rest(self, ifindex: int, protocol: int) -> bool:
        """Whether a rule or a nexthop goes; 0 is for what has no link: any link may drop it."""
        if ifindex and ifindex not in self._plan.links:
            return False
        keeps = [self._plan.links[ifindex]] if ifindex else self._plan.links.values()
        return not all(self._keeps_rest(keep, protocol) for keep in keeps)

    def _keeps_rest(self, keep: Keep, protocol: int) -> bool:
        if self._version >= KEEPS_BY_PROTOCOL:
            return self._keeps(keep, protocol)
        return keep.static if self._new else keep is Keep.YES

    def _own_goes(self, address: Address) -> bool:
        """Whether networkd deletes this address of its own for a moment (fact own-addresses-go)."""
        keep, action = self._plan.links.get(address.ifindex), self._plan.action
        key = address.ifindex, address.ip, address.prefixlen
        if keep is None or key not in self._state.addresses:
            return False
        leased = address.preferred != FOREVER
        kept = keep.dynamic if leased else keep.static
        if self._new:
            return leased and action is Action.RECONFIGURE and not kept
        if action is Action.RECONFIGURE or (action is Action.RELOAD and keep is Keep.YES):
            return True
        return not kept

    def _is_emptied(self, index: int) -> bool:
        """Whether the interface has no IPv4 address for a moment."""
        found = [a for a in self._objects.addresses if a.ifindex == index and a.ip.version == 4]
        return bool(found) and all((index, a.ip) in self._gone for a in found)

    def _routes(self) -> Iterator[Taken]:
        for route in self._objects.routes:
            if self._is_own(route) or self._belongs_to_an_address(route):
                continue
            if route.nexthop in self._numbers:
                yield Taken(route, f"with nexthop {route.nexthop}")
            elif self._route_goes(route):
                yield Taken(route)
            elif self._loses_its_source(route):
                yield Taken(route, f"with its source {route.source}")
            elif self._flushed(route):
                names = ", ".join(sorted({self._names.get(i, str(i)) for i in route.ifindexes}))
                yield Taken(route, f"with the last IPv4 address of {names}")

    def _is_own(self, route: Route) -> bool:
        metric = metric_in_use(route.destination, route.metric)
        key = route.destination, route.gateway, route.table, metric
        return key in self._state.routes

    def _belongs_to_an_address(self, route: Route) -> bool:
        """The kernel's own routes to an address and its prefix come and go with it."""
        if route.protocol != PROTOCOL_KERNEL or route.gateway is not None or not route.ifindexes:
            return False
        network = route.destination
        made = (route.ifindexes[0], network) in self._prefixes or network.is_link_local
        return made or route.table == TABLE_LOCAL

    def _route_goes(self, route: Route) -> bool:
        if route.protocol == PROTOCOL_KERNEL or not self._plan.manages.routes:
            return False
        links = self._plan.links
        linkless = not route.ifindexes or (route.multipath and self._new)
        if linkless:
            keeps = list(links.values())
            if not self._new:
                return any(keep is not Keep.YES for keep in keeps)
            return any(not self._keeps(keep, route.protocol) for keep in keeps)
        # 252 knows a route with several nexthops by its first one.
        index = route.ifindexes[0]
        return index in links and not self._keeps(links[index], route.protocol)

    def _keeps(self, keep: Keep, protocol: int) -> bool:
        if protocol == PROTOCOL_STATIC:
            return keep.static
        if protocol == PROTOCOL_DHCP:
            return keep.dynamic
        if self._new and protocol in (PROTOCOL_RA, PROTOCOL_REDIRECT):
            return keep.dynamic
        return keep is Keep.YES

    def _loses_its_source(self, route: Route) -> bool:
        """IPv4 alone: an IPv6 route loses its source and stays."""
        if route.source is None or route.source.version != 4 or route.source in self._plan.on_lo:
            return False
        return any((index, route.source) in self._gone for index in route.ifindexes)

    def _flushed(self, route: Route) -> bool:
        if route.destination.version != 4 or route.nexthop or not route.ifindexes:
            return False
        return all(index in self._emptied for index in route.ifindexes)


def _is_link_local(ip: IP) -> bool:
    return ip.version == 6 and ip.is_link_local


def _rule_key(rule: Rule) -> tuple[object, ...]:
    return rule.family, rule.pref, rule.table, rule.source, rule.destination, rule.mark
