"""What keepalived itself says of the configuration: keepalived -t, bounded in time."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from netvip.doctor.findings import Finding, Severity

#: Seconds. keepalived looks up the names in its configuration, and waits for a name server that
#: does not answer for 10 s.
LIMIT = 15.0
#: keepalived.conf(5): the exit status where keepalived runs nothing of the configuration.
ENDS = 2
#: An operator reads the first few; the others follow from them, or are alike.
MOST_LINES = 12


@dataclass(frozen=True, slots=True)
class Judgement:
    """The exit status (None: it had not ended in time), and the lines that it told."""

    status: int | None
    lines: tuple[str, ...] = ()


def judge(main_file: Path, limit: float = LIMIT) -> Judgement | None:
    """Have keepalived judge the configuration; None where it cannot be asked: it is not installed,
    or this user is not root."""
    if os.geteuid():
        return None
    command = ("keepalived", "-t", "-f", str(main_file))
    try:
        done = subprocess.run(command, capture_output=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return Judgement(None)
    except OSError:
        return None
    told = (done.stderr + done.stdout).decode(errors="replace")
    return Judgement(done.returncode, tuple(line for line in told.splitlines() if line.strip()))


def finding(judgement: Judgement | None) -> Iterator[Finding]:
    """Its complaints, as one finding."""
    if judgement is None or judgement.status == 0:
        return
    if judgement.status is None:
        why = "a name server that does not answer makes it wait, and keepalived's start as well"
        text = f"keepalived -t has not ended within {LIMIT:.0f} s: {why}"
        instead = ("write addresses in place of names, or mend the resolver",)
        yield Finding("NV100", Severity.WARNING, "", text, instead)
        return
    severity = Severity.ERROR if judgement.status == ENDS else Severity.WARNING
    text = f"keepalived -t exits with {judgement.status}; it tells:"
    more = len(judgement.lines) - MOST_LINES
    lines = judgement.lines[:MOST_LINES] + ((f"and {more} more lines",) if more > 0 else ())
    yield Finding("NV100", severity, "", text, lines)
