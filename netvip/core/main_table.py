"""Which routes of the table main win over those of a bridge: counted as they come and go, because a
plan is built for each of hundreds of instances, and the table may have thousands of routes."""

from __future__ import annotations

from collections import Counter

from netvip.core.model import TABLE_MAIN, Route


class MainTable:
    """The default routes of main, and how many others of each length an interface has there."""

    def __init__(self) -> None:
        #: By IP version and prefix length, the number of routes of each interface.
        self._lengths: dict[tuple[int, int], Counter[int]] = {}
        self._defaults: dict[Route, None] = {}

    def count(self, route: Route, by: int) -> None:
        """A route came (1) or went (-1)."""
        if route.table != TABLE_MAIN:
            return
        if route.destination.prefixlen == 0:
            if by > 0:
                self._defaults[route] = None
            else:
                self._defaults.pop(route, None)
            return
        key = route.destination.version, route.destination.prefixlen
        counter = self._lengths.setdefault(key, Counter())
        counter[route.ifindex] += by
        if not counter[route.ifindex]:
            del counter[route.ifindex]

    def beaten(self, route: Route) -> bool:
        """Whether a default route through another interface has a lower metric."""
        if route.destination.prefixlen:
            return False
        return any(
            other.ifindex != route.ifindex
            and other.destination.version == route.destination.version
            and other.metric < route.metric
            for other in self._defaults
        )

    def broader_elsewhere(self, route: Route) -> bool:
        """Whether another interface has a shorter route that is no default route. That the two
        overlap is not asked: if they do not, the bridge has two rules more than it needs."""
        version, length = route.destination.version, route.destination.prefixlen
        return any(
            interfaces.keys() - {route.ifindex}
            for (other, shorter), interfaces in self._lengths.items()
            if other == version and shorter < length
        )
