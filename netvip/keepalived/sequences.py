"""~SEQ(name, ...) and ~LST(name, ...): repetitions of one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from netvip.errors import ConfigError
from netvip.keepalived.lines import Line

_SEQUENCE = re.compile(r"~SEQ(x?)[ \t]*\([ \t]*([^ \t,)]+)[ \t]*,([^)]*)\)[ \t]*")
_LIST = re.compile(r"~LST[ \t]*\(([^)]*)\)[ \t]*")
_GROUP = re.compile(r"[ \t]*(?:\{([^{}]*)\}|([^{},]*))[ \t]*(,|\Z)")
_NUMBER = re.compile(r"[ \t]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*|)[ \t]*\Z")
#: keepalived takes no more characters of numbers than this.
_LONGEST_NUMBERS = 62
#: A longer sequence is a mistake, or was made to exhaust memory.
MOST_ROUNDS = 65_536


@dataclass(frozen=True, slots=True)
class Repetition:
    """What a line is repeated for: the values of each round, and where the line itself begins."""

    rounds: Iterator[tuple[tuple[str, str], ...]]
    behind: int


def repetition(line: Line, numbers: str | None = None) -> Repetition:
    """The rounds of a line that begins with ~SEQ or ~LST.

    `numbers` replaces the text between the parentheses behind ~SEQ's name (definitions put in).
    Raises ConfigError where there are too many, and where keepalived refuses the specification
    (it drops the line, and `keepalived -t` fails).
    """
    if found := _SEQUENCE.match(line.text):
        written = found[3] if numbers is None else numbers
        return Repetition(_sequence(found[2], written, bool(found[1]), line), found.end())
    if found := _LIST.match(line.text):
        return Repetition(iter(_list(found[1], line)), found.end())
    raise _refused(line, line.text[:60])


def _refused(line: Line, written: str) -> ConfigError:
    return ConfigError(f"{line.where}: {written} is not a sequence or list; correct it")


def numbers_of(line: Line) -> tuple[int, int] | None:
    """Where the numbers of a ~SEQ stand: definitions are put in there at once."""
    found = _SEQUENCE.match(line.text)
    return found.span(3) if found else None


def _sequence(
    name: str, written: str, hexadecimal: bool, line: Line
) -> Iterator[tuple[tuple[str, str], ...]]:
    bounds = _bounds(written)
    if bounds is None or (hexadecimal and min(bounds[0], bounds[2]) < 0):
        raise _refused(line, f"~SEQ({name},{written})")
    start, step, end = bounds
    rounds = range(start, end + (1 if step > 0 else -1), step)
    if (end - start) // step >= MOST_ROUNDS:
        raise ConfigError(f"{line.where}: ~SEQ({name},{written}) is too long; shorten it")
    return (((name, f"{n:x}" if hexadecimal else str(n)),) for n in rounds)


def _bounds(written: str) -> tuple[int, int, int] | None:
    """Start, step and end: the start may be left out, then the step as well."""
    values = [_number(part) for part in written.split(",")]
    if len(written) > _LONGEST_NUMBERS or None in values:
        return None
    match values:
        case [int(end)]:
            return -1 if end < 0 else 1, -1 if end < 1 else 1, end
        case [int(start), int(end)]:
            return start, 1 if start <= end else -1, end
        case [int(start), int(step), int(end)] if step and (end - start) * step >= 0:
            return start, step, end
    return None


def _number(text: str) -> int | None:
    """As C's strtol with base 0; nothing at all is 0."""
    found = _NUMBER.match(text)
    if found is None:
        return None
    digits = found[2] or "0"
    value = int(digits, 16 if digits[1:2] in ("x", "X") else 8 if digits[0] == "0" else 10)
    return -value if found[1] == "-" else value


def _list(written: str, line: Line) -> list[tuple[tuple[str, str], ...]]:
    groups = _groups(written)
    names, *values = groups or [[]]
    if not values or any(len(group) > len(names) for group in values):
        raise _refused(line, f"~LST({written})")
    filled = [group + [""] * (len(names) - len(group)) for group in values]
    return [tuple(zip(names, group, strict=True)) for group in filled]


def _groups(written: str) -> list[list[str]]:
    groups: list[list[str]] = []
    at = 0
    while found := _GROUP.match(written, at):
        group = [found[2]] if found[1] is None else found[1].split(",")
        groups.append([word.strip(" \t") for word in group])
        if not found[3]:
            return groups
        at = found.end()
    return []
