"""netvip failback [--now]: hand the VIPs over to their home node, without a loss.

A MASTER that is not `[failback] home` hands its VIPs over if the home node answers an echo, and
keeps them if the home node does not take over. netvip-failback.timer runs this in the maintenance
window; at any other time --now is needed."""

from __future__ import annotations

import argparse
import os
import sys

from netvip.commands.hand_over import hand_over
from netvip.commands.verify import verified
from netvip.control.status import Status
from netvip.errors import Refused

#: systemd.exec(5): the unit that triggered this one.
TRIGGER, TIMER = "TRIGGER_UNIT", "netvip-failback.timer"


def main(arguments: list[str]) -> int:
    """Hand them over; exit 1 with the reason if they stay."""
    parser = argparse.ArgumentParser(
        prog="netvip failback", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--now", action="store_true", help="do it outside the maintenance window as well"
    )
    if not parser.parse_args(arguments).now and os.environ.get(TRIGGER) != TIMER:
        raise Refused(f"outside the maintenance window ({TIMER}); use --now to do it at once")
    status, _ = verified([])
    return _bring_home(status)


def _bring_home(document: Status) -> int:
    where = document["failback"]
    if not where["home"]:
        raise Refused("no home node is configured; set home= in section [failback] of netvip.conf")
    if where["here"] == "yes":
        print(f"nothing to do: this node is the home node {where['home']}")
        return 0
    masters = [i["name"] for i in document["instances"] if i["state"] == "MASTER"]
    if not masters:
        print("nothing to do: this node is not MASTER of any instance")
        return 0
    if where["here"] != "no":
        raise Refused(f"cannot resolve the home node {where['home']}")
    if where["answers"] != "yes":
        raise Refused(f"the home node {where['home']} does not answer an echo; the VIPs stay here")
    return max(map(_hand_over, masters))


def _hand_over(name: str) -> int:
    try:
        return hand_over(name)
    except Refused as problem:
        print(f"netvip: {problem}", file=sys.stderr)
        return 1
