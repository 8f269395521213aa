"""Sentences about an instance for the journal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from netvip.core.model import CHOSEN_FLAGS, IFA_F_DADFAILED, Address, Tri

if TYPE_CHECKING:
    from netvip.core.instance.instance import Instance


def away(instance: Instance, now: float) -> int:
    """For how many ms the VIPs were off the interface before they were put back."""
    first = min((loss.time for loss in instance.losses.values()), default=now)
    return round((instance.put_at - first) * 1000)


def macs(addresses: Iterable[bytes]) -> str:
    """Hardware addresses, as ip(8) prints them."""
    return ", ".join(sorted(address.hex(":") for address in addresses))


#: What makes an address what it is. Of the flags those that were chosen count, and the kernel's
#: finding that somebody else has it.
_LOOK = ("scope", "label", "peer", "broadcast", "valid", "preferred", "metric")
_FLAGS = CHOSEN_FLAGS | IFA_F_DADFAILED


def difference(present: Address, known: Address) -> str:
    """In what an address is not what it was, whoever added it; empty where it is."""
    pairs = [(name, getattr(present, name), getattr(known, name)) for name in _LOOK]
    pairs.append(("flags", hex(present.flags & _FLAGS), hex(known.flags & _FLAGS)))
    return ", ".join(f"{name} {now} instead of {was}" for name, now, was in pairs if now != was)


def why_not(instance: Instance, now: float) -> str:
    """Why what is missing may not be put back."""
    if instance.master(now) is not Tri.YES:
        return "this node is not MASTER by fresh evidence"
    if instance.conflict.confirmed:
        return f"{instance.conflict.words} answers for it, and a conflict is not fought"
    if any(vip.tracked for vip in instance.missing()) and instance.spec.watches_addresses:
        return "keepalived tracks it and has to re-add it itself (assisted)"
    return "keepalived has not confirmed that it still holds it"
