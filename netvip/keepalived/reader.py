"""Reads keepalived.conf with its includes, as keepalived does, into statements and a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from netvip.errors import ConfigError
from netvip.keepalived.configuration import Configuration, Statement
from netvip.keepalived.dialect import Dialect
from netvip.keepalived.interpret import interpret
from netvip.keepalived.lexer import words
from netvip.keepalived.lines import Line
from netvip.keepalived.unfold import Unfolded
from netvip.linux.rooted import HOST

#: The limit for nested blocks; keepalived's own are three deep.
DEEPEST_BLOCK = 64
#: The limit for words; a file with more was made to exhaust memory.
MOST_WORDS = 200_000


def read(
    main: Path,
    *,
    node: str | None = None,
    version: tuple[int, ...] = (),
    root: Path = HOST,
) -> Configuration:
    """The configuration that begins with this file.

    `node` is the id that @id lines are compared with (None: not known), `version` keepalived's
    (empty: the newest), `root` its root directory. Raises ConfigError, which names file and line
    and says what to do.
    """
    dialect = Dialect.of(version)
    unfolded = Unfolded(dialect, node, root)
    blocks = _Blocks()
    for line in unfolded.lines(main):
        blocks.take(line)
    blocks.end()
    return interpret(
        Configuration(
            main,
            unfolded.texts,
            tuple(dict.fromkeys(unfolded.directories)),
            tuple(blocks.statements),
        ),
        dialect,
    )


@dataclass(slots=True)
class _Blocks:
    """Builds statements from lines, each of which is a brace, or words without one."""

    statements: list[Statement] = field(default_factory=list)
    _open: list[tuple[str, ...]] = field(default_factory=list)
    _opened_at: list[str] = field(default_factory=list)
    #: What the next brace opens: the words before it, on its line or on one before.
    _opener: tuple[str, ...] = ("",)
    _words: int = 0

    def take(self, line: Line) -> None:
        if line.text == "{":
            self._begin(line.where)
        elif line.text == "}":
            self._close(line.where)
        elif taken := tuple(line.word(*word) for word in words(line.text)):
            statement = Statement(
                line.path, line.number, taken, tuple(self._open), line.applies, line.verbatim
            )
            self.statements.append(statement)
            self._words += len(taken)
            if self._words > MOST_WORDS:
                raise ConfigError(f"{line.where}: the configuration has too many words; shorten it")
            self._opener = statement.texts()

    def _begin(self, where: str) -> None:
        if len(self._open) >= DEEPEST_BLOCK:
            raise ConfigError(f"{where}: too many nested blocks; close some")
        self._open.append(self._opener)
        self._opened_at.append(where)
        self._opener = ("",)

    def _close(self, where: str) -> None:
        if not self._open:
            raise ConfigError(
                f"{where}: this }} closes no block; remove it, or open the block that it closes"
            )
        self._open.pop()
        self._opened_at.pop()
        self._opener = ("",)

    def end(self) -> None:
        if self._open:
            name = " ".join(self._open[-1])
            raise ConfigError(f"{self._opened_at[-1]}: the block {name} is not closed; add a }}")
