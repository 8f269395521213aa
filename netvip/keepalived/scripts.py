"""The scripts that a configuration has keepalived run, of every kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from netvip.keepalived.configuration import Configuration, Statement

#: Lines with a command, and behind it a user and a group (keepalived.conf(5)).
COMMANDS = frozenset(
    f"notify{which}"
    for which in ("", "_master", "_backup", "_fault", "_stop", "_deleted", "_master_rx_lower_pri")
)
COMMANDS |= {"notify_up", "notify_down", "quorum_up", "quorum_down"}
COMMANDS |= {"startup_script", "shutdown_script"}
COMMANDS |= {f"{whose}notify_fifo_script" for whose in ("", "vrrp_", "lvs_")}
#: Without a user, these lines of global_defs decide about that of every other script.
_ASKS = {"startup_script", "shutdown_script"} | {
    f"{whose}notify_fifo{which}" for whose in ("", "vrrp_", "lvs_") for which in ("", "_script")
}
#: Scripts run as this user where none is named and it exists (keepalived.conf(5), script_user).
DEFAULT_USER = "keepalived_script"
#: Lines with a command whose block has a line `user`.
IN_BLOCKS = {"script": "vrrp_script", "misc_path": "MISC_CHECK"}


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """A line that names a script."""

    statement: Statement
    command: str
    #: The user that the configuration names for it, and the group behind a colon.
    user: str | None

    @property
    def program(self) -> str:
        """The first word of the command."""
        return (self.command.split() or [""])[0]


def opens_file(command: str) -> bool:
    """Whether a command is no script, but keepalived's own check that a file can be opened: </FILE
    (fact openable-files)."""
    return command.lstrip().startswith("<")


def scripts(configuration: Configuration) -> Iterator[ScriptLine]:
    """All lines that name a script, in keepalived's order."""
    users = {
        (s.path, s.blocks): ":".join(s.texts()[1:3])
        for s in configuration.statements
        if s.keyword == "user" and len(s.words) > 1
    }
    for statement in configuration.statements:
        if not statement.known or len(statement.words) < 2 or not statement.blocks:
            continue
        texts = statement.texts()
        if statement.keyword in COMMANDS:
            yield ScriptLine(statement, texts[1], ":".join(texts[2:4]) or None)
        elif IN_BLOCKS.get(statement.keyword) == statement.blocks[-1][0]:
            user = users.get((statement.path, statement.blocks))
            if not opens_file(texts[1]):
                yield ScriptLine(statement, texts[1], user)


def default_user(configuration: Configuration, exists: Callable[[str], bool]) -> str | None:
    """The user that runs the scripts for which none is named, as keepalived starts; None where it
    drops those (fact default-script-user)."""
    user: str | None = None
    secure = False
    for statement in configuration.statements:
        if not (statement.known and statement.inside("global_defs")):
            continue
        texts = statement.texts()
        if statement.keyword == "enable_script_security":
            secure = True
        elif statement.keyword == "script_user" and len(texts) > 1:
            if not exists(texts[1]):
                return None
            user = ":".join(texts[1:3])
        elif statement.keyword in _ASKS and len(texts) == 2 and user is None:
            user = _unnamed(secure, exists)
            if user is None:
                return None
    return user or _unnamed(secure, exists)


def _unnamed(secure: bool, exists: Callable[[str], bool]) -> str | None:
    if exists(DEFAULT_USER):
        return DEFAULT_USER
    return None if secure else "root"
