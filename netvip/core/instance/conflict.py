"""Somebody else answers for a VIP: never fought (Law 4)."""

from __future__ import annotations

from netvip.const import CARRY_GRACE, CONFLICT_YIELD_AGAIN, LEASE
from netvip.core.actions import Level
from netvip.core.instance import messages
from netvip.core.model import InstanceSpec


class Conflict:
    """Who answers besides the master, since when, and whether that is more than a last shield."""

    def __init__(self) -> None:
        self.macs: frozenset[bytes] = frozenset()
        self.confirmed = False
        self._first = float("-inf")
        self._clean = 0
        self._seen_as_backup: frozenset[bytes] = frozenset()
        self._spent_until = float("-inf")
        self._spent = self._begun_as_backup = False

    @property
    def suspected(self) -> bool:
        """Whether somebody else answered at the last examination; no announcement then."""
        return bool(self.macs)

    @property
    def words(self) -> str:
        """Who it is."""
        return messages.macs(self.macs)

    def sentence(self, backup: bool) -> tuple[Level, str]:
        """What is known, for the journal."""
        besides = "besides the master" if backup else "as well"
        if not self.confirmed:
            return Level.WARNING, f"{self.words} answers for the VIPs {besides}: looking again"
        follows = "" if backup else ", which are neither put back nor announced any more"
        return Level.ERROR, f"conflict: {self.words} answers for the VIPs {besides}{follows}"

    def seen(self, now: float, macs: frozenset[bytes], spec: InstanceSpec, backup: bool) -> bool:
        """They answered; whether that was news. A master's last shield answers for as long as it
        may live and no longer, so what answers twice, further apart than that, is no shield."""
        news = not macs <= self.macs
        if not self.macs:
            self._first, self._begun_as_backup = now, backup
        self.macs, self._clean = macs, 0
        if backup:
            self._seen_as_backup |= macs
        life = max(spec.master_down + CARRY_GRACE, LEASE)
        if not self.confirmed and now - self._first > life:
            self.confirmed = news = True
        return news

    def clean(self, rise: int) -> bool:
        """Nobody else answered; whether a conflict has ended by that."""
        self._clean += 1
        if self.confirmed and self._clean < rise:
            return False
        ended, self.confirmed = self.confirmed, False
        self.macs = self._seen_as_backup = frozenset()
        self._spent = False
        return ended

    def forget(self) -> None:
        """This node is MASTER now: what it saw as BACKUP, where it went by the other's adverts, is
        no reason to leave a VIP away. Who was seen is remembered."""
        if self._begun_as_backup:
            self.macs, self.confirmed, self._clean = frozenset(), False, 0

    def may_yield(self, now: float) -> bool:
        """Whether the one yield is left, and may help: whoever answered while the other node was
        master will not be moved by another change of masters."""
        spent = self._spent or now < self._spent_until or self.macs <= self._seen_as_backup
        return self.confirmed and not spent

    def yielded(self, now: float) -> None:
        """The one yield is spent, and a duplicate that comes and goes moves nothing again soon."""
        self._spent = True
        self._spent_until = now + CONFLICT_YIELD_AGAIN
