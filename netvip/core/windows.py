"""The windows that are open, by interface: opened by whoever sees networkd act, ended by quiet."""

from __future__ import annotations

from collections.abc import Iterable

from netvip.const import WINDOW_LIMIT, WINDOW_LIMIT_DHCP
from netvip.core.actions import Action, Level, Log
from netvip.core.mirror import Mirror
from netvip.core.model import IP, AddressKey, Tri
from netvip.core.plan import build
from netvip.core.window import Window

#: A stop in mid-window waits this long for the dust to settle; systemd allows 15 s.
STOP_LIMIT = 3.0

Keys = frozenset[AddressKey]


class Windows(dict[int, Window]):
    """What is open, and what networkd and systemd say of how far they are."""

    def __init__(self, mirror: Mirror, outbox: list[Action]) -> None:
        super().__init__()
        self._mirror, self._out = mirror, outbox
        self.networkd = Tri.UNKNOWN
        #: Jobs of systemd's for networkd and keepalived that are under way.
        self.jobs = 0
        #: By interface, whether networkd has done with it.
        self.final: dict[int, Tri] = {}

    def open(self, now: float, ifindex: int, reason: str, vips: Keys, stopping: bool) -> Window:
        """The interface's window, opened if there is none."""
        window = self.get(ifindex)
        if window is None:
            deadline = now + self.limit(ifindex, vips)
            own, defaults = self._own(ifindex, vips), self._defaults(ifindex)
            window = Window(ifindex, reason, now, deadline, own, defaults, stirred=now)
            self[ifindex] = window
            self._log(Level.NOTICE, f"{self._mirror.name(ifindex)}: window opened: {reason}")
            if stopping:
                window.hurry(now, STOP_LIMIT)
        return window

    def close(self, window: Window, now: float) -> None:
        """It is over."""
        del self[window.ifindex]
        took = round((now - window.opened) * 1000)
        name = self._mirror.name(window.ifindex)
        self._log(Level.INFO, f"{name}: window closed after {took} ms")

    def limit(self, ifindex: int, vips: Keys) -> float:
        """For how many seconds one may last."""
        own = build.own_addresses(self._mirror, ifindex, vips)
        dynamic = any(address.dynamic and address.ip.version == 4 for address in own)
        return WINDOW_LIMIT_DHCP if dynamic else WINDOW_LIMIT

    def settled(self, window: Window, now: float, vips: Keys) -> bool:
        """Whether networkd has done, as far as can be told."""
        if now < window.quiet_at() or self.jobs:
            return False
        own = self._own(window.ifindex, vips)
        if not _versions(window.own) <= _versions(own):
            return False
        final = self.final.get(window.ifindex, Tri.UNKNOWN)
        if self.networkd is Tri.YES and final is Tri.YES:
            return True
        # Without networkd's word that it has done, the default route has to be back as well ...
        if not window.defaults <= self._defaults(window.ifindex):
            return False
        # ... and while it says that it has not, every address, and a longer quiet.
        busy = self.networkd is Tri.YES and final is Tri.NO
        return not busy or (window.own <= own and now >= window.patient_at())

    def told(self, now: float, ifindex: int, final: Tri) -> None:
        """networkd says whether it has done with an interface."""
        if self.final.get(ifindex) is not final:
            self.stir(ifindex, now)
        self.final[ifindex] = final

    def stir(self, ifindex: int, now: float) -> None:
        """Something moved on an interface."""
        if (window := self.get(ifindex)) is not None:
            window.stir(now)

    def stir_all(self, now: float) -> None:
        """Something moved that may concern every interface."""
        for window in self.values():
            window.stir(now)

    def hurry(self, now: float) -> None:
        """The daemon is to end."""
        for window in self.values():
            window.hurry(now, STOP_LIMIT)

    def _own(self, ifindex: int, vips: Keys) -> frozenset[IP]:
        own = build.own_addresses(self._mirror, ifindex, vips)
        return frozenset(address.ip for address in own)

    def _defaults(self, ifindex: int) -> frozenset[int]:
        routes = self._mirror.routes(ifindex)
        return frozenset(r.destination.version for r in routes if r.destination.prefixlen == 0)

    def _log(self, level: Level, text: str) -> None:
        self._out.append(Log(level, text))


def _versions(addresses: Iterable[IP]) -> set[int]:
    return {ip.version for ip in addresses}
