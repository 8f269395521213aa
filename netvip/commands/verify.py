"""netvip verify [INSTANCE]: the coordinated check, now, step by step.

On the MASTER: is each virtual address there, does nobody else answer for it, does the world send
its packets here, does the service answer. On a BACKUP: does the address answer somewhere, and not
from here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from netvip.const import VERIFY_LIMIT
from netvip.control import client

#: What a finding is called; what is unknown is no fault.
FINDINGS = {"yes": "good", "no": "BAD", "unknown": "unknown"}


def main(arguments: list[str]) -> int:
    """Print each step with its finding and time; exit 1 where one is bad or none was made."""
    parser = argparse.ArgumentParser(
        prog="netvip verify", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("instance", nargs="?", help="one VRRP instance (all)")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options = parser.parse_args(arguments)
    document = verified([options.instance] if options.instance else [])
    found = document["verified"]
    print(json.dumps(found, indent=2) if options.json else "\n".join(lines(found)))
    if missed := [instance["name"] for instance in found if not instance["fresh"]]:
        print(f"netvip: {', '.join(missed)}: {WHY_NOT}", file=sys.stderr)
    bad = any(step["finding"] == "no" for instance in found for step in instance["steps"])
    return 1 if bad or missed else 0


WHY_NOT = "not examined: its state is not known, or a window is open; see netvip status"


def verified(instances: list[str]) -> dict[str, Any]:
    """A status with a fresh examination of the instances, under "verified"."""
    document = client.ask("verify", words=instances, limit=VERIFY_LIMIT + client.LIMIT)
    fresh: dict[str, bool] = document["verified"]
    asked = [instance for instance in document["instances"] if instance["name"] in fresh]
    return document | {"verified": [_found(i, fresh[i["name"]]) for i in asked]}


def _found(instance: dict[str, Any], fresh: bool) -> dict[str, Any]:
    check = instance["check"]
    known = {key: instance[key] for key in ("name", "state", "conflict")}
    took = round(check["at"] - check["asked"], 6) if fresh else None
    return known | {"fresh": fresh, "took": took, "steps": check["steps"] if fresh else []}


def lines(instances: list[dict[str, Any]]) -> Iterator[str]:
    """The steps as text."""
    for instance in instances:
        took = f", {instance['took'] * 1000:.0f} ms" if instance["fresh"] else ""
        yield f"{instance['name']}: {instance['state']}{took}"
        for step in instance["steps"]:
            time = f"{step['took'] * 1000:.1f} ms" if step["took"] else "-"
            yield (
                f"  {step['kind']:9}  {FINDINGS[step['finding']]:7}  {time:>8}  "
                f"{step['subject']}: {step['words']}"
            )
        if instance["conflict"]["confirmed"]:
            yield f"  conflict with {instance['conflict']['with']}"
