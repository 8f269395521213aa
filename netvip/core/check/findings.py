"""What an examination asks, and what it finds: plain values, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from netvip.core.model import IP, Address, Role, Tri


@dataclass(frozen=True, slots=True)
class Subject:
    """An instance to be examined: in which role, and whom to ask."""

    instance: str
    role: Role
    vips: tuple[Address, ...]
    #: Those of them that are here: echoes leave from them, services are asked at them.
    sources: tuple[IP, ...] = ()
    #: Who is asked to answer the VIPs: gateways, peers, configured hosts.
    targets: tuple[IP, ...] = ()
    #: The host's own addresses, to tell a target that is down from one that is misled.
    own: tuple[IP, ...] = ()
    #: Services at the VIPs, as configured.
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Holder:
    """Who answered for an address on an interface: hardware addresses. `asked` is UNKNOWN where
    nobody could be."""

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
    """Whether a service at a VIP did what it should; in words what it did instead."""

    vip: IP
    service: str
    finding: Tri
    words: str = ""
    took: float = 0.0


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found of one instance."""

    instance: str
    role: Role
    holders: tuple[Holder, ...] = ()
    echoes: tuple[Echo, ...] = ()
    served: tuple[Served, ...] = ()
