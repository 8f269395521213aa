"""netvip yield INSTANCE: hand the VIPs of an instance over to the peer, without a loss.

The shield carries the VIPs until the peer is MASTER. If the peer does not take over within some
seconds, this node stays MASTER.
"""

from __future__ import annotations

import argparse
import sys
import time

from netvip.control import client
from netvip.control.status import Instance, Status
from netvip.errors import Refused

#: Seconds. An advert interval may be 255 s long (RFC 5798 5.2.7, in keepalived's whole seconds):
#: the command does not wait for so long, and the journal reports the end.
LIMIT = 15.0
ASK_EVERY = 0.1
YIELDING = "yielding"


def main(arguments: list[str]) -> int:
    """Hand over, and report the result; exit 1 if the peer did not take over."""
    parser = argparse.ArgumentParser(
        prog="netvip yield", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("instance", help="the VRRP instance")
    name = parser.parse_args(arguments).instance
    return hand_over(name)


def hand_over(name: str) -> int:
    """Request the hand-over and wait for its end. Raises Refused."""
    if why := refusal(client.status(), name):
        raise Refused(why)
    client.ask("call", words=["yield", name])
    return _answer(name, _wait(name))


def refusal(status: Status, name: str) -> str:
    """Why a hand-over is impossible, in a sentence; empty if it is possible."""
    known = {instance["name"]: instance for instance in status["instances"]}
    if name not in known:
        return f"unknown VRRP instance {name}; known: {', '.join(sorted(known)) or 'none'}"
    instance = known[name]
    if instance["state"] != "MASTER":
        return f"{name} is {instance['state']} on this node; there is nothing to hand over"
    if instance["mode"] != "guarded" or not instance["track_file"]:
        return (
            f"keepalived does not follow netvip's track file for {name}; run netvip adopt --apply"
        )
    if instance["phase"] != "watching":
        return f"netvip is working on {name} ({instance['phase']}); try again in a moment"
    return ""


def _wait(name: str) -> Instance | None:
    deadline = time.monotonic() + LIMIT
    while True:
        instances = client.status()["instances"]
        found = next((i for i in instances if i["name"] == name), None)
        if found is None or found["phase"] != YIELDING or time.monotonic() > deadline:
            return found
        time.sleep(ASK_EVERY)


def _answer(name: str, instance: Instance | None) -> int:
    phase, state = (instance["phase"], instance["state"]) if instance else ("", "")
    # While the shield stays up, keepalived is BACKUP for a moment, and then MASTER again.
    if phase == "away" or (phase == "watching" and state == "BACKUP"):
        print(f"{name}: handed over")
        return 0
    words = "still waiting for the peer" if phase == YIELDING else "the peer did not take over"
    print(f"netvip: {name}: {words}; see netvip status", file=sys.stderr)
    return 1
