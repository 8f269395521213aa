"""keepalived's definitions: $NAME=text, $NAME and ${NAME}."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from netvip.core.model import Tri
from netvip.errors import ConfigError
from netvip.keepalived.dialect import LONGEST_LINE, Dialect
from netvip.keepalived.lines import Line

_DEFINITION = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)=[ \t]*")
#: A bare reference ends with a blank, a comma, a parenthesis or the line.
_REFERENCE = re.compile(
    r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*|_RANDOM[ 0-9]*)\}|([A-Za-z_][A-Za-z0-9_]*)(?=[ \t,)]|\Z))"
)
#: More references than this in one line refer to each other.
_MOST_REFERENCES = 256


@dataclass(frozen=True, slots=True)
class Definition:
    """A value: one line, or several."""

    lines: tuple[str, ...]
    several: bool = False
    applies: Tri = Tri.YES


@dataclass(slots=True)
class Definitions:
    """The definitions as they are at this line of the configuration."""

    dialect: Dialect
    node: str | None
    values: dict[str, Definition] = field(default_factory=dict)

    def set(self, name: str, value: str) -> None:
        """Set what a sequence or a list defines; the definition lasts beyond it."""
        self.values[name] = Definition((value,))

    def begun(self, line: Line) -> tuple[str, str] | None:
        """Name and first line of the definition that this line begins, if it does."""
        if not self.dialect.definitions or not (found := _DEFINITION.match(line.text)):
            return None
        return found[1], line.text[found.end() :]

    def end(self, name: str, body: list[str], applies: Tri) -> None:
        """Keep a definition of these lines, each but the last with its backslash."""
        several = body[0].endswith("\\")
        kept = tuple(t for b in body if (t := b.removesuffix("\\").rstrip(" \t")) or not several)
        # A definition of empty lines is the same as an empty one.
        self.values[name] = Definition(kept or ("",), several and bool(kept), applies)

    def replaced(self, line: Line) -> tuple[Line, tuple[str, ...]] | None:
        """The line with its references replaced, and the lines that follow it; None: no change.

        Raises ConfigError where the references do not come to an end.
        """
        at = count = 0
        following: tuple[str, ...] = ()
        while (at := line.text.find("$", at)) >= 0:
            found = _REFERENCE.match(line.text, at)
            value = self._value(found, line) if found else None
            if found is None or value is None:
                at += 1
                continue
            line = self._put(line, found, value)
            count += 1
            following = value.lines[1:] + following
            if count > _MOST_REFERENCES:
                raise ConfigError(
                    f"{line.where}: ${found[1] or found[2]} refers to itself; correct it"
                )
            if value.lines[0].startswith("~"):
                break
        return (line, following) if count else None

    def _put(self, line: Line, found: re.Match[str], value: Definition) -> Line:
        whole = found.end() - found.start() == len(line.text)
        line = line.spliced(found.start(), found.end(), value.lines[0])
        if len(line.text.encode("utf-8", errors="surrogateescape")) > LONGEST_LINE:
            name = found[1] or found[2]
            raise ConfigError(f"{line.where}: ${name} makes the line too long; shorten it")
        # A reference that is all of the line, or has braces in it, makes lines of its own.
        if whole or value.several or set("{}~") & set(value.lines[0]):
            line = replace(line, stands=False)
        return line if value.applies is Tri.YES else replace(line, applies=Tri.UNKNOWN)

    def _value(self, found: re.Match[str], line: Line) -> Definition | None:
        name = found[1] or found[2]
        value = self.values.get(name) or self._standard(name, line)
        # One of several lines is replaced only where the line ends with it.
        open_end = value is not None and value.several and found.end() < len(line.text)
        return None if open_end else value

    def _standard(self, name: str, line: Line) -> Definition | None:
        match name.partition(" ")[0]:
            case "_PWD":
                return Definition((str(line.path.parent),))
            case "_INSTANCE" if self.node is not None:
                return Definition((self.node,))
            case "_INSTANCE" | "_RANDOM" as unknown:  # stays a word that is no reference
                return Definition((unknown,), applies=Tri.UNKNOWN)
            case "_HASH" | "_BANG" if self.dialect.lists:
                return Definition(("#" if name == "_HASH" else "!",))
        return None
