"""Draws docs/sequence.md from docs/sequence.json, which `make record` writes on two real nodes.

usage: python docs/sequence.py > docs/sequence.md
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RECORDING = Path(__file__).with_name("sequence.json")
OTHER = {"a": "b", "b": "a"}
NAMES = {"client": "client", "a": "a (home)", "b": "b"}

HEAD = """# From a lost VIP to its return home

Recorded by `make record` on two real nodes (systemd / keepalived {on}) and drawn by `make docs`;
a test compares the two. `a` is MASTER, guarded, and home. Somebody deletes its VIP every 1.5 s;
netvip makes that good three times, then lets the VIP go; `b` takes over; `a` is well again, stays
BACKUP until the maintenance window brings the VIP home. The client sends a probe every
millisecond; times are seconds since the first deletion.
"""


def lines(event: dict[str, Any]) -> Iterator[str]:
    """The lines of one event."""
    place, text = event["place"], event["text"].replace(";", ",").removeprefix("VI_1: ")
    when = f"{event['time']:.3f}"
    if event["kind"] == "advert":
        yield f"    {place}->>{OTHER[place]}: {when} {text}"
    elif event["kind"] == "probe":
        yield f"    Note over client: {when} {text}"
    else:
        yield f"    Note over {place}: {when} {text}"


def page() -> str:
    """The whole page."""
    recording = json.loads(RECORDING.read_text())
    drawn = ["sequenceDiagram"]
    drawn += [f"    participant {place} as {name}" for place, name in NAMES.items()]
    drawn += [line for event in recording["events"] for line in lines(event)]
    return f"{HEAD.format(on=recording['on'])}\n```mermaid\n{chr(10).join(drawn)}\n```\n"


if __name__ == "__main__":
    print(page(), end="")
