"""The kernel's addresses, links, routes and rules, as its notifications tell them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from netvip.core.main_table import MainTable
from netvip.core.model import IP, TABLE_MAIN, Address, AddressKey, Kernel, Link, Route, Rules
from netvip.core.objects import Identity, KernelObject


class Watch:
    """Which of some addresses are absent; the mirror keeps it up to date until unwatch()."""

    def __init__(self, keys: frozenset[AddressKey], absent: Iterable[AddressKey]) -> None:
        self.keys = keys
        self._absent = set(absent)

    @property
    def absent(self) -> Set[AddressKey]:
        """The addresses that the kernel does not have."""
        return self._absent

    def came(self, key: AddressKey) -> None:
        """The kernel has this address."""
        self._absent.discard(key)

    def went(self, keys: Iterable[AddressKey]) -> None:
        """The kernel no longer has these addresses."""
        self._absent.update(self.keys.intersection(keys))


class Mirror:
    """A copy of the kernel's state, changed by events."""

    def __init__(self) -> None:
        self.links: dict[int, Link] = {}
        #: Changes with the name or the number of any interface.
        self.layout = 0
        self._watches: dict[AddressKey, list[Watch]] = {}
        self._watching: list[Watch] = []
        self._index: dict[str, int] = {}
        self.rules: dict[int, Rules] = {}
        self.taken: frozenset[int] = frozenset()
        self.nexthops = True
        self._addresses: dict[int, dict[AddressKey, Address]] = {}
        self._routes: dict[int, dict[Route, None]] = {}
        self._objects: dict[Identity, KernelObject] = {}
        self._main = MainTable()

    def load(self, kernel: Kernel) -> None:
        """Replace everything."""
        self._addresses, self._routes, self._main = {}, {}, MainTable()
        for key, watches in self._watches.items():
            for watch in watches:
                watch.went([key])
        self.links, self._index = {}, {}
        self.layout += 1
        for link in kernel.links:
            self.add_link(link)
        self.rules, self.taken = dict(kernel.rules), kernel.taken
        self.nexthops = kernel.nexthops
        for address in kernel.addresses:
            self.add(address)
        for route in kernel.routes:
            self.add_route(route)
        self.load_objects(kernel.objects)

    def load_objects(self, objects: Iterable[KernelObject]) -> None:
        """These are all routes and rules that may be keepalived's."""
        self._objects = {thing.identity: thing for thing in objects}

    @property
    def objects(self) -> Mapping[Identity, KernelObject]:
        """Routes and rules that may be keepalived's."""
        return self._objects

    def add_object(self, thing: KernelObject) -> None:
        """A route or rule is there."""
        self._objects[thing.identity] = thing

    def remove_object(self, identity: Identity) -> None:
        """A route or rule is gone."""
        self._objects.pop(identity, None)

    def add(self, address: Address) -> None:
        """An address is there."""
        key = address.key
        self._addresses.setdefault(address.ifindex, {})[key] = address
        for watch in self._watches.get(key, ()):
            watch.came(key)

    def remove(self, key: AddressKey) -> None:
        """An address is gone."""
        self._addresses.get(key.ifindex, {}).pop(key, None)
        for watch in self._watches.get(key, ()):
            watch.went([key])

    def watch(self, keys: Iterable[AddressKey]) -> Watch:
        """Follow which of these addresses are absent, until unwatch()."""
        wanted = frozenset(keys)
        watch = Watch(wanted, (key for key in wanted if self.get(key) is None))
        for key in wanted:
            self._watches.setdefault(key, []).append(watch)
        self._watching.append(watch)
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Follow them no more."""
        self._watching.remove(watch)
        for key in watch.keys:
            self._watches[key].remove(watch)
            if not self._watches[key]:
                del self._watches[key]

    @property
    def absent(self) -> int:
        """How many addresses of all that are followed are absent."""
        return sum(len(watch.absent) for watch in self._watching)

    def add_route(self, route: Route) -> None:
        """A route is there."""
        routes = self._routes.setdefault(route.ifindex, {})
        if route not in routes:
            routes[route] = None
            self._main.count(route, 1)

    def remove_route(self, route: Route) -> None:
        """A route is gone."""
        routes = self._routes.get(route.ifindex, {})
        if route in routes:
            del routes[route]
            self._main.count(route, -1)

    def set_rules(self, family: int, rules: Rules) -> None:
        """The routing policy of a family is now this."""
        self.rules[family] = rules

    def add_link(self, link: Link) -> None:
        """An interface is there, perhaps under a new name."""
        known = self.links.get(link.ifindex)
        if known is None or known.name != link.name:
            self.layout += 1
        self._forget_name(link.ifindex)
        self.links[link.ifindex] = link
        self._index[link.name] = link.ifindex

    def _forget_name(self, ifindex: int) -> None:
        old = self.links.pop(ifindex, None)
        if old and self._index.get(old.name) == ifindex:
            del self._index[old.name]

    def remove_link(self, ifindex: int) -> None:
        """An interface is gone, with all it had."""
        self._forget_name(ifindex)
        self.layout += 1
        gone = self._addresses.pop(ifindex, {})
        for key in gone:
            for watch in self._watches.get(key, ()):
                watch.went([key])
        for route in self._routes.pop(ifindex, {}):
            self._main.count(route, -1)

    def index(self, name: str) -> int:
        """The interface's number; 0 when there is none of that name."""
        return self._index.get(name, 0)

    def name(self, ifindex: int) -> str:
        """The interface's name, for the journal."""
        link = self.links.get(ifindex)
        return link.name if link else f"interface {ifindex}"

    def get(self, key: AddressKey) -> Address | None:
        """The address, if it is there."""
        return self._addresses.get(key.ifindex, {}).get(key)

    def addresses(self, ifindex: int) -> list[Address]:
        """An interface's addresses, in the order they were added."""
        return list(self._addresses.get(ifindex, {}).values())

    def routes(self, ifindex: int, table: int = TABLE_MAIN) -> list[Route]:
        """A table's routes through an interface."""
        return [route for route in self._routes.get(ifindex, {}) if route.table == table]

    def beaten(self, route: Route) -> bool:
        """Whether the table main has a better default route, through another interface."""
        return self._main.beaten(route)

    def broader_elsewhere(self, route: Route) -> bool:
        """Whether the table main has a shorter route than this, through another interface, that is
        no default route."""
        return self._main.broader_elsewhere(route)

    def every_route(self, ifindex: int) -> list[Route]:
        """The routes through an interface, of all tables."""
        return list(self._routes.get(ifindex, {}))

    def on(self, ifindex: int, ip: IP) -> list[Address]:
        """The interface's entries for this address, whatever their prefix."""
        return [address for address in self.addresses(ifindex) if address.ip == ip]
