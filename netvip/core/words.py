"""Sentences about an instance for the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netvip.core.model import Tri

if TYPE_CHECKING:
    from netvip.core.instance import Instance


def away(instance: Instance, now: float) -> int:
    """For how many ms the VIPs were off the interface before they were put back."""
    first = min((loss.time for loss in instance.losses.values()), default=now)
    return round((instance.put_at - first) * 1000)


def why_not(instance: Instance, now: float) -> str:
    """Why what is missing may not be put back."""
    if instance.master(now) is not Tri.YES:
        return "this node is not MASTER by fresh evidence"
    if instance.conflict.confirmed:
        return f"{instance.conflict.words} answers for it, and a conflict is not fought"
    if any(vip.tracked for vip in instance.missing()) and instance.spec.watches_addresses:
        return "keepalived tracks it and has to re-add it itself (assisted)"
    return "keepalived has not confirmed that it still holds it"
