"""Putting VIPs back that were deleted: by which evidence, how often, and when they go again.

Laws 1, 4, 5 and 6: a VIP is put back exactly as it was, only while this node is MASTER by evidence
newer than the loss, never in a conflict, and is removed again if the node has left MASTER.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netvip.const import (
    NEVER,
    PACE_COUNT,
    PACE_PERIOD,
    RECHECK_GRACE,
    RESTORE_EACH,
    RESTORE_LIMIT,
    RETRACT_AFTER,
)
from netvip.core.actions import Action, PutBack, Remove
from netvip.core.instance.conflict import Conflict
from netvip.core.instance.mastership import Mastership
from netvip.core.instance.presence import Presence
from netvip.core.loss import Loss
from netvip.core.model import Address, AddressKey, AuthorKind, Tri
from netvip.core.pacing import Pace

#: networkd may delete a VIP again that goes back at once (IPv6, or without a shield) while it still
#: configures the interface; more often than this it is no configuration that ends.
AT_ONCE_LIMIT = 5


class Restore:
    """The losses of one instance and what was put back for them."""

    def __init__(
        self,
        presence: Presence,
        mastership: Mastership,
        conflict: Conflict,
        outbox: list[Action],
    ) -> None:
        self._presence, self._mastership, self._conflict = presence, mastership, conflict
        self._out = outbox
        self._losses: dict[AddressKey, Loss] = {}
        self._put_back: dict[AddressKey, Address] = {}
        self._unfinished: frozenset[AddressKey] = frozenset()
        self._pace = Pace(PACE_COUNT, PACE_PERIOD)
        # How often each VIP went back at once since protection began.
        self._at_once: dict[AddressKey, int] = {}
        # Fewest VIPs, of all instances, that were missing since they were put back.
        self._left = 0
        self._sent_at = float("-inf")
        #: When the kernel should have added what was sent, and when evidence of MASTER that is
        #: newer than the put-back should have come.
        self.add_by = self.confirm_by = NEVER
        #: When to look whether what was put back has to be removed again.
        self.remove_at = NEVER

    # --- losses ---------------------------------------------------------------------------------

    def lost(self, loss: Loss) -> None:
        """A VIP was deleted that keepalived still holds."""
        self._losses[loss.address.key] = loss
        self._put_back.pop(loss.address.key, None)

    def forget_losses(self) -> None:
        """The VIPs are back, or another node is MASTER."""
        self._losses.clear()

    @property
    def count(self) -> int:
        """How many VIPs were deleted since all was well."""
        return len(self._losses)

    @property
    def any_lost(self) -> bool:
        """Whether a VIP was deleted since all was well."""
        return bool(self._losses)

    def allows(self, loss: Loss) -> bool:
        """Whether netvip may put back what this loss took (Law 6); an answer of yes counts as one
        of the attempts that other processes' deletions have in a minute."""
        unlimited = loss.announced or loss.author.kind is AuthorKind.NETWORKD
        return unlimited or self._pace.allow(loss.time)

    # --- evidence -------------------------------------------------------------------------------

    def may(self, now: float, keys: Iterable[AddressKey]) -> bool:
        """Whether all of these may be put back on their interface now."""
        if self._conflict.confirmed or not self._is_master(now):
            return False
        return all(self.knows(key) and self._still_keepalived_s(key) for key in keys)

    def knows(self, key: AddressKey) -> bool:
        """Whether netvip knows what the VIP looked like, and keepalived leaves it to netvip."""
        presence = self._presence
        vip = presence.vip(key)
        if vip is None or key not in presence.memory:
            return False
        return not (vip.tracked and presence.spec.watches_addresses)

    def _still_keepalived_s(self, key: AddressKey) -> bool:
        # keepalived deletes without an advert when a reload drops the VIP from its configuration
        # (fact release-is-announced): unless networkd is known to have deleted it, a dump has to
        # say that the VIP is still its.
        loss = self._losses.get(key)
        if loss is None:
            return False
        if loss.author.kind is AuthorKind.NETWORKD:
            return self._mastership.confirmed_since(loss.time)
        return self._mastership.dumped_at >= loss.time

    def why_not(self, now: float) -> str:
        """Why the missing VIPs may not be put back, for the journal."""
        if not self._is_master(now):
            return "there is no fresh evidence that this node is MASTER"
        if self._conflict.confirmed:
            return f"another host ({self._conflict.words}) answers for it"
        watched = self._presence.spec.watches_addresses
        if watched and any(vip.tracked for vip in self._presence.missing()):
            return "keepalived tracks it and adds it again itself (assisted)"
        return "keepalived has not confirmed that it still holds it"

    def _is_master(self, now: float) -> bool:
        return self._mastership.is_master(now, self._presence.spec) is Tri.YES

    # --- putting back ---------------------------------------------------------------------------

    @property
    def put_back(self) -> Mapping[AddressKey, Address]:
        """What netvip added and keepalived has not taken over since."""
        return self._put_back

    def begin_window(self) -> None:
        """Protection begins: VIPs may go back at once again."""
        self._at_once.clear()

    def put_back_missing(self, now: float) -> None:
        """Put back everything that is missing, in the order in which keepalived had added it."""
        absent = self._presence.absent
        self._expect(now, self._presence.absent_of_all)
        self._send([key for key in self._presence.memory if key in absent], now)

    def progress(self, now: float) -> None:
        """A VIP is on its interface, and others are not yet: many of them take longer."""
        if (left := self._presence.absent_of_all) < self._left:
            self._expect(now, left)

    def _expect(self, now: float, left: int) -> None:
        """So many VIPs wait for the kernel, of all instances: they have one queue."""
        self.add_by, self._left = now + RESTORE_LIMIT + left * RESTORE_EACH, left

    def put_back_at_once(self, loss: Loss) -> None:
        """Put one VIP back that a shield cannot stand in for: IPv6, on a VMAC, or where a packet
        filter blocks the shield."""
        key = loss.address.key
        before = self._at_once.get(key, 0)
        allowed = before < AT_ONCE_LIMIT and not self._conflict.confirmed
        if allowed and self.knows(key) and self._is_master(loss.time):
            self._at_once[key] = before + 1
            self._send([key], loss.time)

    def _send(self, keys: list[AddressKey], now: float) -> None:
        self._sent_at = now
        addresses = [self._presence.memory[key] for key in keys]
        self._put_back.update({address.key: address for address in addresses})
        self._out.append(PutBack(self._presence.spec.name, tuple(addresses)))

    def expect_confirmation(self, now: float) -> None:
        """The VIPs are present again: evidence of MASTER has to follow."""
        self.confirm_by = now + self._presence.spec.advert_interval + RECHECK_GRACE

    @property
    def confirmed(self) -> bool:
        """Whether the evidence of MASTER is newer than the put-back (Law 1)."""
        return self._mastership.confirmed_since(self._sent_at)

    @property
    def answers_every_loss(self) -> bool:
        """Whether something was lost and everything has been put back since."""
        return self._sent_at >= max((loss.time for loss in self._losses.values()), default=NEVER)

    def milliseconds_away(self, now: float) -> int:
        """For how long the VIPs were off the interface."""
        first = min((loss.time for loss in self._losses.values()), default=now)
        return round((self._sent_at - first) * 1000)

    # --- removing again -------------------------------------------------------------------------

    def left_master(self, now: float) -> None:
        """The node may have left MASTER: what was put back may have to go (Law 1)."""
        if self._put_back and self.remove_at == NEVER:
            self.remove_at = now + RETRACT_AFTER

    def remove_again(self) -> tuple[Address, ...]:
        """Remove what was put back if keepalived itself says that the node left MASTER; return
        what is removed."""
        self.remove_at = NEVER
        if not self._mastership.left:
            return ()  # keepalived has not said so: its next dump says it, if it has
        left = self._remove(self._put_back)
        self._put_back.clear()
        return left

    def ended(self) -> tuple[Address, ...]:
        """keepalived no longer has the instance; what was put back is removed and returned."""
        return self._remove(self._put_back)

    def _remove(self, keys: Iterable[AddressKey]) -> tuple[Address, ...]:
        """Remove them, also those of which the kernel has not reported yet that they are there; of
        many the last are added when the first are long seen. Return those that are seen."""
        put_back = tuple(self._put_back[key] for key in keys)
        if put_back:
            self._out.append(Remove(put_back))
        return tuple(address for address in put_back if self._presence.has(address.key))

    # --- across daemons and configurations ------------------------------------------------------

    def recall(self, put_back: Iterable[Address]) -> None:
        """Take over what an earlier daemon had put back and what it left undone."""
        keys = self._presence.keys()
        self._put_back.update({a.key: a for a in put_back if a.key in keys})
        missing = {key for key in self._presence.memory if not self._presence.has(key)}
        self._unfinished = frozenset(key for key in missing if self.knows(key))

    @property
    def unfinished(self) -> bool:
        """Whether an earlier daemon left something undone."""
        return bool(self._unfinished)

    def take_unfinished(self) -> tuple[Address, ...]:
        """The VIPs that an earlier daemon left undone, once: a later absence is keepalived's."""
        unfinished, self._unfinished = self._unfinished, frozenset()
        return tuple(self._presence.memory[key] for key in unfinished)

    def reconfigured(self) -> tuple[Address, ...]:
        """keepalived runs another configuration; VIPs that it no longer holds are forgotten. One
        that was put back although keepalived's reload had deleted it is removed and returned: an
        IPv6 VIP goes back before a dump can tell."""
        keys = self._presence.keys()
        gone = self._remove(key for key in self._put_back if key not in keys)
        self._put_back = {key: a for key, a in self._put_back.items() if key in keys}
        self._losses = {key: loss for key, loss in self._losses.items() if key in keys}
        return gone
