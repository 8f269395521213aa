"""Rules about the scripts that keepalived runs: checks that lie, notify scripts that fight."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netvip.core.model import Tri
from netvip.doctor.facts import Command, Facts
from netvip.doctor.findings import Finding, error, warning
from netvip.keepalived.model import Notify, Script

GREPS = re.compile(r"\bip\b[^\n|]*\b(?:a|addr|address)\b[^\n]*\|\s*(?:\S*/)?(?:grep|egrep|awk)\b")
CHANGES = re.compile(r"\bip\b[^\n|;]*\b(?:a|addr|address)\s+(?:add|del|delete|replace|flush)\b")
RESTARTS = re.compile(r"\b(?:try-restart|restart|reload-or-restart)\b[^\n;]*\bkeepalived\b")
RESTARTS_TOO = re.compile(r"\bservice\s+keepalived\s+\w*restart|init\.d/keepalived\s+\w*restart")
PINGS = re.compile(r"\b(?:ping6?|arping|fping)\b[^\n;|&]*")
CONNECTS = re.compile(r"\b(?:curl|wget|nc|ncat|telnet)\b[^\n;|&]*")
ASSIGNED = re.compile(
    r"^\s*(?:readonly\s+|local\s+|export\s+)?(\w+)=[\"']?([^\s\"';]+)", re.MULTILINE
)
#: What a reload by networkd may fail for an instant.
NETWORK = re.compile(r"\b(?:ping6?|arping|fping|curl|wget|nc|ncat|telnet)\b")


def _checks(facts: Facts) -> Iterator[tuple[Script, Command]]:
    for script in facts.configuration.scripts.values():
        command = facts.commands.get(script.command)
        if command is not None and not script.command.startswith("/etc/netvip/keepalived-check"):
            yield script, command


def _notifies(facts: Facts) -> Iterator[tuple[Notify, Command]]:
    configuration = facts.configuration
    for holder in (*configuration.instances.values(), *configuration.groups.values()):
        for notify in holder.notifies:  # type: ignore[attr-defined]
            if (command := facts.commands.get(notify.command)) is not None:
                yield notify, command


def _meant(command: Command) -> str:
    """The command and its script with the variables put in that the script assigns itself, and its
    arguments for $1 and on."""
    text = command.whole
    values: dict[str, str] = dict(ASSIGNED.findall(text))
    values |= {str(n): word for n, word in enumerate(command.words[1:], 1)}

    def value(found: re.Match[str]) -> str:
        default = found[2] if found.lastindex == 2 else None
        return values.get(found[1], default or found[0])

    for _ in range(3):  # a default within a default, as ${1:-$VIP}
        text = re.sub(r"\$\{(\w+)(?::?-([^}]*))?\}", value, text)
        text = re.sub(r"\$(\w+)", value, text)
    return text


def _vips(facts: Facts) -> set[str]:
    instances = facts.configuration.instances.values()
    return {str(address.ip) for instance in instances for address in instance.addresses}


def _names_vip(text: str, vips: set[str]) -> bool:
    return any(
        re.search(rf"(?<![\d.:a-f]){re.escape(vip)}(?![\d.]|:[0-9a-f]+:)", text) for vip in vips
    )


def greps_addresses(facts: Facts) -> Iterator[Finding]:
    """A check that asks whether the VIP is here."""
    for script, command in _checks(facts):
        if GREPS.search(_meant(command)):
            yield error(
                "NV201",
                script.command_at,
                f"{script.name} fails where the VIP is absent, as it rightly is on the BACKUP: "
                "both nodes fail alike and nobody takes over",
                f'script "/etc/netvip/keepalived-check INSTANCE"   # in place of {script.name}',
            )


def pipe(facts: Facts) -> Iterator[Finding]:
    """A pipe where there is no shell."""
    for script, command in _checks(facts):
        shell = command.words[:1] and command.words[0].rpartition("/")[2] in ("sh", "bash", "dash")
        if "|" in " ".join(command.words) and not shell:
            yield error(
                "NV202",
                script.command_at,
                "keepalived runs no shell: the pipe is an argument, and the check tests nothing",
                f'script "/etc/netvip/keepalived-check INSTANCE"   # in place of {script.name}',
            )


def pings_vip(facts: Facts) -> Iterator[Finding]:
    """A check that pings the VIP, whoever answers."""
    vips = _vips(facts)
    for script, command in _checks(facts):
        if any(_names_vip(ping, vips) for ping in PINGS.findall(_meant(command))):
            yield error(
                "NV203",
                script.command_at,
                f"{script.name} pings the VIP: on the BACKUP the answer tells of the other node, "
                "and when the VIP is dark both fail",
                "check what this node needs, such as its gateway",
            )


def connects_vip(facts: Facts) -> Iterator[Finding]:
    """A check that connects to the VIP."""
    vips = _vips(facts)
    for script, command in _checks(facts):
        if any(_names_vip(line, vips) for line in CONNECTS.findall(_meant(command))):
            yield error(
                "NV204",
                script.command_at,
                f"{script.name} connects to the VIP: on the BACKUP it tests the other node's "
                "service, and a fault there fails both nodes",
                "connect to this node's own address or 127.0.0.1",
            )


def weight(facts: Facts) -> Iterator[Finding]:
    """A weight where FAULT is meant."""
    configuration = facts.configuration
    for instance in configuration.instances.values():
        for reference in instance.track_scripts:
            script = configuration.scripts.get(reference.name)
            if script is None or instance.nopreempt is not Tri.YES:
                continue
            if reference.weight if reference.weight is not None else script.weight:
                where = [s for s in configuration.statements if s.inside("vrrp_script")]
                mine = [s for s in where if s.blocks[-1][1:2] == (script.name,)]
                at = next((s for s in mine if s.keyword == "weight"), reference.statement)
                yield error(
                    "NV205",
                    at,
                    f"with nopreempt a weight does nothing: {instance.name} stays MASTER with any "
                    "priority; only FAULT makes it yield",
                    "weight 0",
                )


def unheld(facts: Facts) -> Iterator[Finding]:
    """A check that networkd's reload can fail."""
    vips = _vips(facts)
    for script, command in _checks(facts):
        text = _meant(command)
        if command.held or _names_vip(text, vips) or not NETWORK.search(text):
            continue
        if script.fall * script.interval <= 3:  # networkd's acts and what follows take that long
            yield warning(
                "NV206",
                script.command_at,
                f"{script.name} may fail while systemd-networkd acts, for no fault of this node's",
                f'script "/etc/netvip/keepalived-hold {script.command}"',
            )


def changes_addresses(facts: Facts) -> Iterator[Finding]:
    """A notify script that does keepalived's work."""
    for notify, command in _notifies(facts):
        if CHANGES.search(_meant(command)):
            yield error(
                "NV211",
                notify.statement,
                f"{notify.keyword} adds or deletes addresses behind keepalived's back: the VIP "
                "ends on both nodes, or on none",
                "remove those lines; keepalived and netvip see to the VIP",
            )


def restarts_keepalived(facts: Facts) -> Iterator[Finding]:
    """A notify script that restarts keepalived."""
    for notify, command in _notifies(facts):
        text = _meant(command)
        if RESTARTS.search(text) or RESTARTS_TOO.search(text):
            yield error(
                "NV212",
                notify.statement,
                f"{notify.keyword} restarts keepalived, which is FAULT again as it starts, and so "
                "on: the two nodes chase each other",
                "remove that line; a FAULT ends by itself when its cause does",
            )


def missing(facts: Facts) -> Iterator[Finding]:
    """A script that is not there, or cannot be run."""
    for script, command in _checks(facts):
        if command.exists is Tri.NO or command.executable is Tri.NO:
            what = "does not exist" if command.exists is Tri.NO else "is not executable"
            yield error(
                "NV221",
                script.command_at,
                f"{command.path} {what}: keepalived counts that as a failure, on both nodes",
                f"install {command.path}, or remove {script.name}",
            )


def script_security(facts: Facts) -> Iterator[Finding]:
    """Scripts that run as root without keepalived's checks of who may change them."""
    configuration = facts.configuration
    if facts.commands and configuration.globals("enable_script_security") is None:
        first = next((s.statement for s in configuration.scripts.values()), None)
        first = first or next((n.statement for n, _ in _notifies(facts)), None)
        yield warning(
            "NV222",
            first,
            "scripts run without enable_script_security: whoever may write one is root",
            "enable_script_security   # in global_defs, with `user` at each script",
        )


def badly_owned(facts: Facts) -> Iterator[Finding]:
    """A script that others may change."""
    for script, command in _checks(facts):
        if command.writable_by_others is Tri.YES:
            yield warning(
                "NV223",
                script.command_at,
                f"{command.path}, or a directory above it, is writable by others than root; under "
                "enable_script_security keepalived drops it and counts it as healthy",
                f"chown root {command.path} && chmod go-w {command.path}",
            )


RULES = (
    greps_addresses,
    pipe,
    pings_vip,
    connects_vip,
    weight,
    unheld,
    changes_addresses,
    restarts_keepalived,
    missing,
    script_security,
    badly_owned,
)
