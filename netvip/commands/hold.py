"""netvip hold: announce work on this machine.

The daemon renews its plans and asks keepalived for its state. While a hold lasts, it does not
restart keepalived. Failover works as without a hold. `netvip release` ends a hold; otherwise it
ends when its lease expires.
"""

from __future__ import annotations

import argparse
import re

from netvip.const import HOLD_LEASE, HOLD_LONGEST
from netvip.control import client
from netvip.errors import NetvipError

UNITS = {"s": 1, "min": 60, "m": 60, "h": 3600, "": 1}
REASON = "operator"


def main(arguments: list[str]) -> int:
    """Take a hold."""
    parser = argparse.ArgumentParser(
        prog="netvip hold", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--reason",
        default=REASON,
        help=f"the reason, as shown in netvip status (default: {REASON})",
    )
    parser.add_argument(
        "--for",
        dest="lease",
        default=f"{HOLD_LEASE // 60}min",
        metavar="TIME",
        help=f"its lease: 90s, 15min or 2h, up to {HOLD_LONGEST // 3600}h (default: 15min)",
    )
    options = parser.parse_args(arguments)
    client.ask("call", words=["hold", options.reason, str(seconds(options.lease))])
    return 0


def seconds(text: str) -> int:
    """A duration in seconds: a number with s, min or h. Raises NetvipError."""
    found = re.fullmatch(r"(\d{1,6})\s*(s|m|min|h|)", text)
    if found is None:
        raise NetvipError(f"invalid duration {text!r}: use 90s, 15min or 2h")
    return int(found[1]) * UNITS[found[2]]
