"""The answer to a hook: its token, in a file that it reads."""

from __future__ import annotations

from pathlib import Path

from netvip.actuators.files import write_atomically
from netvip.const import HEARD_FILE


class HookReply:
    """Answers at once, or says `wait` and answers when what was begun is over."""

    def __init__(self, path: Path = Path(HEARD_FILE)) -> None:
        self._path = path
        self._waiting = ""

    @property
    def is_waiting(self) -> bool:
        """Whether a hook was told to wait."""
        return bool(self._waiting)

    def answer(self, token: str, busy: bool) -> None:
        """A hook's line was dealt with; busy: what it began goes on."""
        self._waiting = token if busy else ""
        write_atomically(self._path, f"{token} wait\n" if busy else f"{token}\n", 0o644)

    def over(self, busy: bool) -> None:
        """Tell the hook that was told to wait, unless it has to go on waiting."""
        if self._waiting and not busy:
            self.answer(self._waiting, False)
