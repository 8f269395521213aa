"""All rules, and their findings in order."""

from __future__ import annotations

from netvip.doctor import rules_checks, rules_host, rules_instances, rules_scripts
from netvip.doctor.facts import Facts
from netvip.doctor.findings import Finding

RULES = (
    *rules_instances.RULES,
    *rules_checks.RULES,
    *rules_scripts.RULES,
    *rules_host.RULES,
)


def apply_rules(facts: Facts) -> list[Finding]:
    """The findings, in the order of files and lines; those about the host come last."""
    found = [finding for rule in RULES for finding in rule(facts)]
    return sorted(found, key=lambda finding: (not finding.where, _place(finding.where)))


def _place(where: str) -> tuple[str, int]:
    path, _, line = where.rpartition(":")
    return path, int(line) if line else 0
