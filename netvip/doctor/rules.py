"""All rules, and their findings in order."""

from __future__ import annotations

from netvip.doctor import (
    rules_checks,
    rules_host,
    rules_instances,
    rules_reading,
    rules_scripts,
    rules_weights,
)
from netvip.doctor.facts import Facts
from netvip.doctor.findings import Finding, Severity

RULES = (
    *rules_reading.RULES,
    *rules_instances.RULES,
    *rules_checks.RULES,
    *rules_weights.RULES,
    *rules_scripts.RULES,
    *rules_host.RULES,
)
#: At these keepalived ends, and runs nothing: nothing else matters before.
ENDS = frozenset({"NV131", "NV136"})
#: The grave first.
GRAVE = (Severity.ERROR, Severity.WARNING, Severity.NOTE)


def apply_rules(facts: Facts) -> list[Finding]:
    """The findings, the grave first, each kind in the order of files and lines, and those about
    the host behind them."""
    found = [finding for rule in RULES for finding in rule(facts)]
    return sorted(found, key=_order)


def _order(finding: Finding) -> tuple[bool, int, bool, tuple[str, int]]:
    ends = finding.code in ENDS
    return not ends, GRAVE.index(finding.severity), not finding.where, _place(finding.where)


def _place(where: str) -> tuple[str, int]:
    path, _, line = where.rpartition(":")
    return path, int(line) if line else 0
