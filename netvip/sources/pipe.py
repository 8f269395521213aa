"""Reads lines from a named pipe; invalid and overlong lines are dropped and counted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

#: Bytes. Names and reasons are short: neither keepalived nor a hook writes a longer line.
LONGEST_LINE = 512
#: Bytes: the capacity of a pipe (pipe(7)), so that one read(2) empties it.
CAPACITY = 65536
#: Bytes: some fifty lines of keepalived's, after which other events have their turn.
AT_ONCE = 2048


class Pipe:
    """Reads a pipe. The pipe remains when a writer or netvip ends."""

    def __init__(
        self, take: Callable[[bytes], bool], loop: asyncio.AbstractEventLoop, path: str
    ) -> None:
        #: Handles a line; returns False if the line is invalid.
        self._take = take
        self._loop, self._path = loop, path
        self._file = -1
        self._rest = b""
        self._skipping = False
        self.lines = self.dropped = 0

    def start(self) -> None:
        """Begin to read. Lines that are in the pipe already are of unknown age and dropped."""
        # Open for writing too: else read(2) returns end-of-file while no writer has the pipe open.
        self._file = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        while self._read(CAPACITY):
            pass
        self._loop.add_reader(self._file, self._readable)

    def follow(self) -> None:
        """Open the pipe again if it was removed or replaced."""
        if self._file >= 0 and not self._same():
            self.close()
        if self._file < 0:
            try:
                self.start()
            except OSError:
                pass  # there is no pipe; other sources report the same

    def close(self) -> None:
        """Close the pipe."""
        if self._file >= 0:
            self._loop.remove_reader(self._file)
            os.close(self._file)
            self._file = -1

    def _same(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file), os.stat(self._path))
        except FileNotFoundError:
            return False

    def _read(self, most: int) -> bytes:
        try:
            return os.read(self._file, most)
        except BlockingIOError:
            return b""

    def _readable(self) -> None:
        *lines, self._rest = (self._rest + self._read(AT_ONCE)).split(b"\n")
        for line in lines:
            if self._skipping:
                self._skipping = False  # the end of an overlong line
                continue
            self._line(line)
        if len(self._rest) > LONGEST_LINE:
            self._rest, self.dropped = b"", self.dropped + (not self._skipping)
            self._skipping = True

    def _line(self, line: bytes) -> None:
        if len(line) <= LONGEST_LINE and self._take(line):
            self.lines += 1
        else:
            self.dropped += 1
