"""What networkd reports of its links: which files govern them, and what it configured itself.

Its method Describe answers with JSON since systemd 250; networkctl shows parts of it.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from netvip.core.model import IP, Network
from netvip.errors import NetworkdUnreachable

#: No property is asked for, and nothing is started: a preview changes nothing.
DESCRIBE = (
    *("busctl", "--system", "--auto-start=no", "--json=short", "call", "org.freedesktop.network1"),
    *("/org/freedesktop/network1", "org.freedesktop.network1.Manager", "Describe"),
)
VERSION_OF = ("networkctl", "--version")
#: Seconds. networkd answers within some ms; a hung one must not hang the command.
LIMIT = 5.0
#: Where an object comes from that networkd did not configure.
FOREIGN = "foreign"
#: The administrative states of a link that networkd does not configure.
UNMANAGED = frozenset({"unmanaged", "linger"})
VERSION = re.compile(r"systemd (\d+)")

AddressKey = tuple[int, IP, int]
RouteKey = tuple[Network, IP | None, int, int]
RuleKey = tuple[int, int, int, Network | None, Network | None, int]


@dataclass(frozen=True, slots=True)
class ManagedLink:
    """A link as networkd reports it; network_file is empty where no file governs it."""

    ifindex: int
    name: str
    managed: bool
    network_file: str = ""
    #: The drop-ins that networkd read, where it reports them (254 does, 252 does not).
    drop_ins: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What networkd reports; version is systemd's, 0 if it is not known."""

    version: int
    links: Mapping[int, ManagedLink] = field(default_factory=dict)
    #: What networkd configured itself: by its files, by DHCP, by router advertisements.
    addresses: frozenset[AddressKey] = frozenset()
    routes: frozenset[RouteKey] = frozenset()
    rules: frozenset[RuleKey] = frozenset()
    nexthops: frozenset[int] = frozenset()
    #: The nexthop objects of others that networkd has noticed.
    noticed: frozenset[int] = frozenset()


def ask() -> State:
    """Ask the running networkd. Raises NetworkdUnreachable if it does not answer."""
    asked, told = _start(*DESCRIBE), _start(*VERSION_OF)  # at once: each needs some ms
    systemd = _version(_output(told))
    reply = json.loads(_output(asked))
    return parse(json.loads(reply["data"][0]), systemd)


def version() -> int:
    """systemd's version, as its program reports it; 0 if that is not known."""
    try:
        return _version(_output(_start(*VERSION_OF)))
    except NetworkdUnreachable:
        return 0


def _version(told: str) -> int:
    found = VERSION.match(told)
    return int(found[1]) if found else 0


def _start(*command: str) -> subprocess.Popen[str]:
    nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
    try:
        return subprocess.Popen(command, stdin=nothing, stdout=pipe, stderr=pipe, text=True)
    except OSError as problem:
        raise NetworkdUnreachable(f"{command[0]} cannot be run: {problem}") from problem


def _output(process: subprocess.Popen[str]) -> str:
    try:
        output, told = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired as problem:
        process.kill()
        process.communicate()
        raise NetworkdUnreachable(
            f"systemd-networkd does not answer within {LIMIT:.0f} s; "
            "see systemctl status systemd-networkd"
        ) from problem
    if process.returncode:
        why = told.strip().removeprefix("Call failed: ")
        raise NetworkdUnreachable(
            f"systemd-networkd does not answer ({why}): it deletes nothing while it does not run; "
            "see systemctl status systemd-networkd"
        )
    return output


def parse(described: Mapping[str, Any], systemd: int) -> State:
    """The answer of Describe, as values."""
    links = described.get("Interfaces") or []
    everywhere = [described, *links]
    rules = described.get("RoutingPolicyRules") or []
    hops = [hop for place in everywhere for hop in place.get("NextHops") or []]
    return State(
        systemd,
        {int(link["Index"]): _link(link) for link in links},
        frozenset(_address(link, own) for link in links for own in _own(link.get("Addresses"))),
        frozenset(_route(own) for place in everywhere for own in _own(place.get("Routes"))),
        frozenset(map(_rule, _own(rules))),
        frozenset(int(hop["ID"]) for hop in _own(hops)),
        frozenset(int(hop["ID"]) for hop in hops if hop.get("ConfigSource") == FOREIGN),
    )


def _link(link: Mapping[str, Any]) -> ManagedLink:
    dropped = link.get("NetworkFileDropins")
    file = link.get("NetworkFile") or ""
    return ManagedLink(
        int(link["Index"]),
        link["Name"],
        bool(file) and link.get("AdministrativeState") not in UNMANAGED,
        file,
        None if dropped is None else tuple(map(str, dropped)),
    )


def _own(objects: Iterable[Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
    return [one for one in objects or () if one.get("ConfigSource") != FOREIGN]


def _ip(value: Any) -> IP | None:
    return ip_address(bytes(value)) if value else None


def _prefix(one: Mapping[str, Any], name: str) -> Network | None:
    value = one.get(name)
    return ip_network((bytes(value), int(one[f"{name}Length"])), strict=False) if value else None


def _address(link: Mapping[str, Any], one: Mapping[str, Any]) -> AddressKey:
    return int(link["Index"]), ip_address(bytes(one["Address"])), int(one["PrefixLength"])


def _route(one: Mapping[str, Any]) -> RouteKey:
    length = int(one["DestinationPrefixLength"])
    destination = ip_network((bytes(one["Destination"]), length), strict=False)
    metric = metric_in_use(destination, int(one.get("Priority", 0)))
    return destination, _ip(one.get("Gateway")), int(one["Table"]), metric


def metric_in_use(destination: Network, metric: int) -> int:
    """The kernel makes 1024 of an IPv6 route's metric 0 (IP6_RT_PRIO_USER)."""
    return 1024 if not metric and destination.version == 6 else metric


def _rule(one: Mapping[str, Any]) -> RuleKey:
    return (
        int(one["Family"]),
        int(one.get("Priority", 0)),
        int(one.get("Table", 0)),
        _prefix(one, "FromPrefix"),
        _prefix(one, "ToPrefix"),
        int(one.get("FirewallMark", 0)),
    )
