"""What a request means for the node: a hold, a hand-over, or an announcement of networkd's acts."""

from __future__ import annotations

from enum import Enum

from netvip.const import HOLD_LEASE, HOLDS_MOST
from netvip.core.actions import Action, Level, Log, SaveHolds
from netvip.core.events import ChangeExpected, Request, RequestKind
from netvip.core.mirror import Mirror
from netvip.core.model import Tri
from netvip.core.requests.holds import Holds

#: The reason of the hold that apt takes.
APT = "apt"
#: networkd's state of a link on which it is about to act.
CONFIGURING = "configuring"

ANNOUNCED = {
    RequestKind.KEEPALIVED_STOPS: "keepalived is about to stop",
    RequestKind.NETWORKD_STOPS: "systemd-networkd is about to stop",
    RequestKind.NETWORKD_STOPPED: "systemd-networkd has stopped",
    RequestKind.NETWORKD_STARTED: "systemd-networkd has started",
}


class AptPolicy(Enum):
    """What an apt run means: be ready, hand the VIPs over first, or nothing."""

    HOLD = "hold"
    YIELD = "yield"
    IGNORE = "ignore"


class RequestHandler:
    """Keeps the holds. A hold has plans made and stops nothing: failover works as without it."""

    def __init__(self, mirror: Mirror, outbox: list[Action]) -> None:
        self.holds = Holds()
        self._apt = AptPolicy.HOLD
        self._mirror, self._out = mirror, outbox

    def configure(self, apt: AptPolicy) -> None:
        """What an apt run means."""
        self._apt = apt

    def take(self, event: Request) -> None:
        """Take or release a hold, if the request is one."""
        heeded = self._apt is not AptPolicy.IGNORE
        match event.kind:
            case RequestKind.HOLD:
                self._hold(event.time, event.subject, event.seconds)
            case RequestKind.UPGRADED:
                self._log(
                    Level.INFO, "systemd or keepalived was upgraded; reading their state again"
                )
            case RequestKind.RELEASE:
                self._release(event.subject)
            case RequestKind.APT_BEGINS if heeded:
                self._hold(event.time, APT, HOLD_LEASE)
            case RequestKind.APT_ENDED if heeded:
                self._release(APT)

    def announced(self, event: Request, networkd: Tri) -> ChangeExpected | None:
        """The announcement that an event is, if it is one."""
        if event.kind is RequestKind.LINK:
            # The dispatcher is slow: where the bus is reachable it reports nothing new.
            if event.state == CONFIGURING and networkd is not Tri.YES:
                reason, ifindex = "networkd-dispatcher reports configuring", self.ifindex(event)
                return ChangeExpected(event.time, reason, ifindex) if ifindex else None
            return None
        said = ANNOUNCED.get(event.kind)
        return ChangeExpected(event.time, said) if said else None

    def ifindex(self, event: Request) -> int:
        """The number of the interface that an event is about; 0 if there is none such."""
        return self._mirror.index(event.subject) if event.kind is RequestKind.LINK else 0

    def yields(self, event: Request, instance: str) -> bool:
        """Whether an instance is asked to hand its VIPs over."""
        if event.kind is RequestKind.APT_BEGINS:
            return self._apt is AptPolicy.YIELD
        return event.kind is RequestKind.YIELD and event.subject == instance

    def tick(self, now: float) -> None:
        """End the holds whose leases have expired."""
        over = self.holds.expired(now)
        for hold in over:
            self._log(Level.WARNING, f"hold '{hold.reason}' expired: it was never released")
        if over:
            self._save()

    def _hold(self, now: float, reason: str, seconds: float) -> None:
        if not self.holds.take(reason, now + seconds):
            self._log(Level.WARNING, f"hold '{reason}' refused: {HOLDS_MOST} holds exist already")
            return
        self._log(Level.INFO, f"hold '{reason}' taken for at most {seconds:.0f} s")
        self._save()

    def _release(self, reason: str) -> None:
        if self.holds.release(reason):  # else its lease was over, or it was never taken
            self._log(Level.INFO, f"hold '{reason}' released")
            self._save()

    def _save(self) -> None:
        self._out.append(SaveHolds(tuple(self.holds)))

    def _log(self, level: Level, text: str) -> None:
        self._out.append(Log(level, text))
