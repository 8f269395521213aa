"""Rules about weights: what lowers a priority where a lower priority has no effect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from netvip.core.model import Tri
from netvip.doctor.facts import Facts
from netvip.doctor.findings import Finding, error
from netvip.keepalived.configuration import (
    OWNER_PRIORITY,
    Configuration,
    Reference,
    Statement,
    SyncGroup,
    VrrpInstance,
)

#: The blocks that define what an instance tracks.
DEFINITIONS = ("vrrp_script", "track_file", "vrrp_track_file", "vrrp_track_process", "bfd_instance")


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight that is not 0, and the line that gives it."""

    name: str
    value: int
    at: Statement
    certain: bool


class _Weights:
    """The weights of a configuration: gathered once, as a large one has many."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._lines: dict[str, Statement] = {}
        for statement in configuration.statements:
            outer = statement.blocks[0][:2] if len(statement.blocks) == 1 else ()
            if outer[:1] and outer[0] in DEFINITIONS and statement.keyword == "weight":
                self._lines[" ".join(outer)] = statement

    def of(self, holder: VrrpInstance | SyncGroup) -> Iterator[Weight]:
        """Those of what an instance or a group tracks."""
        configuration = self._configuration
        for reference in holder.track_scripts:
            if script := configuration.scripts.get(reference.name):
                yield from self._weight(reference, script.weight, script.statement)
        for reference in holder.track_files:
            if file := configuration.track_files.get(reference.name):
                yield from self._weight(reference, file.weight, file.statement)
        if isinstance(holder, VrrpInstance):
            for reference in (*holder.track_interfaces, *holder.track_others):
                yield from self._weight(reference, 0, reference.statement)

    def _weight(self, reference: Reference, default: int, opener: Statement) -> Iterator[Weight]:
        line = self._lines.get(" ".join(opener.texts()[:2]), opener)
        at = line if reference.weight is None else reference.statement
        value = default if reference.weight is None else reference.weight
        if value:
            certain = Tri.UNKNOWN not in (at.applies, reference.statement.applies)
            yield Weight(reference.name, value, at, certain)


def weight(facts: Facts) -> Iterator[Finding]:
    """A weight where only FAULT has an effect."""
    configuration, weights = facts.configuration, _Weights(facts.configuration)
    grouped = _grouped(configuration)
    instances = configuration.instances.values()
    without = [i for i in instances if i.never_preempts is Tri.YES]
    holders: list[VrrpInstance | SyncGroup] = [i for i in without if i.name not in grouped]
    names = {instance.name for instance in without}
    groups = configuration.groups.values()
    holders += [group for group in groups if group.members and names >= set(group.members)]
    for holder in holders:
        for found in weights.of(holder):
            if found.certain:
                yield error(
                    "NV205",
                    found.at,
                    "with nopreempt a weight has no effect: "
                    f"{holder.name} stays MASTER at any priority; "
                    "only FAULT makes the peer take over",
                    "weight 0",
                )


def ignored(facts: Facts) -> Iterator[Finding]:
    """A weight that keepalived ignores, with what it belongs to (vrrp_complete_instance in its
    vrrp.c)."""
    configuration, weights = facts.configuration, _Weights(facts.configuration)
    grouped = _grouped(configuration)
    for instance in configuration.instances.values():
        why = _why(instance, grouped)
        for found in weights.of(instance) if why else ():
            # keepalived makes 0 of a track file's default weight, which causes FAULT.
            if found.certain and not (found.value == 1 and found.name in configuration.track_files):
                yield error(
                    "NV210",
                    found.at,
                    f"{why} keepalived ignores {found.name}, as it has a weight: "
                    f"{instance.name} stays MASTER when it fails",
                    "weight 0",
                )


def _why(instance: VrrpInstance, grouped: dict[str, SyncGroup]) -> str:
    at = instance.find("priority") or instance.find("state")
    if instance.priority == OWNER_PRIORITY and (at is None or at.applies is Tri.YES):
        return f"at priority {OWNER_PRIORITY}, the address owner's,"
    group = grouped.get(instance.name)
    return f"in the sync group {group.name} (without sync_group_tracking_weight)" if group else ""


def _grouped(configuration: Configuration) -> dict[str, SyncGroup]:
    """The members of sync groups that do without weights, and their groups."""
    groups = [g for g in configuration.groups.values() if not g.weighs]
    return {name: group for group in groups for name in group.members}


RULES = (weight, ignored)
