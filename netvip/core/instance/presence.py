"""The VIPs of one instance: where they belong, which are present, and what they looked like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from netvip.core.mirror import Mirror, Watch
from netvip.core.model import Address, AddressKey, InstanceSpec, Vip


class Presence:
    """Compares what keepalived is configured to hold with what the kernel has."""

    def __init__(self, spec: InstanceSpec, mirror: Mirror) -> None:
        self._spec, self._mirror = spec, mirror
        self._memory: dict[AddressKey, Address] = {}
        # The VIPs that the memory lacks.
        self._unnoted: set[AddressKey] = set()
        self._named: tuple[tuple[str, str], ...] | None = None
        # Whether keepalived may have given the VIPs other attributes since they were noted.
        self._stale = True
        self._find()

    def _find(self) -> None:
        """Look up where the kernel has the VIPs; anew where an interface has another number."""
        self._layout = self._mirror.layout
        self._vips = {self.key(vip): vip for vip in self._spec.vips}
        # What was noted on an interface that was made again is of another number's.
        self._memory = {key: a for key, a in self._memory.items() if key in self._vips}
        self._unnoted = self._vips.keys() - self._memory.keys()
        # Many VIPs are on few interfaces.
        bases = {place: self._base(*place) for place in {_place(vip) for vip in self._spec.vips}}
        self._bases = {key: bases[_place(vip)] for key, vip in self._vips.items()}
        self._on_vmacs = {key for key, vip in self._vips.items() if vip.base}
        self._home = bases[_place(self._spec.vips[0])] if self._spec.vips else 0
        on = {key.ifindex for key in self._vips}
        self._places = frozenset({self._home, *bases.values(), *on} - {0})
        self._watch, self._named = self._mirror.watch(self._vips), None

    def _base(self, interface: str, below: str) -> int:
        """Number of the interface whose addresses and routes the answers of a VIP need."""
        link = self._mirror.links.get(self._mirror.index(interface))
        if link is not None and not link.leads_out:
            below = self._spec.interface
        return self._mirror.index(below or interface)

    def _found(self) -> Watch:
        if self._layout != self._mirror.layout:
            self._mirror.unwatch(self._watch)
            self._find()
        return self._watch

    def end(self) -> None:
        """The instance is gone."""
        self._mirror.unwatch(self._watch)

    @property
    def spec(self) -> InstanceSpec:
        """The configuration that keepalived runs."""
        return self._spec

    @property
    def memory(self) -> Mapping[AddressKey, Address]:
        """The VIPs as they were when keepalived had added them."""
        return self._memory

    @property
    def home(self) -> int:
        """Number of the interface whose addresses and routes the VIPs' answers need: the one that
        they are on, or the one below a VMAC, or the instance's where they are on a dummy; 0 while
        there is none of that name."""
        self._found()
        return self._home

    @property
    def places(self) -> frozenset[int]:
        """Numbers of all interfaces that the VIPs are on, and of those that their answers need."""
        self._found()
        return self._places

    @property
    def bases(self) -> Mapping[AddressKey, int]:
        """By VIP, the number of the interface that its answers need; 0 while there is none."""
        self._found()
        return self._bases

    @property
    def on_vmacs(self) -> Set[AddressKey]:
        """The VIPs that are on links of keepalived's own."""
        self._found()
        return self._on_vmacs

    @property
    def has_carrier(self) -> bool:
        """Whether the interface that the VIPs' answers need can send and receive."""
        link = self._mirror.links.get(self.home)
        return link is not None and link.carrier

    def key(self, vip: Vip) -> AddressKey:
        """Where the kernel has this VIP."""
        return AddressKey(self._mirror.index(vip.interface), vip.ip, vip.prefixlen)

    def keys(self) -> frozenset[AddressKey]:
        """Where the kernel has the VIPs."""
        return self._found().keys

    @property
    def vips(self) -> Mapping[AddressKey, Vip]:
        """The VIPs, by where the kernel has them."""
        self._found()
        return self._vips

    def vip(self, key: AddressKey) -> Vip | None:
        """The VIP that the kernel has there; None for another address."""
        self._found()
        return self._vips.get(key)

    @property
    def absent(self) -> Set[AddressKey]:
        """Where VIPs are missing."""
        return self._found().absent

    @property
    def absent_of_all(self) -> int:
        """How many VIPs are missing of all instances."""
        return self._mirror.absent

    @property
    def is_whole(self) -> bool:
        """Whether every VIP is on its interface."""
        return not self._found().absent

    def missing(self) -> list[Vip]:
        """The VIPs that are not on their interface."""
        absent = self._found().absent
        return [vip for key, vip in self._vips.items() if key in absent] if absent else []

    def present(self) -> tuple[Address, ...]:
        """The VIPs that are on their interface."""
        self._found()
        found = (self._mirror.get(key) for key in self._vips)
        return tuple(address for address in found if address is not None)

    def noted(self) -> list[Address]:
        """The VIPs as they were noted, in the order of the configuration."""
        self._found()
        return [self._memory[key] for key in self._vips if key in self._memory]

    def has(self, key: AddressKey) -> bool:
        """Whether the kernel has this address."""
        return self._mirror.get(key) is not None

    def unknown(self) -> bool:
        """Whether a VIP is on its interface that was not noted yet."""
        absent = self._found().absent
        return not self._unnoted <= absent

    def note(self) -> None:
        """Note what the VIPs look like; to be called while nothing changes them.

        A VIP that was noted is noted again only after expire(): a change that another process
        makes to keepalived's address does not become its right state.
        """
        wanted = self.present() if self._stale else map(self._mirror.get, self._noteworthy())
        for address in wanted:
            if address is not None:
                self._memory[address.key] = address
                self._unnoted.discard(address.key)
                self._named = None
        self._stale = self._stale and not self.is_whole

    def _noteworthy(self) -> list[AddressKey]:
        """The VIPs that were not noted yet, in the order of the configuration."""
        self._found()
        return [key for key in self._vips if key in self._unnoted] if self._unnoted else []

    def expire(self) -> None:
        """keepalived may add its VIPs with other attributes from now on."""
        self._stale = True

    def recall(self, known: Iterable[Address]) -> None:
        """Take over what an earlier daemon noted."""
        keys = self.keys()
        self._memory.update({a.key: a for a in known if a.key in keys})
        self._unnoted -= self._memory.keys()
        self._named = None

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """Interface and address of the VIPs that were noted."""
        self._found()
        if self._named is None:
            name = self._mirror.name
            self._named = tuple((name(key.ifindex), str(key.ip)) for key in self._memory)
        return self._named

    def reconfigure(self, spec: InstanceSpec) -> None:
        """keepalived runs another configuration; VIPs that it no longer holds are forgotten."""
        known, self._spec = self._spec.vips, spec
        if spec.vips == known:
            return
        self._stale = True
        self._mirror.unwatch(self._watch)
        self._find()

    def name(self, ifindex: int) -> str:
        """The name of an interface, for the journal."""
        return self._mirror.name(ifindex)


def _place(vip: Vip) -> tuple[str, str]:
    return vip.interface, vip.base
