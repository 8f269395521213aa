"""What a check asks, and what it finds: plain values, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from netvip.core.model import IP, AddressKey, Role, Tri


@dataclass(frozen=True, slots=True)
class Subject:
    """An instance to check: in which role, and which hosts to ask."""

    instance: str
    role: Role
    vips: tuple[AddressKey, ...]
    #: The VIPs that are present: echoes leave from them, services are asked at them.
    sources: tuple[IP, ...] = ()
    #: The hosts that are asked to answer the VIPs: gateways, peers, configured hosts.
    targets: tuple[IP, ...] = ()
    #: The host's own addresses: a target that answers them, but not the VIP, sends the VIP's
    #: packets elsewhere; one that answers neither is down.
    own: tuple[IP, ...] = ()
    #: Services at the VIPs, as configured.
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Holder:
    """The hardware addresses that answered for an address on an interface. `asked` is UNKNOWN where
    no question could be sent."""

    ifindex: int
    ip: IP
    macs: frozenset[bytes]
    asked: Tri
    took: float = 0.0


@dataclass(frozen=True, slots=True)
class Echo:
    """Whether a target answered an echo from the VIP, and whether it answers the host at all."""

    vip: IP
    target: IP
    answered: Tri
    alive: Tri = Tri.UNKNOWN
    took: float = 0.0


@dataclass(frozen=True, slots=True)
class Served:
    """Whether a service at a VIP did what it should, and what it did instead."""

    vip: IP
    service: str
    finding: Tri
    words: str = ""
    took: float = 0.0


@dataclass(frozen=True, slots=True)
class Findings:
    """All that one check found of one instance."""

    instance: str
    role: Role
    holders: tuple[Holder, ...] = ()
    echoes: tuple[Echo, ...] = ()
    served: tuple[Served, ...] = ()
