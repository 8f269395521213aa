"""The changes that make a configuration guarded, for each instance and for the whole file.

An instance's VIPs, virtual routes and rules get no_track, its adverts a configured source,
keepalived a track file to let go by, a check for the time without a daemon, a notify script that
keeps the state for that check, and the whole a fifo and repeated gratuitous ARPs. What is there
stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from netvip.const import CHECK_SCRIPT, FIFO, HOLD_SCRIPT, NOTIFY_SCRIPT
from netvip.core.model import Tri
from netvip.errors import ConfigError
from netvip.keepalived.configuration import (
    Configuration,
    Notify,
    Script,
    Statement,
    VirtualObject,
    VrrpInstance,
)
from netvip.keepalived.declared import notifies, track_path, tracks
from netvip.keepalived.edits import Insertion, insert, line_after, line_before, line_inside
from netvip.keepalived.names import file_name
from netvip.keepalived.scripts import ScriptLine, opens_file, scripts
from netvip.keepalived.traps import in_unicast_trap

NO_TRACK, NEXTHOP = "no_track", "nexthop"
PROTOCOL = frozenset({"protocol", "proto"})
#: Where netvip's scripts for keepalived are.
ETC = "/etc/netvip/"
#: The notify scripts of single states; together they report what `notify` reports.
STATE_NOTIFIES = {
    "notify_master": "MASTER",
    "notify_backup": "BACKUP",
    "notify_fault": "FAULT",
    "notify_stop": "STOP",
}
#: keepalived 2.0 is the first with track files, no_track and -t (fact lost-vip-by-version).
TRACKS = (2, 0)
#: From this version on the definition is spelled track_file; before, vrrp_track_file.
TRACK_FILE = (2, 2, 4)
#: keepalived's documentation uses once a minute; the number of repeats is its default.
GARP_REFRESH, GARP_REPEAT = 60, 5
#: A line of a configuration that several nodes share.
CONDITION = re.compile(r"^[ \t]*@\^?[A-Za-z0-9_.-]+[ \t]", re.MULTILINE)

#: The host's own address of an interface, by interface name and family (4 or 6).
OwnAddresses = Mapping[tuple[str, int], IPv4Address | IPv6Address]


@dataclass(frozen=True, slots=True)
class Host:
    """What has to be known besides the configuration."""

    version: tuple[int, ...]
    #: Static addresses that keepalived sends adverts from now.
    own: OwnAddresses
    #: Addresses that the operator named, by instance; the empty name stands for all instances.
    sources: Mapping[str, IPv4Address | IPv6Address] = field(default_factory=dict)
    node: str | None = None
    #: The user that runs scripts for which no user is named.
    script_user: str = "root"
    #: By interface and IP version, why netvip cannot protect VIPs there.
    unprotectable: Mapping[tuple[str, int], str] = field(default_factory=dict)
    #: Why netvip cannot protect an instance of so many VIPs besides so many others; empty if it
    #: can.
    too_many: Callable[[int, int], str] = lambda number, before: ""
    #: The commands whose program does not exist; and those that keepalived disables for another
    #: reason: it may not be executed, or (enable_script_security) other users may change it.
    missing: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()
    #: Whether keepalived drops the scripts for which no user is named (fact default-script-user).
    no_default_user: bool = False

    def runs(self, command: str) -> bool:
        """Whether keepalived may run a command of the operator's."""
        return command not in self.missing and command not in self.disabled


def adopted(configuration: Configuration, host: Host, wrap_checks: bool = False) -> dict[Path, str]:
    """The files that change, with their new text. Raises ConfigError if something is missing."""
    return insert(configuration.texts, insertions(configuration, host, wrap_checks))


def insertions(
    configuration: Configuration, host: Host, wrap_checks: bool = False
) -> list[Insertion]:
    """What adopted() inserts. Raises ConfigError if something is missing."""
    _refuse_what_ends(configuration)
    left = unprotectable_ones(configuration, host)
    protectable = [i for i in configuration.instances.values() if i.name not in left]
    found = list(_globally(configuration, host)) if protectable else []
    shared = is_shared(configuration)
    for instance in protectable:
        _refuse(instance, host)
        found += _instance(configuration, instance, host, shared)
    if wrap_checks and protectable:
        for script in configuration.scripts.values():
            found += _wrap(configuration, script, host)
    return found


def is_shared(configuration: Configuration) -> bool:
    """Whether several nodes share it: some lines are one node's alone."""
    return any(CONDITION.search(text) for text in configuration.texts.values())


def unprotectable(instance: VrrpInstance, host: Host | None = None) -> str:
    """Why an instance is left as it is, as netvip cannot protect it (core/coverage.py); empty if it
    can. Without a host the configuration alone decides."""
    if instance.find("use_ipvlan") is not None:
        return "its adverts leave by a link of keepalived's own (use_ipvlan)"
    if any(a.vmac and "use_vmac" in a.statement.texts() for a in instance.addresses):
        return "single VIPs of it have VMACs of their own (use_vmac behind an address)"
    if host is None:
        return ""
    places = (
        (instance.interface if a.vmac else a.interface or instance.interface, a.ip.version)
        for a in instance.addresses
    )
    reasons = (host.unprotectable[place] for place in places if place in host.unprotectable)
    return next(reasons, "")


def unprotectable_ones(configuration: Configuration, host: Host) -> dict[str, str]:
    """By name, why instances are left as they are: also those whose VIPs are too many for a host
    besides those of the instances before. Those that are guarded come first."""
    found, before = dict[str, str](), 0
    for instance in sorted(configuration.instances.values(), key=_is_unguarded):
        number = len(instance.addresses)
        if why := unprotectable(instance, host) or host.too_many(number, before):
            found[instance.name] = why
        else:
            before += number
    return found


def _is_unguarded(instance: VrrpInstance) -> bool:
    tracked = any(address.tracked for address in instance.addresses)
    return tracked or instance.source is not Tri.YES


def _refuse_what_ends(configuration: Configuration) -> None:
    ends = next((one for one in configuration.complaints if one.ends_keepalived), None)
    if ends is not None:
        raise ConfigError(
            f"{ends.where}: {ends.words[-1]} lacks its value: keepalived ends there with exit "
            "status 2 and runs nothing; write the value, then run netvip adopt again"
        )


def _refuse(instance: VrrpInstance, host: Host) -> None:
    if instance.unicast and in_unicast_trap(host.version) and instance.source is not Tri.YES:
        version = ".".join(map(str, host.version))
        raise ConfigError(
            f"{instance.statement.where}: keepalived {version} with unicast peers and a configured "
            "source stays in FAULT for ever if it starts before that address exists (2.1.0 to "
            "2.3.2 do); upgrade keepalived to 2.3.3, or leave this node assisted"
        )


# --- the whole ------------------------------------------------------------------------------------


def _globally(configuration: Configuration, host: Host) -> Iterator[Insertion]:
    lines = list(global_lines(configuration, host))
    if not lines or not configuration.instances:
        return
    opener = next(
        (s for s in configuration.statements if not s.blocks and s.keyword == "global_defs"), None
    )
    if opener is not None:
        inside = line_inside(configuration.texts[opener.path], opener, lines)
        if inside is not None:
            yield inside
            return
    first = next(iter(configuration.instances.values())).statement
    block = ["global_defs {", *(f"    {line}" for line in lines), "}", ""]
    yield line_before(configuration.texts[first.path], first, block)


def global_lines(configuration: Configuration, host: Host) -> Iterator[str]:
    fifos = [configuration.globals(word) for word in ("vrrp_notify_fifo", "notify_fifo")]
    if not any(line is not None and FIFO in line.texts() for line in fifos):
        # The operator's own fifo stays: keepalived writes to both. Without a fifo netvip uses
        # adverts and dumps. Without a user it would decide about the user of the operator's scripts
        # (fact default-script-user).
        if fifos[0] is None:
            yield f"vrrp_notify_fifo {FIFO} root"
        elif fifos[1] is None:
            yield f"notify_fifo {FIFO} root"
    if secures(configuration, host):
        # keepalived -t rejects scripts without it. Where the operator has scripts, it could disable
        # one of them, so that the operator has to decide.
        if foreign_scripts(configuration) and configuration.globals("script_user") is None:
            yield f"script_user {host.script_user.replace(':', ' ')}"
        yield "enable_script_security"
    if not _everywhere(configuration, "garp_master_refresh"):
        yield f"vrrp_garp_master_refresh {GARP_REFRESH}"
    if not _everywhere(configuration, "garp_master_repeat"):
        yield f"vrrp_garp_master_repeat {GARP_REPEAT}"


def secures(configuration: Configuration, host: Host) -> bool:
    """Whether adoption adds enable_script_security: where keepalived runs no script of the
    operator's, so that it disables none."""
    secure = configuration.globals("enable_script_security") is not None
    scripts_of_others = foreign_scripts(configuration)
    return not secure and all(line.command in host.missing for line in scripts_of_others)


def foreign_scripts(configuration: Configuration) -> list[ScriptLine]:
    """The operator's scripts: those behind netvip's own too."""
    return [line for line in scripts(configuration) if not _is_own(line)]


def _is_own(line: ScriptLine) -> bool:
    own = line.program in (CHECK_SCRIPT, NOTIFY_SCRIPT)
    return own and "--then" not in line.command.split()


def _everywhere(configuration: Configuration, keyword: str) -> bool:
    return all(configuration.setting(i, keyword) for i in configuration.instances.values())


# --- an instance ----------------------------------------------------------------------------------


def _instance(
    configuration: Configuration, instance: VrrpInstance, host: Host, shared: bool
) -> Iterator[Insertion]:
    if host.version >= TRACKS:
        yield from _untrack(instance)
    lines = list(source_lines(instance, host, shared))
    lines += notify_lines(instance, host)
    name = own_name(instance)
    if not _has_check(configuration, instance):
        yield _defined(configuration, instance, check_block(instance))
        lines += yield from _tracked(configuration, instance, "track_script", name)
    if host.version >= TRACKS and not tracks(configuration, instance):
        yield _defined(configuration, instance, track_block(instance, host))
        lines += yield from _tracked(configuration, instance, "track_file", name)
    if lines:
        yield _into(configuration, instance, lines)
    if not notifies(instance) and not _free_notify(instance, host):
        yield from _chain(configuration, instance, host)


def own_name(instance: VrrpInstance) -> str:
    """What netvip's check and track file of the instance are called: one word without quotes, as a
    name with a blank would be two."""
    return f"netvip_{file_name(instance.name)}"


def _into(configuration: Configuration, instance: VrrpInstance, lines: list[str]) -> Insertion:
    """Lines behind the one that names the interface, or, where none does, behind the first."""
    at = instance.interface_at
    if at is not None and at.stands:
        return line_after(configuration.texts[at.path], at, lines)
    opener = instance.statement
    inside = line_inside(configuration.texts[opener.path], opener, lines) if opener.stands else None
    if inside is None:
        raise ConfigError(
            f"{opener.where}: the lines of vrrp_instance {instance.name} come out of a definition; "
            "write them out, then run netvip adopt again"
        )
    return inside


def _untrack(instance: VrrpInstance) -> Iterator[Insertion]:
    tracked = [address.statement for address in instance.addresses if address.tracked]
    tracked += [one.statement for one in untrackable(instance)]
    for statement in tracked:
        if not statement.stands:
            raise ConfigError(
                f"{statement.where}: a definition generates this line; add {NO_TRACK} to it "
                "by hand, then run netvip adopt again"
            )
        yield Insertion(statement.path, _untrack_at(statement), f" {NO_TRACK}")


def _untrack_at(statement: Statement) -> int:
    """Behind the line's last word; of a route with several nexthops before the first one, as
    keepalived takes no other word behind it (fact keepalived-marks-its-objects)."""
    texts = statement.texts()
    last = texts.index(NEXTHOP) if NEXTHOP in texts else len(texts)
    return statement.words[last - 1].end


def untrackable(instance: VrrpInstance) -> list[VirtualObject]:
    """The virtual routes and rules that netvip can put back in keepalived's place: it knows them by
    keepalived's protocol, so that those with another one stay tracked."""
    things = (*instance.routes, *instance.rules)
    return [one for one in things if one.tracked and PROTOCOL.isdisjoint(one.words)]


def untracked(text: str) -> str:
    """A virtual route or rule with no_track, which stands before the first nexthop."""
    before, nexthop, behind = text.partition(f" {NEXTHOP} ")
    return f"{before} {NO_TRACK}{nexthop}{behind}"


def source_lines(instance: VrrpInstance, host: Host, shared: bool) -> Iterator[str]:
    if instance.source is not Tri.NO:
        return  # also where a condition (@id) decides about it
    family = instance.addresses[0].ip.version if instance.addresses else 4
    named = host.sources.get(instance.name, host.sources.get(""))
    address = named if named is not None and named.version == family else None
    address = address or host.own.get((instance.interface, family))
    if instance.interface_at is None:
        raise ConfigError(
            f"{instance.statement.where}: vrrp_instance {instance.name} names no interface; add one"
        )
    if address is None:
        raise ConfigError(
            f"{instance.interface_at.where}: {instance.interface} has no static address of its own "
            "to send adverts from; name the address to use with --source ADDR, or with "
            f"--source {instance.name}=ADDR"
        )
    keyword = "unicast_src_ip" if instance.unicast else "mcast_src_ip"
    condition = f"@{host.node} " if shared and host.node else ""
    yield f"{condition}{keyword} {address}"


def _has_check(configuration: Configuration, instance: VrrpInstance) -> bool:
    wanted = f"{CHECK_SCRIPT} {file_name(instance.name)}"
    scripts = (configuration.scripts.get(track.name) for track in instance.track_scripts)
    return any(script is not None and script.command == wanted for script in scripts)


def check_block(instance: VrrpInstance) -> list[str]:
    return [
        f"vrrp_script {own_name(instance)} {{",
        f'    script "{CHECK_SCRIPT} {file_name(instance.name)}"',
        "    interval 1",
        "    timeout 10",
        "    fall 2",
        "    rise 1",
        "    weight 0",
        "    user root",
        "}",
    ]


def track_block(instance: VrrpInstance, host: Host) -> list[str]:
    keyword = "track_file" if host.version >= TRACK_FILE else "vrrp_track_file"
    return [
        f"{keyword} {own_name(instance)} {{",
        f'    file "{track_path(instance.name)}"',
        "    weight 0",
        "}",
    ]


def _defined(configuration: Configuration, instance: VrrpInstance, block: list[str]) -> Insertion:
    """Before its first use: older versions of keepalived look a name up as they read it."""
    text = configuration.texts[instance.statement.path]
    return line_before(text, instance.statement, [*block, ""])


def _tracked(
    configuration: Configuration, instance: VrrpInstance, block: str, name: str
) -> Generator[Insertion, None, list[str]]:
    """Add a name to the instance's block of that kind, or a new block if it has none."""
    opener = next(
        (s for s in instance.statements if len(s.blocks) == 1 and s.keyword == block), None
    )
    if opener is not None:
        inside = line_inside(configuration.texts[opener.path], opener, [name])
        if inside is not None:
            yield inside
            return []
    return [f"{block} {{", f"    {name}", "}"]


# --- notify ---------------------------------------------------------------------------------------


def _free_notify(instance: VrrpInstance, host: Host) -> list[str]:
    """The keywords under which netvip's notify script fits beside the operator's: an instance takes
    one `notify`, and one of each of the others (fact notify-slots). One whose user does not exist
    takes no place."""
    taken = {n.keyword for n in instance.notifies if n.user or not host.no_default_user}
    if "notify" not in taken:
        return ["notify"]
    return [] if taken & set(STATE_NOTIFIES) else list(STATE_NOTIFIES)


def notify_lines(instance: VrrpInstance, host: Host) -> list[str]:
    if notifies(instance):
        return []
    name = file_name(instance.name)
    lines = []
    for keyword in _free_notify(instance, host):
        told = "" if keyword == "notify" else f" INSTANCE {name} {STATE_NOTIFIES[keyword]} 0"
        lines.append(f'{keyword} "{NOTIFY_SCRIPT} {name}{told}" root')
    return lines


def _chain(configuration: Configuration, instance: VrrpInstance, host: Host) -> Iterator[Insertion]:
    """Have netvip's script run as root, and then run the operator's script as the operator's
    user."""
    notify = next(notify for notify in instance.notifies if notify.keyword == "notify")
    words = notify.statement.words
    text = configuration.texts[notify.statement.path]
    refuse_to_chain(notify, host)
    if not _may_prefix(notify.statement, text):
        raise ConfigError(
            f"{notify.statement.where}: a definition generates this notify; let it begin with "
            f"{NOTIFY_SCRIPT} {file_name(instance.name)} --then, and run netvip adopt again"
        )
    chain = chained(instance, notify, host)
    yield from _prefixed(notify.statement, text, chain)
    if notify.user is None:
        yield Insertion(notify.statement.path, words[-1].end, " root")


def refuse_to_chain(notify: Notify, host: Host) -> None:
    """Raise ConfigError where keepalived does not run the script: as an argument of netvip's script
    it would run."""
    if not host.runs(notify.command):
        raise ConfigError(
            f"{notify.statement.where}: keepalived does not run this script (it does not exist, "
            "may not be executed, or users other than root may change it); mend or remove this "
            "line, then run netvip adopt again"
        )


def chained(instance: VrrpInstance, notify: Notify, host: Host) -> str:
    """What stands before a notify script of the operator's that netvip's runs."""
    return f"{NOTIFY_SCRIPT} {file_name(instance.name)} --as {user_of(notify, host)} --then "


def user_of(notify: Notify, host: Host) -> str:
    if notify.user is None:
        return host.script_user
    return notify.user if notify.group is None else f"{notify.user}:{notify.group}"


def _may_prefix(statement: Statement, text: str) -> bool:
    """Whether the command is written in the file, and not by a definition alone."""
    command = statement.words[1]
    written = text[command.start : command.end]
    return statement.verbatim or (statement.stands and written[:1] == '"')


def _prefixed(statement: Statement, text: str, prefix: str) -> Iterator[Insertion]:
    """Put words before a command, inside its quotes of either kind; one without gets them."""
    command = statement.words[1]
    if text[command.start] in "\"'":
        yield Insertion(statement.path, command.start + 1, prefix)
        return
    yield Insertion(statement.path, command.start, f'"{prefix}')
    yield Insertion(statement.path, command.end, '"')


# --- the operator's checks ------------------------------------------------------------------------


def _wrap(configuration: Configuration, script: Script, host: Host) -> Iterator[Insertion]:
    """What keepalived does not run counts as healthy, and would fail under the wrapper."""
    at = script.command_at
    if at is None or not _is_wrapped(script, host):
        return
    if not _may_prefix(at, configuration.texts[at.path]):
        raise ConfigError(
            f"{at.where}: a definition generates this script; let it begin with {HOLD_SCRIPT}, "
            "and adopt again"
        )
    yield from _prefixed(at, configuration.texts[at.path], f"{HOLD_SCRIPT} ")


def _is_wrapped(script: Script, host: Host) -> bool:
    own = script.command.split()[:1] or [ETC]
    dropped = script.user is None and host.no_default_user
    foreign = not own[0].startswith(ETC) and not opens_file(script.command)
    return foreign and not dropped and host.runs(script.command)


def wrapped_users(configuration: Configuration, host: Host) -> set[str]:
    """The users that run the operator's checks: each needs a directory for its last results."""
    wrapped = [s for s in configuration.scripts.values() if _is_wrapped(s, host)]
    held = [s for s in configuration.scripts.values() if s.command.startswith(HOLD_SCRIPT)]
    return {(s.user or host.script_user).partition(":")[0] for s in (*wrapped, *held)}
