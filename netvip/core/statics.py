"""keepalived's static routes and rules: they are there whatever its state, and are put back where
networkd, or the kernel, deleted them while keepalived runs."""

from __future__ import annotations

from collections.abc import Iterable

from netvip.core.actions import Action, Level, Log
from netvip.core.kept import KeptObjects, ObjectLoss
from netvip.core.mirror import Mirror
from netvip.core.model import NAMED_MOST, Author, AuthorKind, InstanceSpec, in_words
from netvip.core.objects import KEEPALIVED, Identity, KernelObject


class Statics:
    """What is keepalived's by its protocol and no instance's by keepalived's dump, where its
    configuration has such. Of those with no_track the rules have no protocol: netvip does not know
    them."""

    def __init__(self, mirror: Mirror, outbox: list[Action]) -> None:
        self._mirror, self._out = mirror, outbox
        self._kept = KeptObjects(mirror, outbox)
        self._virtual = frozenset[Identity]()
        # Whether a dump told which objects are instances': of those that could not be read one
        # would be taken for a static one.
        self._is_known = False
        self._returned: list[KernelObject] = []

    @property
    def known(self) -> list[tuple[KernelObject, bool]]:
        """Those that keepalived has added, and whether each is there."""
        there = self._mirror.objects
        return [(thing, identity in there) for identity, thing in self._kept.memory.items()]

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(self._kept.memory)

    def dumped(self, specs: Iterable[InstanceSpec], declared: bool) -> None:
        """keepalived's dump tells which objects are instances'; `declared`: its configuration has
        static ones. Without, what bears its protocol is another process's (Law 5)."""
        known = list(specs)
        self._is_known = declared and not any(spec.unread for spec in known)
        self._virtual = frozenset(listed.identity for spec in known for listed in spec.objects)
        for identity in [i for i in self._kept.memory if not self._is_static(i)]:
            self._kept.forget(identity)
        for thing in self._mirror.objects.values():
            if self._is_static(thing.identity) and thing.identity not in self._kept.memory:
                self._kept.note(thing)

    def keepalived_gone(self) -> None:
        """keepalived stopped: it removes what it had added."""
        for identity in list(self._kept.memory):
            self._kept.forget(identity)
        self._is_known = False

    def keepalived_reloaded(self) -> None:
        """keepalived may have read another configuration."""
        self._kept.expire()

    def seen(self, thing: KernelObject, author: Author) -> None:
        """An object is there that no instance lists."""
        if not self._is_static(thing.identity):
            return
        loss = self._kept.back(thing.identity)
        is_known = thing.identity in self._kept.memory
        self._kept.note(thing, author)
        if author.kind is AuthorKind.NETVIP and (loss is not None or is_known):
            self._returned.append(thing)
        if self._returned and not self._kept.losses:
            self._say(f"static {in_words(self._returned)} put back")
            self._returned.clear()

    def lost(self, now: float, thing: KernelObject, author: Author) -> bool:
        """One was deleted; whether networkd took it."""
        identity = thing.identity
        if author.kind is AuthorKind.NETVIP or identity not in self._kept.memory:
            return False
        if author.kind is not AuthorKind.NETWORKD:
            self._kept.forget(identity)  # keepalived's own deletion, or an operator's
            return False
        loss = ObjectLoss(now, self._kept.memory[identity], author)
        self._kept.lost(loss)
        if (count := len(self._kept.losses)) <= NAMED_MOST:
            self._say(f"static {thing} deleted by {author}")
        elif count == NAMED_MOST + 1:
            self._say(f"more than {NAMED_MOST} static routes and rules deleted by {author}")
        self._kept.put_back_at_once(loss.object)
        return True

    def listed(self, now: float) -> None:
        """networkd has finished, and the mirror has what the kernel really has."""
        self._kept.window_over()
        if silent := self._kept.note_silent(now, self._is_up):
            names = in_words([loss.object for loss in silent])
            self._say(f"static {names} is missing: the kernel deleted it with an address")
        self._kept.put_back_now([loss.object for loss in self._kept.losses.values()])

    def forget_link(self, ifindex: int) -> None:
        """An interface is gone."""
        self._kept.forget_link(ifindex)

    def _is_up(self, ifindex: int) -> bool:
        link = self._mirror.links.get(ifindex)
        return link is not None and link.carrier

    def _is_static(self, identity: Identity) -> bool:
        is_marked = identity.protocol == KEEPALIVED
        return self._is_known and is_marked and identity not in self._virtual

    def _say(self, text: str) -> None:
        self._out.append(Log(Level.NOTICE, text))
