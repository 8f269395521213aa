"""keepalived.conf as tokens. Joined, they are the text they were made of, byte for byte."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a token is."""

    NEWLINE = "newline"
    SPACE = "space"
    COMMENT = "comment"
    OPEN = "open"
    CLOSE = "close"
    QUOTED = "quoted"
    WORD = "word"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text, and where it begins."""

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.start + len(self.text)

    @property
    def value(self) -> str:
        """As keepalived takes it: without its quotes."""
        if self.kind is not Kind.QUOTED:
            return self.text
        return ESCAPED.sub(r"\1", self.text[1:].removesuffix('"'))


ESCAPED = re.compile(r"\\([\"\\!#])")
#: keepalived ends a line at \\n and nothing else; `!` and `#` begin comments outside quotes; quotes
#: begin a word of their own, and end with the line at the latest; ${NAME} is no block.
TOKEN = re.compile(
    r"""(?P<newline>\n)
      | (?P<space>[^\S\n]+)
      | (?P<comment>[!#][^\n]*)
      | (?P<open>\{)
      | (?P<close>\})
      | (?P<quoted>"(?:\\[^\n]|[^"\\\n])*+(?:"|(?=\n)|\Z|\\(?=\n|\Z)))
      | (?P<word>(?:\$\{[A-Za-z0-9_ ]*\}|\\[!\#"]|[^\s{}"!\#])+)
    """,
    re.VERBOSE,
)


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a text, any text."""
    at = 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise AssertionError(f"no token at {at} of {text!r}")
        yield Token(Kind(found.lastgroup), found[0], at)
        at = found.end()
