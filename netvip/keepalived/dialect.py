"""How the versions of keepalived differ in reading a configuration.

Measured on 2.2.7, 2.3.3 and 2.3.4; older boundaries are those of keepalived's ChangeLog and source.
"""

from __future__ import annotations

from dataclasses import dataclass

#: keepalived reads a line into a buffer of 1,024 bytes (parser.h, MAXBUF); what is longer counts
#: as a line of its own, be it the rest of a comment.
LONGEST_LINE = 1023


@dataclass(frozen=True, slots=True)
class Dialect:
    """The rules of one version."""

    #: @id lines (1.3.7).
    conditions: bool = True
    #: $NAME=text (1.4.0).
    definitions: bool = True
    #: ~SEQ (2.0.9).
    sequences: bool = True
    #: ~LST, $_HASH, $_BANG, includer and its kind; an include's name is the rest of its line.
    lists: bool = True
    #: Braces need no blanks around them (1.4.2).
    glued_braces: bool = True
    #: The parent hands its children a copy of the lines without their comments, so that an
    #: escaped comment sign begins a comment after all.
    copies: bool = True
    #: A VIP that an instance has already is passed over, whatever its prefix (2.3.3; not 2.2.7).
    unique_addresses: bool = True
    #: vrrp_script takes fractions of a second (2.3.3; not 2.2.7).
    fractions: bool = True

    @classmethod
    def of(cls, version: tuple[int, ...]) -> Dialect:
        """The rules of keepalived's version; an empty one is the newest."""
        if not version:
            return cls()
        return cls(
            conditions=version >= (1, 3, 7),
            definitions=version >= (1, 4),
            sequences=version >= (2, 0, 9),
            lists=version >= (2, 2),
            glued_braces=version >= (1, 4, 2),
            copies=version >= (2, 2),
            unique_addresses=version >= (2, 3),
            fractions=version >= (2, 3),
        )
