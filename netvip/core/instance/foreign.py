"""Which adverts of other nodes keepalived discards: netvip discards them as well.

keepalived takes an advert only if its version, authentication and (version 2) interval are its own;
whether the addresses have to be depends on its version (fact what-keepalived-discards). Its own
adverts show what these are. Where they leave a doubt, its dump tells: it says MASTER although the
other node's adverts go on, because it discards them, or a firewall drops them or this node's.
"""

from __future__ import annotations

from dataclasses import dataclass

from netvip.core.events import Advert
from netvip.core.model import IP, InstanceSpec

#: Two masters become one within an interval of the higher one's adverts (RFC 5798 6.4.3): after so
#: many intervals they do not hear each other.
DEAF_AFTER = 2.5
#: Adverts go on while the next comes within so many intervals.
GOES_ON = 1.5
#: How often keepalived is asked because of one sender that it may discard, in seconds.
ASK_EVERY = 10.0
#: Other nodes that are remembered. More than two are a mistake, or somebody's game.
MOST_SENDERS = 16

ADDRESSES = "they have other addresses"
DEAF = "keepalived does not hear them, or that node does not hear this one"


@dataclass(frozen=True, slots=True)
class Form:
    """What keepalived compares of an advert."""

    version: int
    authentication: bytes
    addresses: frozenset[IP]
    count: int
    interval: int


class Sender:
    """Another node's adverts."""

    def __init__(self, now: float) -> None:
        self._first = self._last = now
        self._asked = float("-inf")
        self._deaf = self._different = self._named = False
        #: Why they are discarded, empty if they are not, and how many were.
        self.why, self.discarded = "", 0

    def heard(self, now: float, difference: str, spec: InstanceSpec) -> None:
        """An advert, and how it differs from this node's."""
        if self.is_gone(now, spec):  # it is there again
            self._first, self._deaf = now, False
        self._last, self._different = now, difference == ADDRESSES
        self.why = difference or (DEAF if self._deaf else "")
        self.discarded += bool(self.why)

    def to_ask(self, now: float) -> bool:
        """Whether keepalived has to be asked: it may heed an advert with other addresses."""
        due = self._different and now >= self._asked + ASK_EVERY
        self._asked = now if due else self._asked
        return due

    def is_discarded(self, asked: float) -> bool:
        """Whether keepalived discards its adverts for certain, which is said once: by what it
        compares, or as it says MASTER as of `asked`, later than this node asked because of them."""
        certain = bool(self.why) and (not self._different or self._asked <= asked)
        new, self._named = certain and not self._named, self._named or certain
        return new

    @property
    def is_named(self) -> bool:
        """Whether it was said that its adverts are discarded."""
        return self._named

    def is_unheard(self, since: float, asked: float, spec: InstanceSpec) -> bool:
        """Whether its adverts went on for long while this node sent adverts as well, from `since`
        to `asked`."""
        still_sends = self._sends(asked, spec)
        long_since = asked - max(self._first, since) >= DEAF_AFTER * spec.advert_interval
        return still_sends and long_since and not self._deaf and not self.why

    @property
    def last(self) -> float:
        """When its last advert was heard."""
        return self._last

    def is_gone(self, now: float, spec: InstanceSpec) -> bool:
        """Whether nothing was heard for the master-down interval."""
        return now > self._last + spec.master_down

    def count_from(self, now: float) -> None:
        """This node became MASTER: what was heard before proves nothing."""
        self._first, self._deaf, self._asked = now, False, float("-inf")

    def may_be_heeded(self, asked: float, spec: InstanceSpec) -> bool:
        """Whether it sends adverts that keepalived may take although they differ."""
        return self._different and self._sends(asked, spec)

    def _sends(self, now: float, spec: InstanceSpec) -> bool:
        return self._last >= now - GOES_ON * spec.advert_interval

    def found_deaf(self, deaf: bool) -> None:
        """Whether keepalived does not take its adverts although they are like its own. The journal
        names it as a second master then."""
        self._deaf = deaf
        self._named = self._named or deaf


def _form(advert: Advert) -> Form:
    addresses = frozenset(advert.addresses)
    # In version 3 a backup takes over the master's interval (RFC 5798 6.4.2).
    interval = advert.interval if advert.version == 2 else 0
    return Form(advert.version, advert.authentication, addresses, len(advert.addresses), interval)


def _difference(own: Form, other: Form) -> str:
    if own.version != other.version:
        return f"they are of VRRP version {other.version}, not {own.version}"
    if own.authentication != other.authentication:
        return "their authentication type or password differs"
    if (own.count, own.addresses) != (other.count, other.addresses):
        return ADDRESSES
    if own.interval != other.interval:
        return f"their interval is {other.interval} s, not {own.interval} s"
    return ""


class ForeignAdverts:
    """The adverts that other nodes send for one instance."""

    def __init__(self) -> None:
        self._own: Form | None = None
        # Since when this node has sent adverts as MASTER.
        self._sends_since: float | None = None
        self._sent = float("-inf")
        self._senders: dict[str, Sender] = {}
        self._further = Sender(float("-inf"))

    def own(self, advert: Advert, spec: InstanceSpec) -> None:
        """This node's own advert."""
        self._own = _form(advert)
        paused = advert.time > self._sent + GOES_ON * spec.advert_interval
        self._sent = advert.time
        if not advert.priority:
            self.is_no_master()
        elif paused or self._sends_since is None:
            self._sends_since = advert.time
            for sender in self._senders.values():
                sender.count_from(advert.time)

    def forget(self) -> None:
        """keepalived may run another configuration, or has stopped."""
        self._own = self._sends_since = None
        self._senders.clear()

    def take(self, advert: Advert, spec: InstanceSpec) -> Sender:
        """Another node's advert; discarded if the sender's `why` is not empty."""
        known = self._senders.get(advert.sender) or self._new(advert, spec)
        difference = _difference(self._own, _form(advert)) if self._own else ""
        known.heard(advert.time, difference, spec)
        return known

    def _new(self, advert: Advert, spec: InstanceSpec) -> Sender:
        """Another sender. If there are too many, a silent one is forgotten; if none is silent, all
        further ones count as one, which status does not list."""
        if len(self._senders) >= MOST_SENDERS:
            oldest = min(self._senders, key=lambda name: self._senders[name].last)
            if not self._senders[oldest].is_gone(advert.time, spec):
                return self._further
            del self._senders[oldest]
        self._senders[advert.sender] = Sender(advert.time)
        return self._senders[advert.sender]

    def is_master(self, asked: float, spec: InstanceSpec) -> list[str]:
        """keepalived reports MASTER as of `asked`; the nodes that prove not to be heard by it."""
        if (since := self._sends_since) is None:
            return []
        found = [n for n, sender in self._senders.items() if sender.is_unheard(since, asked, spec)]
        for name in found:
            self._senders[name].found_deaf(True)
        return found

    def discarded_by(self, asked: float) -> dict[str, str]:
        """keepalived reports MASTER as of `asked`: the nodes whose adverts it discards by that, and
        why, each once."""
        return {n: s.why for n, s in self._senders.items() if s.is_discarded(asked)}

    def heeded(self, asked: float, spec: InstanceSpec) -> str | None:
        """keepalived reports as of `asked` that it is not MASTER: the node with other addresses for
        which it left, if there is one."""
        found = self._senders.items()
        return next((n for n, sender in found if sender.may_be_heeded(asked, spec)), None)

    def is_no_master(self) -> None:
        """keepalived is not MASTER: it hears the others."""
        self._sends_since = None
        for sender in self._senders.values():
            sender.found_deaf(False)

    def discarded(self) -> dict[str, tuple[str, int]]:
        """By sender, why its adverts are discarded, and how many were."""
        found = self._senders.items()
        return {n: (s.why, s.discarded) for n, s in found if s.why and s.is_named}
