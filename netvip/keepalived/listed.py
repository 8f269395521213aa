"""The virtual routes and rules in keepalived's dump, as values that the kernel's are compared with.

keepalived words them as ip-route(8) and ip-rule(8) do, but writes a rule's table as `lookup`, and
leaves out what has its default.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_address, ip_network

from netvip.core.objects import (
    GOTO,
    IP,
    KEEPALIVED,
    MAIN,
    ROUTE_TYPES,
    RULE_ACTIONS,
    TO_TABLE,
    UNMARKED,
    WHOLE_MARK,
    Listed,
    Network,
    RouteIdentity,
    RuleIdentity,
)

NO_TRACK = "no_track"
#: IP6_RT_PRIO_USER in linux/ipv6_route.h: the metric of an IPv6 route that is given none.
IPV6_METRIC = 1024
#: The options of a route that have a value and that nothing is told by.
_VALUED = frozenset(
    """
    advmss congctl cwnd dev expires features hoplimit initcwnd initrwnd mtu pref quickack realms
    reordering rto_min rtt rttvar scope src ssthresh ttl-propagate weight window
    """.split()  # noqa: SIM905
)
#: So many words are parsed once: each dump names the same ones.
_KEPT = 4096


@lru_cache(_KEPT)
def route(text: str) -> Listed:
    """A route: "prepend 10.99.0.0/16 via inet 10.77.0.50 dev ens160 table 100 metric 7 no_track".
    Raises ValueError or StopIteration where it has another form."""
    words = iter(text.split()[1:])  # the first is how it is added: add, append, prepend, replace
    word = next(words)
    type_ = ROUTE_TYPES.get(word, ROUTE_TYPES["unicast"])
    destination = ip_network(next(words) if word in ROUTE_TYPES else word, strict=False)
    numbers = {"table": 0, "metric": 0, "tos": 0, "proto": KEEPALIVED}
    gateways, is_tracked = set[IP](), True
    for word in words:
        if word == NO_TRACK:
            is_tracked = False
        elif word in numbers:
            numbers[word] = int(next(words), 0)
        elif word == "via":
            gateways.add(_gateway(words))
        elif word in _VALUED:
            next(words)
    metric = numbers["metric"] or (0 if destination.version == 4 else IPV6_METRIC)
    identity = RouteIdentity(
        destination,
        numbers["table"] or MAIN,
        metric,
        numbers["tos"],
        type_,
        numbers["proto"],
        frozenset(gateways),
    )
    return Listed(identity, is_tracked)


def _gateway(words: Iterator[str]) -> IP:
    word = next(words)
    return ip_address(next(words) if word in ("inet", "inet6") else word)


@lru_cache(_KEPT)
def rule(text: str) -> Listed:
    """A rule: "not from 10.77.0.10 to 10.0.0.0/8 priority 5000 tos 0x0 lookup 100 no_track".
    Raises ValueError, KeyError or StopIteration where it has another form."""
    is_tracked, is_inverted = True, False
    source = destination = None
    names, mark = {"iif": "", "oif": ""}, None
    numbers = {"priority": 0, "tos": 0, "lookup": 0, "protocol": UNMARKED}
    action = TO_TABLE
    words = iter(text.split())
    for word in words:
        if word == NO_TRACK:
            is_tracked = False
        elif word == "not":
            is_inverted = True
        elif word == "from":
            source = _network(next(words))
        elif word == "to":
            destination = _network(next(words))
        elif word in names:
            names[word] = next(words)
        elif word in numbers:
            numbers[word] = int(next(words), 0)
        elif word == "fwmark":
            mark = _mark(next(words))
        elif word == "type":
            action = RULE_ACTIONS[next(words)]
        elif word == "goto":
            action = GOTO
            next(words)
    versions = {network.version for network in (source, destination) if network is not None}
    identity = RuleIdentity(
        6 if versions == {6} else 4,
        numbers["priority"],
        numbers["lookup"] if action == TO_TABLE else 0,
        source,
        destination,
        names["iif"],
        names["oif"],
        mark,
        numbers["tos"],
        action,
        is_inverted,
        numbers["protocol"],
    )
    return Listed(identity, is_tracked)


def _network(text: str) -> Network | None:
    return None if text == "all" else ip_network(text, strict=False)


def _mark(text: str) -> tuple[int, int]:
    mark, slash, mask = text.partition("/")
    return int(mark, 0), int(mask, 0) if slash else WHOLE_MARK
