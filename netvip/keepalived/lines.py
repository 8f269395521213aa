"""Lines as keepalived reads them, each character with its place in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from netvip.core.model import Tri
from netvip.keepalived.configuration import Word
from netvip.keepalived.dialect import LONGEST_LINE, Dialect
from netvip.keepalived.lexer import code

#: Consecutive blank lines count as one: they only end a definition.
_LINE = re.compile(r"(?:\r*\n)++|[^\n]*\n|[^\n]+")
#: A short comment that no backslash ends.
_IDLE = re.compile(r"[ \t]*[!#][^\\\n]{0,200}\n?")


@dataclass(frozen=True, slots=True)
class Line:
    """A line, or a part of one. starts and ends are offsets into the file's text, one a character;
    a character that a definition made has those of the whole reference."""

    path: Path
    number: int
    text: str
    starts: Sequence[int]
    ends: Sequence[int]
    applies: Tri = Tri.YES
    verbatim: bool = True
    #: Whether it is a line of its file, though definitions may make words of it.
    stands: bool = True

    @property
    def where(self) -> str:
        """file:line"""
        return f"{self.path}:{self.number}"

    def part(self, start: int, end: int) -> Line:
        """A part of it, without the spaces and tabs around."""
        text = self.text[start:end]
        end -= len(text) - len(text.rstrip(" \t"))
        start = min(end, start + len(text) - len(text.lstrip(" \t")))
        if start == 0 and end == len(self.text):
            return self
        cut = slice(start, end)
        # replace() takes three times as long, and this is called several times for each line.
        return Line(
            self.path,
            self.number,
            self.text[cut],
            self.starts[cut],
            self.ends[cut],
            self.applies,
            self.verbatim,
            self.stands,
        )

    def spliced(self, start: int, end: int, value: str) -> Line:
        """The line with a value in place of a reference."""
        first, last = self.starts[start], self.ends[end - 1]
        return replace(
            self,
            text=self.text[:start] + value + self.text[end:],
            starts=[*self.starts[:start], *[first] * len(value), *self.starts[end:]],
            ends=[*self.ends[:start], *[last] * len(value), *self.ends[end:]],
            verbatim=False,
        )

    def made(self, value: str) -> Line:
        """A line that a definition made, in the place of this one."""
        first, last = min(self.starts, default=0), max(self.ends, default=0)
        size = len(value)
        starts, ends = [first] * size, [last] * size
        return replace(self, text=value, starts=starts, ends=ends, verbatim=False, stands=False)

    def word(self, text: str, start: int, end: int) -> Word:
        """A word of it, with its place in the file."""
        return Word(text, min(self.starts[start:end]), max(self.ends[start:end]))


def physical(path: Path, text: str, applies: Tri, dialect: Dialect) -> Iterator[Line]:
    """The lines of a file without comments; blank ones are one empty line, and one that is a
    comment is left out."""
    number = 1
    for found in _LINE.finditer(text):
        if not _IDLE.fullmatch(found[0]):
            for start, end in _buffers(found[0]):
                line = _raw(path, number, found, start, end, applies)
                bare = decommented(line)
                bare = decommented(bare) if dialect.copies else bare
                if bare.text or not line.text:
                    yield bare
        number += found[0].count("\n")


def _raw(path: Path, number: int, found: re.Match[str], start: int, end: int, applies: Tri) -> Line:
    raw = found[0][start:end].rstrip("\n").partition("\0")[0].rstrip("\r")
    at = found.start() + start
    last = at + len(raw)
    return Line(path, number, raw, range(at, last), range(at + 1, last + 1), applies)


def decommented(line: Line) -> Line:
    """The line without its comment, the escapes of comment signs and the blanks around."""
    known = code(line.text)
    bare = line.part(0, known.end) if not known.escapes else _unescaped(line, known.escapes)
    if known.continuation < 0:
        return bare
    last = line.part(known.continuation, known.continuation + 1)
    return _joined([bare, last])


def _unescaped(line: Line, escapes: tuple[int, ...]) -> Line:
    end = code(line.text).end
    bounds = [-1, *escapes, end]
    parts = [slice(before + 1, after) for before, after in pairwise(bounds)]
    whole = _joined(
        [replace(line, text=line.text[p], starts=line.starts[p], ends=line.ends[p]) for p in parts]
    )
    return whole.part(0, len(whole.text))


def _joined(parts: list[Line]) -> Line:
    return replace(
        parts[0],
        text="".join(p.text for p in parts),
        starts=[at for p in parts for at in p.starts],
        ends=[at for p in parts for at in p.ends],
    )


def _buffers(line: str) -> Iterator[tuple[int, int]]:
    """The parts of a line that fit keepalived's buffer, as offsets."""
    start = size = 0
    if len(line) * 4 > LONGEST_LINE:
        for at, character in enumerate(line):
            length = len(character.encode("utf-8", errors="surrogateescape"))
            if size + length > LONGEST_LINE:
                yield start, at
                start, size = at, 0
            size += length
    yield start, len(line)
