"""From statements to instances, scripts, track files and groups, with keepalived's defaults."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_interface
from typing import TypeVar

from netvip.core.model import Tri
from netvip.keepalived.model import (
    IP,
    Configuration,
    Instance,
    Notify,
    Reference,
    Script,
    Statement,
    SyncGroup,
    TrackFile,
    VirtualAddress,
    VirtualObject,
)

SOURCES = ("mcast_src_ip", "unicast_src_ip")
NO_TRACK = "no_track"
NOTIFIES = frozenset(
    {"notify", "notify_master", "notify_backup", "notify_fault", "notify_stop", "notify_deleted"}
    | {"notify_master_rx_lower_pri"}
)
Number = TypeVar("Number", int, float)


def interpret(configuration: Configuration, version: tuple[int, ...]) -> Configuration:
    """The configuration with its model filled in. Nothing in it is fatal: what keepalived would
    refuse is left out, and what is not known is kept in the statements."""
    del version  # no rule of the model's differs between 1.3.9 and 2.3.4
    instances: dict[str, Instance] = {}
    scripts: dict[str, Script] = {}
    files: dict[str, TrackFile] = {}
    groups: dict[str, SyncGroup] = {}
    for opener, statements in _root_blocks(configuration.statements):
        name = " ".join(opener.texts()[1:2])
        match opener.keyword:
            case "vrrp_instance" if name:
                # keepalived refuses a second instance of a name, and goes on with the first.
                instances.setdefault(name, _instance(name, statements, configuration))
            case "vrrp_script" if name:
                scripts.setdefault(name, _script(name, statements))
            case "track_file" | "vrrp_track_file" if name:
                files.setdefault(name, _track_file(name, statements))
            case "vrrp_sync_group" if name:
                groups.setdefault(name, _group(name, statements))
    return replace(
        configuration, instances=instances, scripts=scripts, track_files=files, groups=groups
    )


def _root_blocks(
    statements: Iterable[Statement],
) -> Iterable[tuple[Statement, tuple[Statement, ...]]]:
    """Each line at the root with what stands in its block."""
    opener: Statement | None = None
    inside: list[Statement] = []
    for statement in statements:
        if statement.blocks:
            inside.append(statement)
            continue
        if opener is not None:
            yield opener, (opener, *inside)
        opener, inside = statement, []
    if opener is not None:
        yield opener, (opener, *inside)


def _own(statements: Iterable[Statement], *keywords: str) -> list[Statement]:
    return [s for s in statements if len(s.blocks) == 1 and s.keyword in keywords]


def _within(statements: Iterable[Statement], *blocks: str) -> list[Statement]:
    return [
        s for s in statements if len(s.blocks) == 2 and s.blocks[-1][:1] in [(b,) for b in blocks]
    ]


def _value(statements: Iterable[Statement], *keywords: str) -> str | None:
    """The first argument of the last such line that counts here."""
    found = [s for s in _own(statements, *keywords) if len(s.words) > 1]
    return found[-1].texts()[1] if found else None


def _number(text: str | None, kind: Callable[[str], Number], default: Number) -> Number:
    try:
        return default if text is None else kind(text)
    except ValueError:
        return default


def _flag(statements: Iterable[Statement], *keywords: str) -> Tri:
    found = _own(statements, *keywords)
    if not found:
        return Tri.NO
    if any(statement.applies is Tri.UNKNOWN for statement in found):
        return Tri.UNKNOWN
    return Tri.of(found[-1].texts()[1:2] not in (("no",), ("off",), ("false",)))


# --- instances ------------------------------------------------------------------------------------


def _instance(
    name: str, statements: tuple[Statement, ...], configuration: Configuration
) -> Instance:
    interface_at = next((s for s in _own(statements, "interface") if len(s.words) > 1), None)
    interface = interface_at.texts()[1] if interface_at else ""
    vmac = _vmac(statements)
    version = _value(statements, "version") or _global(configuration, "vrrp_version")
    strict = _flag(statements, "strict_mode")
    return Instance(
        name,
        statements[0],
        statements,
        interface,
        interface_at,
        _value(statements, "state") or "",
        _number(_value(statements, "virtual_router_id"), int, 0) or None,
        _number(_value(statements, "priority"), int, 100),
        _number(_value(statements, "advert_int"), float, 1.0),
        _number(version, int, 0) or None,
        _flag(statements, "nopreempt"),
        _source(statements),
        _source_ip(statements),
        tuple(ip for s in _within(statements, "unicast_peer") if (ip := _ip(s.keyword))),
        any(s.keyword == "unicast_peer" for s in statements),
        _auth(statements),
        bool(vmac),
        strict if _own(statements, "strict_mode") else _global_flag(configuration, "vrrp_strict"),
        tuple(_addresses(statements, _vmac(statements) or interface)),
        tuple(map(_object, _within(statements, "virtual_routes", "virtual_routes_excluded"))),
        tuple(map(_object, _within(statements, "virtual_rules"))),
        tuple(_references(statements, "track_script")),
        tuple(_references(statements, "track_file")),
        tuple(_references(statements, "track_interface")),
        tuple(map(_notify, _own(statements, *NOTIFIES))),
    )


def _global(configuration: Configuration, keyword: str) -> str | None:
    statement = configuration.globals(keyword)
    return statement.texts()[1] if statement is not None and len(statement.words) > 1 else None


def _global_flag(configuration: Configuration, keyword: str) -> Tri:
    statement = configuration.globals(keyword)
    return Tri.NO if statement is None else _flag([statement], keyword)


def _vmac(statements: tuple[Statement, ...]) -> str:
    """The VMAC interface; keepalived names it after the VRID where no name is given."""
    found = _own(statements, "use_vmac", "use_ipvlan")
    if not found:
        return ""
    vrid = _value(statements, "virtual_router_id") or ""
    return " ".join(found[-1].texts()[1:2]) or f"vrrp.{vrid}"


def _source(statements: tuple[Statement, ...]) -> Tri:
    found = _own(statements, *SOURCES)
    if any(statement.applies is Tri.YES for statement in found):
        return Tri.YES
    return Tri.UNKNOWN if found else Tri.NO


def _source_ip(statements: tuple[Statement, ...]) -> IP | None:
    return _ip(_value(statements, *SOURCES) or "")


def _ip(text: str) -> IP | None:
    try:
        return ip_address(text.partition("/")[0])
    except ValueError:
        return None


def _auth(statements: tuple[Statement, ...]) -> str:
    found = [s for s in _within(statements, "authentication") if s.keyword == "auth_type"]
    return " ".join(found[-1].texts()[1:2]) if found else ""


def _addresses(statements: tuple[Statement, ...], interface: str) -> Iterable[VirtualAddress]:
    for block in ("virtual_ipaddress", "virtual_ipaddress_excluded"):
        for statement in _within(statements, block):
            address = _address(statement, interface, block.endswith("excluded"))
            if address is not None:
                yield address


def _address(statement: Statement, interface: str, excluded: bool) -> VirtualAddress | None:
    words = statement.texts()
    try:
        where = ip_interface(words[0])
    except ValueError:
        return None  # keepalived passes over it with a line in its log
    options = dict(itertools.pairwise(words))
    return VirtualAddress(
        where.ip,
        where.network.prefixlen,
        options.get("dev", interface),
        NO_TRACK not in words,
        excluded,
        statement,
    )


def _object(statement: Statement) -> VirtualObject:
    words = statement.texts()
    return VirtualObject(words, NO_TRACK not in words, statement)


def _references(statements: Iterable[Statement], block: str) -> Iterable[Reference]:
    for statement in _within(statements, block):
        words = statement.texts()
        weight = words[2] if words[1:2] == ("weight",) and len(words) > 2 else None
        known = None if weight is None else _number(weight, int, 0)
        yield Reference(words[0], known, statement)


def _notify(statement: Statement) -> Notify:
    words = (*statement.texts()[1:], None, None, None)
    return Notify(statement.keyword, words[0] or "", words[1], words[2], statement)


# --- scripts, files, groups -----------------------------------------------------------------------


def _script(name: str, statements: tuple[Statement, ...]) -> Script:
    command_at = next((s for s in _own(statements, "script") if len(s.words) > 1), None)
    timeout = _value(statements, "timeout")
    return Script(
        name,
        statements[0],
        command_at.texts()[1] if command_at else "",
        command_at,
        _number(_value(statements, "interval"), float, 1.0),
        None if timeout is None else _number(timeout, float, 0.0),
        _number(_value(statements, "weight"), int, 0),
        _number(_value(statements, "rise"), int, 1),
        _number(_value(statements, "fall"), int, 1),
        _value(statements, "user"),
    )


def _track_file(name: str, statements: tuple[Statement, ...]) -> TrackFile:
    weight = _number(_value(statements, "weight"), int, 1)
    return TrackFile(name, _value(statements, "file") or "", weight, statements[0])


def _group(name: str, statements: tuple[Statement, ...]) -> SyncGroup:
    return SyncGroup(
        name,
        statements[0],
        tuple(word for s in _within(statements, "group") for word in s.texts()),
        tuple(_references(statements, "track_script")),
        tuple(_references(statements, "track_file")),
        tuple(map(_notify, _own(statements, *NOTIFIES))),
    )
