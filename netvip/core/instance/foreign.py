"""Which adverts of other nodes keepalived discards: netvip discards them as well.

keepalived takes an advert only if its version, authentication, addresses and (version 2) interval
are its own (fact what-keepalived-discards). Its own adverts show what these are. An advert that it
should take and does not, because a firewall drops it or because the other node drops this node's,
is told by its dump: it says MASTER although the other node's adverts go on.
"""

from __future__ import annotations

from dataclasses import dataclass

from netvip.core.events import Advert
from netvip.core.model import IP, InstanceSpec

#: Two masters become one within an interval of the higher one's adverts (RFC 5798 6.4.3): after so
#: many intervals they do not hear each other.
DEAF_AFTER = 2.5
#: Other nodes that are remembered. More than two are a mistake, or somebody's game.
MOST_SENDERS = 16

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
        self._deaf = False
        #: Why they are discarded, empty if they are not, and how many were.
        self.why, self.discarded = "", 0

    def heard(self, now: float, difference: str) -> None:
        """An advert, and how it differs from this node's."""
        self._last = now
        self.why = difference or (DEAF if self._deaf else "")
        self.discarded += bool(self.why)

    def is_gone(self, now: float, spec: InstanceSpec) -> bool:
        """Whether nothing was heard for the master-down interval."""
        return now > self._last + spec.master_down

    def is_unheard(self, since: float, asked: float, spec: InstanceSpec) -> bool:
        """Whether its adverts went on for long while this node sent adverts as well, from `since`
        to `asked`."""
        still_sends = self._last >= asked - 1.5 * spec.advert_interval
        long_since = asked - max(self._first, since) >= DEAF_AFTER * spec.advert_interval
        return still_sends and long_since and not self._deaf and not self.why

    def found_deaf(self, deaf: bool) -> None:
        """Whether keepalived does not take its adverts although they are like its own."""
        self._deaf = deaf


def _form(advert: Advert) -> Form:
    addresses = frozenset(advert.addresses)
    # In version 3 a backup takes over the master's interval (RFC 5798 6.4.2).
    interval = advert.interval if advert.version == 2 else 0
    return Form(advert.version, advert.authentication, addresses, len(advert.addresses), interval)


def _difference(own: Form, other: Form) -> str:
    if own.version != other.version:
        return f"they are of VRRP version {other.version}, not {own.version}"
    if own.authentication != other.authentication:
        return "their authentication type or password is another"
    if (own.count, own.addresses) != (other.count, other.addresses):
        return "they have other addresses"
    if own.interval != other.interval:
        return f"their interval is {other.interval} s, not {own.interval} s"
    return ""


class ForeignAdverts:
    """The adverts that other nodes send for one instance."""

    def __init__(self) -> None:
        self._own: Form | None = None
        # Since when this node has sent adverts as MASTER.
        self._sends_since: float | None = None
        self._senders: dict[str, Sender] = {}

    def own(self, advert: Advert) -> None:
        """This node's own advert."""
        self._own = _form(advert)
        if not advert.priority:
            self.is_no_master()
        elif self._sends_since is None:
            self._sends_since = advert.time

    def forget(self) -> None:
        """keepalived may run another configuration, or has stopped."""
        self._own = self._sends_since = None
        self._senders.clear()

    def take(self, advert: Advert, spec: InstanceSpec) -> Sender:
        """Another node's advert; discarded if the sender's `why` is not empty."""
        known = self._senders.get(advert.sender)
        if known is None or known.is_gone(advert.time, spec):
            known = Sender(advert.time)
            if advert.sender in self._senders or len(self._senders) < MOST_SENDERS:
                self._senders[advert.sender] = known
        difference = _difference(self._own, _form(advert)) if self._own else ""
        known.heard(advert.time, difference)
        return known

    def is_master(self, asked: float, spec: InstanceSpec) -> list[str]:
        """keepalived reports MASTER as of `asked`; the nodes that prove not to be heard by it."""
        if (since := self._sends_since) is None:
            return []
        found = [n for n, sender in self._senders.items() if sender.is_unheard(since, asked, spec)]
        for name in found:
            self._senders[name].found_deaf(True)
        return found

    def is_no_master(self) -> None:
        """keepalived is not MASTER: it hears the others."""
        self._sends_since = None
        for sender in self._senders.values():
            sender.found_deaf(False)

    def discarded(self) -> dict[str, tuple[str, int]]:
        """By sender, why its adverts are discarded, and how many were."""
        return {n: (s.why, s.discarded) for n, s in self._senders.items() if s.why}
