"""netvip status: instances, VIPs and open windows."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from typing import Any

from netvip.control import client
from netvip.linux.outdated_services import outdated


def main(arguments: list[str]) -> int:
    """Print the daemon's status; exit 1 when a verdict is not good or something is missing."""
    parser = argparse.ArgumentParser(prog="netvip status", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options = parser.parse_args(arguments)
    document = client.ask("status")
    document["outdated"] = outdated()
    print(json.dumps(document, indent=2) if options.json else "\n".join(lines(document)))
    bad = any(instance["verdict"] == "failed" for instance in document["instances"])
    return 1 if bad or document["problem"] else 0


def lines(document: dict[str, Any]) -> Iterator[str]:
    """The status as text."""
    yield f"netvip {document['version']}"
    if document["problem"]:
        yield document["problem"]
    for instance in document["instances"]:
        yield (
            f"{instance['name']}: {instance['state']} on {instance['interface']}, vrid "
            f"{instance['vrid']}, {instance['mode']}, {instance['verdict']}"
        )
        yield from map(_vip, instance["vips"])
        yield from (f"  {fault}; see netvip verify" for fault in instance["check"]["faults"])
        if instance["conflict"]["with"]:
            yield f"  {instance['conflict']['with']} answers for it as well"
    for window in document["windows"]:
        left = max(0.0, window["deadline"] - time.time())
        yield f"window on {window['interface']}: {window['reason']}; at most {left:.0f} s more"
    if not document["windows"]:
        yield "no window is open"
    for hold in document["holds"]:
        times = f" ({hold['count']} times)" if hold["count"] > 1 else ""
        left = max(0.0, hold["until"] - time.time()) / 60
        yield f"hold for {hold['reason']}{times}, at most {left:.0f} min more"
    for unit in document.get("outdated", []):
        yield f"{unit} runs with outdated libraries: restart it when it suits you"


def _vip(vip: dict[str, Any]) -> str:
    words = ["present" if vip["present"] else "absent"]
    words += ["shielded"] if vip["shielded"] else []
    words += ["steered by a rule of the operator's"] if vip["steered"] else []
    return f"  {vip['address']} on {vip['interface']}: {', '.join(words)}"
