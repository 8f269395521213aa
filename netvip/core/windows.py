"""Windows: the seconds in which networkd changes an interface, and when they are over.

A window opens with an announcement or a loss. It ends when the interface is quiet, at the latest at
its deadline.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netvip.const import (
    ANNOUNCED_FOR,
    ANSWER_LIMIT,
    NEVER,
    PATIENT_QUIET,
    QUIET_FOR,
    WINDOW_LIMIT,
    WINDOW_LIMIT_DHCP,
    WINDOW_LONGEST,
)
from netvip.core.actions import Action, Level, Log
from netvip.core.mirror import Mirror
from netvip.core.model import IP, AddressKey, Tri
from netvip.core.plan import build

#: A stop during a window waits this long for the interface to be quiet; systemd allows 15 s.
STOP_LIMIT = 3.0

Keys = frozenset[AddressKey]


@dataclass(slots=True)
class Window:
    """The window of one interface. Windows changes it."""

    ifindex: int
    reason: str
    opened: float
    deadline: float
    #: The host's own addresses as the window opened.
    own: frozenset[AddressKey]
    #: IP version and table of the interface's default routes as the window opened.
    defaults: frozenset[tuple[int, int]]
    #: The tables that had a default route by a router's advertisement.
    advertised: frozenset[int] = frozenset()
    announced: float = float("-inf")
    changed: float = float("-inf")

    def announce(self, now: float, limit: float) -> None:
        """networkd was told to act (again): its deletions may still follow.

        However often networkd is told so (any user may call its methods, if only to be refused), a
        window ends: the VIP is put back, and the next announcement opens another window.
        """
        self.announced = max(self.announced, now)
        self.deadline = max(self.deadline, min(now + limit, self.opened + WINDOW_LONGEST))

    def retract(self) -> None:
        """networkd refused what had opened the window."""
        self.announced = float("-inf")

    def note_change(self, now: float) -> None:
        """An address or a route of the interface changed."""
        self.changed = max(self.changed, now)

    def quiet_at(self) -> float:
        """When the interface is quiet, if nothing changes any more."""
        return max(self.announced + ANNOUNCED_FOR, self.changed + QUIET_FOR, self.opened)

    def patient_at(self) -> float:
        """When it has been quiet for long enough although networkd does not report that it is
        done."""
        return max(self.quiet_at(), self.announced + PATIENT_QUIET, self.changed + PATIENT_QUIET)

    def due(self, now: float) -> float:
        """The next time at which the window may end, if nothing happens."""
        moments = (self.quiet_at(), self.patient_at(), self.deadline, NEVER)
        return min(t for t in moments if t > now or t == self.deadline)

    def shorten(self, now: float, limit: float) -> None:
        """The daemon stops: do not wait for a deletion that is merely likely."""
        self.announced = float("-inf")
        self.deadline = min(self.deadline, now + limit)


class Windows(dict[int, Window]):
    """The open windows by interface number, and what networkd and systemd report of their work."""

    def __init__(self, mirror: Mirror, outbox: list[Action]) -> None:
        super().__init__()
        self._mirror, self._out = mirror, outbox
        self._networkd = Tri.UNKNOWN
        self._jobs = 0
        # By method call without an answer: when it was seen, and the interface (0: all).
        self._calls: dict[str, tuple[float, int]] = {}
        # By interface, whether networkd has finished with it.
        self._final: dict[int, Tri] = {}
        # By interface, whether networkd manages it.
        self._managed: dict[int, Tri] = {}
        self._stopping = False

    @property
    def networkd(self) -> Tri:
        """Whether networkd is on the bus."""
        return self._networkd

    # --- open and close -------------------------------------------------------------------------

    def open(self, now: float, ifindex: int, reason: str, vips: Keys) -> None:
        """Open the interface's window, if there is none."""
        if ifindex in self:
            return
        deadline = now + self._limit(ifindex, vips)
        own, defaults = self._own(ifindex, vips), self._defaults(ifindex)
        routers = self._advertised(ifindex)
        window = Window(ifindex, reason, now, deadline, own, defaults, routers, changed=now)
        self[ifindex] = window
        self._log(Level.NOTICE, f"{self._mirror.name(ifindex)}: window opened: {reason}")
        if self._stopping:
            window.shorten(now, STOP_LIMIT)

    def announce(self, now: float, ifindex: int, reason: str, vips: Keys) -> None:
        """networkd is about to act on an interface: open its window, or keep it open."""
        self.open(now, ifindex, reason, vips)
        self[ifindex].announce(now, self._limit(ifindex, vips))

    def called(self, now: float, call: str, ifindex: int) -> None:
        """A process called a method of networkd's on an interface, or on all (0)."""
        self._calls[call] = (now, ifindex)

    def answered(self, now: float, call: str, refused: bool, vips: Keys) -> None:
        """networkd answered a call: it acts from now on, or does not act at all."""
        if call not in self._calls:
            return
        called, ifindex = self._calls.pop(call)
        for window in self.values():
            if ifindex not in (0, window.ifindex):
                continue
            if not refused:
                window.announce(now, self._limit(window.ifindex, vips))
            elif window.opened == window.announced == called:
                window.retract()

    def close(self, window: Window, now: float) -> None:
        """The window is over."""
        del self[window.ifindex]
        took = round((now - window.opened) * 1000)
        name = self._mirror.name(window.ifindex)
        self._log(Level.INFO, f"{name}: window closed after {took} ms")

    def stop(self, now: float) -> None:
        """The daemon stops: windows end soon."""
        self._stopping = True
        for window in self.values():
            window.shorten(now, STOP_LIMIT)

    def quiet(self, window: Window, now: float, vips: Keys) -> bool:
        """Whether the interface is quiet: networkd is done, as far as can be known."""
        if now < window.quiet_at() or self._jobs or now < self._answered_by(window):
            return False
        all_there = all(self._mirror.get(key) is not None for key in window.own)
        if not all_there and not self._has_own_again(window, vips):
            return False
        # networkd asks for another advertisement, and does not count it as its work.
        if not window.advertised <= self._advertised(window.ifindex):
            return False
        final = self._final.get(window.ifindex, Tri.UNKNOWN)
        if self._networkd is Tri.YES and final is Tri.YES:
            return True
        if self._networkd is Tri.YES and final is Tri.UNKNOWN and now < window.patient_at():
            return False  # it has just started and not answered yet
        # Without networkd's report that it is done, the default route has to be back as well ...
        if not window.defaults <= self._defaults(window.ifindex):
            return False
        # ... and while it reports that it is not, every address, and a longer quiet.
        busy = self._networkd is Tri.YES and final is Tri.NO
        if not busy:
            return True
        if now < window.patient_at():
            return False
        return all_there or _ips(window.own) <= _ips(self._own(window.ifindex, vips))

    def _has_own_again(self, window: Window, vips: Keys) -> bool:
        """Whether the host has addresses of its own again in each version that it had one in."""
        return _versions(window.own) <= _versions(self._own(window.ifindex, vips))

    def due(self, now: float) -> float:
        """When the next window may end, if nothing happens."""
        waits = [t for w in self.values() if (t := self._answered_by(w)) > now]
        return min([NEVER, *waits, *(window.due(now) for window in self.values())])

    # --- what happens meanwhile -----------------------------------------------------------------

    def note_change(self, ifindex: int, now: float) -> None:
        """An address or a route of an interface changed."""
        if (window := self.get(ifindex)) is not None:
            window.note_change(now)

    def networkd_running(self, now: float, running: Tri) -> None:
        """networkd came to the bus or left it: what it reported before is void."""
        self._networkd = running
        self._final.clear()
        self._managed.clear()
        if running is not Tri.YES:
            self._calls.clear()
        self._note_change_everywhere(now)

    def managed(self, ifindex: int) -> Tri:
        """Whether networkd manages an interface, by its last report."""
        return self._managed.get(ifindex, Tri.UNKNOWN)

    def link_state(self, now: float, ifindex: int, final: Tri, managed: Tri) -> None:
        """networkd reports whether it has finished with an interface, and whether it manages it."""
        self._managed[ifindex] = managed
        if self._final.get(ifindex) is not final:
            self.note_change(ifindex, now)
        self._final[ifindex] = final

    def link_gone(self, ifindex: int) -> None:
        """An interface is gone, and what networkd reported of it."""
        self._final.pop(ifindex, None)
        self._managed.pop(ifindex, None)

    def jobs_pending(self, now: float, pending: int) -> bool:
        """systemd reports how many jobs for networkd and keepalived are under way; whether one
        has ended."""
        ended = pending < self._jobs
        self._jobs = pending
        if ended:
            self._note_change_everywhere(now)
        return ended

    def _answered_by(self, window: Window) -> float:
        """Until when to wait for networkd's answers to calls that concern a window."""
        mine = [at for at, ifindex in self._calls.values() if ifindex in (0, window.ifindex)]
        return max(mine, default=float("-inf")) + ANSWER_LIMIT

    def _note_change_everywhere(self, now: float) -> None:
        for window in self.values():
            window.note_change(now)

    # --- the interface --------------------------------------------------------------------------

    def _limit(self, ifindex: int, vips: Keys) -> float:
        """For how many seconds a window may last."""
        own = build.own_addresses(self._mirror, ifindex, vips)
        dynamic = any(address.dynamic and address.ip.version == 4 for address in own)
        return WINDOW_LIMIT_DHCP if dynamic else WINDOW_LIMIT

    def _own(self, ifindex: int, vips: Keys) -> frozenset[AddressKey]:
        own = build.own_addresses(self._mirror, ifindex, vips)
        return frozenset(address.key for address in own)

    def _defaults(self, ifindex: int) -> frozenset[tuple[int, int]]:
        routes = self._mirror.every_route(ifindex)
        defaults = (r for r in routes if not r.destination.prefixlen and not build.by_daemon(r))
        return frozenset((route.destination.version, route.table) for route in defaults)

    def _advertised(self, ifindex: int) -> frozenset[int]:
        routes = self._mirror.every_route(ifindex)
        return frozenset(r.table for r in routes if r.by_router and not r.destination.prefixlen)

    def _log(self, level: Level, text: str) -> None:
        self._out.append(Log(level, text))


def _ips(addresses: Iterable[AddressKey]) -> set[IP]:
    return {key.ip for key in addresses}


def _versions(addresses: Iterable[AddressKey]) -> set[int]:
    return {key.ip.version for key in addresses}
