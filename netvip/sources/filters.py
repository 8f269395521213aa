"""Looks for packet filter rules that drop packets to a VIP on lo (fact
filters-that-block-a-shield)."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from netvip.core.events import Event, ShieldBlocked
from netvip.core.model import Tri
from netvip.linux.programs import output
from netvip.linux.threads import in_thread

#: Seconds. Packet filters change seldom, and listing their rules takes some ms.
LOOK_EVERY = 60.0
PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
#: Rules that look the destination up among the addresses of the input interface: an address on lo
#: is not among them. nft(8) "fib", iptables-extensions(8) "addrtype --limit-iface-in".
HURTFUL = {
    "nft": re.compile(
        r"fib\s+(?=(?:\w+\s*\.\s*)*daddr\b)(?=(?:\w+\s*\.\s*)*iif\b)(?:\w+\s*\.\s*)*\w+\s+type\b"
    ),
    "iptables-save": re.compile(r"--limit-iface-in"),
    "ip6tables-save": re.compile(r"--limit-iface-in"),
}
COMMANDS = {"nft": ("list", "ruleset"), "iptables-save": (), "ip6tables-save": ()}


class FilterSource:
    """Lists the rules of the packet filters every LOOK_EVERY seconds."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            hurts, why = await look()
            self._emit(ShieldBlocked(time.monotonic(), hurts, why))
            await asyncio.sleep(LOOK_EVERY)


async def look() -> tuple[Tri, str]:
    """YES and the reason, NO, or UNKNOWN if no tool could list the rules."""
    listed = False
    for name, pattern in HURTFUL.items():
        text = await _list(name)
        # In a thread: a firewall may have ten thousand rules.
        if text and (line := await in_thread(partial(_first, pattern, text))):
            return Tri.YES, f"a packet filter rule may drop packets to lo: {line}"
        listed = listed or text is not None
    return (Tri.NO if listed else Tri.UNKNOWN), ""


def _first(pattern: re.Pattern[str], text: str) -> str:
    """The first line that matches; empty if none does."""
    return next((line.strip() for line in text.splitlines() if pattern.search(line)), "")


async def _list(name: str) -> str | None:
    program = shutil.which(name, path=PATH)
    if program is None or (name != "nft" and not _legacy(name)):
        return None
    return await output(program, *COMMANDS[name])


def _legacy(name: str) -> bool:
    """Whether iptables has tables. If it has none, listing them would load its kernel modules."""
    kind = "ip6" if name.startswith("ip6") else "ip"
    if shutil.which("nft", path=PATH) is None:
        return True
    return Path(f"/proc/net/{kind}_tables_names").exists()
