"""The VIPs of one instance: where they belong, which are present, and what they looked like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netvip.core.mirror import Mirror
from netvip.core.model import Address, AddressKey, InstanceSpec, Vip


class Presence:
    """Compares what keepalived is configured to hold with what the kernel has."""

    def __init__(self, spec: InstanceSpec, mirror: Mirror) -> None:
        self._spec, self._mirror = spec, mirror
        self._memory: dict[AddressKey, Address] = {}
        # Whether keepalived may have given the VIPs other attributes since they were noted.
        self._stale = True

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
        """Number of the interface that the VIPs are on; 0 while there is none of that name."""
        return self._mirror.index(self._spec.vips[0].interface if self._spec.vips else "")

    @property
    def places(self) -> frozenset[int]:
        """Numbers of all interfaces that the instance has VIPs on."""
        return frozenset({self.home, *(key.ifindex for key in self.keys())} - {0})

    @property
    def has_carrier(self) -> bool:
        """Whether the interface of the VIPs can send and receive."""
        link = self._mirror.links.get(self.home)
        return link is not None and link.carrier

    def key(self, vip: Vip) -> AddressKey:
        """Where the kernel has this VIP."""
        return AddressKey(self._mirror.index(vip.interface), vip.ip, vip.prefixlen)

    def keys(self) -> frozenset[AddressKey]:
        """Where the kernel has the VIPs."""
        return frozenset(map(self.key, self._spec.vips))

    def missing(self) -> list[Vip]:
        """The VIPs that are not on their interface."""
        return [vip for vip in self._spec.vips if self._mirror.get(self.key(vip)) is None]

    def present(self) -> tuple[Address, ...]:
        """The VIPs that are on their interface."""
        found = (self._mirror.get(self.key(vip)) for vip in self._spec.vips)
        return tuple(address for address in found if address is not None)

    def has(self, key: AddressKey) -> bool:
        """Whether the kernel has this address."""
        return self._mirror.get(key) is not None

    def unknown(self) -> bool:
        """Whether a VIP is on its interface that was not noted yet."""
        return any(key not in self._memory and self.has(key) for key in self.keys())

    def note(self) -> None:
        """Note what the VIPs look like; to be called while nothing changes them.

        A VIP that was noted is noted again only after expire(): a change that another process
        makes to keepalived's address does not become its right state.
        """
        for address in self.present():
            if self._stale or address.key not in self._memory:
                self._memory[address.key] = address
        self._stale = self._stale and bool(self.missing())

    def expire(self) -> None:
        """keepalived may add its VIPs with other attributes from now on."""
        self._stale = True

    def recall(self, known: Iterable[Address]) -> None:
        """Take over what an earlier daemon noted."""
        keys = self.keys()
        self._memory.update({a.key: a for a in known if a.key in keys})

    def reconfigure(self, spec: InstanceSpec) -> None:
        """keepalived runs another configuration; VIPs that it no longer holds are forgotten."""
        self._stale = self._stale or spec.vips != self._spec.vips
        self._spec = spec
        keys = self.keys()
        self._memory = {key: a for key, a in self._memory.items() if key in keys}

    def name(self, ifindex: int) -> str:
        """The name of an interface, for the journal."""
        return self._mirror.name(ifindex)
