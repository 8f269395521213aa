"""Defects of single versions of keepalived."""

from __future__ import annotations

#: With a unicast source that is missing at the start, these stay in FAULT (fact stuck-in-fault).
UNICAST_TRAP = ((2, 1, 0), (2, 3, 2))


def in_unicast_trap(version: tuple[int, ...]) -> bool:
    """Whether it stays in FAULT for ever if its unicast source is missing at the start."""
    first, last = UNICAST_TRAP
    return first <= version[:3] <= last
