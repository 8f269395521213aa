"""Which files an include names, and their text."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from netvip.errors import ConfigError
from netvip.keepalived.dialect import Dialect
from netvip.keepalived.lexer import words
from netvip.linux.rooted import HOST, below

#: A configuration this large is a mistake (a log, a disk image).
LARGEST_FILE = 4 << 20
#: csh's braces multiply; more patterns than this nobody writes.
MOST_PATTERNS = 256
#: The kinds that end keepalived where nothing has the name, where nothing matches the wildcard, and
#: where one of several names in braces is missing (fact includes); include passes over it.
_WANT_NAME, _WANT_MATCH, _WANT_ALL = frozenset("amw"), frozenset("aw"), frozenset("ab")
_INCLUDE = re.compile(r"include([rmwba]?)[ \t\f\v\r]+(.*)\Z", re.DOTALL)
_BRACES = re.compile(r"\{([^{}]*)\}")
_WILDCARDS = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Include:
    """An include line: its kind (empty, or one letter) and the pattern."""

    kind: str
    pattern: str


def include(text: str, dialect: Dialect) -> Include | None:
    """The include that a line is, if it is one.

    The name is all the rest of the line, quotes, further words and braces too. Before 2.2 it was
    a word, and only the plain include was known.
    """
    if dialect.lists:
        found = _INCLUDE.match(text)
        return Include(found[1], found[2]) if found else None
    texts = [word for word, _, _ in words(text)]
    return Include("", texts[1]) if len(texts) == 2 and texts[0] == "include" else None


def files(wanted: Include, directory: Path, where: str, root: Path) -> Iterator[Path]:
    """The files that are read, in keepalived's order. Raises ConfigError where keepalived stops.
    Absolute names begin at keepalived's root directory.

    What is no regular file, or is executable, include passes over, with a line in keepalived's log;
    its kinds end keepalived there.
    """
    missing: list[bool] = []
    for pattern in _unbraced(wanted.pattern):
        found = _matches(pattern, directory, root)
        missing.append(not found)
        for path in found:
            if _counts(path, wanted.kind, where):
                yield path
    if _ends(wanted, missing):
        raise ConfigError(
            f"{where}: no file is named {wanted.pattern}, and include{wanted.kind} wants one; "
            "create it, or write include"
        )


def _ends(wanted: Include, missing: list[bool]) -> bool:
    """Whether keepalived ends as something of this kind is missing."""
    if "{" in wanted.pattern:
        return any(missing) and wanted.kind in _WANT_ALL
    wants = _WANT_MATCH if _WILDCARDS.search(wanted.pattern) else _WANT_NAME
    return all(missing) and wanted.kind in wants


def searched(wanted: Include, directory: Path, root: Path) -> Iterator[Path]:
    """The directories where a new file would change what is read."""
    for pattern in _unbraced(wanted.pattern):
        yield (directory / _rooted(pattern.replace("\0", ""), root)).parent


def text_of(path: Path, where: str) -> str:
    """A file's text, undecodable bytes as surrogates. Raises ConfigError."""
    try:
        # Without O_NONBLOCK the opening of a named pipe waits for a writer.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{where}: {path} is no regular file; name one")
            if status.st_size > LARGEST_FILE:
                raise ConfigError(f"{where}: {path} is too large to be a keepalived configuration")
            return file.read(LARGEST_FILE).decode("utf-8", errors="surrogateescape")
    except OSError as problem:
        reason = problem.strerror or problem
        raise ConfigError(f"{where}: {path} cannot be read: {reason}; mend that") from problem
    except ValueError as problem:  # a name with a NUL in it
        raise ConfigError(f"{where}: {path!r} is no file's name: {problem}") from problem


def identity(path: Path) -> tuple[int, int]:
    """What tells a file from every other, whatever it is called."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _counts(path: Path, kind: str, where: str) -> bool:
    mode = path.stat().st_mode
    counts = stat.S_ISREG(mode) and not mode & 0o111
    if kind and not counts:
        raise ConfigError(
            f"{where}: {path} is no regular file, or is executable, and include{kind} ends "
            "keepalived there; name another file, or write include"
        )
    return counts


def _matches(pattern: str, directory: Path, root: Path) -> list[Path]:
    """What glob(3) finds, by the bytes of the names. A link that leads nowhere is not found."""
    # An absolute pattern stands for itself; the directory's own name is no pattern.
    whole = Path(glob.escape(str(directory))) / _rooted(pattern, root)
    try:
        found = [Path(name) for name in sorted(glob.glob(str(whole)), key=os.fsencode)]
        if root != HOST:
            found = [below(root, Path("/", name.relative_to(root))) for name in found]
        return [name for name in found if os.path.exists(name)]
    except (OSError, ValueError, re.error):  # a NUL, or a name that is too long
        return []


def _rooted(pattern: str, root: Path) -> str:
    return pattern if root == HOST or not pattern.startswith("/") else f"{root}{pattern}"


def _unbraced(pattern: str) -> list[str]:
    """csh's braces: every pattern that {a,b} stands for, in the order written."""
    done: list[str] = []
    waiting = [pattern]
    while waiting and len(done) + len(waiting) <= MOST_PATTERNS:
        one = waiting.pop(0)
        if found := _BRACES.search(one):
            parts = found[1].split(",")
            waiting[:0] = [one[: found.start()] + w + one[found.end() :] for w in parts]
        else:
            done.append(_translated(one))
    return done


def _translated(pattern: str) -> str:
    """glob(3)'s backslash and [^...], in Python's words."""
    plain = re.sub(r"\\(.)", lambda found: glob.escape(found[1]), pattern, flags=re.DOTALL)
    return plain.replace("[^", "[!")
