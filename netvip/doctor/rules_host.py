"""Rules about the host, keepalived's build, and what it really runs."""

from __future__ import annotations

from collections.abc import Iterator

from netvip.core.model import Tri
from netvip.doctor.facts import Facts
from netvip.doctor.findings import Finding, note, warning

WATCHES = (2, 0)
#: keepalived's JSON dump is netvip's first source of what it holds.
FIRST_JSON = (2, 0)


def promote_secondaries(facts: Facts) -> Iterator[Finding]:
    """A VIP that may become the primary, and take all others with it."""
    for instance in facts.configuration.instances.values():
        for address in instance.addresses:
            own = facts.own.get(address.interface, ())
            shares = any(
                address.ip.version == 4
                and address.prefixlen == mine.network.prefixlen
                and address.ip in mine.network
                for mine in own
            )
            if shares and facts.promote_secondaries.get(address.interface) == 0:
                yield warning(
                    "NV301",
                    address.statement,
                    f"with promote_secondaries=0 the VIP goes whenever {address.interface}'s own "
                    "address does",
                    f"sysctl -w net.ipv4.conf.{address.interface}.promote_secondaries=1",
                )


def arp_ignore(facts: Facts) -> Iterator[Finding]:
    """An interface that does not answer ARP for what stands on lo."""
    for interface, value in facts.arp_ignore.items():
        if value >= 1:
            yield warning(
                "NV302",
                None,
                f"arp_ignore={value} on {interface}: during a reload only neighbours that have "
                "the VIP in their ARP cache reach it",
                f"sysctl -w net.ipv4.conf.{interface}.arp_ignore=0",
            )


def packet_filter(facts: Facts) -> Iterator[Finding]:
    """A filter under which a shield hurts."""
    if facts.shield_hurts:
        yield warning(
            "NV303",
            None,
            f"netvip cannot shield on this host: {facts.shield_hurts}",
            "let that rule pass the VIPs",
        )


def json(facts: Facts) -> Iterator[Finding]:
    """A keepalived that cannot tell its state."""
    if facts.json is Tri.NO:
        yield warning(
            "NV304",
            None,
            "this keepalived was built without JSON: netvip cannot ask it what it holds, and "
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
            "what cannot be put back is let go by a check alone",
            "upgrade keepalived to 2.2 or later",
        )


def differs(facts: Facts) -> Iterator[Finding]:
    """A file that is not what keepalived runs."""
    if facts.running is None:
        return
    running = {spec.name: spec for spec in facts.running}
    instances = facts.configuration.instances
    for name, instance in instances.items():
        spec = running.get(name)
        if spec is None:
            yield _different(f"{name} is configured but does not run", instance.statement.where)
            continue
        held = {(vip.ip, vip.prefixlen, vip.interface, vip.tracked) for vip in spec.vips}
        written = {(a.ip, a.prefixlen, a.interface, a.tracked) for a in instance.addresses}
        if held != written:
            yield _different(
                f"{name} runs with other VIPs than are configured", instance.statement.where
            )
    for name in running.keys() - instances.keys():
        yield _different(f"keepalived runs {name}, which is not configured", "")


def _different(text: str, where: str) -> Finding:
    finding = warning("NV306", None, f"{text}: netvip goes by what runs", "reload keepalived")
    return Finding(finding.code, finding.severity, where, finding.text, finding.instead)


RULES = (promote_secondaries, arp_ignore, packet_filter, json, version, differs)
