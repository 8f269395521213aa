"""netvip release: end a hold that was taken with netvip hold."""

from __future__ import annotations

import argparse
import sys

from netvip.commands.hold import REASON
from netvip.control import client


def main(arguments: list[str]) -> int:
    """Release a hold; exit 1 if there is none with that reason."""
    parser = argparse.ArgumentParser(prog="netvip release", description=__doc__)
    parser.add_argument(
        "--reason", default=REASON, help=f"the reason of the hold (default: {REASON})"
    )
    options = parser.parse_args(arguments)
    held = [hold["reason"] for hold in client.status()["holds"]]
    if options.reason not in held:
        what = f"existing holds: {', '.join(held)}" if held else "no hold exists"
        print(f"netvip: no hold with the reason {options.reason!r}; {what}", file=sys.stderr)
        return 1
    client.ask("call", words=["release", options.reason])
    return 0
