"""Routes and rules that keepalived adds (virtual_routes, virtual_rules, static_routes,
static_rules): what identifies them, and what adds them again."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

# As in netvip.core.model, which imports this module.
IP = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
MAIN = 254

#: RTPROT_KEEPALIVED in linux/rtnetlink.h. keepalived marks all its routes with it, but of its rules
#: only those that it tracks: the others have 0 (fact keepalived-marks-its-objects).
KEEPALIVED = 18
UNMARKED = 0
#: linux/rtnetlink.h and linux/fib_rules.h: the words of ip-route(8) and ip-rule(8).
ROUTE_TYPES = {"unicast": 1, "blackhole": 6, "unreachable": 7, "prohibit": 8, "throw": 9}
TO_TABLE, GOTO = 1, 2
RULE_ACTIONS = {"nop": 3, "blackhole": 6, "unreachable": 7, "prohibit": 8}
#: Every bit of a packet's mark counts where a rule names no mask.
WHOLE_MARK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class RouteIdentity:
    """What the kernel tells routes apart by, whose it is, and where it leads."""

    destination: Network
    table: int = MAIN
    #: IPv6 has 1024 where none is configured.
    metric: int = 0
    tos: int = 0
    type: int = ROUTE_TYPES["unicast"]
    protocol: int = KEEPALIVED
    gateways: frozenset[IP] = frozenset()
    # Asked for at each event; ipaddress makes a text of a network to hash it.
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        number = int(self.destination.network_address)
        key = (number, self.destination.prefixlen, self.table, self.metric, self.tos)
        object.__setattr__(self, "_hash", hash(key))

    def __hash__(self) -> int:
        return self._hash

    @property
    def shown(self) -> str:
        """Type and destination, as ip-route(8) shows them."""
        named = self.type != ROUTE_TYPES["unicast"]
        words = [word for word, number in ROUTE_TYPES.items() if named and number == self.type]
        whole = self.destination.prefixlen == self.destination.max_prefixlen
        where = str(self.destination.network_address if whole else self.destination)
        return " ".join([*words, where if self.destination.prefixlen else "default"])

    def __str__(self) -> str:
        table = f" table {self.table}" if self.table != MAIN else ""
        return f"route {self.shown}{table}"


@dataclass(frozen=True, slots=True)
class RuleIdentity:
    """What a rule is told by: its place, its conditions and what it does. None and 0: any."""

    #: 4 or 6.
    version: int
    priority: int
    table: int = 0
    source: Network | None = None
    destination: Network | None = None
    iif: str = ""
    oif: str = ""
    #: Mark and mask.
    mark: tuple[int, int] | None = None
    tos: int = 0
    action: int = TO_TABLE
    inverted: bool = False
    protocol: int = KEEPALIVED

    def __hash__(self) -> int:
        # Few rules have the same preference.
        return hash((self.version, self.priority, self.table))

    def __str__(self) -> str:
        words = ["not"] if self.inverted else []
        words += ["from", "all" if self.source is None else str(self.source)]
        words += ["to", str(self.destination)] if self.destination is not None else []
        words += [f"iif {self.iif}"] if self.iif else []
        words += [f"oif {self.oif}"] if self.oif else []
        words += [f"fwmark {self.mark[0]:#x}"] if self.mark is not None else []
        words += [f"table {self.table}"] if self.action == TO_TABLE else []
        return f"{'rule' if self.version == 4 else 'IPv6 rule'} {' '.join(words)}"


Identity = RouteIdentity | RuleIdentity


@dataclass(frozen=True, slots=True)
class KernelObject:
    """A route or rule that the kernel has."""

    identity: Identity
    #: The body of the kernel's own message, without what it does not take back: it is added again
    #: byte by byte as it was (Law 5).
    body: bytes
    #: Numbers of the interfaces that a route leads to.
    ifindexes: frozenset[int] = field(default_factory=frozenset)

    def __str__(self) -> str:
        return str(self.identity)


@dataclass(frozen=True, slots=True)
class Listed:
    """A virtual route or rule that keepalived reports of an instance."""

    identity: Identity
    #: Whether keepalived notices its deletion, and leaves MASTER because of it.
    tracked: bool = True
