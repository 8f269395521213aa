"""The kernel's notifications of addresses, links, routes and rules, with the author of each."""

from __future__ import annotations

import asyncio
import math
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from netvip.const import NUMBER_FIRST, NUMBER_LAST
from netvip.core import events
from netvip.core.model import Author, AuthorKind, Kernel, Route, Rules
from netvip.core.objects import KernelObject, RouteIdentity
from netvip.core.plan.build import ROUTING_DAEMONS
from netvip.linux import objects, rtnl
from netvip.linux.netlink_messages import HEADER, Message
from netvip.linux.netlink_socket import dump, open_socket, receive

#: A burst at boot, or of a thousand VIPs, must not overflow it; after an overflow the source dumps
#: the kernel's state again.
RECEIVE_BUFFER = 4 << 20
#: Seconds. Then the other work of the event loop has its turn, the watchdog's above all: a thousand
#: VIPs that go and come make several thousand notifications.
TURN = 0.005
#: networkd's socket is made by PID 1 (systemd-networkd.socket), so its port is 1 (fact
#: netlink-port-names-the-author).
SOCKET_ACTIVATED = 1
NETWORKD_COMM = "systemd-network"
#: netvip's own tables are among these.
NETVIP_TABLES = range(NUMBER_FIRST, NUMBER_LAST)


#: Reports what another source has received.
Report = Callable[[], None]


class KernelSource:
    """Watches the kernel; `emit` gets an event for each change, in the kernel's order.

    before_loss is called before a deletion that may be keepalived's own is reported: keepalived
    announces what it releases before it deletes it, so the adverts that have arrived have to be
    reported first (Law 6).

    before_news is called before what has arrived is read: after a pause of this process the adverts
    that came meanwhile say that keepalived is still MASTER.

    Other sources pass what keepalived reports to report_after().
    """

    def __init__(
        self,
        emit: Callable[[events.Event], None],
        own_port: int,
        before_loss: Callable[[], None] = lambda: None,
        before_news: Callable[[], None] = lambda: None,
    ) -> None:
        self._emit, self._own_port, self._before_loss = emit, own_port, before_loss
        self._before_news = before_news
        self._socket = open_socket(RECEIVE_BUFFER, rtnl.GROUPS)
        self._rules_changed = self._is_losing = self._has_turn = self._has_overflowed = False
        self._reads_on = False
        # Read by report_after(), and not taken yet; what is to be reported stands behind what came
        # before it.
        self._waiting: deque[Message | Report] = deque()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Report what there is, then every change."""
        self.resync()
        loop.add_reader(self._socket, self._readable)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop watching."""
        loop.remove_reader(self._socket)
        self._socket.close()

    def resync(self) -> None:
        """Report everything that the kernel has."""
        self._emit(events.Resync(time.monotonic(), snapshot()))

    def _readable(self) -> None:
        def take(message: Message) -> None:
            self._take(message, time.monotonic())

        self._before_news()
        if self._waiting:
            return  # it has its own turn, and comes first
        if receive(self._socket, take, self._overflowed, TURN):
            self._report_rest()
        elif not self._reads_on:  # the loop calls again only where something is left
            self._reads_on = True
            asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        self._reads_on = False
        if self._socket.fileno() >= 0:  # not closed meanwhile
            self._readable()

    def _overflowed(self) -> None:
        """Some notifications are lost: a dump follows those that have arrived."""
        self._has_overflowed = True

    def _report_rest(self) -> None:
        """Everything that has arrived is reported."""
        if self._has_overflowed:
            self._has_overflowed = False
            self.resync()
        self._report_rules()

    def _report_rules(self) -> None:
        if self._rules_changed:
            self._rules_changed, now = False, time.monotonic()
            for family, rules in _rules().items():
                self._emit(events.RulesSeen(now, family, rules))

    def report_after(self, report: Report) -> None:
        """Call `report`, which tells what keepalived reports, after what has arrived was reported,
        up to a deletion that may be keepalived's own. keepalived learns of networkd's deletion as
        netvip does, and leaves MASTER because of it within a millisecond: what made it leave has
        arrived."""
        if self._is_losing:
            self._report_early()
            report()  # what came before this deletion is reported
            return
        is_idle = not self._waiting
        receive(self._socket, lambda message: self._waiting.append(message), self._overflowed)
        if self._has_overflowed:
            self._take_waiting(math.inf)
        self._waiting.append(report)
        if is_idle:  # else it has its turn when what is before it has had its own
            self._take_waiting(time.monotonic() + TURN)

    def _take_waiting(self, end: float) -> None:
        """Report what is waiting, until `end`; the rest follows."""
        while self._waiting:
            first = self._waiting.popleft()
            if not isinstance(first, Message):
                first()
            else:
                if self._may_be_keepalived_s(first):
                    self._report_early()
                self._take(first, time.monotonic())
            if self._waiting and time.monotonic() >= end:
                self._ask_for_turn()
                return
        self._report_rest()

    def _ask_for_turn(self) -> None:
        if not self._has_turn:
            self._has_turn = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._has_turn = False
        if self._socket.fileno() >= 0:  # not closed meanwhile
            self._take_waiting(time.monotonic() + TURN)

    def _report_early(self) -> None:
        """Tell what keepalived reported before it deletes (Law 6)."""
        reports = [one for one in self._waiting if not isinstance(one, Message)]
        if reports:
            self._waiting = deque(one for one in self._waiting if isinstance(one, Message))
        for report in reports:
            report()

    def _may_be_keepalived_s(self, message: Message) -> bool:
        if message.kind in (rtnl.RTM_DELROUTE, rtnl.RTM_DELRULE):
            if not objects.may_be_keepalived_s(message):
                return False
        elif message.kind != rtnl.RTM_DELADDR:
            return False
        return self._author(message.author).kind in (AuthorKind.OTHER, AuthorKind.UNKNOWN)

    def _take(self, message: Message, now: float) -> None:
        kind = message.kind
        if kind in (rtnl.RTM_NEWADDR, rtnl.RTM_DELADDR):
            self._take_address(message, now)
        elif kind in (rtnl.RTM_NEWROUTE, rtnl.RTM_DELROUTE):
            self._take_route(message, now)
        elif kind in (rtnl.RTM_NEWLINK, rtnl.RTM_DELLINK):
            self._take_link(message, now)
        elif kind in (rtnl.RTM_NEWRULE, rtnl.RTM_DELRULE) and message.author != self._own_port:
            self._rules_changed = True  # they are read once, however many of them have changed
        if kind in objects.ROUTES or kind in objects.RULES:
            self._take_object(message, now)

    def _take_address(self, message: Message, now: float) -> None:
        address = rtnl.address(message)
        if address is None:
            return
        author = self._author(message.author)
        if message.kind == rtnl.RTM_DELADDR:
            self._report_adverts(message)
            self._emit(events.AddressLost(time.monotonic(), address, author))
        else:
            self._emit(events.AddressSeen(now, address, author))

    def _report_adverts(self, deletion: Message) -> None:
        if self._may_be_keepalived_s(deletion):
            # Meanwhile nothing that came after this deletion may be reported.
            self._is_losing = True
            self._before_loss()
            self._is_losing = False

    def _take_object(self, message: Message, now: float) -> None:
        found = _object(message)
        if found is None:
            return
        author = self._author(message.author)
        if message.kind in (rtnl.RTM_DELROUTE, rtnl.RTM_DELRULE):
            self._report_adverts(message)
            self._emit(events.ObjectLost(time.monotonic(), found, author))
        else:
            self._emit(events.ObjectSeen(now, found, author))

    def list_objects(self) -> None:
        """Report all routes and rules that may be keepalived's, after what has arrived: of some
        that the kernel deletes it sends no notification (fact keepalived-marks-its-objects)."""
        if self._socket.fileno() >= 0:  # not closed meanwhile
            self.report_after(self._list_objects)

    def _list_objects(self) -> None:
        messages = list(_dump(rtnl.RTM_GETRULE))
        for family in (socket.AF_INET, socket.AF_INET6):
            messages += dump(objects.dump_request(family), strict=True)
        found = map(_object, messages)
        listed = tuple(one for one in found if one is not None)
        self._before_loss()  # keepalived announces what it releases before it deletes it
        self._emit(events.ObjectsListed(time.monotonic(), listed))

    def _take_route(self, message: Message, now: float) -> None:
        route = _route(message)
        if route is not None:
            gone = message.kind == rtnl.RTM_DELROUTE
            self._emit((events.RouteLost if gone else events.RouteSeen)(now, route))

    def _take_link(self, message: Message, now: float) -> None:
        if message.data[HEADER.size] != socket.AF_UNSPEC:
            return  # a bridge's or IPv6's own news about a link
        if message.kind == rtnl.RTM_DELLINK:
            self._emit(events.LinkLost(now, rtnl.ifindex(message)))
        else:
            self._emit(events.LinkSeen(now, rtnl.link(message)))

    def _author(self, port: int) -> Author:
        if port == self._own_port:
            return Author(AuthorKind.NETVIP, "netvip")
        if port == 0:
            return Author(AuthorKind.UNKNOWN, "an unknown process (the kernel does not name it)")
        comm = "" if port == SOCKET_ACTIVATED else _comm(port)
        if port == SOCKET_ACTIVATED or comm == NETWORKD_COMM:
            return Author(AuthorKind.NETWORKD, "systemd-networkd")
        return Author(AuthorKind.OTHER, f"{comm or 'a process'} (netlink port {port})")


def _comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _route(message: Message) -> Route | None:
    """The route, if it may be one that a bridge carries."""
    length, _, _, table, protocol, _, kind = message.data[17:24]
    # Told from five bytes, not decoded: a router's table is large. A routing daemon's default route
    # may be better than the bridge's.
    if kind != rtnl.RTN_UNICAST or table == rtnl.RT_TABLE_LOCAL:
        return None
    if protocol in ROUTING_DAEMONS and length:
        return None
    route = rtnl.route(message)
    return None if route is None or route.table in NETVIP_TABLES else route


def _object(message: Message) -> KernelObject | None:
    """The route or rule, if keepalived may have added it."""
    found = objects.decode(message)
    if found is None:
        return None
    is_route = isinstance(found.identity, RouteIdentity)
    return None if is_route and found.identity.table in NETVIP_TABLES else found


# --- dumps --------------------------------------------------------------------------------------


def _dump(kind: int) -> Iterator[Message]:
    return dump(rtnl.dump_request(kind))


def snapshot() -> Kernel:
    """The kernel's state now; a few ms where there are no thousands of addresses."""
    addresses = [rtnl.address(message) for message in _dump(rtnl.RTM_GETADDR)]
    routes, found = list[Route | None](), list[KernelObject | None]()
    for message in _dump(rtnl.RTM_GETROUTE):
        routes.append(_route(message))
        found.append(_object(message))
    policy = list(_dump(rtnl.RTM_GETRULE))
    rules = _each_rule(policy)
    found += map(_object, policy)
    nexthops = _nexthops()
    taken = {rule.table for rule in rules} | set(nexthops or ())
    return Kernel(
        tuple(address for address in addresses if address is not None),
        tuple(rtnl.link(message) for message in _dump(rtnl.RTM_GETLINK)),
        tuple(route for route in routes if route is not None),
        _policy(rules),
        frozenset(taken),
        nexthops is not None,
        tuple(one for one in found if one is not None),
    )


def _nexthops() -> list[int] | None:
    """The numbers in use; None where the kernel has none of them."""
    try:
        return [rtnl.nexthop_id(message) for message in _dump(rtnl.RTM_GETNEXTHOP)]
    except OSError:
        return None  # before 5.3


def _rules() -> dict[int, Rules]:
    return _policy(_each_rule(_dump(rtnl.RTM_GETRULE)))


def _each_rule(messages: Iterable[Message]) -> list[rtnl.Rule]:
    """Each once: a dump that was interrupted comes again."""
    return list(dict.fromkeys(map(rtnl.rule, messages)))


def _policy(rules: list[rtnl.Rule]) -> dict[int, Rules]:
    families = (socket.AF_INET, socket.AF_INET6)
    return {int(f): _family_policy([r for r in rules if r.family == f]) for f in families}


def _family_policy(rules: list[rtnl.Rule]) -> Rules:
    mains = [
        r.pref
        for r in rules
        if r.unconditional and r.table == rtnl.RT_TABLE_MAIN and r.source is None
    ]
    main = min(mains, default=None)
    ahead = [
        r
        for r in sorted(rules, key=lambda r: r.pref)
        if main is not None
        and r.pref < main
        and r.table != rtnl.RT_TABLE_LOCAL
        and r.table not in NETVIP_TABLES
        and (r.source is not None or r.unconditional)
    ]
    by_source = ((r.source, r.table) for r in ahead if r.by_source)
    sources = tuple((r.pref, r.source) for r in ahead)
    return Rules(main, sources, tuple(by_source), _is_local_moved(rules))


def _is_local_moved(rules: list[rtnl.Rule]) -> bool:
    to_local = [r.pref for r in rules if r.unconditional and r.table == rtnl.RT_TABLE_LOCAL]
    first = min(to_local, default=None)
    # Those with further conditions concern some packets only: marked ones (Cilium's), a VRF's.
    others = (r.pref for r in rules if r.by_source and r.table not in NETVIP_TABLES)
    return first is None or any(pref < first for pref in others)
