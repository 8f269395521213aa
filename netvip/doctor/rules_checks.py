"""Rules about the checks that keepalived runs: those that fail wrongly, and those that do not
run."""

from __future__ import annotations

from collections.abc import Iterator

from netvip.const import CHECK_SCRIPT, HOLD_SCRIPT
from netvip.doctor import runs, shell
from netvip.doctor.facts import Facts, holders
from netvip.doctor.findings import Finding, error, warning
from netvip.keepalived.configuration import IP, Reference, Script, Statement
from netvip.keepalived.names import file_name
from netvip.keepalived.scripts import opens_file

#: Seconds that a change by networkd and its consequences take; a check that fails later fails for
#: another reason.
ACTS = 3
QUOTES = frozenset("'\"")


def asks_for_vip(facts: Facts) -> Iterator[Finding]:
    """A check that asks whether the VIP is here."""
    vips = runs.vips(facts)
    for script, command in runs.checks(facts):
        asked = any(
            any(map(runs.reads_addresses, pipeline.commands))
            and runs.means_vip(pipeline.words, vips)
            and pipeline.then not in (("||", "exit", "0"), ("||", "return", "0"))
            for pipeline in runs.pipelines(command)
        )
        if asked:
            yield error(
                "NV201",
                script.command_at,
                f"{script.name} checks whether the VIP is here. On the BACKUP it is not, so "
                "the check fails on both nodes, and no node takes over",
                *_in_place(facts, script),
            )


def no_shell(facts: Facts) -> Iterator[Finding]:
    """A pipe, or another sign of the shell's, where there is no shell."""
    scripts = [(script.command_at, command) for script, command in runs.checks(facts)]
    scripts += [(notify.statement, command) for notify, command in runs.notifies(facts)]
    for at, command in scripts:
        signs = shell.operators(command.line)
        if signs and not opens_file(command.line):
            line = f"\"/bin/sh -c '{command.line}'\""
            yield error(
                "NV202",
                at,
                f"keepalived runs no shell: it passes {signs[0]} and the following words to "
                f"{shell.program(command.words)} as arguments",
                "put this line into a script file" if QUOTES & set(command.line) else line,
            )


def pings_vip(facts: Facts) -> Iterator[Finding]:
    """A check that pings the VIP, which any node may answer."""
    yield from _reaches(
        facts,
        runs.PINGS,
        "NV203",
        "pings the VIP: on the BACKUP the answer tells of the other node, and when the VIP is dark "
        "both fail",
        "check what this node needs, such as its gateway",
    )


def connects_vip(facts: Facts) -> Iterator[Finding]:
    """A check that connects to the VIP."""
    yield from _reaches(
        facts,
        runs.CONNECTS,
        "NV204",
        "connects to the VIP: on the BACKUP it tests the other node's service, and a fault there "
        "fails both nodes",
        "connect to 127.0.0.1",
    )


def _reaches(
    facts: Facts, programs: frozenset[str], code: str, text: str, instead: str
) -> Iterator[Finding]:
    vips = runs.vips(facts)
    for script, command in runs.checks(facts):
        if any(
            shell.program(one) in programs and runs.means_vip(runs.targets(one), vips)
            for one in runs.commands(command)
        ):
            yield error(code, script.command_at, f"{script.name} {text}", instead)


def from_vip(facts: Facts) -> Iterator[Finding]:
    """A check that sends from the VIP."""
    vips = runs.vips(facts)
    for script, command in runs.checks(facts):
        if any(
            shell.program(one) in runs.PINGS | runs.CONNECTS
            and runs.named(runs.sources(one)) & vips
            for one in runs.commands(command)
        ):
            yield error(
                "NV207",
                script.command_at,
                f"{script.name} sends from the VIP, which the BACKUP does not have: it fails "
                "there, and the BACKUP cannot take over",
                "leave the source address out",
            )


def unheld(facts: Facts) -> Iterator[Finding]:
    """A check that may fail because of what networkd does."""
    vips = runs.vips(facts)
    for script, command in runs.checks(facts):
        if command.held or script.fall * script.interval > ACTS:
            continue
        if any(_needs_network(one, vips) for one in runs.commands(command)):
            yield warning(
                "NV206",
                script.command_at,
                f"{script.name} may fail while systemd-networkd changes the interface",
                f'script "{HOLD_SCRIPT} {command.line}"',
            )


def _needs_network(command: shell.Words, vips: set[IP]) -> bool:
    where = runs.targets(command)
    if shell.program(command) not in runs.PINGS | runs.CONNECTS or runs.stays_here(command):
        return False
    # Where it goes is not known, or to a VIP, which is another rule's.
    return len(where) > 1 and not runs.unknown(where) and not runs.means_vip(where, vips)


def ends_keepalived(facts: Facts) -> Iterator[Finding]:
    """A check that stops keepalived instead of failing."""
    for script, command in runs.checks(facts):
        if any(map(runs.ends_keepalived, runs.commands(command))):
            yield warning(
                "NV208",
                script.command_at,
                f"{script.name} stops or restarts keepalived, with every instance on this node; a "
                "check has only to fail to cause FAULT, and FAULT ends when the check passes",
                "exit 1   # in place of that line, with weight 0",
            )


def undefined(facts: Facts) -> Iterator[Finding]:
    """A tracked name that is not defined, or only below: keepalived looks it up as it reads it."""
    configuration = facts.configuration
    places = {id(statement): at for at, statement in enumerate(configuration.statements)}
    for holder in holders(configuration):
        for reference in holder.track_scripts:
            script = configuration.scripts.get(reference.name)
            defined = script.statement if script else None
            yield from _undefined("vrrp_script", reference, defined, places, holder.name)
        for reference in holder.track_files:
            file = configuration.track_files.get(reference.name)
            defined = file.statement if file else None
            yield from _undefined("track_file", reference, defined, places, holder.name)


def _undefined(
    kind: str, reference: Reference, defined: Statement | None, places: dict[int, int], holder: str
) -> Iterator[Finding]:
    ignored = f"keepalived ignores this line, and {holder} counts as healthy without it"
    if defined is None:
        told, cure = f"there is no {kind} {reference.name}", f"{kind} {reference.name} {{ ... }}"
    elif places.get(id(defined), 0) > places.get(id(reference.statement), 0):
        told = f"{kind} {reference.name} is defined only below, in line {defined.line}"
        cure = f"move the {kind} before {holder}"
    else:
        return
    yield error("NV209", reference.statement, f"{told}: {ignored}", cure)


def _in_place(facts: Facts, script: Script) -> Iterator[str]:
    instances = facts.configuration.instances.values()
    for instance in instances:
        if any(reference.name == script.name for reference in instance.track_scripts):
            command = f"{CHECK_SCRIPT} {file_name(instance.name)}"
            yield f'script "{command}"   # in place of {script.name}'


RULES = (
    asks_for_vip,
    no_shell,
    pings_vip,
    connects_vip,
    unheld,
    from_vip,
    ends_keepalived,
    undefined,
)
