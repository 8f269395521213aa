"""netvip verify [INSTANCE]: run the coordinated check and show its steps.

On the MASTER: whether each VIP is present, whether another host answers for it, whether other hosts
send its packets here, and whether the service answers. On a BACKUP: whether a host answers for each
VIP, and whether the VIP is absent here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TypedDict, cast

from netvip.const import VERIFY_LIMIT
from netvip.control import client
from netvip.control.status import Conflict, Instance, Status, Step

#: The word for each finding; an unknown one is no problem.
FINDINGS = {"yes": "good", "no": "BAD", "unknown": "unknown"}
WHY_NOT = "not checked: its state is not known, or a window is open; see netvip status"


class Verified(TypedDict):
    """The fresh check of an instance, as --json prints it; took in seconds."""

    name: str
    state: str
    conflict: Conflict
    fresh: bool
    took: float | None
    steps: list[Step]
    unlisted: int


def main(arguments: list[str]) -> int:
    """Print each step with its finding and time; exit 1 if one is bad or no check was run."""
    parser = argparse.ArgumentParser(
        prog="netvip verify", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("instance", nargs="?", help="one VRRP instance (default: all)")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options = parser.parse_args(arguments)
    _, found = verified([options.instance] if options.instance else [])
    print(json.dumps(found, indent=2) if options.json else "\n".join(lines(found)))
    if missed := [instance["name"] for instance in found if not instance["fresh"]]:
        print(f"netvip: {', '.join(missed)}: {WHY_NOT}", file=sys.stderr)
    bad = any(step["finding"] == "no" for instance in found for step in instance["steps"])
    return 1 if bad or missed else 0


def verified(instances: list[str]) -> tuple[Status, list[Verified]]:
    """The status, and fresh checks of these instances (of all, if none is named)."""
    answer = client.ask("verify", words=instances, limit=VERIFY_LIMIT + client.LIMIT)
    fresh: dict[str, bool] = answer.pop("verified")
    status = cast(Status, answer)
    asked = [instance for instance in status["instances"] if instance["name"] in fresh]
    return status, [_found(instance, fresh[instance["name"]]) for instance in asked]


def _found(instance: Instance, fresh: bool) -> Verified:
    check, took = instance["check"], None
    if fresh and check["at"] is not None and check["asked"] is not None:
        took = round(check["at"] - check["asked"], 6)
    return {
        "name": instance["name"],
        "state": instance["state"],
        "conflict": instance["conflict"],
        "fresh": fresh,
        "took": took,
        "steps": check["steps"] if fresh else [],
        "unlisted": check["unlisted"] if fresh else 0,
    }


def lines(instances: list[Verified]) -> Iterator[str]:
    """The steps as text."""
    for instance in instances:
        took = f", {instance['took'] * 1000:.0f} ms" if instance["took"] is not None else ""
        yield f"{instance['name']}: {instance['state']}{took}"
        for step in instance["steps"]:
            time = f"{step['took'] * 1000:.1f} ms" if step["took"] else "-"
            yield (
                f"  {step['kind']:9}  {FINDINGS[step['finding']]:7}  {time:>8}  "
                f"{step['subject']}: {step['words']}"
            )
        if instance["unlisted"]:
            yield f"  and {instance['unlisted']} more steps"
        if instance["conflict"]["confirmed"]:
            yield f"  conflict with another host ({instance['conflict']['with']})"
