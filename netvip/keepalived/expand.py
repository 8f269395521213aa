"""keepalived's conditions, definitions, sequences and lists: what a written line unfolds into."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

from netvip.core.model import Tri
from netvip.errors import ConfigError

CONDITION = re.compile(r"\s*@(\^?)(\S*)[^\S\n]*")
DEFINITION = re.compile(r"\s*\$([A-Za-z_]\w*)=(.*)\Z", re.DOTALL | re.ASCII)
REFERENCE = re.compile(r"\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)(?=\s|\Z)", re.ASCII)
SEQUENCE = re.compile(r"\s*~SEQ(x?)\(([^()]*)\)[^\S\n]*")
LIST = re.compile(r"\s*~LST\(([^()]*)\)[^\S\n]*")
GROUP = re.compile(r"\{([^{}]*)\}")
#: A configuration that unfolds into more than this is a mistake, or made to exhaust memory.
MOST_LINES, MOST_CHARACTERS, DEEPEST = 100_000, 16 << 20, 64


@dataclass(frozen=True, slots=True)
class Line:
    """A line to be taken: `shift` is how many characters before it were taken off."""

    text: str
    applies: Tri
    verbatim: bool
    shift: int = 0


@dataclass(slots=True)
class Expander:
    """Keeps the definitions as they are made, in the order of the lines."""

    node: str | None
    definitions: dict[str, str] = field(default_factory=dict)
    _lines: int = 0
    _characters: int = 0

    def lines(self, text: str, where: str) -> Iterator[Line]:
        """What a written line (a definition with all of its body) becomes. Raises ConfigError."""
        yield from self._take(Line(text, Tri.YES, True), where, 0)

    def _take(self, line: Line, where: str, depth: int) -> Iterator[Line]:
        self._count(line.text, where, depth)
        if (condition := CONDITION.match(line.text)) and condition[2]:
            applies = self._applies(condition[2], bool(condition[1]))
            if applies is not Tri.NO:
                yield from self._take(_behind(line, condition.end(), applies), where, depth + 1)
        elif definition := DEFINITION.match(line.text):
            self.definitions[definition[1]] = _body(definition[2])
        elif repeated := self._repeated(line.text, where):
            rest, rounds = repeated
            for values in rounds:
                self.definitions.update(values)
                yield from self._take(Line(rest, line.applies, False), where, depth + 1)
        else:
            yield from self._replaced(line, where, depth)

    def _replaced(self, line: Line, where: str, depth: int) -> Iterator[Line]:
        text = REFERENCE.sub(self._value, line.text)
        if text == line.text:
            yield line
            return
        for part in text.split("\n"):
            yield from self._take(Line(part, line.applies, False), where, depth + 1)

    def _value(self, reference: re.Match[str]) -> str:
        return self.definitions.get(reference[1] or reference[2], reference[0])

    def _applies(self, name: str, negated: bool) -> Tri:
        if self.node is None:
            return Tri.UNKNOWN
        return Tri.of((name == self.node) is not negated)

    def _repeated(self, text: str, where: str) -> tuple[str, list[dict[str, str]]] | None:
        if found := SEQUENCE.match(text):
            return text[found.end() :], _sequence(found[2], found[1] == "x", where)
        # {A, B} groups have braces, not parentheses: one pair of parentheses holds all.
        if found := LIST.match(text):
            return text[found.end() :], _list(found[1], where)
        return None

    def _count(self, text: str, where: str, depth: int) -> None:
        self._lines += 1
        self._characters += len(text)
        too_much = self._lines > MOST_LINES or self._characters > MOST_CHARACTERS
        if too_much or depth > DEEPEST:
            raise ConfigError(f"{where}: this unfolds without end, or nearly so; shorten it")


def _behind(line: Line, offset: int, applies: Tri) -> Line:
    applies = line.applies if applies is Tri.YES else applies
    return Line(line.text[offset:], applies, line.verbatim, line.shift + offset)


def _body(text: str) -> str:
    """A definition's value: of several lines, each but the last ended by a backslash."""
    lines = [part.removesuffix("\\").rstrip() for part in re.split(r"\\[^\S\n]*\n", text)]
    return "\n".join(lines).strip()


def _sequence(words: str, hexadecimal: bool, where: str) -> list[dict[str, str]]:
    name, *numbers = (word.strip() for word in words.split(","))
    try:
        values = [int(number, 0) for number in numbers]
        start, step, end = _bounds(values)
        count = (end - start) // step + 1
    except (ValueError, ZeroDivisionError):
        raise ConfigError(f"{where}: ~SEQ({words}) is no sequence; correct it") from None
    if count > MOST_LINES:
        raise ConfigError(f"{where}: ~SEQ({words}) is {count} lines; shorten it")
    return [
        {name: f"{n:x}" if hexadecimal else str(n)} for n in range(start, end + _sign(step), step)
    ]


def _bounds(values: list[int]) -> tuple[int, int, int]:
    """Start, step and end: the start may be left out, then the step as well."""
    match values:
        case [end]:
            return _sign(end), _sign(end), end
        case [start, end]:
            return start, 1 if end >= start else -1, end
        case [start, step, end]:
            return start, step, end
    raise ValueError(values)


def _sign(number: int) -> int:
    return 1 if number >= 0 else -1


def _list(words: str, where: str) -> list[dict[str, str]]:
    if words.lstrip().startswith("{"):
        names, *groups = [[w.strip() for w in group.split(",")] for group in GROUP.findall(words)]
        if any(len(group) != len(names) for group in groups):
            raise ConfigError(f"{where}: ~LST({words}) has groups of different sizes; correct it")
        return [dict(zip(names, group, strict=True)) for group in groups]
    name, *values = (word.strip() for word in words.split(","))
    return [{variable: value} for variable, value in product([name], values)]
