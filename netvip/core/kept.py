"""Routes and rules of keepalived's that netvip keeps: what they looked like, which were deleted and
by whom, which are missing, and which netvip has put back. Who owns them gives the evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from netvip.core.actions import Action, PutBackObjects, RemoveObjects
from netvip.core.mirror import Mirror
from netvip.core.model import Author, AuthorKind
from netvip.core.objects import Identity, KernelObject

#: networkd may delete an object again while it still configures the interface; more often than this
#: in a window it waits for the window's end.
AT_ONCE_LIMIT = 5


@dataclass(frozen=True, slots=True)
class ObjectLoss:
    """A route or rule that was deleted, when and by whom; without an author the kernel deleted it
    with an address, and sent no notification."""

    time: float
    object: KernelObject
    author: Author | None


class KeptObjects:
    """The routes and rules of one owner: an instance, or keepalived itself (static ones)."""

    def __init__(self, mirror: Mirror, outbox: list[Action], owner: str = "") -> None:
        self._mirror, self._out, self._owner = mirror, outbox, owner
        self._memory: dict[Identity, KernelObject] = {}
        self._adders: dict[Identity, Author] = {}
        self._losses: dict[Identity, ObjectLoss] = {}
        self._put_back: dict[Identity, KernelObject] = {}
        self._tries: dict[Identity, int] = {}
        # Those that keepalived may have given other attributes since they were noted.
        self._stale: set[Identity] = set()
        #: Changes with the objects that are known.
        self.changes = 0

    @property
    def memory(self) -> Mapping[Identity, KernelObject]:
        """The objects as keepalived had added them."""
        return self._memory

    @property
    def losses(self) -> Mapping[Identity, ObjectLoss]:
        """What was deleted and has not come back."""
        return self._losses

    @property
    def put_back(self) -> Mapping[Identity, KernelObject]:
        """What netvip added and keepalived has not added itself since."""
        return self._put_back

    def note(self, thing: KernelObject, author: Author | None = None) -> None:
        """An object is there, as keepalived added it. One that netvip put back is the same, and
        what another process makes of it does not become its right state."""
        identity = thing.identity
        if author is not None and author.kind is AuthorKind.NETVIP:
            self._put_back[identity] = thing
            return
        self._put_back.pop(identity, None)
        is_known = identity in self._memory and identity not in self._stale
        if is_known and author != self._adders.get(identity):
            return
        self._memory[identity] = thing
        self.changes += 1
        self._stale.discard(identity)
        if author is not None:
            self._adders[identity] = author

    def expire(self) -> None:
        """keepalived may add them with other attributes from now on."""
        self._stale.update(self._memory)

    def is_own_deletion(self, thing: KernelObject, author: Author) -> bool:
        """Whether the process deleted it that had added it: keepalived (Law 6). Its netlink port,
        which the author's name contains, is no other process's."""
        return author.kind is AuthorKind.OTHER and self._adders.get(thing.identity) == author

    def forget(self, identity: Identity) -> None:
        """keepalived no longer has it."""
        self._memory.pop(identity, None)
        self.changes += 1
        self._adders.pop(identity, None)
        self._losses.pop(identity, None)
        self._put_back.pop(identity, None)
        self._tries.pop(identity, None)
        self._stale.discard(identity)

    def forget_link(self, ifindex: int) -> None:
        """An interface is gone, with the routes through it; one of its name has another number."""
        for thing in [t for t in self._memory.values() if ifindex in t.ifindexes]:
            self.forget(thing.identity)

    def forget_all(self) -> None:
        """keepalived has none of them any more, but what netvip put back may still be there."""
        for identity in [identity for identity in self._memory if identity not in self._put_back]:
            self.forget(identity)
        self._losses.clear()

    def lost(self, loss: ObjectLoss) -> None:
        """One was deleted that keepalived still has."""
        self._losses[loss.object.identity] = loss
        self._put_back.pop(loss.object.identity, None)

    def back(self, identity: Identity) -> ObjectLoss | None:
        """One is there again; return its loss, if it had one."""
        return self._losses.pop(identity, None)

    def absent(self) -> list[KernelObject]:
        """The objects that the kernel does not have."""
        there = self._mirror.objects
        return [thing for identity, thing in self._memory.items() if identity not in there]

    def note_silent(self, now: float, is_up: Callable[[int], bool]) -> list[ObjectLoss]:
        """What is absent without a notification is lost as well, unless an interface that it leads
        to is down; return these losses."""
        absent = [thing for thing in self.absent() if thing.identity not in self._losses]
        new = [thing for thing in absent if all(map(is_up, thing.ifindexes))]
        losses = [ObjectLoss(now, thing, None) for thing in new]
        for loss in losses:
            self.lost(loss)
        return losses

    def window_over(self) -> None:
        """Objects may go back at once again."""
        self._tries.clear()

    def put_back_at_once(self, thing: KernelObject) -> None:
        """Add one again although networkd may not have finished. The kernel refuses a route while
        the address or the gateway's subnet that it needs is away: that is no error."""
        tries = self._tries.get(thing.identity, 0)
        if tries < AT_ONCE_LIMIT:
            self._tries[thing.identity] = tries + 1
            self._out.append(PutBackObjects((thing,), self._owner, may_fail=True))

    def send_again(self) -> None:
        """Have all of them added that are missing, known or not: of some that it deletes the kernel
        sends no notification (fact keepalived-marks-its-objects). No other is changed."""
        if self._memory:
            things = tuple(self._memory.values())
            self._out.append(PutBackObjects(things, self._owner, may_fail=True))

    def put_back_now(self, things: Iterable[KernelObject]) -> None:
        """Add these again; what the kernel refuses is said."""
        if several := tuple(things):
            self._out.append(PutBackObjects(several, self._owner))

    def remove(
        self, wanted: Callable[[Identity], bool] = lambda identity: True
    ) -> tuple[KernelObject, ...]:
        """Remove what netvip put back, as far as it is there, and forget it; return it."""
        there = self._mirror.objects
        mine = {key: thing for key, thing in self._put_back.items() if wanted(key)}
        for identity in mine:
            self.forget(identity)
        left = tuple(thing for identity, thing in mine.items() if identity in there)
        if left:
            self._out.append(RemoveObjects(left))
        return left
