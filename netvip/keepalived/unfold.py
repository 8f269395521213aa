"""The lines of a configuration in the order in which keepalived reads them.

Includes, conditions, definitions and repetitions are unfolded; a line that comes out is a single
brace, or words without one. What is still to come is kept on a stack: the rest of a line comes
before a repetition's next round, that before the next line of a definition, that before the file's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from netvip.core.model import Tri
from netvip.errors import ConfigError
from netvip.keepalived import includes
from netvip.keepalived.definitions import Definitions
from netvip.keepalived.dialect import Dialect
from netvip.keepalived.lines import Line, decommented, physical
from netvip.keepalived.sequences import Repetition, numbers_of, repetition

#: Limits for the lines that a configuration expands to; more were made to exhaust memory.
MOST_LINES, MOST_CHARACTERS, DEEPEST = 200_000, 16 << 20, 256
MOST_FILES = 10_000
#: keepalived's own limit is that of open files; a deeper include is a mistake.
INCLUDE_DEPTH = 16

_CONDITION = re.compile(r"@(\^?)([^ \t]*)(?:[ \t]+|\Z)")
_REPEATED = ("~SEQ", "~LST")
_BRACE = re.compile(r'[{}]|"[^"]*(?:"|\Z)')
_BRACE_APART = re.compile(r'(?<![^ \t\f\v\r])[{}](?![^ \t\f\v\r])|"[^"]*(?:"|\Z)')


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    identity: tuple[int, int]


@dataclass(slots=True)
class _Source:
    """Where lines come from: a file, a repetition, a definition, or the rest of a line."""

    lines: Iterator[Line]
    file: _File | None = None


@dataclass(slots=True)
class Unfolded:
    """The lines, and which files and directories they came from."""

    dialect: Dialect
    node: str | None
    root: Path
    #: Texts that take the place of the files'.
    given: Mapping[Path, str] = field(default_factory=dict)
    texts: dict[Path, str] = field(default_factory=dict)
    directories: list[Path] = field(default_factory=list)
    _definitions: Definitions = field(init=False)
    _sources: list[_Source] = field(default_factory=list)
    _count: int = 0
    _characters: int = 0
    #: Where the node's id is not known, braces behind conditions count as for the first id.
    _assumed: str | None = None

    def __post_init__(self) -> None:
        self._definitions = Definitions(self.dialect, self.node)

    def lines(self, main: Path) -> Iterator[Line]:
        """The lines of the configuration that begins with this file. Raises ConfigError."""
        self._open(main, str(main), Tri.YES)
        while (line := self._next()) is not None:
            yield from self._taken(line)

    # --- where lines come from -------------------------------------------------------------------

    def _open(self, path: Path, where: str, applies: Tri) -> None:
        given = self.given.get(path)
        text = includes.text_of(path, where) if given is None else given
        # The same file may be included twice, but not within itself.
        file = _File(path, includes.identity(path) if given is None else (-1, hash(path)))
        around = [source.file for source in self._sources if source.file is not None]
        if any(other.identity == file.identity for other in around):
            raise ConfigError(f"{where}: {path} includes itself; remove that include")
        if len(around) > INCLUDE_DEPTH:
            raise ConfigError(f"{where}: {path} is included too deeply; join some files")
        self._count += MOST_LINES // MOST_FILES
        self._characters += len(text) if path in self.texts else 0
        self.texts[path] = text
        self._sources.append(_Source(physical(path, text, applies, self.dialect), file))

    def _next(self) -> Line | None:
        while self._sources:
            line = next(self._sources[-1].lines, None)
            if line is not None:
                self._budget(line)
                return line
            self._sources.pop()
        return None

    def _budget(self, line: Line) -> None:
        self._count += bool(line.text)
        self._characters += 0 if line.verbatim else len(line.text)
        too_much = self._count > MOST_LINES or self._characters > MOST_CHARACTERS
        if too_much or len(self._sources) > DEEPEST:
            raise ConfigError(f"{line.where}: this line expands to too many lines; shorten it")

    def _push(self, lines: Iterator[Line]) -> None:
        self._sources.append(_Source(lines))

    # --- what becomes of a line ------------------------------------------------------------------

    def _taken(self, line: Line) -> Iterator[Line]:
        found = self._unfolded(line)
        if found is None or not found.text:
            return
        if wanted := includes.include(found.text, self.dialect):
            self._include(wanted, found)
        else:
            yield from self._split(found)

    def _unfolded(self, line: Line) -> Line | None:
        """The line behind its condition with references replaced; None where it is used up."""
        while line.text:
            behind = self._condition(line)
            if behind is None or self._define(behind) or self._repeat(behind):
                return None
            line = behind
            found = None if line.text.startswith("~") else self._replaced(line)
            if found is None:
                return line
            line, following = found
            self._budget(line)
            if following:
                made = [line.made(text) for text in following]
                self._push(iter(made))
            line = decommented(line) if self.dialect.lists else line
            if not line.text.startswith("@") and "$" not in line.text:
                return line
        return None

    def _replaced(self, line: Line) -> tuple[Line, tuple[str, ...]] | None:
        return self._definitions.replaced(line) if self.dialect.definitions else None

    def _condition(self, line: Line) -> Line | None:
        if not self.dialect.conditions or not (found := _CONDITION.match(line.text)):
            return line
        rest = line.part(found.end(), len(line.text))
        if not rest.text:
            return None
        if self.node is None:
            return self._uncertain(rest, found[2], bool(found[1]))
        return rest if (found[2] == self.node) is not bool(found[1]) else None

    def _uncertain(self, rest: Line, name: str, negated: bool) -> Line | None:
        if _BRACE.search(rest.text):
            # Its braces count on some nodes: read the blocks as one of these nodes does.
            self._assumed = self._assumed if self._assumed is not None else name
            if (name == self._assumed) is negated:
                return None
        return replace(rest, applies=Tri.UNKNOWN)

    def _define(self, line: Line) -> bool:
        begun = self._definitions.begun(line)
        if begun is None:
            return False
        name, text = begun
        body = [text]
        while body[-1].endswith("\\") and (following := self._next()) is not None:
            body.append(following.text)
            if not following.text:
                break
        self._definitions.end(name, body, line.applies)
        return True

    def _repeat(self, line: Line) -> bool:
        known = _REPEATED[: self.dialect.sequences + self.dialect.lists]
        if not line.text.startswith(known):
            return False
        self._push(self._rounds(line, repetition(line, self._numbers(line))))
        return True

    def _numbers(self, line: Line) -> str | None:
        span = numbers_of(line)
        if span is None:
            return None
        # A parenthesis ends a reference too.
        inner = self._replaced(line.part(*span))
        return None if inner is None else inner[0].text

    def _rounds(self, line: Line, found: Repetition) -> Iterator[Line]:
        rest = replace(line.part(found.behind, len(line.text)), verbatim=False)
        for values in found.rounds:
            for name, value in values:
                self._definitions.set(name, value)
            yield rest

    def _include(self, wanted: includes.Include, line: Line) -> None:
        directory = line.path.parent
        self.directories += includes.searched(wanted, directory, self.root)
        found = list(includes.files(wanted, directory, line.where, self.root))
        self._push(self._files(found, line))

    def _files(self, paths: list[Path], line: Line) -> Iterator[Line]:
        for path in paths:
            self._open(path, line.where, line.applies)
            # Empty, it ends here; the file's lines come before this goes on.
            yield line.part(0, 0)

    def _split(self, line: Line) -> Iterator[Line]:
        """The line up to its first brace, or the brace it begins with; the rest comes next."""
        at = self._brace(line)
        if at is None:
            yield line
            return
        end = max(at, 1)
        rest = line.part(end, len(line.text))
        if rest.text:
            self._push(iter((rest,)))
        yield line.part(0, end)

    def _brace(self, line: Line) -> int | None:
        brace = _BRACE if self.dialect.glued_braces else _BRACE_APART
        signs = (found for found in brace.finditer(line.text) if found[0][0] in "{}")
        return next((found.start() for found in signs), None)
