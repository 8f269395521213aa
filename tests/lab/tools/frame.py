"""What every measuring tool shares: say "ready", work until stdin closes, print one JSON object.

The tools run inside namespaces with the machine's Python and its standard library alone. Times are
CLOCK_MONOTONIC seconds, which all namespaces of one machine share.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping


def main(work: Callable[[threading.Event], Mapping[str, object]]) -> None:
    """Run a tool: `work` returns its result once the event it gets is set."""
    stop = threading.Event()
    threading.Thread(target=_wait_for_eof, args=(stop,), daemon=True).start()
    print(json.dumps(work(stop)), flush=True)


def ready() -> None:
    """Tell the test that measuring has begun."""
    print("ready", flush=True)


def _wait_for_eof(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()
