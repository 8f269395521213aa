"""Draws docs/states.md from the transition table, so that the two cannot differ.

usage: python docs/draw.py > docs/states.md
"""

from __future__ import annotations

from collections import defaultdict

from netvip.core.instance.states import PROTECTED, TABLE, Phase, Trigger

HEAD = """# The life of a VRRP instance under netvip

`make docs` draws this page from the table in `netvip/core/instance/states.py`; a test compares the
two. In the phases with a thick border shield and bridge are up.
"""


def diagram() -> str:
    """A Mermaid state diagram: one arrow for each pair of phases."""
    arrows: dict[tuple[Phase, Phase], list[str]] = defaultdict(list)
    for (phase, trigger), after in TABLE.items():
        arrows[phase, after].append(trigger.name.lower().replace("_", " "))
    lines = ["stateDiagram-v2", "    [*] --> watching"]
    for (phase, after), triggers in arrows.items():
        lines.append(f"    {phase.value} --> {after.value}: {' / '.join(triggers)}")
    shielded = ", ".join(phase.value for phase in Phase if phase in PROTECTED)
    lines += ["    classDef protected stroke-width:4px", f"    class {shielded} protected"]
    return "\n".join(lines)


def meanings() -> str:
    """What each trigger means."""
    rows = [
        f"| {trigger.name.lower().replace('_', ' ')} | {trigger.value} |" for trigger in Trigger
    ]
    return "\n".join(["| trigger | meaning |", "| --- | --- |", *rows])


def page() -> str:
    """The whole page."""
    return f"{HEAD}\n```mermaid\n{diagram()}\n```\n\n{meanings()}\n"


if __name__ == "__main__":
    print(page(), end="")
