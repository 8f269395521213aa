"""Shield and bridge of an instance: put up, renewed, passed on to another master, taken down.

keepalived announces its VIPs (gratuitous ARP, unsolicited NA) up to 6 ms after its first advert,
and until then the neighbours send to the old master: a shield that went with the advert lost two
probes at 1 ms in one hand-over of five. So it goes with the announcement.
"""

from __future__ import annotations

from collections.abc import Iterable

from netvip.const import PASSING_LIMIT, RENEW_EVERY
from netvip.core.actions import Action, Protect, Renew, Unprotect
from netvip.core.model import IP

NEVER = float("inf")


class Protection:
    """What is up, and for how long. It appends what is to be done to the outbox it was given."""

    def __init__(self, instance: str, outbox: list[Action]) -> None:
        self._instance, self._out = instance, outbox
        #: Whether a packet filter makes a shield do harm.
        self.hurts = False
        self._renew_at = self._pass_by = NEVER
        self._unclaimed: frozenset[IP] = frozenset()

    def __bool__(self) -> bool:
        """Whether shield and bridge are up."""
        return self.due != NEVER

    @property
    def due(self) -> float:
        """When tick() has something to do."""
        return min(self._renew_at, self._pass_by)

    def up(self, now: float) -> None:
        """Put them up, or keep up what was to go."""
        if not self.hurts:
            self._out.append(Renew(self._instance) if self else Protect(self._instance))
        self._renew_at, self._pass_by = now + RENEW_EVERY, NEVER

    def pass_on(self, now: float, ips: Iterable[IP]) -> None:
        """Another is master: take them down as soon as it has announced these addresses."""
        self._renew_at, self._pass_by = NEVER, now + PASSING_LIMIT
        self._unclaimed = frozenset(ips)

    def claimed(self, ip: IP) -> None:
        """Another node announced an address."""
        self._unclaimed -= {ip}
        if self._pass_by != NEVER and not self._unclaimed:
            self.down()

    def down(self) -> None:
        """Take them down, if they are up."""
        if self:
            self._out.append(Unprotect(self._instance))
        self._renew_at = self._pass_by = NEVER

    def tick(self, now: float) -> None:
        """Renew the shield's leases, or end a passing that nobody announced."""
        if now >= self._pass_by:
            self.down()
        elif now >= self._renew_at:
            self.up(now)
