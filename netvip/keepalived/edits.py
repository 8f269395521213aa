"""Changes to the text of files that leave everything else as it is."""

from __future__ import annotations

import difflib
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, groupby
from pathlib import Path

from netvip.keepalived.configuration import Statement
from netvip.keepalived.lexer import code

_CONDITION = re.compile(r"[ \t]*@\S+[ \t]+")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_BLANK = re.compile(r"[ \t]*\r?\n")
#: As difflib has it: what it is, first and last line of the old text, and of the new one.
_Opcode = tuple[str, int, int, int, int]
_BRACE = re.compile(r'[{}]|"[^"]*"')


@dataclass(frozen=True, slots=True)
class Insertion:
    """Text to be inserted into a file."""

    path: Path
    offset: int
    text: str


def insert(texts: Mapping[Path, str], insertions: Iterable[Insertion]) -> dict[Path, str]:
    """The files that change, with their new text. At one place, the first given stands first."""
    parts: dict[Path, list[str]] = {}
    ends: dict[Path, int] = {}
    unique = dict.fromkeys(insertions)  # a file that is included twice is edited once
    for insertion in sorted(unique, key=lambda i: i.offset):
        path, begin = insertion.path, ends.get(insertion.path, 0)
        parts.setdefault(path, []).append(texts[path][begin : insertion.offset] + insertion.text)
        ends[path] = insertion.offset
    return {path: "".join(part) + texts[path][ends[path] :] for path, part in parts.items()}


@dataclass(frozen=True, slots=True)
class Change:
    """Text of a file to be replaced; by nothing, to be removed."""

    path: Path
    start: int
    end: int
    text: str = ""


def change(texts: Mapping[Path, str], changes: Iterable[Change]) -> dict[Path, str]:
    """The files that change, with their new text. Of changes that overlap the longest counts."""
    parts: dict[Path, list[str]] = {}
    ends: dict[Path, int] = {}
    for one in sorted(set(changes), key=lambda c: (c.start, -c.end)):
        begin = ends.get(one.path, 0)
        if one.start >= begin:
            parts.setdefault(one.path, []).append(texts[one.path][begin : one.start] + one.text)
            ends[one.path] = one.end
    return {path: "".join(part) + texts[path][ends[path] :] for path, part in parts.items()}


def line(text: str, statement: Statement) -> Change:
    """The removal of a statement: with its line, if nothing else stands there."""
    return _removal(text, statement, statement.words[-1].end)


def block(text: str, opener: Statement) -> Change:
    """The removal of a block, outside of others with the blank line behind it."""
    removal = _removal(text, opener, _closed(text, opener.words[-1].end))
    blank = _BLANK.match(text, removal.end) if not opener.blocks else None
    return Change(removal.path, removal.start, blank.end() if blank else removal.end)


def _removal(text: str, statement: Statement, end: int) -> Change:
    start = statement.words[0].start
    begin, newline = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    newline = len(text) if newline < 0 else newline + 1
    # A condition (@id) before it goes with it.
    alone = text[begin:start].strip().startswith("@") or not text[begin:start].strip()
    return (
        Change(statement.path, begin, newline)
        if alone and not text[end:newline].strip()
        else Change(statement.path, start, end)
    )


def _closed(text: str, at: int) -> int:
    """Where the block ends whose { follows; the end of the text where nothing closes it."""
    depth = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        for found in _BRACE.finditer(text, at, at + code(text[at:end]).end):
            depth += {"{": 1, "}": -1}.get(found[0], 0)
            if found[0] == "}" and depth <= 0:
                return found.end()
        at = end + 1
    return len(text)


def indent(text: str, statement: Statement) -> str:
    """The blanks before the statement's line; four where something else stands there."""
    start = text.rfind("\n", 0, statement.words[0].start) + 1
    before = text[start : statement.words[0].start]
    return before if not before.strip() else "    "


def condition(text: str, statement: Statement) -> str:
    """What stands before a statement and is compared with the node's id, as @id: empty, or it with
    a blank behind."""
    start = statement.words[0].start
    before = text[text.rfind("\n", 0, start) + 1 : start]
    return before.lstrip() if _CONDITION.fullmatch(before) else ""


def line_before(text: str, statement: Statement, lines: Iterable[str]) -> Insertion:
    """Lines of their own before the statement's, indented and ended like it."""
    start = text.rfind("\n", 0, statement.words[0].start) + 1
    margin, ending, first = indent(text, statement), _ending(text), ""
    before = text[start : statement.words[0].start]
    if _CONDITION.fullmatch(before):  # it stays with its statement
        margin = before[: len(before) - len(before.lstrip())]
    elif before.strip():  # something else stands on this line
        start, first = statement.words[0].start, ending
    body = "".join(f"{margin if line else ''}{line}{ending}" for line in lines)
    return Insertion(statement.path, start, f"{first}{body}{margin if first else ''}")


def line_after(text: str, statement: Statement, lines: Iterable[str]) -> Insertion:
    """Lines of their own behind the statement's, indented and ended like it."""
    margin, ending = indent(text, statement), _ending(text)
    body = "".join(f"{ending}{margin}{line}" for line in lines)
    at = statement.words[-1].end
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    rest = text[at:end].strip()
    if rest and rest[0] not in "!#":  # something else of the block's stands on this line
        return Insertion(statement.path, at, f"{body}{ending}{margin}")
    return Insertion(statement.path, end - (text[end - 1 : end] == "\r"), body)


def line_inside(text: str, opener: Statement, lines: Iterable[str]) -> Insertion | None:
    """Lines of their own behind the brace that the statement opens; None where there is none."""
    at = opener.words[-1].end
    brace = text.find("{", at)
    between = text[at:brace] if brace >= 0 else "?"
    if any(word.strip() and word.strip()[0] not in "!#" for word in between.split("\n")):
        return None
    margin, ending = indent(text, opener), _ending(text)
    body = "".join(f"{ending}{margin}    {line}" for line in lines)
    end = text.find("\n", brace)
    end = len(text) if end < 0 else end
    rest = text[brace + 1 : end].strip()
    if rest and rest[0] not in "!#":
        return Insertion(opener.path, brace + 1, f"{body}{ending}{margin}    ")
    return Insertion(opener.path, end - (text[end - 1 : end] == "\r"), body)


def _ending(text: str) -> str:
    first = text.find("\n")
    return "\r\n" if first > 0 and text[first - 1] == "\r" else "\n"


def diff(
    names: Callable[[Path], Path], texts: Mapping[Path, str], edits: Iterable[Insertion]
) -> str:
    """A unified diff of what insert() changes, with a name for each file.

    The changes are known: to look for them in two texts takes quadratic time.
    """
    by_path: dict[Path, list[Insertion]] = {}
    for edit in dict.fromkeys(edits):
        by_path.setdefault(edit.path, []).append(edit)
    parts: list[str] = []
    for path in sorted(by_path):
        parts += _file_diff(names(path), texts[path], by_path[path])
    return "".join(parts)


class _Known(difflib.SequenceMatcher[str]):
    """Changes that are known, for difflib to put into groups with their context."""

    def __init__(self, changes: list[_Opcode]) -> None:
        super().__init__()
        self._changes = changes

    def get_opcodes(self) -> list[_Opcode]:  # type: ignore[override]
        return self._changes


def _file_diff(name: Path, text: str, edits: list[Insertion]) -> Iterator[str]:
    old = _lines(text)
    new, changes = list[str](), list[_Opcode]()
    at = 0
    for number, line in _edited(text, old, edits):
        if number > at:
            changes.append(("equal", at, number, len(new), len(new) + number - at))
            new += old[at:number]
        changes += _within(old[number : number + 1], line, number, len(new))
        new += line
        at = number + 1
    if at < len(old):
        changes.append(("equal", at, len(old), len(new), len(new) + len(old) - at))
        new += old[at:]
    yield f"--- {name}\n+++ {name} (guarded)\n"
    for group in _Known(changes).get_grouped_opcodes():
        first, last = group[0], group[-1]
        yield f"@@ -{_span(first[1], last[2])} +{_span(first[3], last[4])} @@\n"
        for tag, start, end, new_start, new_end in group:
            if tag == "equal":
                yield from (f" {_ended(line)}" for line in old[start:end])
                continue
            yield from (f"-{_ended(line)}" for line in old[start:end])
            yield from (f"+{_ended(line)}" for line in new[new_start:new_end])


def _edited(text: str, old: list[str], edits: list[Insertion]) -> Iterator[tuple[int, list[str]]]:
    """The number of each line that is edited, and the lines that it becomes."""
    starts = [0, *accumulate(map(len, old))]
    last = len(old) - (not text.endswith("\n"))  # behind it a line of its own begins, or not

    def number_of(edit: Insertion) -> int:
        return min(bisect_right(starts, edit.offset) - 1, last)

    for number, within in groupby(sorted(edits, key=lambda edit: edit.offset), key=number_of):
        start, end = starts[number], starts[min(number + 1, len(old))]
        parts = list[str]()
        for edit in within:
            parts += [text[start : edit.offset], edit.text]
            start = edit.offset
        yield number, _lines("".join((*parts, text[start:end])))


def _within(old: list[str], new: list[str], at: int, new_at: int) -> Iterator[_Opcode]:
    """The change of one line into lines: it may still be one of them."""
    if old and old[0] in new:
        kept = new.index(old[0])
        yield from [("insert", at, at, new_at, new_at + kept)] if kept else []
        yield "equal", at, at + 1, new_at + kept, new_at + kept + 1
        rest = new_at + kept + 1
        yield from [("insert", at + 1, at + 1, rest, new_at + len(new))] if new[kept + 1 :] else []
    else:
        yield "replace", at, at + len(old), new_at, new_at + len(new)


def _lines(text: str) -> list[str]:
    """Lines as keepalived has them: a newline alone ends one."""
    return _LINE.findall(text)


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _span(start: int, end: int) -> str:
    """Lines as diff(1) counts them."""
    length = end - start
    return f"{start + 1}" if length == 1 else f"{start + bool(length)},{length}"
