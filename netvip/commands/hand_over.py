"""netvip yield INSTANCE: hand its virtual addresses over to the peer, without a loss.

The shield carries them until the peer is master. A peer that does not take over within some seconds
is not waited for: the node stays MASTER.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from netvip.control import client
from netvip.errors import Refused

#: An advert interval is 255 s at most (RFC 5798 5.2.7, in keepalived's whole seconds); nobody waits
#: for so long: the journal tells the end.
LIMIT = 15.0
ASK_EVERY = 0.1
YIELDING = "yielding"


def main(arguments: list[str]) -> int:
    """Yield, and say how it went; exit 1 where nobody took over."""
    parser = argparse.ArgumentParser(
        prog="netvip yield", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("instance", help="the VRRP instance")
    name = parser.parse_args(arguments).instance
    return hand_over(name)


def hand_over(name: str) -> int:
    """Ask for it and wait for the end. Raises Refused."""
    if why := refusal(client.ask("status"), name):
        raise Refused(why)
    client.ask("call", words=["yield", name])
    return _answer(name, _wait(name))


def refusal(status: dict[str, Any], name: str) -> str:
    """Why it cannot be, in a sentence; empty where it can."""
    known = {instance["name"]: instance for instance in status["instances"]}
    if name not in known:
        return f"there is no VRRP instance {name}; known are {', '.join(sorted(known)) or 'none'}"
    instance = known[name]
    if instance["state"] != "MASTER":
        return f"{name} is {instance['state']} here: there is nothing to hand over"
    if instance["mode"] != "guarded" or not instance["track_file"]:
        return f"keepalived follows no track file of netvip's for {name}; try netvip adopt --apply"
    if instance["phase"] != "watching":
        return f"{name} is just being looked after ({instance['phase']}); try again in a moment"
    return ""


def _wait(name: str) -> dict[str, Any]:
    deadline = time.monotonic() + LIMIT
    while True:
        instances = client.ask("status")["instances"]
        found: dict[str, Any] = next((i for i in instances if i["name"] == name), {})
        if found.get("phase") != YIELDING or time.monotonic() > deadline:
            return found
        time.sleep(ASK_EVERY)


def _answer(name: str, instance: dict[str, Any]) -> int:
    phase = instance.get("phase", "gone")
    # While the shield carries on, keepalived is BACKUP for a moment, and then MASTER again.
    if phase == "away" or (phase == "watching" and instance.get("state") == "BACKUP"):
        print(f"{name}: handed over")
        return 0
    words = "still waiting for the peer" if phase == YIELDING else "nobody took over, it stays here"
    print(f"netvip: {name}: {words}; see netvip status", file=sys.stderr)
    return 1
