"""A named pipe that others write lines to: hostile and overlong ones are dropped with a count."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

#: Names and reasons are short; what is longer than this is no line of those that write here.
LONGEST_LINE = 512
#: A pipe's capacity: whatever is in it is read at once.
AT_ONCE = 65536


class Pipe:
    """Reads a pipe, which stays when its writers or netvip go."""

    def __init__(
        self, take: Callable[[bytes], bool], loop: asyncio.AbstractEventLoop, path: str
    ) -> None:
        #: Takes a line; False for one that is none of its kind.
        self._take = take
        self._loop, self._path = loop, path
        self._file = -1
        self._rest = b""
        self._skipping = False
        self.lines = self.dropped = 0

    def start(self) -> None:
        """Begin to read. What was written before is of unknown age, and passed over."""
        # Open for writing as well, or the pipe is at its end whenever the writer has closed it.
        self._file = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        while self._read():
            pass
        self._loop.add_reader(self._file, self._readable)

    def follow(self) -> None:
        """Open the pipe again where somebody has removed or replaced it."""
        if self._file >= 0 and not self._same():
            self.close()
        if self._file < 0:
            try:
                self.start()
            except OSError:
                pass  # there is none to be read; it is not the only one to tell

    def close(self) -> None:
        """Stop reading."""
        if self._file >= 0:
            self._loop.remove_reader(self._file)
            os.close(self._file)
            self._file = -1

    def _same(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file), os.stat(self._path))
        except FileNotFoundError:
            return False

    def _read(self) -> bytes:
        try:
            return os.read(self._file, AT_ONCE)
        except BlockingIOError:
            return b""

    def _readable(self) -> None:
        *lines, self._rest = (self._rest + self._read()).split(b"\n")
        for line in lines:
            if self._skipping:
                self._skipping = False  # the end of one that was too long
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
