"""Virtual addresses, routes and rules as keepalived reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from netvip.core.model import Tri
from netvip.keepalived.configuration import IP, Statement, VirtualAddress, VirtualObject
from netvip.keepalived.dialect import Dialect

NO_TRACK = "no_track"
ADDRESSES = "virtual_ipaddress"
EXCLUDED = "virtual_ipaddress_excluded"
#: if.h: IFNAMSIZ counts the byte that ends it.
LONGEST_LABEL = 15
_SIZES = {4: 32, 6: 128}
_DIGITS = re.compile(r"[ \t]*\+?([0-9]*)")


@dataclass(slots=True)
class MacNames:
    """The names of VMAC interfaces: vrrp.VRID, and another where that is taken."""

    taken: set[str] = field(default_factory=set)

    def name(self, vrid: int, family: int) -> str:
        """A free name; the same one is not given twice."""
        sixth = [f"vrrp6.{vrid}"] if family == 6 else []
        more = (f"vrrp{n}.{vrid}" for n in range(1, len(self.taken) + 2))
        names = (f"vrrp.{vrid}", *sixth, *more)
        free = next(name for name in names if name not in self.taken)
        self.taken.add(free)
        return free


@dataclass(slots=True)
class Links:
    """The interfaces of an instance's addresses."""

    #: The configured interface, and the VMAC in its place (empty where there is none).
    interface: str
    vmac: str
    vrid: int
    #: 4 or 6, the instance's; an address of the other family does not go on the VMAC.
    family: int
    names: MacNames
    _made: dict[tuple[str, int], str] = field(default_factory=dict)

    def of(self, device: str, own: bool, family: int) -> str:
        """The interface of an address with `dev` (or empty) and with or without use_vmac."""
        base = device or self.interface
        if self.vmac and base in (self.interface, self.vmac) and family == self.family:
            return self.vmac
        if not own:
            return base
        if (base, family) not in self._made:
            self._made[base, family] = self.names.name(self.vrid, family)
        return self._made[base, family]


def address(text: str) -> IP | None:
    """An IPv4 or IPv6 address as inet_pton takes it."""
    try:
        return IPv6Address(text) if ":" in text and "%" not in text else IPv4Address(text)
    except ValueError:
        return None


def bare_address(text: str) -> IP | None:
    """The address of a source, a peer or a group: keepalived drops a range or a length behind it
    (inet_stosockaddr in its lib/utils.c)."""
    return address(text.partition("-" if "-" in text else "/")[0])


def family(text: str) -> int:
    """4 or 6, the family of an address with or without a length; 0 where it is none."""
    found = address(text.partition("/")[0])
    return found.version if found else 0


@dataclass(frozen=True, slots=True)
class Written:
    """An address with its options, before it is known where it goes."""

    ip: IP
    prefixlen: int
    options: dict[str, str]
    statement: Statement

    @property
    def excluded(self) -> bool:
        """Whether it is one of those that adverts do not list."""
        return self.statement.blocks[-1][0] == EXCLUDED

    def on(self, links: Links) -> VirtualAddress:
        """The address on its interface."""
        device, own = self.options.get("dev", ""), "use_vmac" in self.options
        interface = links.of(device, own, self.ip.version)
        vmac = own or interface == links.vmac
        tracked = NO_TRACK not in self.options
        return VirtualAddress(
            self.ip, self.prefixlen, interface, tracked, self.excluded, self.statement, vmac
        )


def addresses(
    statements: Iterable[Statement], links: Links, dialect: Dialect
) -> Iterator[VirtualAddress]:
    """The addresses of an instance's two blocks, the excluded ones last.

    What keepalived passes over is left out: the other family among the addresses that the adverts
    tell, an option without its value, and (2.3) an address that is there already.
    """
    kept: list[Written] = []
    seen: set[IP] = set()
    for statement in statements:
        found = written(statement)
        if found is None or (not found.excluded and found.ip.version != links.family):
            continue
        certain = statement.applies is Tri.YES
        if not (dialect.unique_addresses and certain and found.ip in seen):
            kept.append(found)
        seen |= {found.ip} if certain else set()
    for one in sorted(kept, key=lambda one: one.excluded):
        yield one.on(links)


def written(statement: Statement) -> Written | None:
    """The address of a line; None if keepalived ignores the line."""
    texts = statement.texts()
    text, slash, length = texts[0].partition("/")
    ip, options = address(text), _options(texts[1:])
    if ip is None or options is None or not _sound(options, ip):
        return None
    whole, peer = _SIZES[ip.version], address(options.get("peer", ""))
    # With a peer keepalived ignores the length.
    alone = peer is None or peer.version != ip.version
    return Written(ip, _length(length, whole) if slash and alone else whole, options, statement)


def _length(text: str, size: int) -> int:
    """As strtoul reads it: of rubbish what is in front of it; out of range the whole address."""
    found = _DIGITS.match(text)
    number = min(int(found[1][:9] or "0"), size + 1) if found else 0
    return size if number > size or text.lstrip(" \t").startswith("-") else number


_VALUED = frozenset({"dev", "scope", "brd", "broadcast", "label", "peer", "preferred_lft"})


def _options(words: Sequence[str]) -> dict[str, str] | None:
    """The options of an address; None where one lacks its value or `dev` comes twice."""
    options: dict[str, str] = {}
    waiting = iter(words)
    for word in waiting:
        value = next(waiting, None) if word in _VALUED else ""
        if value is None or (word == "dev" and word in options):
            return None
        options[word] = value
    return options


def _sound(options: dict[str, str], ip: IP) -> bool:
    """keepalived drops an address whose broadcast address is none, or whose label is too long."""
    given = options.get("brd", options.get("broadcast"))
    fits = given is None or (ip.version == 4 and (given in ("+", "-") or family(given) == 4))
    return fits and len(options.get("label", "")) <= LONGEST_LABEL


def virtual_object(statement: Statement) -> VirtualObject:
    """A virtual route or rule."""
    words = statement.texts()
    return VirtualObject(words, NO_TRACK not in words, statement)
