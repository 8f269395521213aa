"""netvip failback [--now]: bring the virtual addresses home, without a loss.

The MASTER that is not `[failback] home` hands them over if home answers an echo, and takes them
back if nobody takes over. netvip-failback.timer runs this: it is the maintenance window, and at any
other time only --now does it.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from netvip.commands.hand_over import hand_over
from netvip.commands.verify import verified
from netvip.errors import Refused

#: systemd.exec(5): which unit has started this one.
TRIGGER, TIMER = "TRIGGER_UNIT", "netvip-failback.timer"


def main(arguments: list[str]) -> int:
    """Bring them home; exit 1 with the reason where they stay."""
    parser = argparse.ArgumentParser(
        prog="netvip failback", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--now", action="store_true", help="outside the window as well")
    if not parser.parse_args(arguments).now and os.environ.get(TRIGGER) != TIMER:
        raise Refused(f"outside the maintenance window, which is {TIMER}; --now does it at once")
    return _bring_home(verified([]))


def _bring_home(document: dict[str, Any]) -> int:
    where = document["failback"]
    if not where["home"]:
        raise Refused("netvip.conf names no [failback] home")
    if where["here"] == "yes":
        print(f"this node is {where['home']}: nothing has to come home from here")
        return 0
    masters = [i["name"] for i in document["instances"] if i["state"] == "MASTER"]
    if not masters:
        print("this node is MASTER of nothing: nothing has to come home from here")
        return 0
    if where["here"] != "no":
        raise Refused(f"{where['home']} cannot be resolved: it is not known where home is")
    if where["answers"] != "yes":
        raise Refused(f"{where['home']} does not answer an echo: the VIPs stay here")
    return max(map(_hand_over, masters))


def _hand_over(name: str) -> int:
    try:
        return hand_over(name)
    except Refused as problem:
        print(f"netvip: {problem}", file=sys.stderr)
        return 1
