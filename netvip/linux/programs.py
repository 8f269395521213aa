"""Runs another program and returns its output, without blocking the event loop."""

from __future__ import annotations

import subprocess
from functools import partial

from netvip.linux.threads import in_thread

#: Seconds. The programs that netvip runs need some ms; one that needs longer than this hangs.
LIMIT = 5.0


async def output(*command: str) -> str | None:
    """The program's standard output and error; None if it failed or took longer than LIMIT.

    It runs in a thread, because cancelling a subprocess of asyncio while it starts can hang.
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
