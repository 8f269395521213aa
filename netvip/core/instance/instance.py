"""One VRRP instance on its way through the phases of states.py: the coordinator of its parts.

presence knows the VIPs, mastership the evidence of MASTER, foreign the adverts of other nodes,
protection the shield and the bridge, restore what was lost and put back, objects the virtual routes
and rules, release the FAULTs,
conflict other hosts with the VIPs, refresh the announcements. Each part changes its own state; this
file moves the phase and tells the parts.
"""

from __future__ import annotations

from collections.abc import Iterable

from netvip.const import NEVER, PACE_COUNT, PACE_PERIOD
from netvip.core.actions import (
    Action,
    Announce,
    Level,
    Log,
    Plan,
    Prepare,
    Remove,
    RequestDump,
    SetTrackFile,
)
from netvip.core.events import Advert, SnapshotLoaded
from netvip.core.instance.conflict import Conflict
from netvip.core.instance.foreign import DEAF, ForeignAdverts
from netvip.core.instance.mastership import Mastership
from netvip.core.instance.objects import Objects
from netvip.core.instance.presence import Presence
from netvip.core.instance.protection import Protection
from netvip.core.instance.refresh import Refresh
from netvip.core.instance.release import Release
from netvip.core.instance.restore import Restore
from netvip.core.instance.states import IN_FAULT, LEAVING, PROTECTED, TABLE, Phase, Trigger, follow
from netvip.core.loss import Loss, Meaning
from netvip.core.mirror import Mirror
from netvip.core.model import (
    IP,
    NAMED_MOST,
    Address,
    AddressKey,
    Author,
    AuthorKind,
    InstanceSpec,
    Role,
    Tri,
    Vip,
    in_words,
)
from netvip.core.objects import KernelObject

#: Two adverts, or a second dump, tell a new daemon whether this node is MASTER.
UNKNOWN_FOR = 2.5


class Instance:
    """The coordinator. It appends what is to be done to the outbox it was given.

    born is when the daemon first heard of the instance; blocked whether a packet filter makes a
    shield do harm.
    """

    def __init__(
        self,
        spec: InstanceSpec,
        mirror: Mirror,
        outbox: list[Action],
        born: float = float("-inf"),
        blocked: bool = False,
    ) -> None:
        self._out, self._born = outbox, born
        self._phase, self._moved_at = Phase.WATCHING, float("-inf")
        self._prepared: Plan | None = None
        self._unprotected = self._lapsed = ""
        self.presence = Presence(spec, mirror)
        self.mastership, self.foreign = Mastership(), ForeignAdverts()
        self.conflict, self._refresh = Conflict(), Refresh()
        self.protection = Protection(spec.name, outbox, blocked)
        self.restore = Restore(self.presence, self.mastership, self.conflict, outbox)
        self.release = Release()
        self.objects = Objects(
            spec, mirror, self.mastership, self.conflict, outbox, lambda *line: self.log(*line)
        )

    # --- how it stands --------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The instance's name."""
        return self.spec.name

    @property
    def spec(self) -> InstanceSpec:
        """The configuration that keepalived runs."""
        return self.presence.spec

    @property
    def phase(self) -> Phase:
        """Where it stands in the table of states.py."""
        return self._phase

    @property
    def moved_at(self) -> float:
        """When it last changed its phase."""
        return self._moved_at

    @property
    def home(self) -> int:
        """Number of the interface that the VIPs' answers need; 0 while there is none."""
        return self.presence.home

    @property
    def places(self) -> frozenset[int]:
        """Numbers of all interfaces that the VIPs are on, and that their answers need."""
        return self.presence.places

    def key(self, vip: Vip) -> AddressKey:
        """Where the kernel has this VIP."""
        return self.presence.key(vip)

    def vip_keys(self) -> frozenset[AddressKey]:
        """Where the kernel has the VIPs."""
        return self.presence.keys()

    @property
    def whole(self) -> bool:
        """Whether every VIP is on its interface."""
        return self.presence.is_whole

    def missing(self) -> list[Vip]:
        """The VIPs that are not on their interface."""
        return self.presence.missing()

    def role(self, now: float) -> Role:
        """The role as far as it is known."""
        return self.mastership.role(now, self.spec)

    def master(self, now: float) -> Tri:
        """Whether this node is MASTER, by fresh evidence."""
        return self.mastership.is_master(now, self.spec)

    @property
    def protected(self) -> bool:
        """Whether shield and bridge are wanted."""
        return self._phase in PROTECTED

    def keeps_vips(self, now: float) -> bool:
        """Whether keepalived has its VIPs on the interface now, and has not released them."""
        holds = self.protected or self.master(now) is Tri.YES
        return holds and self._phase not in LEAVING

    def may_serve(self, now: float) -> bool:
        """Whether the VIPs may still be put back and announced here (Laws 1 and 4)."""
        mine = self.keeps_vips(now) and self.master(now) is Tri.YES
        return mine and not self.conflict.confirmed

    def is_shielded_by(self, ip: IP) -> bool:
        """Whether this address on lo is part of its shield."""
        plan = self._prepared if self.protected else None
        return plan is not None and any(a.ip == ip for a in (*plan.vips, *plan.own))

    @property
    def unprotected(self) -> str:
        """Why netvip cannot protect it and leaves it to keepalived alone; empty if it can."""
        return self._unprotected

    @property
    def lapsed(self) -> str:
        """Why it is no longer guarded, though it was since this daemon runs; empty else."""
        return self._lapsed

    def cover(self, now: float, why_not: str) -> None:
        """Why netvip cannot protect it from now on; empty if it can."""
        if why_not == self._unprotected:
            return
        self._unprotected = why_not
        if not why_not:
            self.log(Level.NOTICE, "netvip can protect it now")
            return
        self._move(Trigger.UNPROTECTABLE, now)
        self.release.found_fit()
        self.restore.forget_losses()
        self.log(Level.WARNING, f"not protected: {why_not}; keepalived alone looks after it")

    @property
    def why_failed(self) -> str:
        """What went wrong, in a sentence; empty unless the phase says that something did."""
        return self.release.why if self._phase in (Phase.FAILED, *IN_FAULT) else ""

    def held(self, now: float) -> bool:
        """Whether keepalived's checks should pass although a VIP is missing: netvip works on it, a
        daemon that has just started may be about to, or no peer would take the VIP over."""
        in_vain = self.release.in_vain(now) or self.conflict.confirmed
        if self.protected or (self._phase is Phase.FAILED and in_vain):
            return True
        return now < self._born + UNKNOWN_FOR and self.master(now) is Tri.UNKNOWN

    def changes_at(self, now: float) -> float:
        """When master() or held() may next change although nothing happens."""
        times = (self.mastership.expires(self.spec) + 0.001, self._born + UNKNOWN_FOR)
        return min((moment for moment in times if moment > now), default=NEVER)

    # --- its plan -------------------------------------------------------------------------------

    def prepare(self, plan: Plan) -> None:
        """Have another plan ready, where it differs from the last."""
        if plan != self._prepared:
            self._prepared = plan
            self._out.append(Prepare(self.name, plan))

    def unplanned(self) -> bool:
        """Whether there is a VIP on its interface that the plan does not have."""
        if self._unprotected:
            return False
        planned = self._prepared is not None or not self.presence.memory
        return not planned or self.presence.unknown()

    def recall(self, known: SnapshotLoaded) -> None:
        """Take over what an earlier daemon knew, and what it left undone."""
        self.presence.recall(known.addresses)
        self.restore.recall(known.put_back)
        self.objects.recall(known.objects, known.objects_put_back)

    def reconfigure(self, spec: InstanceSpec) -> None:
        """keepalived runs another configuration."""
        was_guarded = self.spec.guarded
        self.presence.reconfigure(spec)
        if spec.guarded:
            self._lapsed = ""
        elif was_guarded:  # its file was written again, by a template perhaps
            self._lapsed = spec.why_assisted
            until = "assisted until netvip adopt --apply runs again"
            self.log(Level.WARNING, f"no longer guarded: {self._lapsed}; {until}")
        self._log_dropped(self.restore.reconfigured())
        self.objects.reconfigure(spec)

    # --- the kernel's news ----------------------------------------------------------------------

    def threaten(self, now: float) -> None:
        """networkd is about to act, or has acted: protect the VIPs, if MASTER."""
        if (self._phase, Trigger.THREAT) not in TABLE or self.master(now) is not Tri.YES:
            return
        if self._unprotected or not self.spec.vips or not self.presence.has_carrier:
            return
        self.restore.begin_window()
        self._move(Trigger.THREAT, now)
        self.log(Level.INFO, f"shield and bridge put up for {self.spec.words} ({self.spec.mode})")

    def master_again(self, now: float) -> None:
        """This node is MASTER again, and no other node was meanwhile: keepalived was not heard for
        a while, and, guarded, does not notice that its VIPs are missing."""
        if self._phase is Phase.CARRYING and self.spec.guarded:
            self._move(Trigger.MASTER_AGAIN, now)
            self.log(
                Level.NOTICE,
                f"this node is MASTER again; netvip puts {self.spec.words} back if missing",
            )

    def accepts(self, loss: Loss) -> bool:
        """Whether it protects itself against a loss (Law 6): deletions by processes other than
        networkd, outside a window, are restored a few times a minute at most."""
        if self._unprotected:
            self._lose_unprotected(loss)
            return False
        if loss.meaning is not Meaning.VIP or self.restore.allows(loss):
            return True
        if self._phase is not Phase.FAILED:
            count = f"{PACE_COUNT + 1} times in {PACE_PERIOD:.0f} s"
            why = f"deleted {count}, last by {loss.author}; no longer restoring it"
            self._fail(Trigger.PACED, loss.time, f"{loss.address} {why}")
        return False

    def _lose_unprotected(self, loss: Loss) -> None:
        """An adopted keepalived does not notice the loss, and netvip does not put the VIP back: as
        keepalived alone would, this node leaves MASTER (Law 12). A deletion by anyone else may be
        keepalived's own: there its check decides."""
        by_networkd = loss.meaning is Meaning.VIP and loss.author.kind is AuthorKind.NETWORKD
        if by_networkd and self.spec.guarded and self._phase is Phase.WATCHING:
            interface = self.presence.name(loss.address.ifindex)
            why = f"{loss.address} deleted from {interface} by {loss.author}, not protected"
            self._fail(Trigger.UNFIT, loss.time, f"{why}: {self._unprotected}")

    def lose(self, loss: Loss) -> None:
        """React to a loss that it accepts."""
        if loss.meaning is Meaning.SHIELD:
            self.protection.renew()
        elif loss.meaning is Meaning.HOST_ADDRESS:
            self.threaten(loss.time)
        elif loss.meaning is Meaning.VIP:
            self._lose_vip(loss)

    def _lose_vip(self, loss: Loss) -> None:
        self.restore.lost(loss)
        if self._phase is Phase.CHECKING:
            self._move(Trigger.LOST_AGAIN, loss.time)
        if self._phase in (Phase.WATCHING, Phase.FAILED) and not self._may_be_released(loss):
            self.threaten(loss.time)
        self._out.append(RequestDump())
        if (count := self.restore.count) <= NAMED_MOST:
            interface = self.presence.name(loss.address.ifindex)
            self.log(Level.NOTICE, f"{loss.address} deleted from {interface} by {loss.author}")
        elif count == NAMED_MOST + 1:
            self.log(Level.NOTICE, f"more than {NAMED_MOST} of {len(self.spec.vips)} VIPs deleted")

    def _may_be_released(self, loss: Loss) -> bool:
        """Whether keepalived itself may have deleted it, as another node is MASTER that is not
        heard: then its next dump decides."""
        by_networkd = loss.author.kind is AuthorKind.NETWORKD
        return self.mastership.is_silent(self.spec) and not by_networkd

    def restore_at_once(self, loss: Loss) -> None:
        """Put back what a shield cannot stand in for: IPv6, or where a packet filter blocks it, or
        what networkd takes from a VMAC. keepalived itself deletes VIPs before it reports FAULT."""
        unshielded = loss.address.key in self.presence.on_vmacs
        unshielded = unshielded and loss.author.kind is AuthorKind.NETWORKD
        immediate = loss.address.ip.version == 6 or self.protection.blocked or unshielded
        immediate = immediate and not self._may_be_released(loss)
        if loss.meaning is Meaning.VIP and immediate and self._phase is Phase.SHIELDED:
            self.restore.put_back_at_once(loss)

    def seen(self, now: float, author: Author) -> None:
        """A VIP is on its interface (again), or changed. networkd's deletion of a primary address
        makes the kernel promote a secondary one: that VIP did not return."""
        if not self.whole:
            self.restore.progress(now)
            return
        if self._phase is Phase.RESTORING:
            self._move(Trigger.RESTORED, now)
            self._begin_confirmation(now)
        elif self._phase is Phase.CARRYING and author.kind is not AuthorKind.NETWORKD:
            self.log(Level.NOTICE, f"keepalived added {self.spec.words} again")
            self._move(Trigger.VIPS_BACK, now)
        else:
            self._made_good(now)

    def lose_object(self, now: float, thing: KernelObject, author: Author) -> bool:
        """One of its routes or rules was deleted; whether networkd took what keepalived has."""
        if self._unprotected:
            self._lose_unprotected_object(now, thing, author)
            return False
        return self.objects.lost(now, thing, author, self._phase not in LEAVING)

    def _lose_unprotected_object(self, now: float, thing: KernelObject, author: Author) -> None:
        """As _lose_unprotected(), for one that an adoption has taken from keepalived's sight."""
        is_lost = author.kind is AuthorKind.NETWORKD and self.objects.misses(thing.identity)
        if is_lost and self.spec.guarded and self.master(now) is Tri.YES:
            why = f"virtual {thing} deleted by {author}, not protected: {self._unprotected}"
            self.found_unfit(now, why)

    def objects_listed(self, now: float) -> None:
        """networkd has finished, and it is known which routes and rules the kernel has."""
        if not self._unprotected and self._phase not in LEAVING | IN_FAULT:
            self.objects.listed(now)

    def link_down(self, now: float) -> None:
        """The interface lost its carrier outside a window, or is gone: there is nothing to
        protect."""
        if self.protected:
            self._move(Trigger.LINK_DOWN, now)
            self.log(Level.WARNING, "the interface has no carrier; shield and bridge removed")

    def link_up(self, now: float) -> None:
        """The interface has its carrier again: the kernel deleted the bridge when it lost it."""
        if self.protected:
            self.protection.restore(now)
            self.log(Level.NOTICE, "the interface has its carrier again; shield and bridge renewed")

    def settle(self, now: float, expired: bool) -> None:
        """The interface is quiet, or the window has expired."""
        if self._phase is not Phase.SHIELDED:
            return
        if self.whole:
            self._settle_whole(now)
        elif self.restore.may(now, self.presence.absent):
            self._move(Trigger.SETTLED_MISSING, now)
            self.restore.put_back_missing(now)
        elif expired:
            why = f"still missing; netvip cannot put it back: {self.restore.why_not(now)}"
            self._fail(Trigger.NOT_OURS_TO_RESTORE, now, f"{self.spec.words} {why}")

    def _settle_whole(self, now: float) -> None:
        self.objects.send_again(now)
        if self.restore.answers_every_loss:
            self._move(Trigger.SETTLED_RESTORED, now)
            self._begin_confirmation(now)
            return
        self._move(Trigger.SETTLED_WHOLE, now)
        story = "is present again" if self.restore.any_lost else "was not deleted"
        self.restore.forget_losses()
        self.log(Level.INFO, f"{self.spec.words} {story}; shield and bridge removed")

    def announced_by_other(self, ip: IP) -> None:
        """Another node announced an address on the interface."""
        self.protection.announced_by_other(ip)

    def block_shield(self, blocked: bool) -> None:
        """A packet filter was found that makes a shield do harm, or is gone."""
        self.protection.block(blocked)

    # --- keepalived's news ----------------------------------------------------------------------

    def heeds(self, advert: Advert) -> bool:
        """Whether keepalived heeds an advert of this instance; what it discards is named once."""
        if advert.own:
            self.foreign.own(advert, self.spec)
            return True
        sender = self.foreign.take(advert, self.spec)
        if sender.to_ask(advert.time):
            self._out.append(RequestDump())
        elif sender.is_discarded(float("-inf")):
            self._name(advert.sender, sender.why)
        return not sender.why

    def _name(self, sender: str, why: str) -> None:
        of = f"adverts for VRID {self.spec.vrid} that keepalived ignores"
        self.log(Level.WARNING, f"{sender} sends {of}: {why}; check its keepalived.conf")

    def advert(self, now: float, own: bool, priority: int, sender: str) -> bool:
        """An advert of this instance on the wire; whether this node became MASTER by it."""
        before, was_silent = self.master(now), self.mastership.is_silent(self.spec)
        self.mastership.advert(now, own, priority)
        if was_silent and not own:  # keepalived may have ignored it, and its own are not heard
            self._out.append(RequestDump(again=True))
        if own and not priority:
            self._left(now, "keepalived released the VIPs (advert with priority 0)")
        elif not own and priority:
            self._other_master(now, sender)
        elif own:
            if self.master(now) is not Tri.YES:
                self._out.append(RequestDump())
            self._confirm(now)
        return self._became_master(now, before)

    def dumped(self, asked: float, now: float, role: Role) -> bool:
        """keepalived's dump, true as of when it was asked for; whether this node became MASTER."""
        before = self.master(now)
        if role is Role.MASTER:
            for sender, why in self.foreign.discarded_by(asked).items():
                self._name(sender, why)
            for sender in self.foreign.is_master(asked, self.spec):
                told = f"two masters: {sender} sends adverts as well, and {DEAF}"
                self.log(Level.ERROR, f"{told}; check the firewalls for IP protocol 112")
        else:
            self.foreign.is_no_master()
        self.mastership.dump(asked, role)
        if role is Role.MASTER and self.restore.any_lost and self.mastership.is_silent(self.spec):
            self.threaten(now)
        if self.master(now) is Tri.NO:
            self._left(now, f"keepalived reports {role.name}")
            if role is Role.BACKUP and (master := self.foreign.heeded(asked, self.spec)):
                self._other_master(now, master)
        self._confirm(now)
        became = self._became_master(now, before)
        if not self._unprotected:
            self.objects.dumped(now)
        return became

    def reported(self, now: float, role: Role, origin: str) -> bool:
        """keepalived reported a change of its state; whether this node became MASTER."""
        before = self.master(now)
        self.mastership.reported(now, role, origin)
        if role is Role.MASTER:
            self._confirm(now)
        else:
            master = self.foreign.heeded(now, self.spec) if role is Role.BACKUP else None
            self.foreign.is_no_master()
            self._left(now, f"keepalived reports {role.name}")
            if master is not None:
                self._other_master(now, master)
        return self._became_master(now, before)

    def unanswered(self) -> None:
        """keepalived wrote no dump."""
        self.mastership.unanswered()

    def keepalived_reloaded(self) -> None:
        """keepalived may have read another configuration."""
        self.presence.expire()
        self.objects.expire()
        self.foreign.forget()

    def keepalived_gone(self, now: float) -> None:
        """keepalived stopped."""
        self._move(Trigger.KEEPALIVED_GONE, now)
        self.foreign.forget()
        self.mastership.keepalived_gone(now)
        self._left(now, "keepalived stopped")

    def end(self, now: float) -> None:
        """keepalived no longer has this instance."""
        self._move(Trigger.OTHER_MASTER, now)
        self.protection.down()
        self._log_dropped(self.restore.ended())
        self.objects.ended()
        self.presence.end()

    def _log_dropped(self, removed: Iterable[Address]) -> None:
        if removed := tuple(removed):
            why = "keepalived's configuration no longer has it"
            self.log(Level.NOTICE, f"{_list(removed)} removed: {why}")

    def remove_leftovers(self, sender: str) -> None:
        """keepalived is not running and another node is MASTER: remove its VIPs (Law 7)."""
        left = self.presence.present()
        if left and not self._unprotected:
            self._out.append(Remove(left))
            why = (
                f"left behind by keepalived, which is not running, and {sender} is MASTER; removed"
            )
            self.log(Level.NOTICE, f"{_list(left)} {why}")

    def _became_master(self, now: float, before: Tri) -> bool:
        if before is Tri.YES or self.master(now) is not Tri.YES:
            return False
        self.presence.expire()
        self.objects.became_master()
        self.conflict.forget()
        return True

    # --- the check's news -----------------------------------------------------------------------

    def announce(self, now: float) -> None:
        """Announce the VIPs, if they are present and no other host has them."""
        # A word of keepalived's that holds may be minutes old, and another node MASTER meanwhile.
        master = self.master(now) is Tri.YES
        master = master and not self.mastership.takes_its_word(now, self.spec)
        present = self.presence.present()
        if present and master and not self.conflict.suspected:
            self._out.append(Announce(self.name, present))

    def hand_over(self, now: float, why: str = "hand-over requested") -> bool:
        """Let the peer take over, if there is something to hand over and a way to; whether there
        was."""
        if (self._phase, Trigger.YIELD) not in TABLE or self.master(now) is not Tri.YES:
            return False
        ready = self._prepared is not None and self.whole and not self.restore.any_lost
        ready = ready and not self._unprotected
        if not ready or not self.release.possible(now, self.spec):
            return False
        self._move(Trigger.YIELD, now)
        self.release.begin_hand_over(now, self.spec, why)
        self.log(Level.NOTICE, f"setting FAULT so that the peer takes over: {why}")
        return True

    def conflict_found(self, now: float, macs: frozenset[bytes], backup: bool) -> None:
        """Another host answers for a VIP (Law 4): hand over once, and no more."""
        if self.conflict.seen(now, macs, self.spec, backup):
            self.log(*self.conflict.sentence(backup))
        why = f"another host ({self.conflict.words}) answers for the VIPs"
        if not backup and self.conflict.may_yield(now) and self.hand_over(now, why):
            self.conflict.yielded(now)

    def conflict_not_found(self, rise: int) -> None:
        """No other host answers for a VIP; rise such checks in a row end a conflict."""
        if self.conflict.clean(rise):
            self.log(Level.NOTICE, "conflict over: no other host answers for the VIPs")

    def found_unfit(self, now: float, why: str) -> None:
        """MASTER, and the VIPs are of no use here."""
        self.release.found_unfit(why)
        if (self._phase, Trigger.UNFIT) in TABLE:
            self._fail(Trigger.UNFIT, now, why)

    def found_fit(self, now: float) -> None:
        """The VIPs are of use here."""
        self.release.found_fit()
        self._made_good(now)

    # --- time -----------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Do what has become due."""
        if now >= self.mastership.asks(self.spec):
            self.mastership.asked(now)
            self._out.append(RequestDump())
        if self.protected and now > self.mastership.expires(self.spec):
            self._left(now, "no own advert for the master-down interval")
        if self._phase is Phase.CARRYING and now >= self.protection.carry_until:
            self._move(Trigger.CARRIED_LONG_ENOUGH, now)
            why = "no master within the master-down interval and one second"
            self.log(Level.WARNING, f"{why}; shield and bridge removed")
        if self._phase is Phase.RESTORING and now >= self.restore.add_by:
            absent = in_words([f"{vip.ip}/{vip.prefixlen}" for vip in self.missing()])
            why = f"the kernel did not add {absent} in time"
            self._fail(Trigger.REFUSED, now, why)
        if self._phase is Phase.CHECKING and now >= self.restore.confirm_by:
            why = f"{self.spec.words} put back, but nothing confirmed that this node is MASTER"
            self._fail(Trigger.UNCONFIRMED, now, why)
        if self._phase is Phase.FAILED and self.master(now) is Tri.YES:
            self._release(now)
        self._end_fault(now)
        if now >= self._refresh.due:
            self._refresh.next(now, self.spec.refreshes is not Tri.YES)
            self.announce(now)
        if now >= self.restore.remove_at and (removed := self.restore.remove_again()):
            self.log(Level.WARNING, f"{_list(removed)} removed: this node is no longer MASTER")
        if now >= self.objects.remove_at:
            self.objects.remove_again()
        self.protection.tick(now)

    def deadline(self) -> float:
        """When tick() has something to do."""
        asks = self.mastership.asks(self.spec)
        return min(self._phase_due(), self._refresh.due, self.protection.due, asks)

    def _phase_due(self) -> float:
        due = [self.restore.remove_at, self.objects.remove_at]
        if self._phase is Phase.CARRYING:
            due.append(self.protection.carry_until)
        elif self._phase in IN_FAULT:
            due.append(self.release.due(self._phase, self.spec, self.presence.has_carrier))
        elif self.protected:
            due.append(self.mastership.expires(self.spec) + 0.001)
        if self._phase is Phase.RESTORING:
            due.append(self.restore.add_by)
        elif self._phase is Phase.CHECKING:
            due.append(self.restore.confirm_by)
        return min(due)

    # --- steps ----------------------------------------------------------------------------------

    def _move(self, trigger: Trigger, now: float) -> None:
        before, self._phase = self._phase, follow(self._phase, trigger)
        if before is self._phase:
            return
        self._moved_at = now
        if before not in PROTECTED and self.protected:
            self.protection.up(now)
        elif before in PROTECTED and not self.protected:
            if trigger is Trigger.OTHER_MASTER:
                self.protection.pass_on(now, (vip.ip for vip in self.spec.vips))
            else:
                self.protection.down()
        if self._phase is Phase.CARRYING:
            self.protection.carry(now, self.spec.master_down)
        if (before in IN_FAULT) is not (self._phase in IN_FAULT):
            self._out.append(SetTrackFile(self.name, self._phase in IN_FAULT))

    def _fail(self, trigger: Trigger, now: float, why: str) -> None:
        """Something is wrong, and netvip cannot repair it."""
        self._move(trigger, now)
        self.release.failed(why)
        self.log(Level.ERROR, why)

    def _release(self, now: float) -> None:
        if self.whole and not self.release.unfit:
            return
        if self.conflict.confirmed and not self.conflict.may_yield(now):
            return  # the other host would answer for the VIPs on the peer as well
        if not self.release.possible(now, self.spec):
            return
        if self.conflict.confirmed:
            self.conflict.yielded(now)
        self._move(Trigger.RELEASE, now)
        self.release.begin(now, self.spec)
        self.log(Level.ERROR, f"setting FAULT so that the peer takes over: {self.release.why}")

    def _end_fault(self, now: float) -> None:
        trigger = self.release.end(now, self._phase, self.spec, self.presence.has_carrier)
        if trigger is None:
            return
        self._move(trigger, now)
        if trigger is Trigger.NOBODY_CAME and self.presence.has_carrier:
            self.log(Level.ERROR, "no peer took over; FAULT cleared")
        elif trigger is Trigger.NOBODY_CAME:
            why = "without a carrier no peer can be heard"
            self.log(Level.NOTICE, f"FAULT cleared; {why}")
        else:
            self.log(Level.NOTICE, "FAULT cleared; this node can become BACKUP")

    def _begin_confirmation(self, now: float) -> None:
        self.restore.expect_confirmation(now)
        self.objects.send_again(now)
        if not self.conflict.suspected:
            self._out.append(Announce(self.name, tuple(self.restore.put_back.values())))
            self._refresh.begin(now)
        self._out.append(RequestDump())

    def _confirm(self, now: float) -> None:
        self._made_good(now)
        confirmed = self._phase is Phase.CHECKING and self.restore.confirmed
        if not confirmed or not self.whole:
            return
        self._move(Trigger.CHECKED, now)
        away = f"put back after {self.restore.milliseconds_away(now)} ms off the interface"
        self.log(
            Level.NOTICE,
            f"{self.spec.words} {away}, MASTER confirmed; shield and bridge removed",
        )
        self.restore.forget_losses()

    def _made_good(self, now: float) -> None:
        """What was wrong may be so no more."""
        if self._phase is not Phase.FAILED or self.release.unfit:
            return
        if self.master(now) is Tri.YES and self.whole:
            self._move(Trigger.MADE_GOOD, now)

    def _left(self, now: float, why: str) -> None:
        self.restore.left_master(now)
        self.objects.left_master(now)
        self._no_longer_master()
        before = self._phase
        self._move(Trigger.LEFT_MASTER, now)
        if before is not self._phase is Phase.CARRYING:
            self.log(Level.NOTICE, f"{why}; shield and bridge stay until a master takes over")

    def _no_longer_master(self) -> None:
        self._refresh.end()
        self.release.found_fit()

    def _other_master(self, now: float, sender: str) -> None:
        if self.restore.put_back or self.objects.put_back:
            self._out.append(RequestDump())  # which tells whether what was put back has to go
        self._no_longer_master()
        self.objects.left_master(now)
        if self.protected:
            self.log(Level.NOTICE, f"{sender} is MASTER now; shield and bridge removed")
        if self.release.other_master(now, self._phase):
            self.log(Level.NOTICE, f"{sender} took over as MASTER")
        self._move(Trigger.OTHER_MASTER, now)
        self.restore.forget_losses()

    def log(self, level: Level, text: str) -> None:
        """A line of the journal about this instance."""
        self._out.append(Log(level, f"{self.name}: {text}"))


def _list(addresses: Iterable[Address]) -> str:
    return in_words([*addresses])
