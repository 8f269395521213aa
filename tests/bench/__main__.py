"""make bench: figures that a noisy machine may change, and that therefore no test asserts.

usage: python -m tests.bench [--suite SUITE] [PART…]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from tests.bench import packets, reaction, size, verbs
from tests.bench.report import machine

PARTS: dict[str, Callable[[str], None]] = {
    "size": size.main,
    "reaction": reaction.main,
    "packets": packets.main,
    "verbs": verbs.main,
}


def main(arguments: list[str]) -> int:
    """Print the figures of one release."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--suite", default="trixie")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    wanted = parser.parse_args(arguments)
    if unknown := set(wanted.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(unknown)}")
    print(f"{machine()}, {wanted.suite}, {time.strftime('%Y-%m-%d')}", flush=True)
    for name in wanted.parts or PARTS:
        PARTS[name](wanted.suite)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
