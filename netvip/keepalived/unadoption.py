"""Takes netvip's lines out of a configuration that was edited since its adoption: by what they
mean, in whatever form they stand, so that the edit stays."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

from netvip.const import CHECK_SCRIPT, FIFO, HOLD_SCRIPT, NOTIFY_SCRIPT, TRACK_DIRECTORY
from netvip.keepalived.adoption import GARP_REFRESH, GARP_REPEAT, NO_TRACK
from netvip.keepalived.configuration import Configuration, Statement
from netvip.keepalived.edits import Change, block, change, line
from netvip.keepalived.lexer import code

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

#: Blocks that an adoption may have made.
BLOCKS = frozenset({"global_defs", *REFERENCES})
VIPS = frozenset({"virtual_ipaddress", "virtual_ipaddress_excluded"})
OBJECTS = frozenset({"virtual_routes", "virtual_rules"})
#: What an adoption put before a command of the operator's.
_PREFIX = re.compile(
    rf"""(?P<quote>["']?)(?:{re.escape(HOLD_SCRIPT)}"""
    rf"""|{re.escape(NOTIFY_SCRIPT)}[^"'\n]*?(?:{AS}[ \t]+(?P<as>\S+)[ \t]+)?{THEN})"""
    r"""[ \t]+(?=[^\s"'])"""
)
#: What tells that a line is netvip's.
_MARK = re.compile(r"\bno_track\b|/etc/netvip/|/run/netvip/|\bnetvip_\S")

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


def leftovers(texts: Mapping[Path, str], before: Iterable[str]) -> list[str]:
    """The places (file:line) where something of netvip's is left in these texts that is not in
    those of `before`: a definition makes it, or nothing reads it at present."""
    known = {line for text in before for line in _lines(text)}
    return [
        f"{path}:{number}"
        for path, text in texts.items()
        for number, line in enumerate(_lines(text), 1)
        if _MARK.search(line) and line not in known
    ]


def _lines(text: str) -> list[str]:
    """Without comments, and the blanks around."""
    return [line[: code(line).end].strip() for line in text.splitlines()]


class _Unadoption:
    def __init__(self, now: Configuration, before: Configuration, after: Configuration) -> None:
        self._now = now
        self._before = set(map(_key, before.statements))
        self._added = set(map(_key, after.statements)) - self._before
        self._names = {*_own_names(now), *_own_names(after)}
        self._known = {_instance(s) for s in before.statements}
        self._untracked = {(_instance(s), _thing(s)) for s in before.statements if _is_untracked(s)}
        self._adopted = {
            _instance(s) for s in after.statements if _is_untracked(s) and _key(s) in self._added
        }
        self._adopted |= {_instance(s) for s in now.statements if len(s.blocks) and self.is_own(s)}
        #: The blocks in which a line of netvip's stands.
        self._holding = {s.blocks for s in now.statements if s.blocks and self.is_own(s)}

    def changes(self) -> Iterator[Change]:
        """What to do with the text."""
        gone = {id(s): s for s in self._now.statements if s.stands and self.is_own(s)}
        lines = {key: line(self._now.texts[s.path], s) for key, s in gone.items()}
        removed = _Removed(lines.values())
        for statement in self._now.statements:
            if not statement.stands:
                continue
            if id(statement) in gone and not statement.blocks and statement.keyword in DEFINITIONS:
                yield block(self._now.texts[statement.path], statement)
            elif id(statement) in gone:
                yield lines[id(statement)]
            elif self._is_emptied(statement, removed):
                yield block(self._now.texts[statement.path], statement)
            else:
                yield from self._shortened(statement)
                yield from self._tracked_again(statement)

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

    def _is_emptied(self, opener: Statement, removed: _Removed) -> bool:
        """Whether it opens a block of the adoption's of which nothing is left, no comment even."""
        inside = (*opener.blocks, opener.texts())
        if opener.keyword not in BLOCKS or _key(opener) in self._before:
            return False
        if inside not in self._holding:
            return False
        text = self._now.texts[opener.path]
        whole = block(text, opener)
        start, end = text.index("{", opener.words[-1].end) + 1, text.rindex("}", 0, whole.end)
        return removed.all_between(text, opener.path, start, end)

    def _shortened(self, statement: Statement) -> Iterator[Change]:
        """A command of the operator's behind one of netvip's."""
        if len(statement.words) < 2 or _key(statement) in self._before:
            return
        command, text = statement.words[1], self._now.texts[statement.path]
        found = _PREFIX.match(text, command.start, command.end)
        if found is None:
            return
        yield Change(statement.path, found.end("quote"), found.end())
        user = statement.words[2:3]
        if found["as"] and user and self._had_no_user(statement, command.text, found["as"]):
            yield Change(statement.path, command.end, user[0].end)

    def _had_no_user(self, statement: Statement, command: str, as_user: str) -> bool:
        """Whether the user behind a notify script is the adoption's."""
        behind = command.partition(f" {THEN} ")[2].strip()
        bare = (statement.blocks, (statement.keyword, behind))
        return statement.words[2].text == "root" and (bare in self._before or as_user != "root")

    def _tracked_again(self, statement: Statement) -> Iterator[Change]:
        """netvip no longer looks after a VIP, or a virtual route or rule."""
        name = _instance(statement)
        if not _is_untracked(statement) or name not in self._adopted:
            return
        names = [name] if name in self._known else self._known  # it was renamed
        if any((one, _thing(statement)) in self._untracked for one in names):
            return
        for before, word in zip(statement.words, statement.words[1:], strict=False):
            if word.text == NO_TRACK:
                yield Change(statement.path, before.end, word.end)


class _Removed:
    """The lines that go, of each file in their order."""

    def __init__(self, lines: Iterable[Change]) -> None:
        self._lines: dict[Path, list[Change]] = {}
        for one in sorted(lines, key=lambda c: (c.start, -c.end)):
            self._lines.setdefault(one.path, []).append(one)

    def all_between(self, text: str, path: Path, start: int, end: int) -> bool:
        """Whether nothing but blanks is left between two places in a file."""
        lines = self._lines.get(path, [])
        at = start
        for one in islice(lines, bisect_left(lines, start, key=lambda c: c.start), None):
            if one.end > end:
                break
            if text[at : one.start].strip():
                return False
            at = max(at, one.end)
        return not text[at:end].strip()


def _own_names(configuration: Configuration) -> Iterator[str]:
    """The names of netvip's checks and track files."""
    for name, script in configuration.scripts.items():
        if script.command.split()[:1] == [CHECK_SCRIPT]:
            yield name
    for name, file in configuration.track_files.items():
        if file.file.startswith(f"{TRACK_DIRECTORY}/"):
            yield name


def _instance(statement: Statement) -> str:
    """The name of the VRRP instance around a line; empty if there is none."""
    first = statement.blocks[0] if statement.blocks else ()
    return first[1] if first[:1] == ("vrrp_instance",) and len(first) > 1 else ""


def _is_untracked(statement: Statement) -> bool:
    within = bool(statement.blocks) and statement.blocks[-1][0] in VIPS | OBJECTS
    return within and NO_TRACK in statement.texts()[1:]


def _thing(statement: Statement) -> str:
    """A VIP's address; a route's or rule's words."""
    if statement.blocks[-1][0] in VIPS:
        return statement.keyword.partition("/")[0]
    return " ".join(word for word in statement.texts() if word != NO_TRACK)


def _key(statement: Statement) -> Key:
    return statement.blocks, statement.texts()
