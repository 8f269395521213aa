"""The guarded configuration: VIPs with no_track, and a configured source address."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from netvip.errors import ConfigError
from netvip.keepalived.config import SOURCE_KEYWORDS, Configuration, Statement

#: Blocks whose every statement keepalived watches for, unless it carries no_track.
TRACKED_BLOCKS = frozenset(
    {"virtual_ipaddress", "virtual_ipaddress_excluded", "virtual_routes", "virtual_rules"}
)
NO_TRACK = "no_track"

#: The host's own address of an interface, by interface name and family (4 or 6).
OwnAddresses = Mapping[tuple[str, int], IPv4Address | IPv6Address]


@dataclass(frozen=True, slots=True)
class Insertion:
    """Text to be inserted into a file."""

    path: Path
    offset: int
    text: str


def adopted(configuration: Configuration, own: OwnAddresses) -> dict[Path, str]:
    """The files that change, with their new text. Raises ConfigError where something is missing."""
    insertions: list[Insertion] = []
    for name, statements in configuration.instances().items():
        insertions += _untrack(statements)
        insertions += _source(name, configuration, statements, own)
    texts = dict(configuration.texts)
    for insertion in sorted(set(insertions), key=lambda i: i.offset, reverse=True):
        text = texts[insertion.path]
        texts[insertion.path] = text[: insertion.offset] + insertion.text + text[insertion.offset :]
    return {path: text for path, text in texts.items() if text != configuration.texts[path]}


def diff(before: Mapping[Path, str], after: Mapping[Path, str]) -> str:
    """A unified diff of the changed files."""
    parts: list[str] = []
    for path, text in sorted(after.items()):
        parts += difflib.unified_diff(
            before[path].splitlines(keepends=True),
            text.splitlines(keepends=True),
            str(path),
            f"{path} (guarded)",
        )
    return "".join(parts)


def _untrack(statements: list[Statement]) -> list[Insertion]:
    return [
        Insertion(s.path, s.words[-1].end, f" {NO_TRACK}")
        for s in statements
        if s.blocks and s.blocks[-1][0] in TRACKED_BLOCKS and NO_TRACK not in s.texts()
    ]


def _source(
    name: str, configuration: Configuration, statements: list[Statement], own: OwnAddresses
) -> list[Insertion]:
    if any(SOURCE_KEYWORDS & set(statement.texts()[:2]) for statement in statements):
        return []  # also where a condition (@id) decides about it
    interface = next((s for s in statements if s.keyword == "interface" and len(s.words) > 1), None)
    if interface is None:
        raise ConfigError(
            f"{statements[0].path}:{statements[0].line}: vrrp_instance {name} names "
            "no interface; add one"
        )
    address = own.get((interface.texts()[1], _version(statements)))
    if address is None:
        raise ConfigError(
            f"{interface.path}:{interface.line}: {interface.texts()[1]} has no "
            "static address of its own; configure mcast_src_ip by hand"
        )
    unicast = any(s.blocks and s.blocks[-1][0] == "unicast_peer" for s in statements)
    keyword = "unicast_src_ip" if unicast else "mcast_src_ip"
    return [_line_after(configuration.texts[interface.path], interface, f"{keyword} {address}")]


def _line_after(text: str, statement: Statement, words: str) -> Insertion:
    """A line of its own behind the statement's line, indented and ended like it."""
    start = text.rfind("\n", 0, statement.words[0].start) + 1
    indent = text[start : statement.words[0].start]
    indent = indent if indent.isspace() else "    "
    end = text.find("\n", statement.words[-1].end)
    end = len(text) if end < 0 else end
    rest = text[statement.words[-1].end : end].strip()
    if rest and rest[0] not in "!#":  # something else of the block's stands on this line
        return Insertion(statement.path, statement.words[-1].end, f"\n{indent}{words}\n{indent}")
    ending = "\r" if text[end - 1 : end] == "\r" else ""
    return Insertion(statement.path, end - len(ending), f"{ending}\n{indent}{words}")


def _version(statements: list[Statement]) -> int:
    for statement in statements:
        if statement.blocks and statement.blocks[-1][0] == "virtual_ipaddress":
            return 6 if ":" in statement.texts()[0] else 4
    return 4
