"""Whether this node is MASTER of an instance: told by adverts, dumps and reports, while fresh.

Where its own adverts are heard, MASTER goes stale without them. Where they are not (netvip cannot
read them, or an eBPF program takes them before they are seen), keepalived's own word holds until it
says otherwise, or another master is heard. Which of the two it is, a dump tells: whoever sends no
adverts because it hangs, answers no question either.
"""

from __future__ import annotations

from netvip.const import NEVER
from netvip.core.model import InstanceSpec, Role, Tri

#: After so many intervals without an advert netvip asks: one advert may be lost, and the answer
#: comes before the evidence is stale.
SILENT_AFTER = 2
#: So many seconds lie between two questions at least: keepalived logs a line for each.
ASK_EVERY = 1.0


class Mastership:
    """The evidence about one instance; the newest wins."""

    def __init__(self) -> None:
        self._role = Role.UNKNOWN
        self._since = self._reported_at = float("-inf")
        # When this node became MASTER or an own advert was heard; when keepalived itself said last
        # that it is MASTER; when netvip asked for that because of its silence.
        self._heard_at = self._said_at = self._asked_at = float("-inf")
        #: Where the newest evidence comes from: advert, dump, fifo, D-Bus.
        self.origin = ""
        self._own_in_a_row = 0
        #: When the newest dump was asked for.
        self.dumped_at = float("-inf")
        #: Whether keepalived itself reported last that it is not MASTER. Another node's advert
        #: tells so too, but keepalived may ignore it, and then netvip has to ignore it as well.
        self.left = False

    def advert(self, time: float, own: bool, priority: int) -> None:
        """An advert on the wire. Priority 0 is a release (RFC 5798 5.2.4)."""
        if own and priority:
            self._own_advert(time)
        elif own or priority:
            self._own_in_a_row = 0
            self._reported_at = time if own else self._reported_at
            self.left = self.left or own
            if own or self._role is not Role.FAULT:  # a node in FAULT hears a master as well
                self._set(Role.BACKUP, time, "advert")

    def _own_advert(self, time: float) -> None:
        # Of two masters, the one with the lower priority sends no advert after the first that it
        # hears (RFC 5798 6.4.3): two own adverts in a row prove MASTER, one does not.
        self._own_in_a_row += 1
        self._reported_at = self._heard_at = time
        self.left = False
        if self._role is Role.MASTER or self._own_in_a_row >= 2:
            self._set(Role.MASTER, time, "advert")

    def reported(self, time: float, role: Role, origin: str) -> None:
        """keepalived reported a change of its state."""
        if role is not Role.MASTER:
            self._own_in_a_row = 0
        self._reported_at = time
        self.left = role is not Role.MASTER
        self._set(role, time, origin)
        self._said(role, time)

    def dump(self, asked: float, role: Role) -> None:
        """keepalived's dump, true as of when it was asked for; adverts seen since then are newer.
        Another node's advert tells only that this node is not MASTER, not that it is not in FAULT.
        """
        self.dumped_at = asked
        if asked > self._reported_at:
            self.left = role is not Role.MASTER
        if asked > self._since:
            self._set(role, asked, "dump")
        elif role is Role.FAULT and self._role is Role.BACKUP and asked > self._reported_at:
            self._set(role, self._since, "dump")
        self._reported_at = max(self._reported_at, asked)
        self._said(role, asked)

    def _said(self, role: Role, time: float) -> None:
        if role is Role.MASTER:
            self._said_at = max(self._said_at, time)

    def keepalived_gone(self, time: float) -> None:
        """keepalived stopped: this node is not MASTER."""
        self._own_in_a_row, self.left = 0, False
        self._set(Role.UNKNOWN, time, "process")

    def _set(self, role: Role, time: float, origin: str) -> None:
        if role is Role.MASTER is not self._role:
            self._heard_at = time
        self._role, self._since, self.origin = role, time, origin

    def age(self, now: float) -> float:
        """Seconds since the newest evidence; infinite where there is none."""
        return now - self._since

    def takes_its_word(self, now: float, spec: InstanceSpec) -> bool:
        """Whether nothing but a word of keepalived's that may be minutes old tells of MASTER."""
        return self.is_silent(spec) and now > self.stale(spec)

    def is_silent(self, spec: InstanceSpec) -> bool:
        """Whether keepalived says that it is MASTER, and its adverts are not heard here."""
        return self._said_at - self._heard_at >= SILENT_AFTER * spec.advert_interval

    def expires(self, spec: InstanceSpec) -> float:
        """When the evidence of MASTER will be too old."""
        return NEVER if self.is_silent(spec) else self.stale(spec)

    def stale(self, spec: InstanceSpec) -> float:
        """When the newest evidence will be older than the master-down interval."""
        return self._since + spec.master_down

    def asks(self, spec: InstanceSpec) -> float:
        """When to ask keepalived because of its silence."""
        if self._role is not Role.MASTER or self.is_silent(spec):
            return NEVER
        due = self._heard_at + SILENT_AFTER * spec.advert_interval
        due = max(due, self._asked_at + max(spec.advert_interval, ASK_EVERY))
        return due if due < self.expires(spec) else NEVER

    def unanswered(self) -> None:
        """keepalived did not answer: its word holds no longer than other evidence."""
        self._said_at = float("-inf")

    def asked(self, now: float) -> None:
        """keepalived was asked because of its silence."""
        self._asked_at = now

    def role(self, now: float, spec: InstanceSpec) -> Role:
        """The role as far as it is known; MASTER goes stale with the master-down interval."""
        if self._role is Role.MASTER and now > self.expires(spec):
            return Role.UNKNOWN
        return self._role

    def is_master(self, now: float, spec: InstanceSpec) -> Tri:
        """Whether this node is MASTER by fresh evidence."""
        role = self.role(now, spec)
        return Tri.UNKNOWN if role is Role.UNKNOWN else Tri.of(role is Role.MASTER)

    def confirmed_since(self, moment: float) -> bool:
        """Whether the evidence of MASTER is no older than a moment (a dump: than its request)."""
        return self._role is Role.MASTER and self._since >= moment
