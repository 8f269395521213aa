"""netvip hook EVENT...: tell the daemon what a hook would, by hand or from a script of yours.

hold REASON [SECONDS]   release REASON    apt-begins   apt-ended   upgraded
networkd-stops   networkd-stopped   networkd-started   link INTERFACE STATE
  keepalived-stops   yield INSTANCE   verify [INSTANCE]
"""

from __future__ import annotations

import sys

from netvip.control import client


def main(arguments: list[str]) -> int:
    """Tell it; exit 1 with a sentence for words that are no event."""
    if not arguments or arguments[0] in ("--help", "-h"):
        print(f"usage: {__doc__}", end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    client.ask("call", words=arguments)
    return 0
