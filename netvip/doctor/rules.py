"""All rules, and their findings in order."""

from __future__ import annotations

from dataclasses import replace

from netvip.doctor import (
    judgement,
    rules_checks,
    rules_host,
    rules_instances,
    rules_networkd,
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
    *rules_networkd.RULES,
)
#: A cure in one place for all instances.
EVERYWHERE = "# in global_defs"
#: An operator reads a few findings that are alike; more of them hide the others.
MANY = 4
#: At these keepalived ends, and runs nothing: nothing else matters before.
ENDS = frozenset({"NV131", "NV136"})
#: The grave first.
GRAVE = (Severity.ERROR, Severity.WARNING, Severity.NOTE)


def apply_rules(facts: Facts) -> list[Finding]:
    """The findings: what keepalived itself says; then the grave first, each kind in the order of
    files and lines, and those about the host behind them; what is the same in many places is one.
    """
    found = sorted((finding for rule in RULES for finding in rule(facts)), key=_order)
    alike: dict[tuple[str, Severity, str], list[Finding]] = {}
    for finding in found:
        alike.setdefault((finding.code, finding.severity, finding.text), []).append(finding)
    mine = sorted((one for same in alike.values() for one in _together(same)), key=_order)
    return [*judgement.finding(facts.judgement), *mine]


def _together(alike: list[Finding]) -> list[Finding]:
    """One finding, at the first place, for what one line cures or is the same in many places."""
    first, *others = alike
    one_line = any(EVERYWHERE in line for line in first.instead)
    if not others or (len(alike) < MANY and not one_line):
        return alike
    more = f"{len(others)} more place{'s' if others[1:] else ''}, the last {others[-1].where}"
    return [replace(first, text=f"{first.text} (and in {more})")]


def _order(finding: Finding) -> tuple[bool, int, bool, tuple[str, int]]:
    ends = finding.code in ENDS
    return not ends, GRAVE.index(finding.severity), not finding.where, _place(finding.where)


def _place(where: str) -> tuple[str, int]:
    path, _, line = where.rpartition(":")
    return path, int(line) if line else 0
