"""Which line of a configuration stands in which block, as keepalived's processes see it.

keepalived has no grammar of blocks: it looks each line's first word up among the words of the block
that it is in. It passes over a word that it does not know there and over the { behind it, so that
the next } ends the block around (fact unknown-blocks). Each of its processes does so in its own
blocks, and counts the braces of those of the others: global_defs are the parent's as it starts, the
rest is the VRRP process's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from netvip.core.model import Tri
from netvip.errors import ConfigError
from netvip.keepalived.complaints import Complaint, Kind
from netvip.keepalived.configuration import Statement, Word
from netvip.keepalived.keywords import Level, Root, demanding_elsewhere, never_last, parent, vrrp
from netvip.keepalived.lexer import words
from netvip.keepalived.lines import Line

#: Of these keepalived takes one of a name, and only with a name of one word.
_UNIQUE = frozenset({"vrrp_instance", "vrrp_sync_group", "track_group"})
#: A block of values that opens nothing the second time.
_LIST = "group"
#: The limit for nested blocks; keepalived's own are four deep.
DEEPEST_BLOCK = 64
#: The limit for words; a file with more was made to exhaust memory.
MOST_WORDS = 200_000


@dataclass(slots=True)
class _Block:
    """A block that is open: a level of words, or values (no level), or one that is counted."""

    opener: tuple[str, ...]
    #: The lines that open this block and those around it, outermost first.
    path: tuple[tuple[str, ...], ...]
    level: Level | None = None
    at: Statement | None = None
    #: Whether its { has not come yet.
    awaited: bool = True
    counted: bool = False
    #: Whether what stands in it counts for nothing.
    refused: bool = False
    #: In a counted block: the words before each {.
    inner: list[tuple[str, ...]] = field(default_factory=list)
    #: Whether a list of members was in it: keepalived takes one, and a second opens nothing.
    listed: bool = False

    def lists(self, word: str) -> bool:
        """Note a list of members; whether it is a second one."""
        listed, self.listed = self.listed, self.listed or word == _LIST
        return listed and word == _LIST

    def begin(self) -> bool:
        """Note that a line of it came; whether that may be its {."""
        awaited, self.awaited = self.awaited, False
        return awaited


class Blocks:
    """The blocks of all processes: statements from lines, each a brace, or words without one."""

    def __init__(self, version: tuple[int, ...]) -> None:
        self.statements: list[Statement] = []
        self._parent = _Reading(parent(), self.statements)
        self._vrrp = _Reading(vrrp(version), self.statements)
        self._words = 0

    @property
    def complaints(self) -> tuple[Complaint, ...]:
        """What the processes complain of, each once: the parent first, which may end before the
        VRRP process begins."""
        return tuple(dict.fromkeys((*self._parent.complaints, *self._vrrp.complaints)))

    @property
    def runs_vrrp(self) -> bool:
        """Whether the parent finds a vrrp_instance, and so starts a VRRP process."""
        return "vrrp_instance" in self._parent.found

    def take(self, line: Line) -> None:
        """Take the next line. Raises ConfigError where there is too much of something."""
        taken = () if line.text in ("{", "}") else tuple(line.word(*w) for w in words(line.text))
        self._words += len(taken)
        if self._words > MOST_WORDS:
            raise ConfigError(f"{line.where}: the configuration has too many words; shorten it")
        if taken or line.text in ("{", "}"):
            self._vrrp.take(line, taken)
            self._parent.take(line, taken)

    def end(self) -> None:
        """Complain of the blocks that are open still: the end of the file ends them."""
        self._vrrp.end()
        self._parent.end()


class _Reading:
    """One process's reading."""

    def __init__(self, root: Root, statements: list[Statement]) -> None:
        self.complaints: list[Complaint] = []
        #: The blocks of other processes that it came across.
        self.found: set[str] = set()
        self._root = root
        self._statements = statements
        self._open = [_Block((), (), root.level, awaited=False)]
        self._seen: set[tuple[str, ...]] = set()
        #: The complaint of the word before, to which a { that is passed over belongs.
        self._unknown: Complaint | None = None
        #: In a counted block: the words before.
        self._before: tuple[str, ...] = ()

    def take(self, line: Line, taken: tuple[Word, ...]) -> None:
        """Take the next line, and its words. Raises ConfigError where blocks are too deep."""
        block = self._open[-1]
        if block.counted:
            self._count(block, line, taken)
        elif block.level is None:
            self._value(block, line, taken)
        else:
            self._word(block, block.level, line, taken)

    def end(self) -> None:
        """Complain of the blocks that are open still: the end of the file ends them."""
        for block in self._open:
            if block.at is not None and not block.awaited and not block.refused:
                self._complain(Kind.NOT_CLOSED, block.at, block.opener)

    # --- a level of words -------------------------------------------------------------------------

    def _word(self, block: _Block, level: Level, line: Line, taken: tuple[Word, ...]) -> None:
        unknown, self._unknown = self._unknown, None
        awaited = block.begin()
        if line.text == "{":
            if not awaited:
                self._pass_over(unknown, line)
        elif line.text == "}" and block.at is not None:
            self._open.pop()
        elif line.text == "}":
            self._complain(Kind.EXTRA, line, ("}",))
        else:
            if awaited and block.at is not None:
                self._complain(Kind.NO_BRACE, block.at, block.opener)
            self._look_up(block, level, _statement(line, taken, block.path))

    def _pass_over(self, unknown: Complaint | None, line: Line) -> None:
        """A { that opens nothing."""
        if unknown is None:
            self._complain(Kind.STRAY, line, ("{",))
        else:
            del self.complaints[-1]
            self._complain(Kind.UNKNOWN_BLOCK, unknown, unknown.words)

    def _look_up(self, block: _Block, level: Level, taken: Statement) -> None:
        word, inside = taken.keyword, (*block.path, taken.texts())
        if not level.knows(word):
            self._emit(block, replace(taken, known=False))
            self._unknown = self._complain(Kind.UNKNOWN, taken, taken.texts())
            return
        mute = word in self._root.mute
        if word in level.demanding and len(taken.words) == 1 and not (block.refused or mute):
            self._complain(Kind.NO_VALUE, taken, taken.texts())
        if word in level.counted:
            self.found.add(word)
            self._emit(block, taken)
            self._push(_Block(taken.texts(), inside, at=taken, counted=True, refused=mute))
        elif word in _UNIQUE and self._is_refused(taken):
            self._complain(Kind.REFUSED, taken, taken.texts())
            within = level.levels.get(word)
            self._push(_Block(taken.texts(), inside, within, taken, counted=True, refused=True))
        else:
            self._emit(block, taken)
            if word in level.levels:
                within = level.levels[word]
                self._push(_Block(taken.texts(), inside, within, taken, refused=block.refused))
            elif word in level.values and not block.lists(word):
                self._push(_Block(taken.texts(), inside, at=taken, refused=block.refused))

    def _push(self, block: _Block) -> None:
        self._open.append(block)
        self._before = ()

    def _is_refused(self, taken: Statement) -> bool:
        """Whether it has no name of one word, or that of a block before."""
        known = taken.texts() in self._seen
        if taken.applies is Tri.YES:
            self._seen.add(taken.texts())
        return known or len(taken.words) != 2

    # --- values -----------------------------------------------------------------------------------

    def _value(self, block: _Block, line: Line, taken: tuple[Word, ...]) -> None:
        awaited = block.begin()
        if line.text == "{":
            if not awaited:
                self._complain(Kind.STRAY, line, ("{",))
        elif line.text == "}":
            self._open.pop()
        else:
            if taken[-1].text in never_last(block.opener) and not block.refused:
                self._complain(Kind.NO_VALUE, line, tuple(word.text for word in taken))
            self._emit(block, _statement(line, taken, block.path))

    # --- blocks of another process, and those that are refused ------------------------------------

    def _count(self, block: _Block, line: Line, taken: tuple[Word, ...]) -> None:
        if line.text == "{":
            block.inner.append(self._before)
            self._before = ()
            block.begin()
            if len(block.inner) > DEEPEST_BLOCK:
                raise ConfigError(f"{line.where}: too many nested blocks; close some")
        elif block.awaited:
            self._uncounted(block, line, taken)
        elif line.text == "}":
            block.inner.pop()
            if not block.inner:
                self._open.pop()
        else:
            self._inside(block, _statement(line, taken, (*block.path, *block.inner[1:])))

    def _uncounted(self, block: _Block, line: Line, taken: tuple[Word, ...]) -> None:
        """Without its { that of another process is no block, and a refused one goes to its }."""
        self._open.pop()
        if block.level is not None:
            self._push(replace(block, counted=False, refused=True))
        self.take(line, taken)

    def _inside(self, block: _Block, taken: Statement) -> None:
        self._before = taken.texts()
        self._emit(block, taken)
        inmost = block.inner[-1] if len(block.inner) > 1 else block.opener
        lacks = len(taken.words) == 1 and taken.keyword in demanding_elsewhere(inmost)
        if lacks and not block.refused:
            self._complain(Kind.NO_VALUE, taken, taken.texts())

    # --- statements and complaints ----------------------------------------------------------------

    def _emit(self, block: _Block, taken: Statement) -> None:
        """Keep a statement, unless another process does, or keepalived refuses its block."""
        if not block.refused and (block.at is not None or not self._root.mute_outside):
            self._statements.append(taken)

    def _complain(
        self, kind: Kind, at: Statement | Line | Complaint, told: tuple[str, ...]
    ) -> Complaint:
        number = at.number if isinstance(at, Line) else at.line
        around = self._open[-1].opener
        self.complaints.append(Complaint(kind, at.path, number, told, around, at.applies))
        return self.complaints[-1]


def _statement(
    line: Line, taken: tuple[Word, ...], around: tuple[tuple[str, ...], ...]
) -> Statement:
    return Statement(
        line.path, line.number, taken, around, line.applies, line.verbatim, line.stands
    )
