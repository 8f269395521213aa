"""Work in parts: an actuator that may have a thousand things to do is an iterator, and the event
loop may have its turn between two of its steps."""

from __future__ import annotations

from collections.abc import Iterator

#: Each step of it does a part of the work.
Parts = Iterator[None]


def finish(work: Parts) -> None:
    """Do all of it now."""
    for _ in work:
        pass
