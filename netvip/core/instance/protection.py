"""Shield and bridge of an instance: put up, renewed, handed on to another master, removed.

keepalived announces its VIPs (gratuitous ARP, unsolicited NA) up to 9.7 ms after its first advert,
and until then the neighbours send to the old master (fact announcement-follows-advert): a shield
that was removed with the advert lost two probes at 1 ms in one hand-over of five. So it is removed
with the announcement (Law 2).
"""

from __future__ import annotations

from collections.abc import Iterable

from netvip.const import CARRY_GRACE, NEVER, PASSING_LIMIT, RENEW_EVERY
from netvip.core.actions import Action, Protect, Renew, Unprotect
from netvip.core.model import IP


class Protection:
    """What is up, and for how long. It appends what is to be done to the outbox it was given."""

    def __init__(self, instance: str, outbox: list[Action], blocked: bool = False) -> None:
        self._instance, self._out = instance, outbox
        self._blocked = blocked
        self._renew_at = self._pass_by = self._carry_until = NEVER
        self._unannounced: frozenset[IP] = frozenset()

    def __bool__(self) -> bool:
        """Whether shield and bridge are up."""
        return self.due != NEVER

    @property
    def due(self) -> float:
        """When tick() has something to do."""
        return min(self._renew_at, self._pass_by)

    @property
    def blocked(self) -> bool:
        """Whether a packet filter drops what reaches a VIP that is on lo."""
        return self._blocked

    @property
    def carry_until(self) -> float:
        """Until when it may outlive MASTER while no other master is known."""
        return self._carry_until

    def block(self, blocked: bool) -> None:
        """A packet filter was found that makes a shield do harm, or is gone."""
        self._blocked = blocked

    def up(self, now: float) -> None:
        """Put them up, or keep what was to be removed."""
        if not self._blocked:
            self._out.append(Renew(self._instance) if self else Protect(self._instance))
        self._renew_at, self._pass_by = now + RENEW_EVERY, NEVER

    def renew(self) -> None:
        """Renew the shield's leases now, as part of it was deleted."""
        self._out.append(Renew(self._instance))

    def restore(self, now: float) -> None:
        """Add the bridge again: the kernel deleted it with the carrier (fact nexthops-survive)."""
        if self and not self._blocked:
            self._out.append(Renew(self._instance, bridge=True))
            self._renew_at = min(self._renew_at, now + RENEW_EVERY)

    def carry(self, now: float, master_down: float) -> None:
        """keepalived left MASTER; seconds until the peer has taken over, if it does."""
        self._carry_until = now + master_down + CARRY_GRACE

    def pass_on(self, now: float, ips: Iterable[IP]) -> None:
        """Another node is MASTER: remove them as soon as it has announced these addresses."""
        self._renew_at, self._pass_by = NEVER, now + PASSING_LIMIT
        self._unannounced = frozenset(ips)

    def announced_by_other(self, ip: IP) -> None:
        """Another node announced an address."""
        self._unannounced -= {ip}
        if self._pass_by != NEVER and not self._unannounced:
            self.down()

    def down(self) -> None:
        """Remove them, if they are up."""
        if self:
            self._out.append(Unprotect(self._instance))
        self._renew_at = self._pass_by = NEVER

    def tick(self, now: float) -> None:
        """Renew the shield's leases, or stop waiting for an announcement."""
        if now >= self._pass_by:
            self.down()
        elif now >= self._renew_at:
            self.up(now)
