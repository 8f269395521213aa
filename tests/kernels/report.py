"""What became of a machine's boot, as the machine left it in its share (machine/report).

Times are seconds: of the epoch for what is compared with another machine, since the boot for units.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

#: A line of `ip -tshort -oneline monitor address`. The name is not reliable: a link may be renamed.
MOVE = re.compile(
    r"^\[(?P<time>\S+)\] ?(?P<gone>Deleted )?\d+: (?P<link>\S+) +inet6? (?P<address>[^/ ]+)"
)
ROLE = re.compile(r"\(VI_1\) Entering (?P<role>\w+) STATE")
MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Move:
    """An address that came to an interface, or went."""

    time: float
    link: str
    address: str
    has_come: bool


@dataclass(frozen=True)
class Line:
    """A line of the journal."""

    time: float
    unit: str
    text: str


class Report:
    """A boot, from the machine's own records. Raises KeyError for units that it does not have."""

    def __init__(self, name: str, share: Path) -> None:
        self.name = name
        texts = {path.name: path.read_text(errors="replace") for path in share.iterdir()}
        self.chain, self.verify = texts["chain"], texts["verify"]
        self.units = {unit["Id"]: unit for unit in _blocks(texts["units"])}
        self.moves = list(_moves(texts.get("addresses", "")))
        self.journal = [_line(json.loads(line)) for line in texts["journal"].splitlines()]
        self.addresses = texts["addresses-now"]
        self.status: dict[str, Any] = json.loads(texts["status-now"] or "{}")
        #: Seconds that this machine takes for the lab's yardstick.
        self.yardstick = float(texts["yardstick"])

    def said(self, unit: str) -> list[str]:
        """What a unit's processes wrote to the journal."""
        return [line.text for line in self.journal if line.unit == unit]

    @property
    def roles(self) -> list[tuple[float, str]]:
        """keepalived's states, each with the time of its beginning."""
        lines = (line for line in self.journal if line.unit == "keepalived.service")
        found = ((line.time, ROLE.search(line.text)) for line in lines)
        return [(when, match["role"]) for when, match in found if match]

    @property
    def role(self) -> str:
        """keepalived's state at the end."""
        return self.roles[-1][1] if self.roles else "none"

    def began(self, role: str) -> float:
        """When keepalived was in this state for the first time; infinite if never."""
        return next((when for when, found in self.roles if found == role), float("inf"))

    def moves_of(self, address: str) -> list[Move]:
        """When the address came and went, on any interface."""
        return [move for move in self.moves if move.address == address]

    def at(self, unit: str, moment: str) -> float:
        """A unit's timestamp since the boot: ActiveEnter, ExecMainStart or InactiveExit."""
        return int(self.units[unit][f"{moment}TimestampMonotonic"]) / MICROSECONDS

    def before_start(self, unit: str) -> float:
        """How long the unit's ExecStartPre= took; 0 if it has none: systemd notes the start of the
        program first."""
        return max(0.0, self.at(unit, "ExecMainStart") - self.at(unit, "InactiveExit"))

    def is_ordered_after(self, unit: str, other: str) -> bool:
        """Whether systemd starts a unit after another one."""
        return other in self.units[unit]["After"].split()

    @property
    def failed(self) -> set[str]:
        """The units that failed."""
        return {name for name, unit in self.units.items() if unit["ActiveState"] == "failed"}

    @property
    def cycles(self) -> list[str]:
        """What systemd reports of cycles in the order of units (src/core/transaction.c)."""
        return [line.text for line in self.journal if "ordering cycle" in line.text]


def _blocks(text: str) -> Iterator[dict[str, str]]:
    for block in text.split("\n\n"):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in fields:
            yield fields


def _moves(text: str) -> Iterator[Move]:
    for line in text.splitlines():
        if match := MOVE.match(line):
            when = datetime.fromisoformat(match["time"]).replace(tzinfo=UTC).timestamp()
            yield Move(when, match["link"], match["address"], not match["gone"])


def _line(entry: dict[str, Any]) -> Line:
    when = entry.get("_SOURCE_REALTIME_TIMESTAMP") or entry["__REALTIME_TIMESTAMP"]
    unit = entry.get("_SYSTEMD_UNIT", entry.get("SYSLOG_IDENTIFIER", ""))
    return Line(int(when) / MICROSECONDS, str(unit), str(entry.get("MESSAGE", "")))
