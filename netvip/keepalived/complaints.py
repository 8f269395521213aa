"""What keepalived does not take as it is written, and what it makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from netvip.core.model import Tri


class Kind(Enum):
    """What keepalived complains of."""

    #: A word that it does not know in this block: it passes over the line.
    UNKNOWN = "unknown"
    #: The same with a { behind it: it passes over that too, and the next } ends the block around.
    UNKNOWN_BLOCK = "unknown block"
    #: A { that opens nothing: it passes over it, and the next } ends the block around.
    STRAY = "stray"
    #: A } that closes nothing: it passes over it.
    EXTRA = "extra"
    #: A block that nothing closes: the end of the file ends it.
    NOT_CLOSED = "not closed"
    #: A block without its {: what follows is in it all the same.
    NO_BRACE = "no brace"
    #: A block that it refuses whole: it has no name of one word, or the name of another.
    REFUSED = "refused"
    #: A word without its value: keepalived ends with exit status 2.
    NO_VALUE = "no value"


_ASTRAY = frozenset({Kind.UNKNOWN_BLOCK, Kind.STRAY, Kind.REFUSED})


@dataclass(frozen=True, slots=True)
class Complaint:
    """One complaint, and its place."""

    kind: Kind
    path: Path
    line: int
    #: The words of the line.
    words: tuple[str, ...]
    #: The line that opens the block around it; empty outside of blocks.
    around: tuple[str, ...] = ()
    #: Whether the line applies on this node.
    applies: Tri = Tri.YES

    @property
    def where(self) -> str:
        """file:line"""
        return f"{self.path}:{self.line}"

    @property
    def leads_astray(self) -> bool:
        """Whether what stands behind it is not what it looks like."""
        return self.kind in _ASTRAY and self.applies is Tri.YES

    @property
    def ends_keepalived(self) -> bool:
        """Whether keepalived ends at it, and runs nothing."""
        return self.kind is Kind.NO_VALUE and self.applies is Tri.YES
