"""The virtual routes and rules of one instance: put back where they were deleted, by the evidence
by which VIPs are, and removed again if the node has left MASTER.

Those that keepalived tracks are left to it, as tracked VIPs are; but it does not notice what the
kernel deletes without a notification.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from netvip.const import NEVER, PACE_COUNT, PACE_PERIOD, RETRACT_AFTER
from netvip.core.actions import Action, Level, RequestDump
from netvip.core.instance.conflict import Conflict
from netvip.core.instance.mastership import Mastership
from netvip.core.kept import KeptObjects, ObjectLoss
from netvip.core.mirror import Mirror
from netvip.core.model import NAMED_MOST, Author, AuthorKind, InstanceSpec, Tri, in_words
from netvip.core.objects import Identity, KernelObject, Listed
from netvip.core.pacing import Pace

Say = Callable[[Level, str], None]


class Objects:
    """What the instance has besides its VIPs."""

    def __init__(
        self,
        spec: InstanceSpec,
        mirror: Mirror,
        mastership: Mastership,
        conflict: Conflict,
        outbox: list[Action],
        say: Say,
    ) -> None:
        self._spec, self._mirror, self._out, self._say = spec, mirror, outbox, say
        self._mastership, self._conflict = mastership, conflict
        self._kept = KeptObjects(mirror, outbox, spec.name)
        self._listed: dict[Identity, Listed] = {}
        self._pace = Pace(PACE_COUNT, PACE_PERIOD)
        # Whether networkd has finished; what was sent again since it was lost; what came back.
        self._is_settled = True
        self._sent: set[Identity] = set()
        self._returned: list[KernelObject] = []
        self._unread: tuple[str, ...] = ()
        # What required() has worked out, and as of which change.
        self._untracked, self._required = tuple[KernelObject, ...](), tuple[Identity, ...]()
        self._ways, self._counted = frozenset[int](), -1
        # Whether an earlier daemon may have left something undone.
        self._is_unfinished = False
        #: When to look whether what was put back has to be removed again.
        self.remove_at = NEVER
        self.reconfigure(spec)

    # --- what there is --------------------------------------------------------------------------

    def lists(self, identity: Identity) -> bool:
        """Whether keepalived reports it as this instance's."""
        return identity in self._listed

    @property
    def known(self) -> list[tuple[KernelObject, bool, bool]]:
        """Those that keepalived has added: whether each is there, and whether keepalived tracks
        it."""
        there = self._mirror.objects
        return [
            (thing, identity in there, self._is_tracked(identity))
            for identity, thing in self._kept.memory.items()
        ]

    @property
    def saved(self) -> tuple[KernelObject, ...]:
        """What the next daemon has to know."""
        return tuple(self._kept.memory.values())

    @property
    def put_back(self) -> tuple[KernelObject, ...]:
        """What netvip added and keepalived has not taken over since."""
        return tuple(self._kept.put_back.values())

    @property
    def is_whole(self) -> bool:
        """Whether each of them is there that has to be."""
        there = self._mirror.objects
        return all(identity in there for identity in self.required)

    @property
    def required(self) -> tuple[Identity, ...]:
        """Those that nobody but netvip puts back, and whose interfaces are up: without one the
        kernel has no route through it, and keepalived does not notice that."""
        if self._counted != self._kept.changes:  # asked for at each event
            self._counted = self._kept.changes
            known = self._kept.memory.values()
            self._untracked = tuple(t for t in known if not self._is_tracked(t.identity))
            self._required = tuple(thing.identity for thing in self._untracked)
            self._ways = frozenset[int]().union(*(thing.ifindexes for thing in self._untracked))
        if all(map(self._is_up, self._ways)):
            return self._required
        up = (thing for thing in self._untracked if all(map(self._is_up, thing.ifindexes)))
        return tuple(thing.identity for thing in up)

    def _is_up(self, ifindex: int) -> bool:
        link = self._mirror.links.get(ifindex)
        return link is not None and link.carrier

    def forget_link(self, ifindex: int) -> None:
        """An interface is gone."""
        self._kept.forget_link(ifindex)

    def misses(self, identity: Identity) -> bool:
        """Whether this one is missing and nobody but netvip would put it back."""
        is_known = identity in self._kept.memory and identity not in self._mirror.objects
        return is_known and not self._is_tracked(identity)

    def _is_tracked(self, identity: Identity) -> bool:
        listed = self._listed.get(identity)
        return listed is not None and listed.tracked and self._spec.watches_addresses

    # --- keepalived's news ----------------------------------------------------------------------

    def reconfigure(self, spec: InstanceSpec) -> None:
        """keepalived runs another configuration; what it no longer has is forgotten, and removed
        if netvip had put it back."""
        if spec.unread and spec.unread != self._unread:
            why = "netvip cannot read keepalived's words for it, and does not put it back"
            self._say(Level.WARNING, f"virtual route or rule '{in_words(spec.unread)}': {why}")
        self._spec, self._unread = spec, spec.unread
        self._listed = {listed.identity: listed for listed in spec.objects}
        self._counted = -1
        for thing in [t for t in self._kept.memory.values() if not self.lists(t.identity)]:
            if thing.identity not in self._kept.put_back:
                self._kept.forget(thing.identity)
        self._kept.remove(lambda identity: not self.lists(identity))
        self._note_present()

    def _note_present(self) -> None:
        for identity in self._listed:
            thing = self._mirror.objects.get(identity)
            if thing is not None and identity not in self._kept.memory:
                self._kept.note(thing)

    def recall(self, known: Iterable[KernelObject], put_back: Iterable[KernelObject]) -> None:
        """Take over what an earlier daemon knew: what is missing is put back as of a silent
        deletion, once keepalived reports MASTER."""
        for thing in known:
            if self.lists(thing.identity) and thing.identity not in self._kept.memory:
                self._kept.note(thing)
        for thing in put_back:
            if self.lists(thing.identity):
                self._kept.note(thing, Author(AuthorKind.NETVIP, "netvip"))
        self._is_unfinished = True

    def became_master(self) -> None:
        """keepalived adds them from now on, unless it has already."""
        self._kept.expire()
        self._note_present()

    def expire(self) -> None:
        """keepalived may have read another configuration."""
        self._kept.expire()

    def dumped(self, now: float) -> None:
        """keepalived's dump lists them still: what other processes than networkd deleted goes back,
        a few times a minute at most (Law 6)."""
        if not self._may(now):
            return
        if self._is_unfinished:
            self._is_unfinished = False
            self.listed(now)
        again = list[KernelObject]()
        for loss in self._unsent():
            if self._is_tracked(loss.object.identity) or _is_networkd_s(loss):
                continue
            if self._mastership.dumped_at < loss.time:
                continue
            self._sent.add(loss.object.identity)
            if self._pace.allow(now):
                again.append(loss.object)
            else:
                count = f"{PACE_COUNT + 1} times in {PACE_PERIOD:.0f} s"
                why = f"deleted {count}, last by {loss.author}; no longer putting it back"
                self._say(Level.ERROR, f"virtual {loss.object} {why}")
        self._kept.put_back_now(again)
        if self._is_settled:
            self._put_back_rest(now)

    def left_master(self, now: float) -> None:
        """The node may have left MASTER: what was put back may have to go (Law 1)."""
        if self._kept.put_back and self.remove_at == NEVER:
            self.remove_at = now + RETRACT_AFTER
        self._kept.forget_all()
        self._sent.clear()
        self._is_settled = True

    def remove_again(self) -> None:
        """Remove what was put back if keepalived itself says that the node left MASTER."""
        self.remove_at = NEVER
        if self._mastership.left and (removed := self._kept.remove()):
            names = in_words(removed)
            self._say(Level.WARNING, f"virtual {names} removed: this node is no longer MASTER")

    def ended(self) -> None:
        """keepalived no longer has the instance."""
        self._kept.remove()

    # --- the kernel's news ----------------------------------------------------------------------

    def seen(self, thing: KernelObject, author: Author) -> None:
        """One of them is there, or there again."""
        loss = self._kept.back(thing.identity)
        is_known = thing.identity in self._kept.memory
        self._kept.note(thing, author)
        self._sent.discard(thing.identity)
        if author.kind is AuthorKind.NETVIP and (loss is not None or is_known):
            self._returned.append(thing)
        if not self._kept.losses:
            self._tell_returned()

    def _tell_returned(self) -> None:
        if self._returned:
            self._say(Level.NOTICE, f"virtual {in_words(self._returned)} put back")
            self._returned.clear()

    def lost(self, now: float, thing: KernelObject, author: Author, keeps: bool) -> bool:
        """One of them was deleted; `keeps`: keepalived has not released its VIPs. Whether networkd
        took what keepalived still has."""
        identity = thing.identity
        if author.kind is AuthorKind.NETVIP or identity not in self._kept.memory:
            return False
        is_master = self._mastership.is_master(now, self._spec)
        if is_master is Tri.NO or not keeps or self._kept.is_own_deletion(thing, author):
            self._kept.forget(identity)  # keepalived deleted it itself (Law 6)
            return False
        loss = ObjectLoss(now, self._kept.memory[identity], author)
        self._kept.lost(loss)
        self._sent.discard(identity)
        self._tell_lost(thing, author)
        self._out.append(RequestDump())
        if not _is_networkd_s(loss):
            return False
        self._is_settled = False
        if not self._is_tracked(identity) and self._may(now):
            self._kept.put_back_at_once(loss.object)
        return True

    def _tell_lost(self, thing: KernelObject, author: Author) -> None:
        if (count := len(self._kept.losses)) <= NAMED_MOST:
            self._say(Level.NOTICE, f"virtual {thing} deleted by {author}")
        elif count == NAMED_MOST + 1:
            all_of_them = f"{len(self._kept.memory)} virtual routes and rules"
            self._say(Level.NOTICE, f"more than {NAMED_MOST} of {all_of_them} deleted by {author}")

    def send_again(self, now: float) -> None:
        """The VIPs are back, and shield and bridge are about to go: add what is missing, whoever
        tracks it."""
        if self._may(now):
            self._kept.send_again()

    def listed(self, now: float) -> None:
        """networkd has finished, and the mirror has what the kernel really has. A route through an
        interface that is down is put back when that is up again."""
        self._is_settled = True
        self._kept.window_over()
        if not self._may(now):
            return
        if silent := self._kept.note_silent(now, self._is_up):
            names = in_words([loss.object for loss in silent])
            why = "the kernel deleted it with an address of the host"
            self._say(Level.NOTICE, f"virtual {names} is missing: {why}")
        self._put_back_rest(now)

    def _put_back_rest(self, now: float) -> None:
        """What networkd or the kernel took, and nobody has added again."""
        again = [
            loss.object
            for loss in self._unsent()
            if loss.author is None
            or (_is_networkd_s(loss) and self._mastership.confirmed_since(loss.time))
        ]
        self._sent.update(thing.identity for thing in again)
        self._kept.put_back_now(again)
        self._tell_returned()

    def _unsent(self) -> list[ObjectLoss]:
        return [loss for key, loss in self._kept.losses.items() if key not in self._sent]

    def _may(self, now: float) -> bool:
        is_master = self._mastership.is_master(now, self._spec) is Tri.YES
        return is_master and not self._conflict.confirmed


def _is_networkd_s(loss: ObjectLoss) -> bool:
    return loss.author is not None and loss.author.kind is AuthorKind.NETWORKD
