"""Enough of the shell's grammar to separate what a script runs from what it only mentions.

A rule that searches a script's text finds the ping in a comment, in a log message and behind -I.
Here a script becomes pipelines of commands, with the variables put in that it assigns itself. What
cannot be told stays as it is written, with its dollar, and is nobody's address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import pairwise

SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh", "rbash"})
#: Programs that run another one; options, numbers and assignments before it are theirs.
WRAPPERS = frozenset(
    {"sudo", "timeout", "env", "nice", "ionice", "command", "exec", "nohup", "chrt"}
)
WRAPPERS |= {"busybox", "setsid", "stdbuf", "flock"}
KEYWORDS = frozenset({"if", "then", "elif", "else", "while", "until", "do", "!", "time", "{"})
DECLARES = frozenset({"export", "readonly", "local", "declare", "typeset"})
#: A quoted dollar is an ordinary character: it is kept as this code point, which no text has.
PLAIN_DOLLAR = "\ufdd0"
#: Limit for commands within commands; no real script is deeper.
DEEPEST = 4

#: A longer value (A=$A$A) is not expanded any more.
LONGEST = 4096

HEREDOC = re.compile(r"(?<!<)<<-?[ \t]*(['\"]?)(\w+)\1")
OPERATOR = re.compile(r"\|\||&&|;;|\|&|<<<|<<-?|>>|>&|<&|[|&;()\n<>]")
VALUE = re.compile(r"\$\{(\w+)(?:(:?[-=])([^{}]*)|[%#/:^,+][^{}]*)?\}|\$(\w+)")
ASSIGNMENT = re.compile(r"(\w+)\+?=(.*)", re.DOTALL)
SUBSTITUTION = re.compile(r"\$\(|<\(|`")
ADDRESS4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\d|\.\d)")
ADDRESS6 = re.compile(r"(?<![\w:])[0-9A-Fa-f]*:[0-9A-Fa-f:.]*[0-9A-Fa-f:](?![\w:])")

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands joined by pipes, those within their words behind them."""

    commands: tuple[Words, ...]
    #: The operator behind it, and the command behind that: what its failure leads to.
    then: Words = ()

    @property
    def words(self) -> tuple[str, ...]:
        """Every word of it."""
        return tuple(word for command in self.commands for word in command)


def pipelines(text: str, arguments: Words = ()) -> tuple[Pipeline, ...]:
    """What a script runs; arguments stand for $1 and on."""
    values = {str(number): word for number, word in enumerate(arguments, 1)}
    return tuple(_parsed(text, values, 0))


def operators(line: str) -> tuple[str, ...]:
    """The shell's operators in a command line, quoted ones left out."""
    return tuple(token.text for token in _tokens(line) if token.operator)


def program(command: Words) -> str:
    """The name of the program, without its directory."""
    return command[0].rpartition("/")[2] if command else ""


def addresses(word: str) -> set[IPv4Address | IPv6Address]:
    """The addresses in a word: alone, in a URL, with a prefix or a port, or as a grep pattern."""
    plain = word.replace("\\", "")
    found = set()
    for text in (*ADDRESS4.findall(plain), *ADDRESS6.findall(plain)):
        try:
            found.add(ip_address(text))
        except ValueError:
            continue
    return found


# --- tokens ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    operator: bool = False


@dataclass(slots=True)
class _Scanner:
    text: str
    at: int = 0
    word: list[str] = field(default_factory=list)
    #: Whether a word has begun: '' is one.
    begun: bool = False

    def tokens(self) -> Iterator[_Token]:
        while self.at < len(self.text):
            char = self.text[self.at]
            if SUBSTITUTION.match(self.text, self.at):
                self._substitution()
            elif found := OPERATOR.match(self.text, self.at):
                yield from self._end(found[0])
                yield _Token(found[0], operator=True)
                self.at = found.end()
            elif char.isspace():
                yield from self._end()
                self.at += 1
            elif char == "#" and not self.begun:
                self.at = _find(self.text, "\n", self.at)
            else:
                self._piece(char)
        yield from self._end()

    def _end(self, operator: str = "") -> Iterator[_Token]:
        # In 2>&1 the number is the redirection's.
        numbered = operator[:1] in ("<", ">") and "".join(self.word).isdigit()
        if self.begun and not numbered:
            yield _Token("".join(self.word))
        self.word, self.begun = [], False

    def _piece(self, char: str) -> None:
        self.begun = True
        if char == "'":
            end = _find(self.text, "'", self.at + 1)
            self.word.append(self.text[self.at + 1 : end].replace("$", PLAIN_DOLLAR))
            self.at = end + 1
        elif char == '"':
            self._quoted()
        else:
            step = 2 if char == "\\" else 1
            self.word.append(self.text[self.at : self.at + step].replace("\\$", PLAIN_DOLLAR))
            self.at += step

    def _quoted(self) -> None:
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] != '"':
            if SUBSTITUTION.match(self.text, self.at) and self.text[self.at] != "<":
                self._substitution()
            elif self.text[self.at] == "\\":
                self.word.append(self.text[self.at + 1 : self.at + 2].replace("$", PLAIN_DOLLAR))
                self.at += 2
            else:
                self.word.append(self.text[self.at])
                self.at += 1
        self.at += 1

    def _substitution(self) -> None:
        self.begun = True
        tick = self.text[self.at] == "`"
        start = self.at + (1 if tick else 2)
        end = _find(self.text, "`", start) if tick else _closing(self.text, start)
        self.word.append(f"$({self.text[start:end]})")
        self.at = end + 1


def _tokens(text: str) -> Iterator[_Token]:
    return _Scanner("\n".join(_lines(text.replace("\\\n", " ")))).tokens()


def _lines(text: str) -> Iterator[str]:
    """The lines without those of here-documents."""
    lines = text.split("\n")
    last = {line.strip(): number for number, line in enumerate(lines)}
    until = ""
    for number, line in enumerate(lines):
        if until:
            until = "" if line.strip() == until else until
            continue
        found = HEREDOC.search(line)
        if found and last.get(found[2], -1) > number:
            until = found[2]
            line = line[: found.start()] + line[found.end() :]
        yield line


def _find(text: str, what: str, start: int) -> int:
    end = text.find(what, start)
    return len(text) if end < 0 else end


def _closing(text: str, start: int) -> int:
    """Where the parenthesis closes that was opened before start."""
    depth = 1
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if not depth:
            return at
    return len(text)


# --- commands -------------------------------------------------------------------------------------


def _parsed(text: str, values: dict[str, str], depth: int) -> Iterator[Pipeline]:
    parts = list(_parts(text))
    for at, (commands, operator) in enumerate(parts):
        meant = tuple(c for words in commands if (c := _command(words, values)))
        if not meant:
            continue
        inner = [c for command in meant for c in _within(command, values, depth)]
        after = parts[at + 1][0][:1] if at + 1 < len(parts) and operator == "||" else []
        yield Pipeline((*meant, *inner), (operator, *(after[0] if after else ())))


def _parts(text: str) -> Iterator[tuple[list[list[str]], str]]:
    """Pipelines as written, each with the operator that ends it."""
    commands: list[list[str]] = [[]]
    redirects = False
    for token in _tokens(text):
        if not token.operator:
            if not redirects:
                commands[-1].append(token.text)
            redirects = False
        elif token.text == "<<<":
            continue  # what follows is read, and may name an address
        elif token.text[0] in "<>":
            redirects = True
        elif token.text in ("|", "|&"):
            commands.append([])
        elif token.text != "\n" or commands[-1]:  # behind a pipe the line goes on
            yield commands, token.text
            commands, redirects = [[]], False
    yield commands, ""


def _command(words: list[str], values: dict[str, str]) -> Words:
    """The command, with its variables put in, without what stands before it; its assignments are
    remembered."""
    left = [_meant(word, values) for word in words]
    if left[:1] == ["for"] and left[2:3] == ["in"]:
        values[left[1]] = " ".join(left[3:])
        return ()
    declares = left[:1] != [] and left[0] in DECLARES
    while left and (left[0] in KEYWORDS | DECLARES or ASSIGNMENT.fullmatch(left[0])):
        if found := ASSIGNMENT.fullmatch(left.pop(0)):
            values[found[1]] = found[2] if len(found[2]) <= LONGEST else ""
    return () if declares else _unwrapped(tuple(left))


def _meant(word: str, values: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1] or found[4]
        return values.get(name) or (_meant(found[3], values) if found[3] else found[0])

    return VALUE.sub(value, word).replace(PLAIN_DOLLAR, "$")


def _unwrapped(command: Words) -> Words:
    while program(command) in WRAPPERS and len(command) > 1:
        command = command[1:]
        while len(command) > 1 and re.match(r"-|\d+(\.\d+)?[smhd]?$|\w+=", command[0]):
            command = command[1:]
    return command


def _within(command: Words, values: dict[str, str], depth: int) -> Iterator[Words]:
    """The commands in a command's words: $(...), and what a shell gets behind -c."""
    if depth >= DEEPEST:
        return
    texts = [inner for word in command for inner in _substituted(word)]
    if program(command) in SHELLS | {"su"}:
        texts += [after for flag, after in pairwise(command) if flag == "-c"]
    for text in texts:
        for pipeline in _parsed(text, dict(values), depth + 1):
            yield from pipeline.commands


def _substituted(word: str) -> Iterator[str]:
    start = word.find("$(")
    while start >= 0:
        end = _closing(word, start + 2)
        yield word[start + 2 : end]
        start = word.find("$(", end)
