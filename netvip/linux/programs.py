"""What another program prints, without the event loop waiting for it."""

from __future__ import annotations

import subprocess
from functools import partial

from netvip.linux.threads import in_thread

#: Listings take some ms; a program that takes longer than this tells nothing.
LIMIT = 5.0


async def output(*command: str) -> str | None:
    """The program's standard output and error; None if it failed or took too long.

    In a thread: cancelling asyncio's own subprocesses while they start can wait for ever.
    """
    return await in_thread(partial(_output, command))


def _output(command: tuple[str, ...]) -> str | None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LIMIT,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
