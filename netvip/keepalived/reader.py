"""Reads keepalived.conf with its includes, as keepalived does, into statements and a model."""

from __future__ import annotations

import glob
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from netvip.errors import ConfigError
from netvip.keepalived.expand import Expander, Line
from netvip.keepalived.interpret import interpret
from netvip.keepalived.lexer import Kind, Token, tokens
from netvip.keepalived.model import Configuration, Statement, Word

INCLUDE = re.compile(r'[^\S\n]*include[armwb]?[^\S\n]+"?([^\s"!#]+)"?[^\S\n]*(?:[!#].*)?\Z')
BRACES = re.compile(r"\{([^{}]*)\}")
#: keepalived itself gives up on deeper nesting of includes.
INCLUDE_DEPTH = 16
#: A configuration this large is a mistake (a log, a disk image).
LARGEST_FILE = 4 << 20
#: csh braces in an include multiply; more patterns than this nobody writes.
MOST_PATTERNS = 256


def read(main: Path, *, node: str | None = None, version: tuple[int, ...] = ()) -> Configuration:
    """The configuration that begins with this file.

    `node` is the id that @id lines are compared with (None: not known), `version` keepalived's
    (empty: the newest). Raises ConfigError, which names file and line and says what to do.
    """
    reader = _Reader(Expander(node))
    reader.file(main, None, 0)
    reader.end()
    configuration = Configuration(
        main, reader.texts, tuple(dict.fromkeys(reader.directories)), tuple(reader.statements)
    )
    return interpret(configuration, version)


@dataclass(slots=True)
class _Reader:
    expander: Expander
    texts: dict[Path, str] = field(default_factory=dict)
    directories: list[Path] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    _open: list[Path] = field(default_factory=list)
    _blocks: list[tuple[str, ...]] = field(default_factory=list)
    _opened_at: list[str] = field(default_factory=list)

    def file(self, path: Path, origin: str | None, depth: int) -> None:
        if path in self._open or depth > INCLUDE_DEPTH:
            raise ConfigError(f"{origin}: {path} includes itself; remove that include")
        text = self.texts[path] = _text(path, origin)
        self._open.append(path)
        for number, start, line in _lines(text):
            if include := INCLUDE.match(line):
                self._include(path, number, include[1], depth)
                continue
            for expanded in self.expander.lines(line, f"{path}:{number}"):
                self._line(path, number, start, len(line), expanded)
        self._open.pop()

    def end(self) -> None:
        if self._blocks:
            name = " ".join(self._blocks[-1])
            raise ConfigError(f"{self._opened_at[-1]}: the block {name} is not closed; add a }}")

    def _include(self, path: Path, number: int, pattern: str, depth: int) -> None:
        for one in _unbraced(pattern):
            # An absolute pattern stands for itself; the directory's own name is no pattern.
            whole = Path(glob.escape(str(path.parent))) / one
            self.directories.append(Path(str(path.parent)) / Path(one).parent)
            for found in sorted(glob.glob(str(whole))):
                self.file(Path(found), f"{path}:{number}", depth + 1)

    def _line(self, path: Path, number: int, start: int, length: int, line: Line) -> None:
        pending: list[Word] = []
        opener: tuple[str, ...] = ()
        for token in tokens(line.text):
            if token.kind in (Kind.WORD, Kind.QUOTED):
                pending.append(_word(token, start, length, line))
            elif token.kind in (Kind.OPEN, Kind.CLOSE):
                opener = self._flush(path, number, pending, line) or opener
                pending = []
                self._brace(token.kind, path, number, opener)
                opener = ()
        self._flush(path, number, pending, line)

    def _brace(self, kind: Kind, path: Path, number: int, opener: tuple[str, ...]) -> None:
        if kind is Kind.OPEN:
            self._blocks.append(opener or self._last())
            self._opened_at.append(f"{path}:{number}")
        elif not self._blocks:
            raise ConfigError(f"{path}:{number}: a }} closes nothing; remove it")
        else:
            self._blocks.pop()
            self._opened_at.pop()

    def _last(self) -> tuple[str, ...]:
        # The brace stands on a line of its own: the block is what the line before it names.
        return self.statements[-1].texts() if self.statements else ("",)

    def _flush(self, path: Path, number: int, words: list[Word], line: Line) -> tuple[str, ...]:
        if not words:
            return ()
        blocks = tuple(self._blocks)
        statement = Statement(path, number, tuple(words), blocks, line.applies, line.verbatim)
        self.statements.append(statement)
        return statement.texts()


def _word(token: Token, start: int, length: int, line: Line) -> Word:
    if not line.verbatim:
        return Word(token.value, start, start + length)
    at = start + line.shift
    return Word(token.value, at + token.start, at + token.end)


def _lines(text: str) -> Iterator[tuple[int, int, str]]:
    """Number, offset and text of each line; a definition's body belongs to its first line."""
    at, number = 0, 1
    while at < len(text):
        end = _end(text, at)
        if re.match(r"[^\S\n]*(@\S+[^\S\n]+)?\$\w+=", text[at:end]):
            while re.search(r"\\[^\S\n]*\Z", text[at:end]) and end < len(text):
                end = _end(text, end + 1)
        line = text[at:end]
        yield number, at, line
        number += line.count("\n") + 1
        at = end + 1


def _end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _unbraced(pattern: str) -> list[str]:
    """csh's braces: every pattern that {a,b} stands for."""
    done: list[str] = []
    waiting = [pattern]
    while waiting and len(done) + len(waiting) <= MOST_PATTERNS:
        one = waiting.pop(0)
        if found := BRACES.search(one):
            waiting += [one[: found.start()] + w + one[found.end() :] for w in found[1].split(",")]
        else:
            done.append(one)
    return done


def _text(path: Path, origin: str | None) -> str:
    where = origin or str(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{where}: {path} is no regular file; name one")
        if status.st_size > LARGEST_FILE:
            raise ConfigError(f"{where}: {path} is too large to be a keepalived configuration")
        return path.read_bytes().decode("utf-8", errors="surrogateescape")
    except OSError as problem:
        raise ConfigError(f"{where}: {path} cannot be read: {problem.strerror}") from problem
    except ValueError as problem:  # a name with a NUL in it
        raise ConfigError(f"{where}: {path!r} is no file's name: {problem}") from problem
