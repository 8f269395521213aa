"""How the operator wants the instances checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netvip.const import CHECK_FALL, CHECK_INTERVAL, CHECK_RISE
from netvip.core.model import IP


@dataclass(frozen=True, slots=True)
class Wishes:
    """Hosts to ask besides the known ones, and services as written; None where not configured."""

    hosts: tuple[IP, ...] | None = None
    services: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """interval in seconds; 0 checks on request only."""

    interval: float = CHECK_INTERVAL
    fall: int = CHECK_FALL
    rise: int = CHECK_RISE
    wishes: Wishes = field(default_factory=Wishes)
    #: By instance, where one has its own.
    own_wishes: Mapping[str, Wishes] = field(default_factory=dict)

    def hosts(self, instance: str) -> tuple[IP, ...]:
        """The configured hosts that are asked to answer an instance's VIPs."""
        own = self.own_wishes.get(instance, self.wishes).hosts
        return (self.wishes.hosts if own is None else own) or ()

    def services(self, instance: str) -> tuple[str, ...]:
        """The services at an instance's VIPs."""
        own = self.own_wishes.get(instance, self.wishes).services
        return (self.wishes.services if own is None else own) or ()
