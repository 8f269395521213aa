"""The lines of an adoption, for a template that makes the configuration: each with its place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from netvip.keepalived.adoption import (
    NO_TRACK,
    TRACKS,
    Host,
    chained,
    check_block,
    global_lines,
    is_shared,
    notify_lines,
    own_name,
    refuse_to_chain,
    source_lines,
    track_block,
    unprotectable_ones,
    untrackable,
    untracked,
)
from netvip.keepalived.configuration import Configuration, Statement, VrrpInstance
from netvip.keepalived.declared import notifies
from netvip.keepalived.edits import condition
from netvip.keepalived.lexer import BLANKS

#: What ends a word, begins a comment, or is a brace.
_SPECIAL = re.compile(rf"[{BLANKS}!#{{}}]")


def lines(configuration: Configuration, host: Host, names: Collection[str] = ()) -> Iterator[str]:
    """The lines for these instances (none named: all that netvip can protect). The configuration is
    one without netvip's lines. Raises ConfigError where something is missing."""
    left = unprotectable_ones(configuration, host)
    shared = is_shared(configuration)
    yield "# in global_defs"
    yield from global_lines(configuration, host)
    for instance in configuration.instances.values():
        if instance.name not in left and (not names or instance.name in names):
            yield ""
            yield from _Instance(configuration, instance, host, shared).lines()


class _Instance:
    """The lines of one instance."""

    def __init__(
        self, configuration: Configuration, instance: VrrpInstance, host: Host, shared: bool
    ) -> None:
        self._texts, self._instance, self._host = configuration.texts, instance, host
        self._shared = shared

    def lines(self) -> Iterator[str]:
        instance, tracks = self._instance, self._host.version >= TRACKS
        yield f"# before vrrp_instance {instance.name}"
        yield from check_block(instance)
        if tracks:
            yield from track_block(instance, self._host)
        yield f"# in vrrp_instance {instance.name}"
        yield from map(self._line, instance.own_lines("mcast_src_ip", "unicast_src_ip"))
        yield from source_lines(instance, self._host, self._shared)
        for kind in ("track_script", "track_file") if tracks else ("track_script",):
            yield from (f"{kind} {{", f"    {own_name(instance)}", "}")
        yield from notify_lines(instance, self._host)
        if not notifies(instance) and not notify_lines(instance, self._host):
            yield from self._chained()
        if tracks and any(address.tracked for address in instance.addresses):
            yield f"# {NO_TRACK} behind each address of vrrp_instance {instance.name}"
            for address in instance.addresses:
                line = self._line(address.statement)
                yield f"{line} {NO_TRACK}" if address.tracked else line
        if tracks and (things := untrackable(instance)):
            yield f"# {NO_TRACK} in these virtual routes and rules of vrrp_instance {instance.name}"
            yield from (untracked(self._line(thing.statement)) for thing in things)

    def _chained(self) -> Iterator[str]:
        instance, host = self._instance, self._host
        notify = next(notify for notify in instance.notifies if notify.keyword == "notify")
        refuse_to_chain(notify, host)
        before = self._condition(notify.statement)
        users = " ".join(word for word in (notify.user or "root", notify.group) if word)
        command = quoted(f"{chained(instance, notify, host)}{notify.command}", command=True)
        yield f"# in vrrp_instance {instance.name}, in place of its notify"
        yield f"{before}notify {command} {users}"

    def _line(self, statement: Statement) -> str:
        """A line as it stands in its file, with its condition, quotes and definitions; what a
        definition makes, as keepalived reads it."""
        before, words = self._condition(statement), statement.words
        written = self._texts[statement.path][words[0].start : words[-1].end]
        if statement.stands and "\n" not in written:
            return f"{before}{written}"
        return before + " ".join(quoted(word) for word in statement.texts())

    def _condition(self, statement: Statement) -> str:
        return condition(self._texts[statement.path], statement) if statement.stands else ""


def quoted(word: str, command: bool = False) -> str:
    """A word as keepalived.conf has it: quoted, where it would be several or none without. In a
    command keepalived heeds backslashes; other words can hold no quote."""
    if command:
        escaped = word.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return f'"{word}"' if not word or _SPECIAL.search(word) else word
