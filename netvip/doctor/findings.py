"""A finding: what is wrong, where, why it matters, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from netvip.keepalived.configuration import Statement


class Severity(Enum):
    """error: the VIP becomes or stays unreachable. warning: it may. note: worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one place; `where` is file:line, or empty for the host."""

    code: str
    severity: Severity
    where: str
    text: str
    instead: tuple[str, ...] = ()


def error(code: str, at: Statement | None, text: str, *instead: str) -> Finding:
    """A finding of that severity at a statement, or about the host."""
    return Finding(code, Severity.ERROR, at.where if at else "", text, instead)


def warning(code: str, at: Statement | None, text: str, *instead: str) -> Finding:
    """A finding of that severity at a statement, or about the host."""
    return Finding(code, Severity.WARNING, at.where if at else "", text, instead)


def note(code: str, at: Statement | None, text: str, *instead: str) -> Finding:
    """A finding of that severity at a statement, or about the host."""
    return Finding(code, Severity.NOTE, at.where if at else "", text, instead)
