"""keepalived.conf, as statements with their places, so that it can be read and edited in place.

A statement is what stands on one line between braces. Includes are followed; whatever is not
understood is kept and passed over.
"""

from __future__ import annotations

import glob
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from netvip.core.model import Tri
from netvip.errors import ConfigError

#: Words, quoted strings, braces; `!` and `#` begin comments outside quotes.
TOKEN = re.compile(r'[{}]|"(?:\\.|[^"\\\n])*"|[^\s{}"!#]+|[!#][^\n]*')
#: keepalived ends a line at a newline and at nothing else.
LINE = re.compile(r"[^\n]*\n|[^\n]+")
INCLUDE = frozenset({"include", "includea", "includer", "includem", "includew", "includeb"})
#: keepalived itself gives up on deeper nesting of includes.
INCLUDE_DEPTH = 16
#: A configuration this large is a mistake (a log, a disk image).
LARGEST_FILE = 4 << 20
SOURCE_KEYWORDS = frozenset({"mcast_src_ip", "unicast_src_ip"})


@dataclass(frozen=True, slots=True)
class Token:
    """A word and where it stands."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Statement:
    """Words of one line between braces, the blocks around them, and the file they stand in."""

    path: Path
    line: int
    words: tuple[Token, ...]
    blocks: tuple[tuple[str, ...], ...]

    @property
    def keyword(self) -> str:
        """The first word."""
        return self.words[0].text

    def texts(self) -> tuple[str, ...]:
        """The words, unquoted."""
        return tuple(word.text.strip('"') for word in self.words)


@dataclass(slots=True)
class Configuration:
    """The statements of a configuration and the text of every file they come from."""

    statements: list[Statement] = field(default_factory=list)
    texts: dict[Path, str] = field(default_factory=dict)

    def instances(self) -> dict[str, list[Statement]]:
        """The statements of each vrrp_instance, its own line first."""
        found: dict[str, list[Statement]] = {}
        for statement in self.statements:
            texts = statement.texts()
            if not statement.blocks and len(texts) >= 2 and texts[0] == "vrrp_instance":
                found.setdefault(texts[1], []).append(statement)
            elif statement.blocks and statement.blocks[0][:1] == ("vrrp_instance",):
                name = statement.blocks[0][1] if len(statement.blocks[0]) > 1 else ""
                found.setdefault(name, []).append(statement)
        return found


def read(path: Path) -> Configuration:
    """Read a configuration with its includes; raises ConfigError with file and line."""
    configuration = Configuration()
    _Reader(configuration).file(path, None, [], 0)
    return configuration


def configured_sources(path: Path) -> dict[str, Tri]:
    """Whether each instance has a configured source address."""
    try:
        instances = read(path).instances()
    except ConfigError:
        return {}
    return {name: _has_source(statements) for name, statements in instances.items()}


def _has_source(statements: list[Statement]) -> Tri:
    if any(statement.keyword in SOURCE_KEYWORDS for statement in statements):
        return Tri.YES
    # "@id mcast_src_ip ..." applies on some nodes, and which ones is keepalived's to say.
    conditional = any(SOURCE_KEYWORDS & set(s.texts()[1:2]) for s in statements)
    return Tri.UNKNOWN if conditional else Tri.NO


class _Reader:
    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._open: list[Path] = []
        self._opened_at: list[str] = []

    def file(
        self, path: Path, origin: str | None, blocks: list[tuple[str, ...]], depth: int
    ) -> None:
        if path in self._open or depth > INCLUDE_DEPTH:
            raise ConfigError(f"{origin}: {path} includes itself; remove that include")
        text = _text(path, origin)
        self._configuration.texts[path] = text
        self._open.append(path)
        for line, words in _lines(text):
            self._line(path, line, words, blocks, depth)
        self._open.pop()
        if not depth and blocks:
            name = " ".join(blocks[-1])
            raise ConfigError(f"{self._opened_at[-1]}: the block {name} is not closed; add a }}")

    def _line(
        self, path: Path, line: int, words: list[Token], blocks: list[tuple[str, ...]], depth: int
    ) -> None:
        pending: list[Token] = []
        opener: tuple[str, ...] = ("",)
        for word in words:
            if word.text not in ("{", "}"):
                pending.append(word)
                continue
            opener = self._flush(path, line, pending, blocks, depth) or opener
            pending = []
            if word.text == "{":
                blocks.append(opener if opener != ("",) else self._last())
                self._opened_at.append(f"{path}:{line}")
            elif not blocks:
                raise ConfigError(f"{path}:{line}: a }} closes nothing; remove it")
            else:
                blocks.pop()
                self._opened_at.pop()
        self._flush(path, line, pending, blocks, depth)

    def _last(self) -> tuple[str, ...]:
        # The brace stands on a line of its own: the block is what the line before it names.
        statements = self._configuration.statements
        return statements[-1].texts() if statements else ("",)

    def _flush(
        self, path: Path, line: int, words: list[Token], blocks: list[tuple[str, ...]], depth: int
    ) -> tuple[str, ...]:
        if not words:
            return ()
        statement = Statement(path, line, tuple(words), tuple(blocks))
        if statement.keyword in INCLUDE and len(words) == 2:
            # An absolute pattern stands for itself; the directory's own name is no pattern.
            pattern = str(Path(glob.escape(str(path.parent))) / statement.texts()[1])
            for found in sorted(glob.glob(pattern)):
                self.file(Path(found), f"{path}:{line}", blocks, depth + 1)
            return ()
        self._configuration.statements.append(statement)
        return statement.texts()


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


def _lines(text: str) -> Iterator[tuple[int, list[Token]]]:
    offset = 0
    for number, line in enumerate(LINE.findall(text), 1):
        words = [
            Token(m[0], offset + m.start(), offset + m.end())
            for m in TOKEN.finditer(line)
            if m[0][0] not in "!#"
        ]
        if words:
            yield number, words
        offset += len(line)
