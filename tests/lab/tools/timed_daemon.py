"""netvip's daemon, which writes to the journal what takes long in its event loop.

usage: timed_daemon.py MILLISECONDS      (of processor time, as the thread uses it)
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

from netvip.commands import daemon

Run = Callable[[asyncio.Handle], None]


def timed(run: Run, limit: float) -> Run:
    """Handle._run, which tells of a callback that takes more than `limit` seconds. The first one
    is the daemon's start: until it is ready it serves nobody."""
    is_first = True

    def measured(handle: asyncio.Handle) -> None:
        nonlocal is_first
        name, begun = repr(handle), time.thread_time()
        run(handle)
        taken = time.thread_time() - begun
        if taken > limit and not is_first:
            print(f"<6>callback took {taken * 1000:.1f} ms: {name}", file=sys.stderr, flush=True)
        is_first = False

    return measured


def main(limit: float) -> int:
    """Run the daemon."""
    handle: Any = asyncio.Handle
    handle._run = timed(handle._run, limit)
    return daemon.main([])


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) / 1000))
