"""Parts of sentences for the journal that more than one file needs."""

from __future__ import annotations

from collections.abc import Iterable

from netvip.core.model import CHOSEN_FLAGS, IFA_F_DADFAILED, Address


def macs(addresses: Iterable[bytes]) -> str:
    """Hardware addresses, as ip(8) prints them."""
    return ", ".join(sorted(address.hex(":") for address in addresses))


#: What makes an address what it is. Of the flags those that its creator chose count, and the
#: kernel's finding that another host has it.
_ATTRIBUTES = ("scope", "label", "peer", "broadcast", "valid", "preferred", "metric")
_FLAGS = CHOSEN_FLAGS | IFA_F_DADFAILED


def difference(present: Address, known: Address) -> str:
    """In which attributes an address differs from what it was; empty where it does not."""
    if present is known or present == known:
        return ""
    pairs = [(name, getattr(present, name), getattr(known, name)) for name in _ATTRIBUTES]
    pairs.append(("flags", hex(present.flags & _FLAGS), hex(known.flags & _FLAGS)))
    return ", ".join(f"{name} {now} instead of {was}" for name, now, was in pairs if now != was)
