"""Rules about notify scripts, and about which scripts keepalived runs at all, and as whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from netvip.core.model import Tri
from netvip.doctor import runs
from netvip.doctor.facts import DEFAULT_USER, Command, Facts
from netvip.doctor.findings import Finding, error, warning
from netvip.keepalived.configuration import Statement

#: Where a script is named, what it is called, its command, and the user it names.
Named = tuple[Statement | None, str, Command, str | None]


def _scripts(facts: Facts) -> Iterator[Named]:
    for script, command in runs.checks(facts):
        yield script.command_at, script.name, command, script.user
    for notify, command in runs.notifies(facts):
        yield notify.statement, notify.keyword, command, notify.user


def changes_addresses(facts: Facts) -> Iterator[Finding]:
    """A notify script that does keepalived's work."""
    vips = runs.vips(facts)
    for notify, command in runs.notifies(facts):
        changes = [one for one in runs.commands(command) if runs.changes_addresses(one)]
        # An address that is known and no VIP is none of keepalived's.
        if any(not runs.named(one) or runs.named(one) & vips for one in changes):
            yield error(
                "NV211",
                notify.statement,
                f"{notify.keyword} adds or deletes addresses behind keepalived's back: the VIP "
                "ends on both nodes, or on none",
                "remove those lines; keepalived and netvip see to the VIP",
            )


def restarts_keepalived(facts: Facts) -> Iterator[Finding]:
    """A notify script that restarts keepalived."""
    for notify, command in runs.notifies(facts):
        if any(map(runs.restarts_keepalived, runs.commands(command))):
            yield error(
                "NV212",
                notify.statement,
                f"{notify.keyword} restarts keepalived, which is FAULT again as it starts, and so "
                "on: the two nodes chase each other",
                "remove that line; a FAULT ends by itself when its cause does",
            )


def not_run(facts: Facts) -> Iterator[Finding]:
    """A script that is not there, or cannot be run: keepalived disables it as it starts."""
    for at, name, command, _ in _scripts(facts):
        if command.exists is Tri.NO or command.executable is Tri.NO:
            what = "does not exist" if command.exists is Tri.NO else "is not executable"
            mend = "install" if command.exists is Tri.NO else "chmod +x"
            yield error(
                "NV221",
                at,
                f"{command.path} {what}: keepalived disables {name} as it starts and goes on "
                "without it, as if all were well",
                f"{mend} {command.path}",
            )


def script_security(facts: Facts) -> Iterator[Finding]:
    """Scripts that run without keepalived's checks of who may change them."""
    configuration = facts.configuration
    if facts.commands and configuration.globals("enable_script_security") is None:
        first = next((s.statement for s in configuration.scripts.values()), None)
        first = first or next((n.statement for n, _ in runs.notifies(facts)), None)
        yield warning(
            "NV222",
            first,
            "without enable_script_security keepalived runs a script whoever may write it, as root "
            f"where no user is named and there is no {DEFAULT_USER}",
            "enable_script_security   # in global_defs, with `user` at each script",
        )


def badly_owned(facts: Facts) -> Iterator[Finding]:
    """A script of root's that others may change."""
    secure = facts.configuration.globals("enable_script_security") is not None
    for at, name, command, user in _scripts(facts):
        if command.writable_by_others is not Tri.YES or _runs_as(facts, user) != "root":
            continue
        whose = f"{command.path}, or a directory above it, may be changed by others than root"
        mend = f"chown root {command.path} && chmod go-w {command.path}"
        if secure:
            disabled = f"keepalived disables {name} and goes on without it, as if all were well"
            yield error("NV223", at, f"{whose}: {disabled}", mend)
        else:
            yield warning("NV223", at, f"{whose}, and runs as root", mend)


def no_user(facts: Facts) -> Iterator[Finding]:
    """A script whose user does not exist."""
    secure = facts.configuration.globals("enable_script_security") is not None
    for at, name, _, user in _scripts(facts):
        wanted = user or _default(facts) or (DEFAULT_USER if secure else "")
        if wanted and facts.users.get(wanted, Tri.UNKNOWN) is Tri.NO:
            yield error(
                "NV224",
                at,
                f"the user {wanted} does not exist: keepalived drops {name} and goes on without "
                "it, as if all were well",
                "user root   # or a user that exists",
            )


def _default(facts: Facts) -> str:
    line = facts.configuration.globals("script_user")
    return "".join(line.texts()[1:2]) if line else ""


def _runs_as(facts: Facts, user: str | None) -> str:
    """Who runs it; empty where that is not known."""
    default = {Tri.YES: DEFAULT_USER, Tri.NO: "root", Tri.UNKNOWN: ""}
    return user or _default(facts) or default[facts.users.get(DEFAULT_USER, Tri.UNKNOWN)]


def no_directory(facts: Facts) -> Iterator[Finding]:
    """A track file in a directory that is not there."""
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
