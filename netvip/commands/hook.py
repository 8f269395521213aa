"""netvip hook REQUEST...: send a request to the daemon, as netvip's hooks do.

hold REASON [SECONDS]   release REASON    apt-begins   apt-ended   upgraded
networkd-stops   networkd-stopped   networkd-started   link INTERFACE STATE
  keepalived-stops   yield INSTANCE   verify [INSTANCE]
"""

from __future__ import annotations

import sys

from netvip.control import client


def main(arguments: list[str]) -> int:
    """Send it; exit 1 with a sentence if it is not a request."""
    if not arguments or arguments[0] in ("--help", "-h"):
        print(f"usage: {__doc__}", end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    client.ask("call", words=arguments)
    return 0
