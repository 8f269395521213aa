"""keepalived.conf as tokens, for tests that change blanks and comments of a configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from netvip.keepalived.lexer import BLANKS, code

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
#: `${NAME}` is no block. An open quote at the end of a line swallows the rest of it.
_PIECE = re.compile(
    rf"""(?P<space>[{BLANKS}]+)|(?P<quoted>"[^"]*"?)|(?P<open>\{{)|(?P<close>\}})
      |(?P<word>(?:\$\{{[A-Za-z0-9_ ]*\}}|[^{BLANKS}"{{}}])+)""".replace("\n      ", "")
)


class Kind(Enum):
    """What a token is."""

    NEWLINE = "newline"
    SPACE = "space"
    COMMENT = "comment"
    OPEN = "open"
    CLOSE = "close"
    QUOTED = "quoted"
    WORD = "word"
    #: A backslash that ends its line: it carries on a definition, and nothing else.
    CONTINUATION = "continuation"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text."""

    kind: Kind
    text: str


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a text. Joined, they are the text."""
    for found in _LINE.finditer(text):
        yield from _line(found[0])


def _line(line: str) -> Iterator[Token]:
    body = line.rstrip("\n").rstrip("\r")
    known = code(body)
    yield from _code(body[: known.end])
    rest = body[known.end :]
    if rest == "\\":
        yield Token(Kind.CONTINUATION, rest)
    elif rest:
        yield Token(Kind.COMMENT, rest)
    at = len(body)
    end = len(line) - line.endswith("\n")
    if end > at:
        yield Token(Kind.SPACE, line[at:end])
    if end < len(line):
        yield Token(Kind.NEWLINE, "\n")


def _code(text: str) -> Iterator[Token]:
    for found in _PIECE.finditer(text):
        yield Token(Kind(found.lastgroup), found[0])
