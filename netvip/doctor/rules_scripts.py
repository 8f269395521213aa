"""Rules about notify scripts, and about which scripts keepalived runs, and as which user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from netvip.core.model import Tri
from netvip.doctor import runs
from netvip.doctor.facts import Command, Facts
from netvip.doctor.findings import Finding, error, warning
from netvip.keepalived.configuration import Statement
from netvip.keepalived.script_files import SERVICE_PATH
from netvip.keepalived.scripts import DEFAULT_USER, default_user

#: Where a script is named, what it is called, its command, and the user it names.
Named = tuple[Statement | None, str, Command, str | None]


def _scripts(facts: Facts) -> Iterator[Named]:
    for script, command in runs.checks(facts):
        yield script.command_at, script.name, command, script.user
    for notify, command in runs.notifies(facts):
        yield notify.statement, notify.keyword, command, notify.user


def changes_addresses(facts: Facts) -> Iterator[Finding]:
    """A notify script that adds or deletes addresses."""
    vips = runs.vips(facts)
    for notify, command in runs.notifies(facts):
        changes = [one for one in runs.commands(command) if runs.changes_addresses(one)]
        # A known address that is not a VIP is not keepalived's.
        if any(not runs.named(one) or runs.named(one) & vips for one in changes):
            yield error(
                "NV211",
                notify.statement,
                f"{notify.keyword} changes addresses without keepalived's knowledge: the VIP "
                "may then be on both nodes, or on none",
                "remove these lines; keepalived adds and deletes the VIP",
            )


def restarts_keepalived(facts: Facts) -> Iterator[Finding]:
    """A notify script that restarts keepalived."""
    for notify, command in runs.notifies(facts):
        if any(map(runs.restarts_keepalived, runs.commands(command))):
            yield error(
                "NV212",
                notify.statement,
                f"{notify.keyword} restarts keepalived, which enters FAULT and runs the script "
                "again, without end",
                "remove that line; FAULT ends by itself when its cause is gone",
            )


def not_run(facts: Facts) -> Iterator[Finding]:
    """A script that is missing or not executable: keepalived disables it as it starts."""
    for at, name, command, _ in _scripts(facts):
        if command.exists is Tri.NO or command.executable is Tri.NO:
            what = "does not exist" if command.exists is Tri.NO else "is not executable"
            what = what if command.path else f"is not in {SERVICE_PATH}"
            mend = "install" if command.exists is Tri.NO else "chmod +x"
            program = command.path or command.words[0]
            yield error(
                "NV221",
                at,
                f"{program} {what}: keepalived disables {name} as it starts and treats it as "
                "healthy",
                f"{mend} {program}",
            )


def script_security(facts: Facts) -> Iterator[Finding]:
    """Scripts that keepalived runs without checking which users may change them."""
    configuration = facts.configuration
    if facts.commands and configuration.globals("enable_script_security") is None:
        first = next((s.statement for s in configuration.scripts.values()), None)
        first = first or next((n.statement for n, _ in runs.notifies(facts)), None)
        yield warning(
            "NV222",
            first,
            "without enable_script_security keepalived runs scripts that any user may change, as "
            f"root if no user is named and the user {DEFAULT_USER} does not exist",
            "enable_script_security   # in global_defs, with `user` at each script",
        )


def badly_owned(facts: Facts) -> Iterator[Finding]:
    """A script that runs as root and that other users may change."""
    secure = facts.configuration.globals("enable_script_security") is not None
    for at, name, command, user in _scripts(facts):
        if command.writable_by_others is not Tri.YES or _runs_as(facts, user) != "root":
            continue
        whose = f"users other than root may change {command.path} or a directory above it"
        mend = f"chown root {command.path} && chmod go-w {command.path}"
        if secure:
            disabled = f"keepalived disables {name} and treats it as healthy"
            yield error("NV223", at, f"{whose}: {disabled}", mend)
        else:
            yield warning("NV223", at, f"{whose}, and it runs as root", mend)


def no_user(facts: Facts) -> Iterator[Finding]:
    """A script whose user does not exist."""
    # Of a user of whom nothing is known, nothing is said.
    default = default_user(facts.configuration, lambda u: facts.users.get(u) is not Tri.NO)
    for at, name, _, user in _scripts(facts):
        wanted = user or _default(facts) or DEFAULT_USER
        if (default is None) if user is None else facts.users.get(user) is Tri.NO:
            yield error(
                "NV224",
                at,
                f"the user {wanted} does not exist: keepalived drops {name} and treats it as "
                "healthy",
                "user root   # or a user that exists",
            )


def _default(facts: Facts) -> str:
    line = facts.configuration.globals("script_user")
    return "".join(line.texts()[1:2]) if line else ""


def _runs_as(facts: Facts, user: str | None) -> str:
    """The user that runs it; empty if that is not known."""
    default = {Tri.YES: DEFAULT_USER, Tri.NO: "root", Tri.UNKNOWN: ""}
    return user or _default(facts) or default[facts.users.get(DEFAULT_USER, Tri.UNKNOWN)]


def no_directory(facts: Facts) -> Iterator[Finding]:
    """A track file in a directory that does not exist."""
    for file in facts.configuration.track_files.values():
        place = str(PurePosixPath(file.file).parent)
        if place in facts.missing:
            yield error(
                "NV225",
                file.statement,
                f"{place} does not exist: keepalived drops the track file {file.name} as it starts",
                f"mkdir -p {place}   # at each boot, by tmpfiles.d where it is in /run",
            )


RULES = (
    changes_addresses,
    restarts_keepalived,
    not_run,
    script_security,
    badly_owned,
    no_user,
    no_directory,
)
