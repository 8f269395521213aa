"""Draws the index of docs/architecture.md from the first sentence of each module.

usage: python docs/rooms.py > docs/architecture.new, and move it over docs/architecture.md
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).with_name("architecture.md")
BEGIN, END = "<!-- drawn by docs/rooms.py -->", "<!-- end of what is drawn -->"

#: In the order in which an event passes them.
ROOMS = {
    "netvip": "the program's entry, its settings, and the daemon that connects the rooms",
    "netvip/sources": "what happens, as events",
    "netvip/core": "what it means: pure, without input, output or a clock",
    "netvip/core/requests": "what hooks and commands ask for",
    "netvip/core/instance": "one VRRP instance",
    "netvip/core/plan": "what would protect an instance, built beforehand",
    "netvip/core/check": "the coordinated check",
    "netvip/actuators": "what is done about it, action by action",
    "netvip/checks": "the probes of the coordinated check",
    "netvip/control": "the control socket",
    "netvip/commands": "one file a verb",
    "netvip/keepalived": "keepalived's configuration, its dump, its processes",
    "netvip/networkd": "systemd-networkd's files and state, and what it deletes",
    "netvip/doctor": "what `netvip doctor` looks for",
    "netvip/linux": "adapters of the operating system",
    "netvip/wire": "packets: bytes to values and back",
}


def tables() -> Iterator[str]:
    """A heading and a table for each room."""
    for room, about in ROOMS.items():
        yield f"### {room}: {about}\n\n| file | what it decides or does |\n| --- | --- |"
        for path in sorted((ROOT / room).glob("*.py")):
            if sentence := first_sentence(path):
                yield f"| `{path.relative_to(ROOT / room)}` | {sentence} |"
        yield ""


def first_sentence(path: Path) -> str:
    """The first paragraph of a module's docstring, in one line."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(text.partition("\n\n")[0].split()).replace("|", "\\|")


def page() -> str:
    """The whole page: what is written by hand, with the index drawn anew."""
    head, _, rest = PAGE.read_text().partition(BEGIN)
    tail = rest.partition(END)[2]
    return f"{head}{BEGIN}\n\n" + "\n".join(tables()) + f"\n{END}{tail}"


if __name__ == "__main__":
    print(page(), end="")
