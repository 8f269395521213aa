"""What the next action of systemd-networkd's takes from this host, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_interface

from netvip.core.model import IP, Address, Tri
from netvip.errors import NetvipError
from netvip.linux.routing import Nexthop, Objects, Route, Rule
from netvip.networkd import owners
from netvip.networkd.fates import Fate, Protected, fate
from netvip.networkd.files import Settings
from netvip.networkd.owners import Owner
from netvip.networkd.state import AddressKey, ManagedLink, State
from netvip.networkd.takes import Action, Keep, Manages, Plan, Taken, measured, taken

#: rtm_type of linux/rtnetlink.h, as ip(8) writes them.
KINDS = {1: "", 2: "local ", 3: "broadcast ", 5: "multicast ", 6: "blackhole ", 7: "unreachable "}
KINDS |= {8: "prohibit ", 9: "throw "}
TABLES = {253: "default", 254: "main", 255: "local"}


@dataclass(frozen=True, slots=True)
class Governed:
    """A link that networkd manages, the file that governs it, and whether that has changed."""

    link: ManagedLink
    settings: Settings
    changed: Tri

    @property
    def keep(self) -> Keep:
        """KeepConfiguration=."""
        line = self.settings.last("Network", "KeepConfiguration")
        return Keep.of(line.value) if line else Keep.NO


@dataclass(frozen=True, slots=True)
class Host:
    """All that a preview is made of."""

    objects: Objects
    state: State
    links: tuple[Governed, ...]
    conf: Settings
    #: The instance of each VIP, by interface and address.
    vips: Mapping[tuple[str, IP], str]
    protected: Protected


@dataclass(frozen=True, slots=True)
class Item:
    """An object that goes."""

    kind: str
    text: str
    interface: str
    owner: Owner
    fate: Fate
    #: With what it goes; empty where networkd deletes it by itself.
    why: str


@dataclass(frozen=True, slots=True)
class Preview:
    """The answer."""

    action: Action
    version: int
    #: The version whose behaviour was taken for this one.
    measured: int
    #: The links that networkd configures anew.
    links: tuple[Governed, ...]
    untouched: tuple[str, ...]
    items: tuple[Item, ...]
    remarks: tuple[str, ...]

    @property
    def lost(self) -> list[Item]:
        """What does not come back."""
        return [item for item in self.items if not item.fate.comes_back]


def preview(host: Host, action: Action, interface: str = "") -> Preview:
    """What the action takes; interface is the one that a reconfigure is for. Raises NetvipError if
    networkd does not manage it."""
    links = _affected(host, action, interface)
    manages = Manages(
        host.conf.is_true("Network", "ManageForeignRoutes", True),
        host.conf.is_true("Network", "ManageForeignRoutingPolicyRules", True),
        host.conf.is_true("Network", "ManageForeignNextHops", True),
    )
    names = {link.ifindex: link.name for link in host.objects.links}
    keeps = {governed.link.ifindex: governed.keep for governed in links}
    plan = Plan(action, keeps, manages, _on_lo(host, names))
    # What a file names stays, although networkd does not know yet that it is its own: it reports a
    # tentative IPv6 address as foreign for some seconds after a restart.
    named = frozenset(key for governed in links for key in _named(governed))
    state = replace(host.state, addresses=host.state.addresses | named)
    items = [_item(one, host, names) for one in taken(host.objects, state, plan)]
    touched = {governed.link.name for governed in links}
    return Preview(
        action,
        host.state.version,
        measured(host.state.version),
        links,
        tuple(name for name in names.values() if name not in touched and name != "lo"),
        # netvip's own objects go and come with its windows; they are of protocol kernel.
        tuple(item for item in items if item.owner.kind != owners.NETVIP),
        tuple(_remarks(host, action, links)),
    )


def _on_lo(host: Host, names: Mapping[int, str]) -> frozenset[IP]:
    """What is on lo until it is back on its interface: the VIPs of guarded instances, and
    networkd's own addresses beside them. What does not come back leaves lo with the shield."""
    protected = host.protected
    own = host.state.addresses
    beside = {ip for index, ip, _ in own if names.get(index) in protected.interfaces}
    return frozenset(beside | {ip for (_, ip), guarded in protected.vips.items() if guarded})


def _affected(host: Host, action: Action, interface: str) -> tuple[Governed, ...]:
    if action is Action.RESTART:
        return host.links
    if action is Action.RELOAD:
        return tuple(governed for governed in host.links if governed.changed is not Tri.NO)
    found = tuple(governed for governed in host.links if governed.link.name == interface)
    if not found:
        managed = ", ".join(governed.link.name for governed in host.links) or "none"
        raise NetvipError(
            f"systemd-networkd does not manage {interface}: name one that it manages ({managed})"
        )
    return found


def _remarks(host: Host, action: Action, links: tuple[Governed, ...]) -> list[str]:
    found = []
    version, like = host.state.version, measured(host.state.version)
    if version != like:
        told = version or "of an unknown version"
        found.append(f"systemd {told} was not measured: this is what {like} does")
    for governed in links:
        file, name = governed.settings.path, governed.link.name
        if action is Action.RELOAD and governed.changed is Tri.UNKNOWN:
            found.append(
                f"{file} was written after systemd-networkd started, which may have read it since: "
                f"if it has, a reload leaves {name} alone"
            )
        if action is Action.RECONFIGURE and governed.changed is not Tri.NO:
            found.append(
                f"{file} was written after systemd-networkd started: a reconfigure uses what it "
                "read last, which may differ"
            )
        found += _forgotten(host, governed) if action is not Action.RECONFIGURE else []
    return found


def _named(governed: Governed) -> Iterator[AddressKey]:
    """The addresses that the link's files name."""
    lines = governed.settings.all("Network", "Address")
    for line in (*lines, *governed.settings.all("Address", "Address")):
        try:
            found = ip_interface(line.value)
        except ValueError:
            continue  # systemd passes over it, too
        yield governed.link.ifindex, found.ip, found.network.prefixlen


def _forgotten(host: Host, governed: Governed) -> list[str]:
    """The link's own addresses that its file no longer names."""
    if governed.changed is Tri.NO:
        return []
    named = {ip for _, ip, _ in _named(governed)}
    dynamic = any(governed.settings.last("Network", key) for key in ("DHCP", "LinkLocalAddressing"))
    index = governed.link.ifindex
    own = [ip for number, ip, _ in host.state.addresses if number == index]
    gone = [str(ip) for ip in own if ip not in named and not ip.is_link_local]
    if not gone or dynamic:
        return []
    return [
        f"{', '.join(gone)} of {governed.link.name} goes: {governed.settings.path} no longer has it"
    ]


def _item(one: Taken, host: Host, names: Mapping[int, str]) -> Item:
    thing = one.thing
    kind, text, index = _described(thing, lambda i: names.get(i, f"interface {i}"))
    interface = names.get(index, "")
    if isinstance(thing, Address):
        owner = owners.of_address(thing, interface, host.vips)
    elif isinstance(thing, Route):
        owner = owners.of_route(thing, interface)
    elif isinstance(thing, Rule):
        owner = owners.of_rule(thing)
    else:
        owner = owners.of_nexthop(thing)
    return Item(
        kind, text, interface, owner, fate(thing, owner, interface, host.protected), one.why
    )


def _described(
    thing: Address | Route | Rule | Nexthop, name: Callable[[int], str]
) -> tuple[str, str, int]:
    """Kind, words as ip(8) prints them, and the interface's number (0 for none)."""
    if isinstance(thing, Address):
        return "address", f"{thing.ip}/{thing.prefixlen}", thing.ifindex
    if isinstance(thing, Route):
        return "route", _route_words(thing, name), thing.ifindexes[0] if thing.ifindexes else 0
    if isinstance(thing, Rule):
        return "rule", _rule_words(thing), 0
    via = f"via {thing.gateway} " if thing.gateway else ""
    device = f"dev {name(thing.ifindex)} " if thing.ifindex else ""
    return "nexthop", f"id {thing.number} {via}{device}".strip(), thing.ifindex


def _route_words(route: Route, name: Callable[[int], str]) -> str:
    words = [f"{KINDS.get(route.kind, '')}{route.destination}"]
    if route.nexthop:
        words.append(f"nhid {route.nexthop}")
    if route.multipath:
        words += ["nexthops on", ", ".join(dict.fromkeys(name(index) for index in route.ifindexes))]
    else:
        words += [f"via {route.gateway}"] if route.gateway else []
        words += [f"dev {name(index)}" for index in route.ifindexes[:1]]
    words += [f"src {route.source}"] if route.source else []
    words += [f"metric {route.metric}"] if route.metric not in (0, 1024) else []
    words += [f"table {_table(route.table)}"] if route.table != 254 else []
    return " ".join(words)


def _rule_words(rule: Rule) -> str:
    words = [f"{rule.pref}: from {rule.source or 'all'}"]
    words += [f"to {rule.destination}"] if rule.destination else []
    words += [f"fwmark {rule.mark:#x}/{rule.mask:#x}"] if rule.mark or rule.mask else []
    words += [f"iif {rule.incoming}"] if rule.incoming else []
    words += [f"oif {rule.outgoing}"] if rule.outgoing else []
    words.append("lookup [l3mdev-table]" if rule.vrf else f"lookup {_table(rule.table)}")
    return f"{'-6 ' if rule.family == 10 else ''}{' '.join(words)}"


def _table(number: int) -> str:
    return TABLES.get(number, str(number))
