"""Bonds: whose interfaces lose their carrier when networkd restarts, or reads changed files.

An older networkd takes the members of a bond away and gives them back as it starts, and as it reads
changed files of theirs. No shield helps an interface without carrier, and keepalived cannot tell
the peer any more: so netvip has the peer take over before.
"""

from __future__ import annotations

from collections.abc import Callable

from netvip.core.mirror import Mirror
from netvip.core.model import Tri

#: Up to this version networkd takes away members that belong to the bond already (fact
#: bond-members-released). Of 254 and 255 it is not known.
MEMBERS_TAKEN_UNTIL = 253


def loses_carrier(
    mirror: Mirror, ifindex: int, systemd: int, reconfigured: Callable[[int], Tri]
) -> bool:
    """Whether networkd of this systemd (its version; 0: unknown) will take the interface's carrier:
    it is known to configure all members of the bond below it anew."""
    below = members(mirror, ifindex)
    known = 0 < systemd <= MEMBERS_TAKEN_UNTIL
    return known and bool(below) and all(reconfigured(member) is Tri.YES for member in below)


def members(mirror: Mirror, ifindex: int) -> frozenset[int]:
    """The members of the bond that an interface is, or is on; of the first one that is found."""
    seen: set[int] = set()
    below = {ifindex}
    while below:
        seen |= below
        links = [mirror.links[index] for index in sorted(below) if index in mirror.links]
        if bond := next((link for link in links if link.kind == "bond"), None):
            return frozenset(i for i, link in mirror.links.items() if link.master == bond.ifindex)
        ports = {link.ifindex for link in mirror.links.values() if link.master in below}
        below = ({link.lower for link in links} | ports) - seen - {0}
    return frozenset()
