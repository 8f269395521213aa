"""Which routes and rules of keepalived's the kernel has, read by `netvip check`.

keepalived starts it every few seconds, and only where netvip's daemon is dead does it come here: it
imports no more than netvip.linux.addresses does."""

from __future__ import annotations

# The C module behind socket. Importing socket costs more than all else that the check does.
import _socket as socket
import sys

from netvip.linux.addresses import parsed
from netvip.linux.light_dump import dump
from netvip.linux.netlink_messages import HEADER, attributes

#: linux/rtnetlink.h and linux/fib_rules.h.
RTM_GETROUTE, RTM_GETRULE = 26, 34
RTA_DST, RTA_TABLE, FRA_PRIORITY = 1, 15, 6
#: struct rtmsg and fib_rule_hdr are of one size.
BODY_SIZE = 12
#: RTPROT_KEEPALIVED: the kernel leaves the other routes out.
KEEPALIVED = 18

#: A route: version, table, destination and its length. A rule: version and preference.
Key = tuple[int, int, bytes, int] | tuple[int, int]


def missing(published: list[list[str]]) -> list[list[str]]:
    """Of these lines ("route 4 100 10.99.0.0/16", "rule 4 5000") those that the kernel does not
    have; none where it cannot be asked."""
    here: dict[str, set[Key]] = {}
    try:
        for kind in {words[0] for words in published}:
            here[kind] = _routes() if kind == "route" else _rules()
        return [words for words in published if _key(words) not in here[words[0]]]
    except (OSError, ValueError, LookupError):
        return []  # no netlink, or a line of another version's


def _key(words: list[str]) -> Key:
    version, number = int(words[1]), int(words[2])
    if words[0] == "rule":
        return version, number
    size = 4 if version == 4 else 16
    if words[-1] == "default":
        return version, number, bytes(size), 0
    text, slash, length = words[-1].partition("/")
    return version, number, parsed(text), int(length) if slash else 8 * size


def _routes() -> set[Key]:
    found = set[Key]()
    for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        for data in dump(RTM_GETROUTE, _body(family, KEEPALIVED)):
            known = attributes(data, HEADER.size + BODY_SIZE)
            table = _number(known[RTA_TABLE])
            packed = known.get(RTA_DST, bytes(4 if version == 4 else 16))
            found.add((version, table, packed, data[HEADER.size + 1]))
    return found


def _rules() -> set[Key]:
    found = set[Key]()
    for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        for data in dump(RTM_GETRULE, _body(family)):
            known = attributes(data, HEADER.size + BODY_SIZE)
            found.add((version, _number(known.get(FRA_PRIORITY, b""))))
    return found


def _number(value: bytes) -> int:
    return int.from_bytes(value, sys.byteorder)


def _body(family: int, protocol: int = 0) -> bytes:
    return bytes([family, 0, 0, 0, 0, protocol, 0, 0, 0, 0, 0, 0])
