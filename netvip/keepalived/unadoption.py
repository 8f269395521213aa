"""Takes netvip's lines out of a configuration that was edited since its adoption: by what they
mean, in whatever form they stand, so that the edit stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from netvip.const import CHECK_SCRIPT, FIFO, HOLD_SCRIPT, NOTIFY_SCRIPT, TRACK_DIRECTORY
from netvip.keepalived.adoption import GARP_REFRESH, GARP_REPEAT, NO_TRACK
from netvip.keepalived.configuration import Configuration, Statement, VrrpInstance
from netvip.keepalived.edits import Change, block, change, line

#: Lines that an adoption adds and that an operator may have as well: those go that it added.
ADDED = frozenset(
    {"mcast_src_ip", "unicast_src_ip", "enable_script_security", "script_user"}
    | {"vrrp_garp_master_refresh", "vrrp_garp_master_repeat"}
)
#: Those that have a fixed form.
SWITCHES = frozenset(
    {
        ("enable_script_security",),
        ("vrrp_garp_master_refresh", str(GARP_REFRESH)),
        ("vrrp_garp_master_repeat", str(GARP_REPEAT)),
    }
)
FIFOS = frozenset({"vrrp_notify_fifo", "notify_fifo"})
DEFINITIONS = frozenset({"vrrp_script", "track_file", "vrrp_track_file"})
REFERENCES = frozenset({"track_script", "track_file"})
#: What a notify script of netvip's runs afterwards, and as which user.
THEN, AS = "--then", "--as"

#: The blocks around a line, and its words.
Key = tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]


def unadopted(now: Configuration, before: Configuration, after: Configuration) -> dict[Path, str]:
    """The files of `now` that change, with their new text. `before` and `after` are the
    configuration as the last adoption found and left it."""
    return change(now.texts, _Unadoption(now, before, after).changes())


def bare(now: Configuration) -> dict[Path, str]:
    """The files that change, without what netvip would add, whoever wrote it: for what is to be
    shown, not written."""
    nothing = replace(now, instances={}, statements=())
    switches = tuple(s for s in now.statements if s.texts() in SWITCHES)
    return unadopted(now, nothing, replace(nothing, statements=switches))


def leftovers(now: Configuration) -> list[str]:
    """The places of netvip's lines, in files and definitions, that unadopted() cannot take out."""
    found = _Unadoption(now, now, now)
    return [s.where for s in now.statements if not s.stands and found.is_own(s)]


class _Unadoption:
    def __init__(self, now: Configuration, before: Configuration, after: Configuration) -> None:
        self._now = now
        self._before = set(map(_key, before.statements))
        self._added = set(map(_key, after.statements)) - self._before
        self._names = set(_own_names(now))
        self._untracked = {
            (instance.name, address.ip, address.prefixlen)
            for instance in before.instances.values()
            for address in instance.addresses
            if not address.tracked
        }

    def changes(self) -> Iterator[Change]:
        """What to do with the text."""
        gone = [s for s in self._now.statements if s.stands and self.is_own(s)]
        emptied = self._emptied(gone)
        for opener in emptied:
            yield block(self._now.texts[opener.path], opener)
        for statement in gone:
            if statement not in emptied:
                yield line(self._now.texts[statement.path], statement)
        for statement in self._now.statements:
            if statement.stands and statement not in gone:
                yield from self._shortened(statement)
        for instance in self._now.instances.values():
            if self._is_adopted(instance):
                yield from self._tracked_again(instance)

    def is_own(self, statement: Statement) -> bool:
        """Whether the whole line is netvip's."""
        texts, inside = statement.texts(), statement.blocks
        if statement.keyword in FIFOS:
            return FIFO in texts
        if not inside:
            return statement.keyword in DEFINITIONS and set(texts[1:2]) <= self._names
        if inside[0][0] in DEFINITIONS:
            return set(inside[0][1:2]) <= self._names
        if inside[-1][0] in REFERENCES:
            return statement.keyword in self._names
        if statement.keyword.startswith("notify") and len(texts) > 1:
            words = texts[1].split()
            return words[:1] == [NOTIFY_SCRIPT] and THEN not in words
        return statement.keyword in ADDED and _key(statement) in self._added

    def _emptied(self, gone: list[Statement]) -> list[Statement]:
        """The blocks of which nothing is left, and that the operator did not have: their first
        lines."""
        left = {(s.path, s.blocks) for s in self._now.statements if s not in gone}
        touched = {(s.path, s.blocks) for s in gone}
        found = []
        for statement in self._now.statements:
            place = (statement.path, (*statement.blocks, statement.texts()))
            empty = place in touched and place not in left
            if statement.stands and empty and _key(statement) not in self._before:
                found.append(statement)
        return found

    def _shortened(self, statement: Statement) -> Iterator[Change]:
        """A command of the operator's behind one of netvip's."""
        if len(statement.words) < 2 or _key(statement) in self._before:
            return
        command, text = statement.words[1], self._now.texts[statement.path]
        words, written = command.text.split(), text[command.start : command.end]
        if words[:1] == [NOTIFY_SCRIPT] and THEN in words:
            at = written.index(f"{THEN} ") + len(f"{THEN} ")
            yield _without_prefix(statement, written, at)
            if len(statement.words) > 2 and self._had_no_user(statement, words):
                yield Change(statement.path, command.end, statement.words[2].end)
        elif words[:1] == [HOLD_SCRIPT]:
            at = written.index(HOLD_SCRIPT) + len(f"{HOLD_SCRIPT} ")
            yield _without_prefix(statement, written, at)

    def _had_no_user(self, statement: Statement, words: list[str]) -> bool:
        """Whether the user behind a notify script is the adoption's."""
        behind = " ".join(words[words.index(THEN) + 1 :])
        bare = (statement.blocks, (statement.keyword, behind))
        other = words[words.index(AS) + 1] != "root" if AS in words else False
        return statement.words[2].text == "root" and (bare in self._before or other)

    def _is_adopted(self, instance: VrrpInstance) -> bool:
        known = {track.name for track in (*instance.track_scripts, *instance.track_files)}
        notified = any(NOTIFY_SCRIPT in notify.command.split() for notify in instance.notifies)
        vips = {_key(address.statement) for address in instance.addresses}
        return bool(known & self._names) or notified or bool(vips & self._added)

    def _tracked_again(self, instance: VrrpInstance) -> Iterator[Change]:
        for address in instance.addresses:
            statement, known = address.statement, (instance.name, address.ip, address.prefixlen)
            if address.tracked or known in self._untracked or not statement.stands:
                continue
            for before, word in zip(statement.words, statement.words[1:], strict=False):
                if word.text == NO_TRACK:
                    yield Change(statement.path, before.end, word.end)


def _own_names(configuration: Configuration) -> Iterator[str]:
    """The names of netvip's checks and track files."""
    for name, script in configuration.scripts.items():
        if script.command.split()[:1] == [CHECK_SCRIPT]:
            yield name
    for name, file in configuration.track_files.items():
        if file.file.startswith(f"{TRACK_DIRECTORY}/"):
            yield name


def _without_prefix(statement: Statement, written: str, at: int) -> Change:
    start = statement.words[1].start + (written[:1] == '"')
    return Change(statement.path, start, statement.words[1].start + at)


def _key(statement: Statement) -> Key:
    return statement.blocks, statement.texts()
