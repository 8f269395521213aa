"""Rules about the host, keepalived's build, and what it really runs."""

from __future__ import annotations

from collections.abc import Iterator

from netvip.core.model import Tri
from netvip.doctor.facts import Facts
from netvip.doctor.findings import Finding, Severity, note, warning
from netvip.doctor.rules_instances import WATCHES
from netvip.keepalived.traps import in_unicast_trap


def promote_secondaries(facts: Facts) -> Iterator[Finding]:
    """A VIP that may become the primary address; the kernel deletes the others with it."""
    for instance in facts.configuration.instances.values():
        told = any(s.keyword == "promote_secondaries" for s in instance.statements)
        for address in () if told else instance.addresses:
            own = facts.own.get(address.interface, ())
            shares = any(
                address.ip.version == 4
                and address.prefixlen == mine.network.prefixlen
                and address.ip in mine.network
                for mine in own
            )
            if shares and facts.promote_secondaries.get(address.interface) == (0, 0):
                yield warning(
                    "NV301",
                    address.statement,
                    f"with promote_secondaries=0 the VIP goes whenever {address.interface}'s own "
                    "address does",
                    f"{_key(address.interface, 'promote_secondaries')} = 1   # in /etc/sysctl.d",
                )


def arp_ignore(facts: Facts) -> Iterator[Finding]:
    """An interface that does not answer ARP for addresses on lo."""
    for interface, (every, own) in facts.arp_ignore.items():
        if max(every, own) >= 1:
            names = [name for name, value in (("all", every), (interface, own)) if value >= 1]
            yield warning(
                "NV302",
                None,
                f"arp_ignore={max(every, own)} on {interface}: during a reload only neighbours "
                "that have the VIP in their ARP cache reach it",
                *(f"{_key(name, 'arp_ignore')} = 0   # in /etc/sysctl.d" for name in names),
            )


def _key(interface: str, name: str) -> str:
    """As sysctl.d(5) spells it: with slashes first a dot in an interface's name stays one."""
    return f"net/ipv4/conf/{interface}/{name}"


def packet_filter(facts: Facts) -> Iterator[Finding]:
    """A packet filter under which a shield does harm."""
    if facts.shield_hurts:
        yield warning(
            "NV303",
            None,
            f"netvip cannot shield on this host: {facts.shield_hurts}",
            "let that rule pass the VIPs",
        )


def not_managed(facts: Facts) -> Iterator[Finding]:
    """An interface of VIPs that networkd leaves alone."""
    for interface in sorted(facts.unmanaged):
        yield note(
            "NV308",
            None,
            f"systemd-networkd does not manage {interface}: it deletes no VIP there, and netvip "
            "has nothing to do",
        )


def json(facts: Facts) -> Iterator[Finding]:
    """A keepalived that cannot write its state."""
    if facts.json is Tri.NO:
        yield warning(
            "NV304",
            None,
            "this keepalived was built without JSON: netvip cannot read its state and "
            "protects nothing",
            "install a build with JSON, such as Debian's",
        )


def version(facts: Facts) -> Iterator[Finding]:
    """A keepalived that lacks what netvip builds on."""
    if facts.version and facts.version < WATCHES:
        yield note(
            "NV305",
            None,
            f"keepalived {'.'.join(map(str, facts.version))} has no track files and no no_track: "
            "netvip cannot release VIPs, only keepalived's check can",
            "upgrade keepalived to 2.2 or later",
        )


def waits(facts: Facts) -> Iterator[Finding]:
    """A unit of keepalived that sleeps before it starts."""
    instances = facts.configuration.instances.values()
    trap = any(i.unicast and i.source is not Tri.NO for i in instances)
    if facts.version < WATCHES or (trap and in_unicast_trap(facts.version)):
        return  # such a one needs its addresses when it starts
    for where, line in facts.waits:
        text = f"{line} only prolongs a restart: netvip's drop-in waits for the source addresses"
        yield Finding("NV307", Severity.NOTE, where, text, ("remove that line",))


def differs(facts: Facts) -> Iterator[Finding]:
    """A configuration file that differs from what keepalived runs."""
    if facts.running is None:
        return
    running = {spec.name: spec for spec in facts.running}
    instances = facts.configuration.instances
    for name, instance in instances.items():
        spec = running.get(name)
        if spec is None:
            yield _different(f"{name} is configured but does not run", instance.statement.where)
            continue
        # Before 2.0 keepalived does not know no_track, and reports none.
        known = facts.version >= WATCHES
        held = {(v.ip, v.prefixlen, v.interface, known and v.tracked) for v in spec.vips}
        written = {
            (a.ip, a.prefixlen, a.interface, known and a.tracked) for a in instance.addresses
        }
        if held != written:
            yield _different(
                f"{name} runs with other VIPs than are configured", instance.statement.where
            )
    for name in running.keys() - instances.keys():
        yield _different(f"keepalived runs {name}, which is not configured", "")


def _different(text: str, where: str) -> Finding:
    told = f"{text}; netvip uses what runs"
    return Finding("NV306", Severity.WARNING, where, told, ("systemctl reload keepalived",))


RULES = (
    promote_secondaries,
    arp_ignore,
    packet_filter,
    not_managed,
    json,
    version,
    waits,
    differs,
)
