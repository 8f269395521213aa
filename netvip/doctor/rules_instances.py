"""Rules about VRRP instances: what keepalived tracks, who takes over, what is announced."""

from __future__ import annotations

from collections.abc import Iterator

from netvip.const import CHECK_SCRIPT
from netvip.core.model import Tri
from netvip.doctor.facts import Facts
from netvip.doctor.findings import Finding, error, note, warning
from netvip.keepalived.declared import notifies, tracks
from netvip.keepalived.model import Instance

#: keepalived from this version on watches its addresses, and has track files.
WATCHES = (2, 0)
#: keepalived 2.0.19 and later drop nopreempt where the state is MASTER (FACTS 5).
UNICAST_TRAP = ((2, 1, 0), (2, 3, 2))


def _instances(facts: Facts) -> tuple[Instance, ...]:
    return tuple(facts.configuration.instances.values())


def _watches(facts: Facts) -> bool:
    return not facts.version or facts.version >= WATCHES


def tracked(facts: Facts) -> Iterator[Finding]:
    """A VIP, route or rule without no_track."""
    for instance in _instances(facts) if _watches(facts) else ():
        found = [a.statement for a in instance.addresses if a.tracked]
        found += [o.statement for o in (*instance.routes, *instance.rules) if o.tracked]
        for statement in found:
            yield error(
                "NV101",
                statement,
                "keepalived leaves MASTER and drops every VIP when systemd-networkd deletes this",
                f"{' '.join(statement.texts())} no_track",
            )


def source(facts: Facts) -> Iterator[Finding]:
    """No configured source of the adverts."""
    for instance in _instances(facts) if _watches(facts) else ():
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
    for instance in _instances(facts) if _watches(facts) else ():
        if not tracks(facts.configuration, instance):
            yield warning(
                "NV103",
                instance.statement,
                f"{instance.name} has no track file, the one way to have a nopreempt MASTER let "
                "its VIPs go",
                "netvip adopt --apply",
            )


def dead_man(facts: Facts) -> Iterator[Finding]:
    """Nobody looks after untracked VIPs while netvip is dead."""
    for instance in _instances(facts):
        named = (facts.configuration.scripts.get(t.name) for t in instance.track_scripts)
        checked = any(s is not None and s.command.startswith(f"{CHECK_SCRIPT} ") for s in named)
        if not checked or not notifies(instance):
            yield warning(
                "NV104",
                instance.statement,
                f"while netvip is dead nobody notices that {instance.name} has lost a VIP",
                "netvip adopt --apply",
            )


def nopreempt(facts: Facts) -> Iterator[Finding]:
    """A node that takes its VIPs back as soon as it can."""
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


def state_master(facts: Facts) -> Iterator[Finding]:
    """nopreempt beside state MASTER."""
    for instance in _instances(facts):
        if instance.nopreempt is Tri.YES and instance.state == "MASTER":
            yield error(
                "NV112",
                instance.find("state"),
                "keepalived drops nopreempt where the state is MASTER",
                "state BACKUP",
            )


def priorities(facts: Facts) -> Iterator[Finding]:
    """What unequal priorities mean."""
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
        if instance.strict is Tri.YES and instance.addresses:
            at = instance.find("strict_mode") or facts.configuration.globals("vrrp_strict")
            yield error(
                "NV121",
                at,
                f"vrrp_strict drops every packet to {instance.name}'s VIPs (RFC 5798 accept mode)",
                "remove vrrp_strict",
            )


def authentication(facts: Facts) -> Iterator[Finding]:
    """A password in clear text on the wire."""
    for instance in _instances(facts):
        if instance.auth_type.upper() == "PASS":
            yield warning(
                "NV122",
                next((s for s in instance.statements if s.keyword == "auth_type"), None),
                "auth_type PASS is sent in clear text with each advert and protects nothing; RFC "
                "5798 has no authentication",
                "remove the authentication block on both nodes",
            )


def garp_refresh(facts: Facts) -> Iterator[Finding]:
    """Gratuitous ARPs are sent at a takeover only."""
    configuration = facts.configuration
    if configuration.globals("vrrp_garp_master_refresh") is None:
        for instance in _instances(facts):
            if instance.find("garp_master_refresh") is None:
                yield warning(
                    "NV123",
                    instance.statement,
                    "a neighbour that misses the gratuitous ARPs of a takeover is never told again",
                    "vrrp_garp_master_refresh 60   # in global_defs",
                )


def garp_repeat(facts: Facts) -> Iterator[Finding]:
    """How often they are repeated is left to the default."""
    configuration = facts.configuration
    if configuration.globals("vrrp_garp_master_repeat") is None:
        for instance in _instances(facts):
            if instance.find("garp_master_repeat") is None:
                yield note(
                    "NV124",
                    instance.statement,
                    "vrrp_garp_master_repeat is not set: how many gratuitous ARPs are sent at a "
                    "takeover differs between releases",
                    "vrrp_garp_master_repeat 5   # in global_defs",
                )


def duplicate_vrid(facts: Facts) -> Iterator[Finding]:
    """Two instances that answer each other's adverts."""
    seen: dict[tuple[str, int, int], Instance] = {}
    for instance in _instances(facts):
        if instance.vrid is None:
            continue
        family = instance.addresses[0].ip.version if instance.addresses else 4
        first = seen.setdefault((instance.interface, instance.vrid, family), instance)
        if first is not instance:
            yield error(
                "NV125",
                instance.find("virtual_router_id"),
                f"{instance.name} and {first.name} have VRID {instance.vrid} on one interface",
                "virtual_router_id ANOTHER   # the same on both nodes",
            )


def second_notify(facts: Facts) -> Iterator[Finding]:
    """A notify script that never runs."""
    for instance in _instances(facts):
        seen: set[str] = set()
        for notify in instance.notifies:
            if notify.keyword in seen:
                yield warning(
                    "NV126",
                    notify.statement,
                    f"an instance takes one {notify.keyword}: this one is ignored",
                    "let the first script call the second",
                )
            seen.add(notify.keyword)


def unicast_trap(facts: Facts) -> Iterator[Finding]:
    """A configured unicast source that is missing at the start."""
    first, last = UNICAST_TRAP
    for instance in _instances(facts):
        if instance.unicast and instance.source is Tri.YES and first <= facts.version[:3] <= last:
            yield error(
                "NV127",
                instance.find("unicast_src_ip", "mcast_src_ip"),
                f"keepalived {'.'.join(map(str, facts.version))} stays in FAULT for good when it "
                "starts before this address is there",
                "upgrade keepalived to 2.3.3 or later",
            )


RULES = (
    tracked,
    source,
    track_file,
    dead_man,
    nopreempt,
    state_master,
    priorities,
    strict,
    authentication,
    garp_refresh,
    garp_repeat,
    duplicate_vrid,
    second_notify,
    unicast_trap,
)
