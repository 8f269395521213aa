"""Running commands, and the one exception the lab raises when one fails."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from tests.lab.settings import COMMAND_LIMIT


class LabError(RuntimeError):
    """A command of the lab failed; the message holds what it printed."""


def run(*argv: str | Path, check: bool = True, **kwargs: Any) -> str:
    """Run a command, return its standard output, raise LabError with its complaint."""
    command = [str(word) for word in argv]
    if "input" not in kwargs:
        kwargs.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_LIMIT, **kwargs)
    if check and done.returncode:
        raise LabError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return str(done.stdout)
