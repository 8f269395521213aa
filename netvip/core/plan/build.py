"""Building a plan: the shield and the bridge of an instance, so that they are ready when needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from netvip.const import (
    BRIDGE_PREFIXES,
    BRIDGE_ROUTES,
    NUMBER_BLOCK,
    NUMBER_FIRST,
    NUMBER_LAST,
    NUMBERS_PER_INTERFACE,
    TAG,
)
from netvip.core.actions import Numbers, Plan, PolicyTable
from netvip.core.mirror import Mirror
from netvip.core.model import (
    IP,
    SCOPE_UNIVERSE,
    TABLE_MAIN,
    Address,
    AddressKey,
    Route,
    family_of,
)

#: linux/rtnetlink.h: protocol numbers of routing daemons, which restore their routes themselves.
#: RTPROT_RA (9) is none: networkd deletes what a router advertised, and has it again with the next
#: advertisement.
ROUTING_DAEMONS = frozenset({8, 10, 11, 12, 42, 186, 187, 188, 189, 192})
#: netvip's rules stand directly before and after the one that leads to main, behind the operator's.
BEFORE_MAIN, AFTER_MAIN = -1, +1
#: Prefix lengths of a bridge's routes that have rules of their own: each costs two for each prefix
#: of VIPs. A host has one subnet, and perhaps a host route to its gateway.
MOST_LENGTHS = 3
#: Tables of the operator's that netvip copies, by interface: the rest of its numbers.
MOST_POLICIES = NUMBERS_PER_INTERFACE - 2


def first_number(taken: Iterable[int]) -> int | None:
    """The first block of table and nexthop numbers that is not in use; None if there is none."""
    used = {number // NUMBER_BLOCK for number in taken}
    blocks = range(NUMBER_FIRST // NUMBER_BLOCK, NUMBER_LAST // NUMBER_BLOCK)
    return next((block * NUMBER_BLOCK for block in blocks if block not in used), None)


def numbers(first: int, slot: int) -> Numbers:
    """The numbers of the daemon's nth interface."""
    base = first + slot * NUMBERS_PER_INTERFACE
    return Numbers(vip_table=base, host_table=base + 1, nexthop=base + 2, policy_table=base + 2)


def own_addresses(mirror: Mirror, ifindex: int, vips: frozenset[AddressKey]) -> list[Address]:
    """The host's own global addresses of an interface: those that keepalived did not put there."""
    found = [
        address
        for address in mirror.addresses(ifindex)
        if address.scope == SCOPE_UNIVERSE and address.proto != TAG and address.key not in vips
    ]
    if not found:
        return found
    # One that has a VIP's address and another prefix is none of the host's either. Bytes, because
    # ipaddress makes a text of an address to hash it.
    virtual = {key.ip.packed for key in vips if key.ifindex == ifindex}
    return [address for address in found if address.ip.packed not in virtual]


def by_daemon(route: Route) -> bool:
    """Whether a routing daemon put the route there."""
    return route.protocol in ROUTING_DAEMONS


def bridged_routes(mirror: Mirror, ifindex: int, table: int = TABLE_MAIN) -> tuple[Route, ...]:
    """A table's routes through the interface that a bridge keeps; of a large table only the
    essential ones."""
    routes = [r for r in mirror.routes(ifindex, table) if not by_daemon(r)]
    if len(routes) > BRIDGE_ROUTES:
        routes = [r for r in routes if r.gateway is None or r.destination.prefixlen == 0]
    return tuple(sorted(routes[:BRIDGE_ROUTES], key=_nearest_first))


def _nearest_first(route: Route) -> tuple[int, bool, int, str]:
    return (route.destination.version, route.gateway is not None, route.metric, repr(route))


def _operators_tables(mirror: Mirror, ifindex: int) -> dict[int, tuple[Route, ...]]:
    """The routes of the tables to which rules lead packets by their source, by table."""
    tables = {table for rules in mirror.rules.values() for _, table in rules.by_source}
    wanted = sorted(tables)[:MOST_POLICIES]
    return {table: bridged_routes(mirror, ifindex, table) for table in wanted}


def _gateways(routes: Iterable[Route]) -> tuple[tuple[int, IP | None], ...]:
    found = ((family_of(r.destination.network_address), r.gateway) for r in routes)
    return tuple(dict.fromkeys(found))


def _policies(
    mirror: Mirror,
    bridged: dict[int, tuple[Route, ...]],
    vips: Iterable[IP],
    own: Iterable[IP],
    where: Numbers,
) -> tuple[PolicyTable, ...]:
    """Copies of the operator's tables: networkd deletes their routes, and the rules that lead to
    them, with the rest of the interface."""
    if not any(bridged.values()):
        return ()
    families = {ip.version for ip in (*vips, *own)}

    def first(ip: IP) -> int | None:
        rules = mirror.rules.get(family_of(ip))
        return next((t for t in rules.tables(ip) if bridged.get(t)), None) if rules else None

    table_of = {ip: first(ip) for ip in (*vips, *own)}
    numbered = enumerate(bridged.items(), where.policy_table)
    found = [
        PolicyTable(
            number,
            tuple(ip for ip in vips if table_of[ip] == table),
            tuple(ip for ip in own if table_of[ip] == table),
            tuple(route for route in routes if route.destination.version in families),
        )
        for number, (table, routes) in numbered
    ]
    return tuple(policy for policy in found if policy.vips or policy.own)


def _prefs(mirror: Mirror, families: Iterable[int]) -> tuple[tuple[int, int, int], ...]:
    mains = {family: rules.main for family, rules in mirror.rules.items()}
    found = ((family, mains.get(family)) for family in sorted(families))
    return tuple(
        (family, main + BEFORE_MAIN, main + AFTER_MAIN) for family, main in found if main
    )  # without an unconditional rule to main, netvip does not know where its rules would stand


@dataclass(frozen=True)
class Surroundings:
    """What the plans of all instances of an interface have in common, found once for all of them;
    to be used while nothing changes in the mirror."""

    mirror: Mirror
    ifindex: int
    all_vips: frozenset[AddressKey]

    @cached_property
    def own(self) -> list[Address]:
        """The host's own addresses of the interface."""
        return own_addresses(self.mirror, self.ifindex, self.all_vips)

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """The routes of main that the bridge keeps."""
        return bridged_routes(self.mirror, self.ifindex)

    @cached_property
    def carried(self) -> tuple[Route, ...]:
        """Of these, the routes that count: no default route that another interface beats."""
        return tuple(route for route in self.routes if not self.mirror.beaten(route))

    @cached_property
    def longer(self) -> tuple[tuple[int, int], ...]:
        """By family, the prefix lengths of routes, longest first, that a broader route through
        another interface would win over as long as the table main lacks them."""
        found = {
            (_family(route), route.destination.prefixlen)
            for route in self.carried
            if self.mirror.broader_elsewhere(route)
        }
        longest = sorted(found, key=lambda pair: (pair[0], -pair[1]))
        families = dict.fromkeys(family for family, _ in longest)
        by_family = ([pair for pair in longest if pair[0] == family] for family in families)
        return tuple(chain.from_iterable(lengths[:MOST_LENGTHS] for lengths in by_family))

    @cached_property
    def tables(self) -> dict[int, tuple[Route, ...]]:
        """Those of the operator's tables."""
        return _operators_tables(self.mirror, self.ifindex)

    @cached_property
    def gateways(self) -> tuple[tuple[int, IP | None], ...]:
        """Those of all these routes."""
        return _gateways((*self.routes, *chain.from_iterable(self.tables.values())))

    @cached_property
    def on_lo(self) -> frozenset[bytes]:
        """What the operator put on lo; a shield's address has a lifetime."""
        found = self.mirror.addresses(self.mirror.index("lo"))
        return frozenset(address.ip.packed for address in found if not address.dynamic)

    def apart(self, families: Iterable[int]) -> tuple[IP, ...] | None:
        """The host's addresses besides the VIPs of the interface, which may not stand under a
        prefix with VIPs; None where no such prefix may have other addresses than VIPs.

        A rule for a prefix leads packets that the host itself sends, a transparent proxy's from an
        address of its client too, to main, and from there not by main's default route but by the
        bridge's. Both are the same where the host leaves by this interface.
        """
        if any(self.tables.values()) or not self._leaves_elsewhere.isdisjoint(families):
            return None
        return self._apart

    @cached_property
    def _apart(self) -> tuple[IP, ...]:
        lo = self.mirror.index("lo")
        found = (
            address
            for index in self._others
            for address in self.mirror.addresses(index)
            if index != lo or not address.dynamic
        )
        return tuple(address.ip for address in (*self.own, *found))

    @cached_property
    def _leaves_elsewhere(self) -> frozenset[int]:
        """The families whose default route through this interface is not the one that counts."""
        defaults = [route for route in self.routes if route.destination.prefixlen == 0]
        return frozenset(
            _family(other)
            for index in self._others
            for other in self.mirror.routes(index)
            if not other.destination.prefixlen
            and any(_family(o) == _family(other) and other.metric <= o.metric for o in defaults)
        )

    @property
    def _others(self) -> list[int]:
        return [index for index in self.mirror.links if index != self.ifindex]


def _family(route: Route) -> int:
    return family_of(route.destination.network_address)


def build(
    mirror: Mirror,
    ifindex: int,
    vips: Sequence[Address],
    all_vips: frozenset[AddressKey],
    where: Numbers | None,
    here: Surroundings | None = None,
    unshielded: Set[AddressKey] = frozenset(),
) -> Plan:
    """The shield and the bridge of one instance whose VIPs' answers need `ifindex`.

    The bridge carries the packets of the VIPs in `unshielded` as well, but lo does not have them.
    The host's own address is shielded in IPv4 only: the kernel does not answer for an IPv6 address
    on lo. `here` is what the instances of the interface share, found once for all of them.
    """
    families = {family_of(vip.ip) for vip in vips}
    here = here or Surroundings(mirror, ifindex, all_vips)
    own = [a for a in here.own if a.ip.version == 4]
    routes = [route for route in here.carried if route.destination.version in _ip(families)]
    carried = tuple(vip for vip in vips if vip.ip.packed not in here.on_lo)
    shielded = tuple(vip for vip in carried if vip.key not in unshielded)
    hosts = tuple(a for a in own if a.ip.packed not in here.on_lo) if 2 in families else ()
    if where is None:
        return Plan(ifindex, shielded, hosts)
    vip_ips, own_ips = ([address.ip for address in group] for group in (carried, hosts))
    return Plan(
        ifindex,
        shielded,
        hosts,
        tuple(routes),
        where,
        _prefs(mirror, families),
        _policies(mirror, here.tables, vip_ips, own_ips, where),
        here.gateways,
        here.apart(families) if len(carried) > BRIDGE_PREFIXES else None,
        tuple(pair for pair in here.longer if pair[0] in families),
        tuple(vip_ips),
    )


def _ip(families: Iterable[int]) -> set[int]:
    return {4 if family == 2 else 6 for family in families}
