"""One VRRP instance on its way through the phases of states.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from netvip.const import (
    CARRY_GRACE,
    PACE_COUNT,
    PACE_PERIOD,
    RECHECK_GRACE,
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
    PutBack,
    Remove,
    RequestDump,
    SetTrackFile,
)
from netvip.core.instance import messages, restore
from netvip.core.instance.conflict import Conflict
from netvip.core.instance.mastership import Mastership
from netvip.core.instance.protection import Protection
from netvip.core.instance.refresh import Refresh
from netvip.core.instance.release import Release
from netvip.core.instance.states import IN_FAULT, PROTECTED, TABLE, Phase, Trigger, follow
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
        #: Whether keepalived may have given the VIPs other attributes since they were noted.
        self.look_anew = True
        self.carry_until = NEVER
        self.born = float("-inf")
        self.release = Release(self._move, self.log)
        self.conflict, self.refresh = Conflict(), Refresh()
        self.protection = Protection(spec.name, outbox)
        #: Why the node should not hold the VIPs though it has them; empty where nothing is wrong.
        self.unfit = ""
        self.moved_at = float("-inf")
        self._mirror, self._out = mirror, outbox
        self._pace = Pace(PACE_COUNT, PACE_PERIOD)
        self._restore_by = self._check_by = self._retract_at = NEVER
        self.put_at = self.dumped_at = float("-inf")
        self._at_once_left = AT_ONCE_LIMIT

    # --- what it has ----------------------------------------------------------------------------

    @property
    def home(self) -> int:
        """Number of the interface that the VIPs are on; 0 while there is none of that name."""
        return self._mirror.index(self.spec.vips[0].interface if self.spec.vips else "")

    @property
    def places(self) -> frozenset[int]:
        """Numbers of all the interfaces that it has VIPs on."""
        return frozenset({self.home, *(key.ifindex for key in self.vip_keys())} - {0})

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
        """Whether shield and bridge are wanted."""
        return self.phase in PROTECTED

    def remember(self) -> None:
        """Note what the VIPs look like while nobody touches them. What somebody else makes of one
        that keepalived has added is not what it ought to be."""
        for present in self.here():
            if self.look_anew or present.key not in self.memory:
                self.memory[present.key] = present
        self.look_anew = self.look_anew and bool(self.missing())

    def recall(self, known: Iterable[Address], put_back: Iterable[Address]) -> None:
        """Take over what an earlier daemon knew of the VIPs, and what it left undone."""
        keys = self.vip_keys()
        self.memory.update({a.key: a for a in known if a.key in keys})
        self.put_back.update({a.key: a for a in put_back if a.key in keys})
        missing = {key for key in self.memory if self._mirror.get(key) is None}
        self.unfinished = frozenset(k for k in missing if restore.restorable(self, k))

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
        self.look_anew = self.look_anew or spec.vips != self.spec.vips
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
        self.log(Level.INFO, f"shield and bridge up for {self.spec.words} ({self.spec.mode})")

    def spec_has_carrier(self) -> bool:
        """Whether the interface can send and receive at all."""
        link = self._mirror.links.get(self.home)
        return link is not None and link.carrier

    def announce(self, now: float) -> None:
        """Tell the neighbours where the VIPs are, if they are here and nobody else's."""
        if (here := self.here()) and self.master(now) is Tri.YES and not self.conflict.suspected:
            self._out.append(Announce(here))

    def here(self) -> tuple[Address, ...]:
        """The VIPs that are on their interface."""
        found = (self._mirror.get(self.key(vip)) for vip in self.spec.vips)
        return tuple(address for address in found if address is not None)

    def vip_lost(self, now: float, address: Address, author: Author) -> None:
        """A VIP was deleted while MASTER, or while protected."""
        self.losses[address.key] = Loss(now, author)
        self.put_back.pop(address.key, None)
        if self.phase is Phase.CHECKING:
            self._move(Trigger.LOST_AGAIN, now)
        if self.phase in (Phase.WATCHING, Phase.FAILED):
            self.threaten(now)
        self._out.append(RequestDump())
        self.log(Level.NOTICE, f"{address} taken from {self._name(address)} by {author}")

    def allows(self, now: float, author: Author) -> bool:
        """Whether a deletion outside a window is to be made good (Law 6)."""
        if author.kind is AuthorKind.NETWORKD or self._pace.allow(now):
            return True
        if self.phase is not Phase.FAILED:
            why = (
                f"taken {PACE_COUNT + 1} times in {PACE_PERIOD:.0f} s, last by "
                f"{author}: somebody means it, not made good any more"
            )
            self.fail(Trigger.PACED, now, why)
        return False

    def restore_at_once(self, now: float, address: Address) -> None:
        """Put back what a shield cannot stand in for: IPv6, or where a filter is in the way."""
        if self.phase is not Phase.SHIELDED or self._at_once_left == 0 or self.conflict.confirmed:
            return
        if not restore.restorable(self, address.key):
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
            self.log(Level.NOTICE, f"keepalived has {self.spec.words} back")
            self._move(Trigger.VIPS_BACK, now)
        else:
            self.made_good(now)

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
        self.dumped_at = asked
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
            self.log(Level.WARNING, "no carrier: shield and bridge down")

    def settle(self, now: float, expired: bool) -> None:
        """The dust has settled on the interface, or the window is over."""
        if self.phase is not Phase.SHIELDED:
            return
        missing = self.missing()
        if not missing:
            self._settle_whole(now)
        elif restore.may_restore(now, self, map(self.key, missing)):
            self._move(Trigger.SETTLED_MISSING, now)
            self._restore_by = now + RESTORE_LIMIT
            order = [key for key in self.memory if key in set(map(self.key, missing))]
            self._send_back(order, now)
        elif expired:
            why = f"still away, and netvip may not put it back: {messages.why_not(self, now)}"
            self.fail(Trigger.NOT_OURS_TO_RESTORE, now, f"{self.spec.words} {why}")

    def tick(self, now: float) -> None:
        """Do what has become due."""
        if self.protected and now > self.mastership.expires(self.spec):
            self._left(now, "no advert of its own any more")
        if self.phase is Phase.CARRYING and now >= self.carry_until:
            self._move(Trigger.CARRIED_LONG_ENOUGH, now)
            self.log(Level.WARNING, "carried for the master-down interval: shield and bridge down")
        if self.phase is Phase.RESTORING and now >= self._restore_by:
            self.fail(Trigger.REFUSED, now, f"{self.spec.words} could not be put back")
        if self.phase is Phase.CHECKING and now >= self._check_by:
            why = "put back, but no advert confirmed that this node is MASTER"
            self.fail(Trigger.UNCONFIRMED, now, why)
        if self.phase is Phase.FAILED and self.master(now) is Tri.YES:
            self._let_go(now)
        self.release.tick(now, self.phase, self.spec, self.spec_has_carrier())
        if now >= self.refresh.due:
            self.refresh.next(now, self.spec.refreshes is not Tri.YES)
            self.announce(now)
        if now >= self._retract_at:
            self._retract(now)
        self.protection.tick(now)

    def _let_go(self, now: float) -> None:
        if not self.missing() and not self.unfit:
            return
        if self.conflict.confirmed and not self.conflict.may_yield(now):
            return  # whoever else answers would do so on the other node as well
        if self.release.possible(now, self.spec) and self.conflict.confirmed:
            self.conflict.yielded(now)
        self.release.failed(now, self.spec)

    def deadline(self) -> float:
        """When tick() has something to do."""
        return min(self._phase_due(), self.refresh.due, self.protection.due)

    def _phase_due(self) -> float:
        due = [self._retract_at]
        if self.protected:
            due.append(self.mastership.expires(self.spec) + 0.001)
        if self.phase is Phase.CARRYING:
            due = [self._retract_at, self.carry_until]
        elif self.phase is Phase.YIELDING:
            due = [self._retract_at, self._let_go_due()]
        elif self.phase is Phase.RESTORING:
            due.append(self._restore_by)
        elif self.phase is Phase.CHECKING:
            due.append(self._check_by)
        elif self.phase in IN_FAULT:
            due.append(self._let_go_due())
        return min(due)

    def _let_go_due(self) -> float:
        return self.release.due(self.phase, self.spec, self.spec_has_carrier())

    def prepare(self, plan: Plan) -> None:
        """Have another plan ready, where it differs from the last."""
        if plan != self.prepared:
            self.prepared = plan
            self._out.append(Prepare(self.spec.name, plan))

    def end(self, now: float) -> None:
        """keepalived no longer has this instance."""
        self._move(Trigger.OTHER_MASTER, now)
        self.protection.down()

    # --- steps ----------------------------------------------------------------------------------

    def _move(self, trigger: Trigger, now: float) -> None:
        before, self.phase = self.phase, follow(self.phase, trigger)
        self.moved_at = now if before is not self.phase else self.moved_at
        if before not in PROTECTED and self.phase in PROTECTED:
            self.protection.up(now)
        elif before in PROTECTED and self.phase not in PROTECTED:
            if trigger is Trigger.OTHER_MASTER:
                self.protection.pass_on(now, (vip.ip for vip in self.spec.vips))
            else:
                self.protection.down()
        if before is not self.phase is Phase.CARRYING:
            self.carry_until = now + self.spec.master_down + CARRY_GRACE
        if (before in IN_FAULT) is not (self.phase in IN_FAULT):
            self._out.append(SetTrackFile(self.spec.name, self.phase in IN_FAULT))

    def fail(self, trigger: Trigger, now: float, why: str) -> None:
        """Something is wrong, and netvip cannot make it good."""
        self._move(trigger, now)
        self.release.why = why
        self.log(Level.ERROR, why)

    @property
    def why_failed(self) -> str:
        """What went wrong, in a sentence; empty unless the phase says that something did."""
        return self.release.why if self.phase in (Phase.FAILED, *IN_FAULT) else ""

    def held(self, now: float) -> bool:
        """Whether a missing VIP is dealt with, or is about to be by a daemon that has just come, or
        nobody else would take it: a check of keepalived's should not fail for it then."""
        in_vain = self.release.in_vain(now) or self.conflict.confirmed
        if self.protected or (self.phase is Phase.FAILED and in_vain):
            return True
        return now < self.born + UNKNOWN_FOR and self.master(now) is Tri.UNKNOWN

    def _settle_whole(self, now: float) -> None:
        if self.put_at >= max((loss.time for loss in self.losses.values()), default=NEVER):
            self._move(Trigger.SETTLED_RESTORED, now)
            self._begin_check(now)
            return
        self._move(Trigger.SETTLED_WHOLE, now)
        story = "came back by itself" if self.losses else "was never touched"
        self.losses.clear()
        self.log(Level.INFO, f"{self.spec.words} {story}; shield and bridge down")

    def _send_back(self, keys: list[AddressKey], now: float) -> None:
        self.put_at = now
        addresses = [replace(self.memory[key], proto=TAG) for key in keys]
        self.put_back.update({address.key: address for address in addresses})
        self._out.append(PutBack(tuple(addresses)))

    def _restored(self, now: float) -> None:
        self._move(Trigger.RESTORED, now)
        self._begin_check(now)

    def _begin_check(self, now: float) -> None:
        self._check_by = now + self.spec.advert_interval + RECHECK_GRACE
        if not self.conflict.suspected:
            self._out.append(Announce(tuple(self.put_back.values())))
            self.refresh.begin(now)
        self._out.append(RequestDump())

    def _confirm(self, now: float) -> None:
        self.made_good(now)
        if self.phase is not Phase.CHECKING or not self.mastership.confirmed_since(self.put_at):
            return
        if self.missing():
            return
        self._move(Trigger.CHECKED, now)
        self.log(
            Level.NOTICE,
            f"{self.spec.words} put back after {messages.away(self, now)} ms off the "
            "interface, present and MASTER; shield and bridge down",
        )
        self.losses.clear()

    def made_good(self, now: float) -> None:
        """What was wrong may be so no more."""
        if self.phase is not Phase.FAILED or self.unfit:
            return
        if self.master(now) is Tri.YES and not self.missing():
            self._move(Trigger.MADE_GOOD, now)

    def _first_own_advert(self, now: float) -> None:
        if self.master(now) is not Tri.YES:
            self._out.append(RequestDump())

    def _left(self, now: float, why: str) -> None:
        self._plan_retraction(now)
        self._no_longer_master()
        before = self.phase
        self._move(Trigger.LEFT_MASTER, now)
        if before is not self.phase is Phase.CARRYING:
            self.log(Level.NOTICE, f"{why}; the shield carries on until there is a master")

    def _no_longer_master(self) -> None:
        self.refresh.end()
        self.unfit = ""

    def _other_master(self, now: float, sender: str) -> None:
        if self.put_back:
            self._out.append(RequestDump())  # which has what was put back taken away, or not
        self._no_longer_master()
        if self.protected:
            self.log(Level.NOTICE, f"{sender} is master now: shield and bridge down")
        self.release.other_master(now, self.phase, sender)
        self._move(Trigger.OTHER_MASTER, now)
        self.losses.clear()

    def _plan_retraction(self, now: float) -> None:
        if self.put_back and self._retract_at == NEVER:
            self._retract_at = now + RETRACT_AFTER

    def _retract(self, now: float) -> None:
        self._retract_at = NEVER
        if not self.mastership.left:
            return  # keepalived itself has not said so: its dump will, if it has
        left = tuple(a for a in self.put_back.values() if self._mirror.get(a.key) is not None)
        self.put_back.clear()
        if left:
            self._out.append(Remove(left))
            self.log(Level.WARNING, f"{', '.join(map(str, left))} taken away again: not MASTER")

    # --- words ----------------------------------------------------------------------------------

    def _name(self, address: Address) -> str:
        return self._mirror.name(address.ifindex)

    def log(self, level: Level, text: str) -> None:
        """A line about this instance."""
        self._out.append(Log(level, f"{self.spec.name}: {text}"))
