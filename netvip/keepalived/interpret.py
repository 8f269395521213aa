"""From statements to instances, scripts, track files and groups, with keepalived's defaults.

Nothing in here is fatal: a value that keepalived refuses is passed over as it does, and what is not
known stays in the statements.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from netvip.core.model import Tri
from netvip.keepalived.configuration import (
    IP,
    OWNER_PRIORITY,
    Configuration,
    Notify,
    Reference,
    Script,
    Statement,
    SyncGroup,
    TrackFile,
    VirtualAddress,
    VrrpInstance,
)
from netvip.keepalived.dialect import Dialect
from netvip.keepalived.virtual import (
    ADDRESSES,
    EXCLUDED,
    Links,
    MacNames,
    addresses,
    bare_address,
    virtual_object,
    written,
)

SOURCES = ("mcast_src_ip", "unicast_src_ip")
NOTIFIES = frozenset(
    {"notify", "notify_master", "notify_backup", "notify_fault", "notify_stop", "notify_deleted"}
    | {"notify_master_rx_lower_pri"}
)
#: keepalived.conf(5).
DEFAULT_PRIORITY, WEIGHTS = 100, (-253, 253)
MASTER_STAYS = ("MASTER", "BACKUP")
_DECIMAL = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]{1,18}(?:\.[0-9]{0,18})?|[+-]?\.[0-9]{1,18})")
_OFF = frozenset({"no", "off", "false"})

Block = tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class _Around:
    """What an instance's meaning depends on besides its own lines."""

    configuration: Configuration
    dialect: Dialect
    names: MacNames


def interpret(configuration: Configuration, dialect: Dialect) -> Configuration:
    """The configuration with its model filled in."""
    around = _Around(configuration, dialect, MacNames())
    instances: dict[str, VrrpInstance] = {}
    scripts: dict[str, Script] = {}
    files: dict[str, TrackFile] = {}
    groups: dict[str, SyncGroup] = {}
    for block in _root_blocks(s for s in configuration.statements if s.known):
        name = " ".join(block[0].texts()[1:2])
        # keepalived refuses a second one of a name, and goes on with the first.
        match block[0].keyword:
            case "vrrp_instance" if name and name not in instances:
                instances[name] = _instance(name, block, around)
            case "vrrp_script" if name:
                scripts.setdefault(name, _script(name, block, dialect))
            case "track_file" | "vrrp_track_file" if name:
                files.setdefault(name, _track_file(name, block))
            case "vrrp_sync_group" if name:
                groups.setdefault(name, _group(name, block))
    return replace(
        configuration, instances=instances, scripts=scripts, track_files=files, groups=groups
    )


# --- lines of a block -----------------------------------------------------------------------------


def _root_blocks(statements: Iterable[Statement]) -> Iterator[Block]:
    """Each line at the root with what stands in its block."""
    block: list[Statement] = []
    for statement in statements:
        if not statement.blocks and block:
            yield tuple(block)
            block = []
        if block or not statement.blocks:
            block.append(statement)
    if block:
        yield tuple(block)


def _own(block: Block, *keywords: str) -> list[Statement]:
    return [s for s in block if len(s.blocks) == 1 and s.keyword in keywords]


def _within(block: Block, *names: str) -> Block:
    return tuple(s for s in block if len(s.blocks) == 2 and s.blocks[-1][0] in names)


def _counting(block: Block, *keywords: str) -> list[Statement]:
    """Such lines with a value; those that may count on another node only where no other does."""
    found = [s for s in _own(block, *keywords) if len(s.words) > 1]
    return [s for s in found if s.applies is Tri.YES] or found[:1]


def _last(block: Block, *keywords: str) -> Statement | None:
    found = _counting(block, *keywords)
    return found[-1] if found else None


def _value(statement: Statement | None) -> str:
    return statement.texts()[1] if statement is not None and len(statement.words) > 1 else ""


def _number(text: str) -> float | None:
    """A number as keepalived reads it: all of the word, in decimal."""
    found = _DECIMAL.fullmatch(text)
    return float(found[1]) if found else None


def _whole(text: str, low: int, high: int) -> int | None:
    value = _number(text)
    fits = value is not None and low <= value <= high and "." not in text
    return int(value) if fits and value is not None else None


def _wholes(block: Block, keyword: str, low: int, high: int) -> list[int | None]:
    return [_whole(_value(s), low, high) for s in _counting(block, keyword)]


def _flag(found: list[Statement]) -> Tri:
    """Whether a line without a value is there; UNKNOWN where a condition decides."""
    if any(statement.applies is Tri.YES for statement in found):
        return Tri.YES
    return Tri.UNKNOWN if found else Tri.NO


def _switch(statement: Statement | None) -> Tri | None:
    """A line that may say off; None where there is none."""
    if statement is None or statement.applies is Tri.UNKNOWN:
        return None if statement is None else Tri.UNKNOWN
    return Tri.of(_value(statement) not in _OFF)


# --- instances ------------------------------------------------------------------------------------


def _instance(name: str, block: Block, around: _Around) -> VrrpInstance:
    interface_at = _last(block, "interface")
    sources = [s for s in _own(block, *SOURCES) if bare_address(_value(s))]
    number = _family(block)
    links = _links(block, number, around.names)
    return VrrpInstance(
        name=name,
        statement=block[0],
        statements=block,
        interface=_value(interface_at),
        interface_at=interface_at,
        state=_state(block),
        vrid=_vrid(block),
        priority=_priority(block),
        advert_interval=_interval(block),
        vrrp_version=_version(block, number, around),
        nopreempt=_nopreempt(block),
        source=_flag(sources),
        source_ip=_source_ip(sources, number),
        multicast_group=bare_address(_value(_last(block, "mcast_dst_ip"))),
        family=number,
        unicast_peers=_peers(block, number),
        unicast=bool(_own(block, "unicast_peer")),
        auth_type=_auth(block),
        use_vmac=bool(links.vmac),
        strict=_strict(block, around.configuration),
        addresses=_addresses(block, links, around.dialect),
        routes=tuple(map(virtual_object, _within(block, "virtual_routes"))),
        rules=tuple(map(virtual_object, _within(block, "virtual_rules"))),
        track_scripts=tuple(_references(block, "track_script")),
        track_files=tuple(_references(block, "track_file")),
        track_interfaces=tuple(_references(block, "track_interface")),
        track_others=tuple(_references(block, "track_process", "track_bfd")),
        notifies=_notifies(block),
    )


def _family(block: Block) -> int:
    """The family of the first address in the instance is the instance's."""
    for statement in block:
        if len(statement.blocks) == 1 and statement.keyword in SOURCES:
            found = _version_of(bare_address(_value(statement)))
        elif len(statement.blocks) == 2 and statement.blocks[-1][0] == "unicast_peer":
            found = _version_of(bare_address(statement.keyword))
        elif len(statement.blocks) == 2 and statement.blocks[-1][0] == ADDRESSES:
            taken = written(statement)
            found = _version_of(taken.ip if taken else None)
        else:
            continue
        if found:
            return found
    return 6 if _own(block, "native_ipv6") else 4


def _version_of(ip: IP | None) -> int:
    return ip.version if ip is not None else 0


def _links(block: Block, number: int, names: MacNames) -> Links:
    vrid, vmac = _vrid(block) or 0, ""
    if found := _own(block, "use_vmac"):
        # A name stays, whatever a further line says.
        vmac = next((name for s in found if (name := _value(s))), "")
        if vmac:
            names.taken.add(vmac)
        else:
            vmac = names.name(vrid, number)
    return Links(_value(_last(block, "interface")), vmac, vrid, number, names)


def _addresses(block: Block, links: Links, dialect: Dialect) -> tuple[VirtualAddress, ...]:
    found = addresses(_within(block, ADDRESSES, EXCLUDED), links, dialect)
    # Without an interface keepalived removes it (2.3), or ends (fact no-interface).
    return tuple(address for address in found if address.interface)


def _vrid(block: Block) -> int | None:
    found = [v for v in _wholes(block, "virtual_router_id", 1, 255) if v is not None]
    return found[-1] if found else None


def _state(block: Block) -> str:
    """keepalived ignores BACKUP behind MASTER, and makes BACKUP of what is neither."""
    state = ""
    for statement in _counting(block, "state"):
        written = _value(statement)
        state = "MASTER" if written == "MASTER" or (state, written) == MASTER_STAYS else "BACKUP"
    return state


def _priority(block: Block) -> int:
    """Without any priority, an instance of state MASTER has that of an address's owner."""
    found = _wholes(block, "priority", 1, OWNER_PRIORITY)
    if not found and _state(block) == "MASTER":
        return OWNER_PRIORITY
    return (found[-1] if found else None) or DEFAULT_PRIORITY


def _interval(block: Block) -> float:
    """In seconds; what is out of keepalived's range is passed over."""
    values = [_number(_value(s)) for s in _counting(block, "advert_int")]
    sound = [v for v in values if v is not None and 0.01 <= v <= 255]
    return sound[-1] if sound else 1.0


def _version(block: Block, number: int, around: _Around) -> int | None:
    everywhere = around.configuration.globals("vrrp_version")
    own = [v for v in _wholes(block, "version", 2, 3) if v is not None]
    if own:
        return own[-1]
    return 3 if number == 6 else _whole(_value(everywhere), 2, 3)


def _nopreempt(block: Block) -> Tri:
    """keepalived takes the last of nopreempt and preempt, and heeds no word behind either."""
    found = _own(block, "nopreempt", "preempt")
    certain = [s for s in found if s.applies is Tri.YES]
    if len(certain) < len(found):
        return Tri.UNKNOWN
    return Tri.of(bool(found) and found[-1].keyword == "nopreempt")


def _source_ip(sources: list[Statement], number: int) -> IP | None:
    found = [ip for s in sources if (ip := bare_address(_value(s))) and ip.version == number]
    return found[-1] if found else None


def _peers(block: Block, number: int) -> tuple[IP, ...]:
    found = (bare_address(s.keyword) for s in _within(block, "unicast_peer"))
    return tuple(ip for ip in found if ip is not None and ip.version == number)


def _auth(block: Block) -> str:
    found = [s for s in _within(block, "authentication") if s.keyword == "auth_type"]
    return _value(found[-1]) if found else ""


def _strict(block: Block, configuration: Configuration) -> Tri:
    own = _own(block, "strict_mode")
    found = _switch(own[-1] if own else configuration.globals("vrrp_strict"))
    return Tri.NO if found is None else found


def _references(block: Block, *names: str) -> Iterator[Reference]:
    for statement in _within(block, *names):
        texts = statement.texts()
        written = dict(pairwise(texts[1:])).get("weight", "")
        yield Reference(texts[0], _whole(written, *WEIGHTS), statement)


def _notifies(block: Block) -> tuple[Notify, ...]:
    """All of them, though keepalived runs the first of each kind alone: a rule judges that."""
    found = _own(block, *NOTIFIES)
    return tuple(_notify(s) for s in found if len(s.words) > 1)


def _notify(statement: Statement) -> Notify:
    texts = (*statement.texts()[1:4], None, None)
    return Notify(statement.keyword, texts[0] or "", texts[1], texts[2], statement)


# --- scripts, files, groups -----------------------------------------------------------------------


def _script(name: str, block: Block, dialect: Dialect) -> Script:
    command_at = _last(block, "script")
    weight = _wholes(block, "weight", *WEIGHTS)
    return Script(
        name=name,
        statement=block[0],
        command=_value(command_at),
        command_at=command_at,
        interval=_seconds(block, "interval", dialect) or 1.0,
        timeout=_timeout(block, dialect),
        weight=(weight[-1] if weight else None) or 0,
        rise=(_wholes(block, "rise", 1, 2**31 - 1) or [1])[-1] or 1,
        fall=(_wholes(block, "fall", 1, 2**31 - 1) or [1])[-1] or 1,
        user=_value(_last(block, "user")) or None,
    )


def _timeout(block: Block, dialect: Dialect) -> float | None:
    """keepalived makes one second of a time-out that it refuses."""
    return (_seconds(block, "timeout", dialect) or 1.0) if _last(block, "timeout") else None


def _seconds(block: Block, keyword: str, dialect: Dialect) -> float | None:
    """Seconds above 0; None where there is no such line, or one that keepalived refuses."""
    text = _value(_last(block, keyword))
    value = _number(text)
    whole = dialect.fractions or "." not in text
    return value if value is not None and value > 0 and whole else None


def _track_file(name: str, block: Block) -> TrackFile:
    weight = _wholes(block, "weight", *WEIGHTS)
    known = weight[-1] if weight else None
    return TrackFile(name, _value(_last(block, "file")), 1 if known is None else known, block[0])


def _group(name: str, block: Block) -> SyncGroup:
    return SyncGroup(
        name,
        block[0],
        tuple(word for s in _within(block, "group") for word in s.texts()),
        tuple(_references(block, "track_script")),
        tuple(_references(block, "track_file")),
        _notifies(block),
        bool(_own(block, "sync_group_tracking_weight", "global_tracking")),
    )
