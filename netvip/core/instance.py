"""One VRRP instance on its way through the phases of states.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from netvip.const import (
    CARRY_GRACE,
    PACE_COUNT,
    PACE_PERIOD,
    RECHECK_GRACE,
    RENEW_EVERY,
    RESTORE_LIMIT,
    RETRACT_AFTER,
    TAG,
)
from netvip.core.actions import (
    Action,
    Announce,
    Level,
    Log,
    Plan,
    Prepare,
    Protect,
    PutBack,
    Renew,
    RequestDump,
    TakeAway,
    Track,
    Unprotect,
)
from netvip.core.letgo import LetGo
from netvip.core.mastership import Mastership
from netvip.core.mirror import Mirror
from netvip.core.model import (
    Address,
    AddressKey,
    Author,
    AuthorKind,
    InstanceSpec,
    Role,
    Tri,
    Vip,
)
from netvip.core.pacing import Pace
from netvip.core.states import IN_FAULT, PROTECTED, TABLE, Phase, Trigger, follow

NEVER = float("inf")
#: A VIP that goes back at once (IPv6, or no shield) may be taken again by the same act of
#: networkd's; more often than this it is a quarrel.
AT_ONCE_LIMIT = 5


#: Two adverts, or a second dump, tell a new daemon whether this node is MASTER.
UNKNOWN_FOR = 2.5


@dataclass(frozen=True, slots=True)
class Loss:
    """A VIP that was taken: when, and by whom."""

    time: float
    author: Author


class Instance:
    """The machine of one instance. It appends what is to be done to the outbox it was given."""

    def __init__(self, spec: InstanceSpec, mirror: Mirror, outbox: list[Action]) -> None:
        self.spec = spec
        self.phase = Phase.WATCHING
        self.mastership = Mastership()
        self.memory: dict[AddressKey, Address] = {}
        self.put_back: dict[AddressKey, Address] = {}
        self.losses: dict[AddressKey, Loss] = {}
        self.prepared: Plan | None = None
        self.unfinished: frozenset[AddressKey] = frozenset()
        self.shield_hurts = False
        self.carry_until = NEVER
        self.born = float("-inf")
        self.letgo = LetGo(self._move, self._log)
        self._mirror, self._out = mirror, outbox
        self._pace = Pace(PACE_COUNT, PACE_PERIOD)
        self._renew_at = self._restore_by = self._check_by = self._retract_at = NEVER
        self._put_at = self._dumped_at = float("-inf")
        self._at_once_left = AT_ONCE_LIMIT

    # --- what it has ----------------------------------------------------------------------------

    @property
    def home(self) -> int:
        """Number of the interface that the VIPs are on; 0 while there is none of that name."""
        return self._mirror.index(self.spec.vips[0].interface if self.spec.vips else "")

    def key(self, vip: Vip) -> AddressKey:
        """Where the kernel has this VIP."""
        return AddressKey(self._mirror.index(vip.interface), vip.ip, vip.prefixlen)

    def vip_keys(self) -> frozenset[AddressKey]:
        """Where the kernel has the VIPs."""
        return frozenset(map(self.key, self.spec.vips))

    def missing(self) -> list[Vip]:
        """The VIPs that are not on their interface."""
        return [vip for vip in self.spec.vips if self._mirror.get(self.key(vip)) is None]

    def master(self, now: float) -> Tri:
        """Whether this node is MASTER, by fresh evidence."""
        return self.mastership.is_master(now, self.spec)

    @property
    def protected(self) -> bool:
        """Whether shield and bridge are up."""
        return self.phase in PROTECTED

    def remember(self) -> None:
        """Note what the VIPs look like while nobody touches them."""
        for vip in self.spec.vips:
            if (present := self._mirror.get(self.key(vip))) is not None:
                self.memory[present.key] = present

    def recall(self, known: Iterable[Address], put_back: Iterable[Address]) -> None:
        """Take over what an earlier daemon knew of the VIPs, and what it left undone."""
        keys = self.vip_keys()
        self.memory.update({a.key: a for a in known if a.key in keys})
        self.put_back.update({a.key: a for a in put_back if a.key in keys})
        missing = {key for key in self.memory if self._mirror.get(key) is None}
        self.unfinished = frozenset(filter(self._ours_to_finish, missing))

    def _ours_to_finish(self, key: AddressKey) -> bool:
        return self._restorable(self.memory[key])

    def take_unfinished(self) -> frozenset[AddressKey]:
        """What an earlier daemon left undone; asked once, as a later absence is keepalived's."""
        unfinished, self.unfinished = self.unfinished, frozenset()
        return unfinished

    def unplanned(self) -> bool:
        """Whether there is a VIP on its interface that the plan does not have."""
        if self.prepared is None and self.memory:
            return True
        return any(
            key not in self.memory and self._mirror.get(key) is not None for key in self.vip_keys()
        )

    def reconfigure(self, spec: InstanceSpec) -> None:
        """keepalived runs another configuration; what it no longer holds is forgotten."""
        self.spec = spec
        keys = self.vip_keys()
        for key in [key for key in self.memory if key not in keys]:
            del self.memory[key]
        self.put_back = {key: a for key, a in self.put_back.items() if key in keys}
        self.losses = {key: loss for key, loss in self.losses.items() if key in keys}

    # --- what happens to it ---------------------------------------------------------------------

    def threaten(self, now: float) -> None:
        """networkd is about to act, or has acted: be shielded, if MASTER."""
        if (self.phase, Trigger.THREAT) not in TABLE or self.master(now) is not Tri.YES:
            return
        if not self.spec.vips:
            return
        if not self.spec_has_carrier():
            return
        self._at_once_left = AT_ONCE_LIMIT
        self._move(Trigger.THREAT, now)
        self._log(Level.INFO, f"shield and bridge up for {self._vips()} ({self._mode()})")

    def spec_has_carrier(self) -> bool:
        """Whether the interface can send and receive at all."""
        link = self._mirror.links.get(self.home)
        return link is not None and link.carrier

    def hand_over(self, now: float) -> None:
        """Let the other node take over, if there is anything to hand over and a way to."""
        if self.phase is not Phase.WATCHING or self.master(now) is not Tri.YES or self.missing():
            return
        if self.prepared is not None and self.letgo.possible(now, self.spec):
            self.letgo.hand_over(now, self.spec)

    def vip_lost(self, now: float, address: Address, author: Author) -> None:
        """A VIP was deleted while MASTER, or while protected."""
        self.losses[address.key] = Loss(now, author)
        self.put_back.pop(address.key, None)
        if self.phase is Phase.CHECKING:
            self._move(Trigger.LOST_AGAIN, now)
        if self.phase in (Phase.WATCHING, Phase.FAILED):
            self.threaten(now)
        self._out.append(RequestDump())
        self._log(Level.NOTICE, f"{address} taken from {self._name(address)} by {author}")

    def allows(self, now: float, author: Author) -> bool:
        """Whether a deletion outside a window is to be made good (Law 6)."""
        if author.kind is AuthorKind.NETWORKD or self._pace.allow(now):
            return True
        if self.phase is not Phase.FAILED:
            why = (
                f"taken {PACE_COUNT + 1} times in {PACE_PERIOD:.0f} s, last by "
                f"{author}: somebody means it, not made good any more"
            )
            self._fail(Trigger.PACED, now, why)
        return False

    def restore_at_once(self, now: float, address: Address) -> None:
        """Put back what a shield cannot stand in for: IPv6, or where a filter is in the way."""
        if self.phase is not Phase.SHIELDED or self._at_once_left == 0:
            return
        if address.key not in self.memory or not self._restorable(self.memory[address.key]):
            return
        if self.master(now) is Tri.YES:
            self._at_once_left -= 1
            self._send_back([address.key], now)

    def seen(self, now: float, author: Author) -> None:
        """A VIP is on its interface (again), or changed: networkd's deletion of a primary address
        makes the kernel promote a secondary, which is no return."""
        if self.missing():
            return
        if self.phase is Phase.RESTORING:
            self._restored(now)
        elif self.phase is Phase.CARRYING and author.kind is not AuthorKind.NETWORKD:
            self._log(Level.NOTICE, f"keepalived has {self._vips()} back")
            self._move(Trigger.VIPS_BACK, now)
        elif self.phase is Phase.FAILED and self.master(now) is Tri.YES:
            self._move(Trigger.MADE_GOOD, now)

    def advert(self, now: float, own: bool, priority: int, sender: str) -> None:
        """An advert of this instance on the wire."""
        self.mastership.advert(now, own, priority)
        if own and not priority:
            self._left(now, "keepalived released it (priority 0)")
        elif not own and priority:
            self._other_master(now, sender)
        elif own:
            self._first_own_advert(now)
            self._confirm(now)

    def dumped(self, asked: float, now: float, role: Role) -> None:
        """keepalived's own word."""
        self._dumped_at = asked
        self.mastership.dump(asked, role)
        if self.master(now) is Tri.NO:
            self._left(now, f"keepalived says {role.name}")
        self._confirm(now)

    def told(self, now: float, role: Role, origin: str) -> None:
        """keepalived said that it changed its state."""
        self.mastership.told(now, role, origin)
        if role is Role.MASTER:
            self._confirm(now)
        else:
            self._left(now, f"keepalived says {role.name}")

    def keepalived_gone(self, now: float) -> None:
        """keepalived ended."""
        self._move(Trigger.KEEPALIVED_GONE, now)
        self.mastership.keepalived_gone(now)
        self._left(now, "keepalived ended")

    def link_down(self, now: float) -> None:
        """The interface lost its carrier: there is nothing to shield."""
        if self.protected:
            self._move(Trigger.LINK_DOWN, now)
            self._log(Level.WARNING, "no carrier: shield and bridge down")

    def settle(self, now: float, expired: bool) -> None:
        """The dust has settled on the interface, or the window is over."""
        if self.phase is not Phase.SHIELDED:
            return
        missing = self.missing()
        if not missing:
            self._settle_whole(now)
        elif self._may_restore(now, missing):
            self._move(Trigger.SETTLED_MISSING, now)
            self._restore_by = now + RESTORE_LIMIT
            order = [key for key in self.memory if key in set(map(self.key, missing))]
            self._send_back(order, now)
        elif expired:
            why = f"{self._vips()} still away, and netvip may not put it back: {self._why_not(now)}"
            self._fail(Trigger.NOT_OURS_TO_RESTORE, now, why)

    def tick(self, now: float) -> None:
        """Do what has become due."""
        if self.protected and now > self.mastership.expires(self.spec):
            self._left(now, "no advert of its own any more")
        if self.phase is Phase.CARRYING and now >= self.carry_until:
            self._move(Trigger.CARRIED_LONG_ENOUGH, now)
            self._log(Level.WARNING, "carried for the master-down interval: shield and bridge down")
        if self.phase is Phase.RESTORING and now >= self._restore_by:
            self._fail(Trigger.REFUSED, now, f"{self._vips()} could not be put back")
        if self.phase is Phase.CHECKING and now >= self._check_by:
            why = "put back, but no advert confirmed that this node is MASTER"
            self._fail(Trigger.UNCONFIRMED, now, why)
        if self.phase is Phase.FAILED and self.master(now) is Tri.YES and self.missing():
            self.letgo.failed(now, self.spec)
        self.letgo.tick(now, self.phase, self.spec, self.spec_has_carrier())
        if self.protected and now >= self._renew_at:
            self.renew(now)
        if now >= self._retract_at:
            self._retract(now)

    def renew(self, now: float) -> None:
        """Renew the shield's leases."""
        self._renew_at = now + RENEW_EVERY
        if not self.shield_hurts:
            self._out.append(Renew(self.spec.name))

    def deadline(self) -> float:
        """When tick() has something to do."""
        due = [self._retract_at]
        if self.protected:
            due += [self._renew_at, self.mastership.expires(self.spec) + 0.001]
        if self.phase is Phase.CARRYING:
            due = [self._retract_at, self._renew_at, self.carry_until]
        elif self.phase is Phase.YIELDING:
            due = [self._retract_at, self._renew_at, self._let_go_due()]
        elif self.phase is Phase.RESTORING:
            due.append(self._restore_by)
        elif self.phase is Phase.CHECKING:
            due.append(self._check_by)
        elif self.phase in IN_FAULT:
            due.append(self._let_go_due())
        return min(due)

    def _let_go_due(self) -> float:
        return self.letgo.due(self.phase, self.spec, self.spec_has_carrier())

    def prepare(self, plan: Plan) -> None:
        """Have another plan ready, where it differs from the last."""
        if plan != self.prepared:
            self.prepared = plan
            self._out.append(Prepare(self.spec.name, plan))

    def end(self, now: float) -> None:
        """keepalived no longer has this instance."""
        self._move(Trigger.OTHER_MASTER, now)

    # --- steps ----------------------------------------------------------------------------------

    def _move(self, trigger: Trigger, now: float) -> None:
        before, self.phase = self.phase, follow(self.phase, trigger)
        if before not in PROTECTED and self.phase in PROTECTED:
            if not self.shield_hurts:
                self._out.append(Protect(self.spec.name))
            self._renew_at = now + RENEW_EVERY
        elif before in PROTECTED and self.phase not in PROTECTED:
            self._out.append(Unprotect(self.spec.name))
        if before is not self.phase is Phase.CARRYING:
            self.carry_until = now + self.spec.master_down + CARRY_GRACE
        if (before in IN_FAULT) is not (self.phase in IN_FAULT):
            self._out.append(Track(self.spec.name, self.phase in IN_FAULT))

    def _fail(self, trigger: Trigger, now: float, why: str) -> None:
        self._move(trigger, now)
        self.letgo.why = why
        self._log(Level.ERROR, why)

    @property
    def why_failed(self) -> str:
        """What went wrong, in a sentence; empty unless the phase says that something did."""
        return self.letgo.why if self.phase in (Phase.FAILED, *IN_FAULT) else ""

    def held(self, now: float) -> bool:
        """Whether a missing VIP is dealt with, or is about to be by a daemon that has just come, or
        nobody else would take it: a check of keepalived's should not fail for it then."""
        if self.protected or (self.phase is Phase.FAILED and self.letgo.in_vain(now)):
            return True
        return now < self.born + UNKNOWN_FOR and self.master(now) is Tri.UNKNOWN

    def _settle_whole(self, now: float) -> None:
        if self._put_at >= max((loss.time for loss in self.losses.values()), default=NEVER):
            self._move(Trigger.SETTLED_RESTORED, now)
            self._begin_check(now)
            return
        self._move(Trigger.SETTLED_WHOLE, now)
        story = "came back by itself" if self.losses else "was never touched"
        self.losses.clear()
        self._log(Level.INFO, f"{self._vips()} {story}; shield and bridge down")

    def _may_restore(self, now: float, missing: list[Vip]) -> bool:
        keys = list(map(self.key, missing))
        known = all(key in self.memory and self._restorable(self.memory[key]) for key in keys)
        return known and self.master(now) is Tri.YES and all(map(self._evidence_after_loss, keys))

    def _evidence_after_loss(self, key: AddressKey) -> bool:
        # keepalived deletes without an advert when a reload drops the VIP from its configuration:
        # unless networkd is known to have taken it, its dump has to say that the VIP is still its.
        loss = self.losses.get(key)
        if loss is None:
            return False
        if loss.author.kind is AuthorKind.NETWORKD:
            return self.mastership.confirmed_since(loss.time)
        return self._dumped_at >= loss.time

    def _restorable(self, address: Address) -> bool:
        vip = next((vip for vip in self.spec.vips if self.key(vip) == address.key), None)
        return vip is not None and not (vip.tracked and self.spec.watches_addresses)

    def _send_back(self, keys: list[AddressKey], now: float) -> None:
        self._put_at = now
        addresses = [replace(self.memory[key], proto=TAG) for key in keys]
        self.put_back.update({address.key: address for address in addresses})
        self._out.append(PutBack(tuple(addresses)))

    def _restored(self, now: float) -> None:
        self._move(Trigger.RESTORED, now)
        self._begin_check(now)

    def _begin_check(self, now: float) -> None:
        self._check_by = now + self.spec.advert_interval + RECHECK_GRACE
        self._out.append(Announce(tuple(self.put_back.values())))
        self._out.append(RequestDump())

    def _confirm(self, now: float) -> None:
        if self.phase is Phase.FAILED and self.master(now) is Tri.YES and not self.missing():
            self._move(Trigger.MADE_GOOD, now)
        if self.phase is not Phase.CHECKING or not self.mastership.confirmed_since(self._put_at):
            return
        if self.missing():
            return
        self._move(Trigger.CHECKED, now)
        self._log(
            Level.NOTICE,
            f"{self._vips()} put back after {self._away(now)} ms off the "
            "interface, present and MASTER; shield and bridge down",
        )
        self.losses.clear()

    def _first_own_advert(self, now: float) -> None:
        if self.master(now) is not Tri.YES:
            self._out.append(RequestDump())

    def _left(self, now: float, why: str) -> None:
        self._plan_retraction(now)
        before = self.phase
        self._move(Trigger.LEFT_MASTER, now)
        if before is not self.phase is Phase.CARRYING:
            self._log(Level.NOTICE, f"{why}; the shield carries on until there is a master")

    def _other_master(self, now: float, sender: str) -> None:
        self._plan_retraction(now)
        if self.protected:
            self._log(Level.NOTICE, f"{sender} is master now: shield and bridge down")
        self.letgo.other_master(now, self.phase, sender)
        self._move(Trigger.OTHER_MASTER, now)
        self.losses.clear()

    def _plan_retraction(self, now: float) -> None:
        if self.put_back and self._retract_at == NEVER:
            self._retract_at = now + RETRACT_AFTER

    def _retract(self, now: float) -> None:
        self._retract_at = NEVER
        if self.master(now) is Tri.YES:
            return
        left = tuple(a for a in self.put_back.values() if self._mirror.get(a.key) is not None)
        self.put_back.clear()
        if left:
            self._out.append(TakeAway(left))
            self._log(Level.WARNING, f"{', '.join(map(str, left))} taken away again: not MASTER")

    # --- words ----------------------------------------------------------------------------------

    def _away(self, now: float) -> int:
        first = min((loss.time for loss in self.losses.values()), default=now)
        return round((self._put_at - first) * 1000)

    def _why_not(self, now: float) -> str:
        if self.master(now) is not Tri.YES:
            return "this node is not MASTER by fresh evidence"
        if any(vip.tracked for vip in self.missing()) and self.spec.watches_addresses:
            return "keepalived tracks it and has to re-add it itself (assisted)"
        return "keepalived has not confirmed that it still holds it"

    def _mode(self) -> str:
        return "guarded" if self.spec.guarded else "assisted"

    def _vips(self) -> str:
        return ", ".join(f"{vip.ip}/{vip.prefixlen}" for vip in self.spec.vips)

    def _name(self, address: Address) -> str:
        return self._mirror.name(address.ifindex)

    def _log(self, level: Level, text: str) -> None:
        self._out.append(Log(level, f"{self.spec.name}: {text}"))
