"""How fast netvip reacts to a deletion that nothing announced, on an idle and on a busy machine.

systemd-networkd itself deletes the VIP, as it is told to reconfigure the interface. keepalived's
adverts are 0.1 s apart, so that netvip has done with one loss before the next within half a second.
"""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from tests.bench.report import milliseconds, percentile, table
from tests.bench.size import unannounced
from tests.lab.demo import PACKAGE, say
from tests.lab.hosts import PLAIN
from tests.lab.measure import Tool, probed
from tests.lab.pair import INTERFACE, VIP, Pair

LOSSES = 200
BUSY_LOOPS = 4
#: Seconds between two losses, on average.
PAUSE = 0.3
#: Seconds that a loss may take, on average.
LONGEST = 3.0
HOST = replace(PLAIN, keepalived="version 3\n    advert_int 0.1")


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """So many processes that do nothing but use a processor."""
    running = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def reactions(pair: Pair, loops: int) -> tuple[str, ...]:
    """One row of the table."""
    prober = probed(pair.near, VIP)
    command = pair.a.inside("networkctl", "reconfigure", INTERFACE)
    with busy(loops):
        arguments = (INTERFACE, VIP, str(LOSSES), str(PAUSE), *command)
        found = Tool(pair.a.net, "cycles", *arguments).result(LOSSES * LONGEST)
    lost, times = prober.stop(), found["reactions"]
    return (
        f"{loops} busy loops" if loops else "idle",
        str(len(times)),
        milliseconds(statistics.median(times), 2),
        milliseconds(percentile(times, 99), 2),
        milliseconds(max(times), 2),
        f"{lost['lost']} of {lost['sent']}",
        str(found["missed"]),
    )


def main(suite: str) -> None:
    """Print the table."""
    say(f"{suite}: {LOSSES} losses that nothing announces")
    with Pair(suite, host=HOST) as pair:
        pair.protect(PACKAGE, guarded=True)
        with unannounced(pair.a):
            pair.make_master()
            rows = [reactions(pair, loops) for loops in (0, BUSY_LOOPS)]
    table(
        f"{suite}: from an unannounced deletion to the shield (ms)",
        ("machine", "losses", "p50", "p99", "most", "lost probes", "without a reaction"),
        rows,
    )
