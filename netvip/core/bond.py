"""Bonds: whose interfaces lose their carrier when networkd restarts.

An older networkd takes the members of a bond away and gives them back as it starts. No shield helps
an interface without carrier, and keepalived cannot tell the peer any more: so netvip has the peer
take over before.
"""

from __future__ import annotations

from netvip.core.mirror import Mirror

#: From this version on networkd leaves members alone that belong to the bond already (fact
#: bond-members-released).
MEMBERS_KEPT_SINCE = 256


def loses_carrier(mirror: Mirror, ifindex: int, systemd: int) -> bool:
    """Whether a restart of this systemd's networkd (its version; 0: unknown) will take the
    interface's carrier, as far as that is known."""
    return 0 < systemd < MEMBERS_KEPT_SINCE and _is_on_bond(mirror, ifindex)


def _is_on_bond(mirror: Mirror, ifindex: int) -> bool:
    seen: set[int] = set()
    below = {ifindex}
    while below:
        seen |= below
        links = [mirror.links[index] for index in below if index in mirror.links]
        if any(link.kind == "bond" for link in links):
            return True
        ports = {link.ifindex for link in mirror.links.values() if link.master in below}
        below = ({link.lower for link in links} | ports) - seen - {0}
    return False
