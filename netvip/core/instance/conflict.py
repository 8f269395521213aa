"""Another host answers for a VIP: netvip never fights it (Law 4)."""

from __future__ import annotations

from netvip.const import CARRY_GRACE, CONFLICT_YIELD_AGAIN, LEASE
from netvip.core.actions import Level
from netvip.core.instance import messages
from netvip.core.model import InstanceSpec


class Conflict:
    """Which hosts answer besides the master, since when, and whether that is more than the shield
    of a former master."""

    def __init__(self) -> None:
        self._macs: frozenset[bytes] = frozenset()
        self._confirmed = False
        self._first = float("-inf")
        self._clean = 0
        self._seen_as_backup: frozenset[bytes] = frozenset()
        self._spent_until = float("-inf")
        self._spent = self._begun_as_backup = False

    @property
    def confirmed(self) -> bool:
        """Whether the other host was found twice, further apart than a shield can live."""
        return self._confirmed

    @property
    def suspected(self) -> bool:
        """Whether another host answered at the last check; the VIPs are not announced then."""
        return bool(self._macs)

    @property
    def words(self) -> str:
        """The hosts' hardware addresses."""
        return messages.macs(self._macs)

    def sentence(self, backup: bool) -> tuple[Level, str]:
        """What is known, for the journal."""
        besides = " besides the master" if backup else ""
        found = f"another host ({self.words}) answers for the VIPs{besides}"
        if not self._confirmed:
            return Level.WARNING, f"{found}; checking again"
        follows = "" if backup else "; no longer putting them back or announcing them"
        return Level.ERROR, f"conflict: {found}{follows}"

    def seen(self, now: float, macs: frozenset[bytes], spec: InstanceSpec, backup: bool) -> bool:
        """They answered; whether that is news. The shield of a former master answers for as long as
        it may live, so a host that answers twice, further apart than that, is no shield."""
        news = not macs <= self._macs
        if not self._macs:
            self._first, self._begun_as_backup = now, backup
        self._macs, self._clean = macs, 0
        if backup:
            self._seen_as_backup |= macs
        life = max(spec.master_down + CARRY_GRACE, LEASE)
        if not self._confirmed and now - self._first > life:
            self._confirmed = news = True
        return news

    def clean(self, rise: int) -> bool:
        """No other host answered; whether a conflict has ended by that."""
        self._clean += 1
        if self._confirmed and self._clean < rise:
            return False
        ended, self._confirmed = self._confirmed, False
        self._macs = self._seen_as_backup = frozenset()
        self._spent = False
        return ended

    def forget(self) -> None:
        """This node is MASTER now: what it found as BACKUP, when it knew the master only by its
        adverts, is no reason not to put a VIP back. The hosts that were seen are remembered."""
        if self._begun_as_backup:
            self._macs, self._confirmed, self._clean = frozenset(), False, 0

    def may_yield(self, now: float) -> bool:
        """Whether the one hand-over is left, and may help: a host that answered while the peer was
        MASTER would answer after another change of masters as well."""
        spent = self._spent or now < self._spent_until or self._macs <= self._seen_as_backup
        return self._confirmed and not spent

    def yielded(self, now: float) -> None:
        """The one hand-over is spent; a conflict that begins again soon causes no other."""
        self._spent = True
        self._spent_until = now + CONFLICT_YIELD_AGAIN
