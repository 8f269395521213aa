"""What becomes of an object that systemd-networkd deletes: the table of who brings it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from netvip.core.model import IP, Address
from netvip.linux.routing import Nexthop, Route, Rule
from netvip.networkd.owners import KEEPALIVED, ROUTING, Owner


class Fate(Enum):
    """The value is what `netvip preview` prints."""

    PUT_BACK = "netvip carries it through the window and puts it back"
    KEEPALIVED = "netvip carries it until keepalived, here or on the peer, adds it again"
    ADDED_AGAIN = "keepalived notices it, and adds it again with its VIPs"
    CARRIED = "netvip carries it through the window; then it is lost"
    ITS_DAEMON = "lost until its daemon adds it again"
    LOST = "lost"

    @property
    def comes_back(self) -> bool:
        """Whether it is there after the window; a VIP, on this node or the peer."""
        return self in (Fate.PUT_BACK, Fate.KEEPALIVED, Fate.ADDED_AGAIN)


@dataclass(frozen=True, slots=True)
class Protected:
    """What the daemon protects: empty where it does not run."""

    #: By interface and address of each VIP on an instance that is MASTER and protected: whether
    #: the instance is guarded.
    vips: Mapping[tuple[str, IP], bool] = field(default_factory=dict)
    #: The words of the virtual routes and rules of such instances: whether keepalived watches them.
    virtual: Mapping[str, bool] = field(default_factory=dict)

    @property
    def interfaces(self) -> frozenset[str]:
        """Where the bridge keeps routes."""
        return frozenset(interface for interface, _ in self.vips)

    def watched(self, thing: Route | Rule | Nexthop) -> bool | None:
        """Whether keepalived watches this route or rule; None if it is none of such an
        instance's."""
        if isinstance(thing, Route):
            word = str(thing.destination) if thing.destination.prefixlen else "default"
            return self.virtual.get(word)
        return self.virtual.get(str(thing.source)) if isinstance(thing, Rule) else None


def fate(
    thing: Address | Route | Rule | Nexthop, owner: Owner, interface: str, protected: Protected
) -> Fate:
    """What becomes of a deleted object on an interface."""
    if isinstance(thing, Address):
        guarded = protected.vips.get((interface, thing.ip))
        if guarded is None:
            return Fate.LOST
        return Fate.PUT_BACK if guarded else Fate.KEEPALIVED
    if owner.kind == ROUTING:
        return Fate.ITS_DAEMON
    watched = protected.watched(thing) if owner.kind == KEEPALIVED else None
    if watched is not None:
        return Fate.ADDED_AGAIN if watched else Fate.PUT_BACK
    if isinstance(thing, Route) and interface in protected.interfaces:
        return Fate.CARRIED
    return Fate.LOST
