"""keepalived.conf as tokens. Joined, they are the text they were made of, byte for byte.

keepalived reads lines, ends them at a newline alone, and knows six blanks. Its two rules for quotes
differ, and so do ours: looking for a comment it heeds backslashes, cutting words it does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: C's isspace(); a no-break space is part of a word.
BLANKS = " \t\n\v\f\r"
_SPECIAL = re.compile(r'[!#"\\]')
_WORD = re.compile(rf'"([^"]*)("?)|[^{BLANKS}"]+')
#: A part of a command's word: quoted either way, escaped, or plain.
_PART = re.compile(
    r"""\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'|(\\(?:x[0-9a-fA-F]+|c.|[0-7]{1,3}|.))"""
    rf"""|([^{BLANKS}"'\\]+)""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]+)|c(.)|([0-7]{1,3})|(.))", re.DOTALL)
_LETTERS = dict(zip("abEfnrtv", "\a\b\x1b\f\n\r\t\v", strict=True))
#: Lines that run something. Here keepalived knows single quotes and escapes, and joins quoted
#: pieces to words.
COMMANDS = frozenset(
    {"script", "misc_path", "startup_script", "shutdown_script", "quorum_up", "quorum_down"}
    | {"notify_fifo_script", "vrrp_notify_fifo_script", "lvs_notify_fifo_script"}
    | {f"notify{which}" for which in ("", "_up", "_down", "_master", "_backup", "_fault", "_stop")}
    | {"notify_deleted", "notify_master_rx_lower_pri"}
)


@dataclass(frozen=True, slots=True)
class Code:
    """What of a line is no comment."""

    #: Where the comment begins, or the line ends.
    end: int
    #: Backslashes that keepalived takes off, before a comment sign outside quotes.
    escapes: tuple[int, ...]
    #: The backslash that ends the line, comment or not; -1 where there is none.
    continuation: int


def code(line: str) -> Code:
    """Where the comment of a line (without its newline) begins."""
    quoted, comment, at = False, -1, 0
    escapes: list[int] = []
    while found := _SPECIAL.search(line, at):
        sign, at = found[0], found.end()
        if sign == "\\":
            if at == len(line):
                return Code(comment if comment >= 0 else at - 1, tuple(escapes), at - 1)
            if not quoted and comment < 0 and line[at] in "!#":
                escapes.append(at - 1)
            at += 1
        elif comment < 0 and sign == '"':
            quoted = not quoted
        elif comment < 0 and not quoted:
            comment = found.start()
    return Code(comment if comment >= 0 else len(line), tuple(escapes), -1)


def words(text: str) -> Iterator[tuple[str, int, int]]:
    """The words of a line without comments and free of braces: each as taken, start and end.

    A quoted piece is a word of its own. What stands behind a quote that is not closed is dropped,
    as keepalived does.
    """
    for found in _WORD.finditer(text):
        if found[0] in COMMANDS and found.start() == 0:
            yield from _command(text)
            return
        if found[0][0] != '"':
            yield found[0], found.start(), found.end()
        elif found[2]:
            yield found[1], found.start(), found.end()


def _command(text: str) -> Iterator[tuple[str, int, int]]:
    at = 0
    while at < len(text):
        start, taken = at, []
        while found := _PART.match(text, at):
            double, single, escaped, plain = found.groups()
            rest = double if double is not None else single if single is not None else escaped
            taken.append(plain if plain is not None else _ESCAPE.sub(_unescaped, rest))
            at = found.end()
        if taken:
            yield "".join(taken), start, at
        elif text[at] in BLANKS:
            at += 1
        else:
            return


def _unescaped(found: re.Match[str]) -> str:
    hexadecimal, control, octal, other = found.groups()
    if hexadecimal or octal:
        return chr((int(hexadecimal[-2:], 16) if hexadecimal else int(octal, 8)) & 0xFF)
    return chr(ord(control) & 0x1F) if control else _LETTERS.get(other, other)
