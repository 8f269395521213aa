"""Rules about VRRP instances: what keepalived tracks, who takes over, what is announced."""

from __future__ import annotations

from collections.abc import Iterator

from netvip.const import CHECK_SCRIPT
from netvip.core.model import Tri
from netvip.doctor.facts import Facts, holders
from netvip.doctor.findings import Finding, error, note, warning
from netvip.keepalived.adoption import unprotectable
from netvip.keepalived.configuration import IP, OWNER_PRIORITY, Configuration, VrrpInstance
from netvip.keepalived.declared import notifies, tracks
from netvip.keepalived.traps import in_unicast_trap
from netvip.keepalived.virtual import bare_address

#: keepalived from this version on watches its addresses, and has track files.
WATCHES = (2, 0)
#: keepalived's default groups for adverts, by IP version (keepalived.conf(5)).
GROUPS = {4: "224.0.0.18", 6: "ff02::12"}
#: The block of track files at the root is spelled track_file from here on (fact track-file).
TRACK_FILE = (2, 2, 4)


def _instances(facts: Facts) -> tuple[VrrpInstance, ...]:
    return tuple(facts.configuration.instances.values())


def _protectable(facts: Facts) -> tuple[VrrpInstance, ...]:
    return tuple(i for i in _instances(facts) if not unprotectable(i))


def _watches(facts: Facts) -> bool:
    return not facts.version or facts.version >= WATCHES


def tracked(facts: Facts) -> Iterator[Finding]:
    """A VIP without no_track."""
    for instance in _instances(facts) if _watches(facts) else ():
        for statement in [a.statement for a in instance.addresses if a.tracked and not a.vmac]:
            yield error(
                "NV101",
                statement,
                "keepalived leaves MASTER and drops every VIP when systemd-networkd deletes this",
                f"{' '.join(statement.texts())} no_track",
            )


def untracked_object(facts: Facts) -> Iterator[Finding]:
    """A virtual route or rule with no_track of an instance that netvip cannot protect: neither
    keepalived nor netvip puts it back."""
    watched = _instances(facts) if _watches(facts) else ()
    for instance in [instance for instance in watched if unprotectable(instance)]:
        for found in (*instance.routes, *instance.rules):
            if not found.tracked:
                yield error(
                    "NV105",
                    found.statement,
                    "nothing puts this back when systemd-networkd deletes it",
                    " ".join(word for word in found.words if word != "no_track"),
                )


def overwritten(facts: Facts) -> Iterator[Finding]:
    """An adoption that was written over, by a template perhaps."""
    for instance in _protectable(facts) if facts.adopted else ():
        guarded = instance.source is not Tri.NO and not any(a.tracked for a in instance.addresses)
        if instance.addresses and not guarded:
            yield warning(
                "NV106",
                instance.statement,
                f"this was written again since netvip adopt: {instance.name} is no longer guarded",
                "netvip adopt --apply   # or the lines of netvip adopt --print in its template",
            )


def source(facts: Facts) -> Iterator[Finding]:
    """No configured source of the adverts."""
    for instance in _protectable(facts) if _watches(facts) else ():
        if instance.source is Tri.NO:
            keyword = "unicast_src_ip" if instance.unicast else "mcast_src_ip"
            yield error(
                "NV102",
                instance.interface_at or instance.statement,
                f"{instance.name} goes to FAULT when the host's own address is away for a moment",
                f"{keyword} ADDRESS   # the host's own; netvip adopt fills it in",
            )


def track_file(facts: Facts) -> Iterator[Finding]:
    """No track file of netvip's."""
    for instance in _protectable(facts) if _watches(facts) else ():
        if not tracks(facts.configuration, instance):
            yield warning(
                "NV103",
                instance.statement,
                f"{instance.name} has no track file, so that netvip cannot make a "
                "nopreempt MASTER release its VIPs",
                "netvip adopt --apply",
            )


def dead_man(facts: Facts) -> Iterator[Finding]:
    """No check watches the untracked VIPs while netvip does not run."""
    for instance in _instances(facts):
        if _watches(facts) and all(address.tracked for address in instance.addresses):
            continue  # keepalived itself looks after these
        named = (facts.configuration.scripts.get(t.name) for t in instance.track_scripts)
        checked = any(s is not None and s.command.startswith(f"{CHECK_SCRIPT} ") for s in named)
        if not checked or not notifies(instance):
            yield warning(
                "NV104",
                instance.statement,
                f"while netvip does not run, nothing notices that {instance.name} has lost a VIP",
                "netvip adopt --apply",
            )


def nopreempt(facts: Facts) -> Iterator[Finding]:
    """A node that takes the VIPs back as soon as it returns."""
    for instance in _instances(facts):
        if instance.nopreempt is Tri.NO:
            yield warning(
                "NV111",
                instance.statement,
                f"without nopreempt a node of higher priority takes {instance.name}'s VIPs back "
                "the moment it returns, which breaks every connection a second time",
                "state BACKUP",
                "nopreempt",
            )


def owner(facts: Facts) -> Iterator[Finding]:
    """nopreempt beside the owner's priority."""
    for instance in _instances(facts):
        at = instance.find("priority")
        certain = at is not None and at.applies is Tri.YES and instance.nopreempt is Tri.YES
        if certain and instance.priority == OWNER_PRIORITY:
            yield error(
                "NV114",
                at,
                f"keepalived drops nopreempt where the priority is {OWNER_PRIORITY}, the address "
                "owner's",
                "priority 110",
            )


def state_master(facts: Facts) -> Iterator[Finding]:
    """nopreempt beside state MASTER."""
    for instance in _instances(facts):
        at = instance.find("state")
        certain = at is not None and at.applies is Tri.YES and instance.nopreempt is Tri.YES
        if certain and instance.state == "MASTER":
            yield error(
                "NV112",
                at,
                "keepalived drops nopreempt where the state is MASTER",
                "state BACKUP",
            )


def priorities(facts: Facts) -> Iterator[Finding]:
    """Unequal priorities."""
    for instance in _instances(facts):
        if instance.nopreempt is Tri.NO and instance.find("priority") is not None:
            yield note(
                "NV113",
                instance.find("priority"),
                "unequal priorities mean a second failover whenever the preferred node returns; "
                "with nopreempt they decide only who wins when both start at the same time",
            )


def strict(facts: Facts) -> Iterator[Finding]:
    """vrrp_strict drops what reaches the VIPs."""
    for instance in _instances(facts):
        if instance.strict is Tri.YES and instance.addresses and not _accepts(instance):
            at = instance.find("strict_mode") or facts.configuration.globals("vrrp_strict")
            yield error(
                "NV121",
                at,
                f"vrrp_strict drops every packet to {instance.name}'s VIPs (RFC 5798 accept mode)",
                "remove vrrp_strict",
            )


def _accepts(instance: VrrpInstance) -> bool:
    """Whether strict mode lets packets to the VIPs pass all the same (vrrp_complete_instance in
    keepalived's vrrp.c): the owner, and `accept` in version 3."""
    version3 = instance.vrrp_version == 3 or instance.addresses[0].ip.version == 6
    return instance.priority == OWNER_PRIORITY or (version3 and instance.find("accept") is not None)


def authentication(facts: Facts) -> Iterator[Finding]:
    """A password in clear text on the wire."""
    for instance in _instances(facts):
        ignored = instance.vrrp_version == 3 or instance.strict is Tri.YES  # keepalived says so
        if instance.auth_type.upper() == "PASS" and not ignored:
            yield warning(
                "NV122",
                next((s for s in instance.statements if s.keyword == "auth_type"), None),
                "auth_type PASS is sent in clear text with each advert and protects nothing; RFC "
                "5798 has no authentication",
                "remove the authentication block on both nodes",
            )


def garp_refresh(facts: Facts) -> Iterator[Finding]:
    """Gratuitous ARPs are sent at a takeover only."""
    for instance in _instances(facts):
        at = facts.configuration.setting(instance, "garp_master_refresh")
        if at is None or at.texts()[1:2] == ("0",):
            yield warning(
                "NV123",
                at or instance.statement,
                "a neighbour that misses the gratuitous ARPs of a takeover gets no further ones",
                "vrrp_garp_master_refresh 60   # in global_defs",
            )


def garp_repeat(facts: Facts) -> Iterator[Finding]:
    """The number of gratuitous ARPs is the release's default."""
    for instance in _instances(facts):
        if facts.configuration.setting(instance, "garp_master_repeat") is None:
            yield note(
                "NV124",
                instance.statement,
                "vrrp_garp_master_repeat is not set: how many gratuitous ARPs are sent at a "
                "takeover differs between releases",
                "vrrp_garp_master_repeat 5   # in global_defs",
            )


def duplicate_vrid(facts: Facts) -> Iterator[Finding]:
    """Two instances with one VRID on an interface, a VMAC on it included."""
    seen: dict[object, list[VrrpInstance]] = {}
    for instance in _instances(facts):
        at = instance.find("virtual_router_id")
        if at is None or at.applies is not Tri.YES or instance.source is Tri.UNKNOWN:
            continue
        # keepalived tells unicast instances apart by their source and their peers, others by their
        # group (vrrp_complete_init in its vrrp.c).
        unicast = bool(instance.unicast_peers)
        apart = instance.source_ip if unicast else _group(facts.configuration, instance)
        key = (instance.interface, instance.vrid, instance.family, unicast, apart)
        others = seen.setdefault(key, [])
        first = next((o for o in others if not unicast or _share_a_peer(o, instance)), None)
        others.append(instance)
        if first is not None:
            yield error(
                "NV125",
                at,
                f"{instance.name} and {first.name} have VRID {instance.vrid} on one interface",
                "virtual_router_id ANOTHER   # the same on both nodes",
            )


def _share_a_peer(one: VrrpInstance, other: VrrpInstance) -> bool:
    return not set(one.unicast_peers).isdisjoint(other.unicast_peers)


def _group(configuration: Configuration, instance: VrrpInstance) -> IP | None:
    """Where an instance without unicast peers sends its adverts."""
    line = configuration.globals(f"vrrp_mcast_group{instance.family}")
    everywhere = bare_address("".join(line.texts()[1:2])) if line is not None else None
    return instance.multicast_group or everywhere or bare_address(GROUPS[instance.family])


def second_notify(facts: Facts) -> Iterator[Finding]:
    """A notify script that never runs."""
    for holder in holders(facts.configuration):
        seen: set[str] = set()
        for notify in holder.notifies:
            if notify.statement.applies is not Tri.YES:
                continue  # perhaps each counts on a node of its own
            if notify.keyword in seen:
                yield warning(
                    "NV126",
                    notify.statement,
                    f"{holder.name} takes one {notify.keyword}: this one is ignored",
                    "let the first script call the second",
                )
            seen.add(notify.keyword)


def shared_vip(facts: Facts) -> Iterator[Finding]:
    """A VIP of two instances."""
    seen: dict[object, VrrpInstance] = {}
    for instance in _instances(facts):
        for address in instance.addresses:
            if address.statement.applies is not Tri.YES:
                continue
            first = seen.setdefault((address.ip, address.interface), instance)
            if first is not instance:
                yield error(
                    "NV128",
                    address.statement,
                    f"{address.ip} is a VIP of {first.name} too: the one that becomes BACKUP takes "
                    "it from the one that is MASTER",
                    f"remove this line, or the one in {first.name}",
                )


def spelling(facts: Facts) -> Iterator[Finding]:
    """A block of track files that this keepalived does not know."""
    for statement in facts.configuration.statements:
        old = facts.version and WATCHES <= facts.version < TRACK_FILE
        if old and not statement.blocks and statement.keyword == "track_file":
            yield error(
                "NV129",
                statement,
                f"keepalived {'.'.join(map(str, facts.version))} does not know this block, and "
                "ignores the track file",
                f"vrrp_{' '.join(statement.texts())} {{",
            )


def unicast_trap(facts: Facts) -> Iterator[Finding]:
    """A configured unicast source that is missing at the start."""
    for instance in _instances(facts) if in_unicast_trap(facts.version) else ():
        if instance.unicast and instance.source is Tri.YES:
            yield error(
                "NV127",
                instance.find("unicast_src_ip", "mcast_src_ip"),
                f"keepalived {'.'.join(map(str, facts.version))} stays in FAULT for ever if it "
                "starts before this address exists",
                "upgrade keepalived to 2.3.3 or later",
            )


RULES = (
    tracked,
    untracked_object,
    overwritten,
    source,
    track_file,
    dead_man,
    nopreempt,
    state_master,
    owner,
    priorities,
    strict,
    authentication,
    garp_refresh,
    garp_repeat,
    duplicate_vrid,
    second_notify,
    shared_vip,
    spelling,
    unicast_trap,
)
