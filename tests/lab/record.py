"""make record: run the whole way from a lost VIP to its return home, and write down what happened.

usage: python -m tests.lab.record > docs/sequence.json
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from tests.lab.demo import PACKAGE, say, versions
from tests.lab.follow import settings, wait
from tests.lab.measure import Tool, probed
from tests.lab.node import Node
from tests.lab.pair import INTERFACE, OWN, VIP, Pair
from tests.lab.test_home import DROP_IN, HOME, OFTEN, TIMER

SUITE = "bookworm"
Entry = dict[str, Any]
#: How long the node that let go is watched before the window: nothing happens in it.
WATCHED = 6.0


def entry(when: float, place: str, kind: str, text: str) -> Entry:
    """Something that happened at a place: a node, or the client."""
    return {"time": when, "place": place, "kind": kind, "text": text}


def told(node: Node, since: float) -> Iterator[Entry]:
    """What netvip wrote to the journal; the monotonic clock is one for all nodes."""
    node.run("journalctl", "--sync")
    lines = node.run("journalctl", "-q", "-o", "json", "-u", "netvip.service").splitlines()
    for line in map(json.loads, lines):
        when = int(line["__MONOTONIC_TIMESTAMP"]) / 1e6
        if when >= since and line.get("SYSLOG_IDENTIFIER") == "netvip":
            yield entry(when, node.name, "netvip", line["MESSAGE"])


def adverts(heard: list[dict[str, Any]]) -> Iterator[Entry]:
    """Releases, and the first advert of another sender."""
    places = {own: name for name, own in OWN.items()}
    last = OWN["a"]
    for advert in heard:
        if not advert["priority"] or advert["sender"] != last:
            text = f"advert, priority {advert['priority']}"
            yield entry(advert["time"], places[advert["sender"]], "advert", text)
        last = advert["sender"] if advert["priority"] else ""


def moves(name: str, events: list[dict[str, Any]]) -> Iterator[Entry]:
    """The VIP on an interface, and the shield."""
    for event in events:
        if event["address"] == VIP and event["interface"] in (INTERFACE, "lo"):
            what = "put on" if event["what"] == "add" else "gone from"
            yield entry(event["time"], name, "address", f"{VIP} {what} {event['interface']}")


def losses(gaps: list[list[float]]) -> Iterator[Entry]:
    """Probes that were not answered."""
    for start, length, count in gaps:
        probes = "1 probe" if count == 1 else f"{count:.0f} probes"
        text = f"{probes} lost in {length * 1000:.0f} ms"
        yield entry(start + length, "client", "probe", text)


def record(pair: Pair) -> list[Entry]:
    """The whole way, once."""
    with ExitStack() as stack:
        tools = {
            "a": Tool(pair.a.net, "watch"),
            "b": Tool(pair.b.net, "watch"),
            "adverts": Tool(pair.near, "adverts", "eth0"),
            "probe": probed(pair.near, VIP),
        }
        for tool in tools.values():
            stack.callback(tool.kill)
        begun = time.monotonic()
        _play(pair, stack)
        found = {name: tool.stop() for name, tool in tools.items()}
    story = [*told(pair.a, begun), *told(pair.b, begun), *losses(found["probe"]["gaps"])]
    story += [*moves("a", found["a"]["events"]), *moves("b", found["b"]["events"])]
    story += [one for one in adverts(found["adverts"]["adverts"]) if one["time"] >= begun]
    story.sort(key=lambda one: float(one["time"]))
    return [one | {"time": round(one["time"] - story[0]["time"], 3)} for one in story]


def _play(pair: Pair, stack: ExitStack) -> None:
    thief = Tool(pair.a.net, "thief", INTERFACE, f"{VIP}/24", "8", "1.5")
    stack.callback(thief.kill)
    wait(lambda: pair.holder() == [pair.b], 15.0, "the takeover")
    time.sleep(WATCHED)  # the observation itself
    pair.b.run("systemctl", "enable", "--now", TIMER)
    wait(lambda: pair.holder() == [pair.a], 20.0, "the way home")
    time.sleep(2.0)  # the node that handed over becomes BACKUP


def main() -> int:
    """Print the recording."""
    if os.geteuid() != 0:
        say("the lab makes network namespaces: run it as root")
        return 2
    with Pair(SUITE) as pair:
        pair.protect(PACKAGE, guarded=True)
        pair.b.write(DROP_IN, OFTEN)
        pair.b.run("systemctl", "daemon-reload")
        with settings(pair, HOME):
            story = record(pair)
            print(json.dumps({"on": versions(pair.a), "events": story}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
