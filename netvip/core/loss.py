"""What a deleted address means: whose it was, who deleted it, and what follows (Laws 1, 5 and 6).

decide() answers this once, before anything changes. The machine and the instances that the loss
names then react to the value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from netvip.const import TAG
from netvip.core.mirror import Mirror
from netvip.core.model import IP, Address, AddressKey, Author, AuthorKind, Tri
from netvip.core.plan import build


class Meaning(Enum):
    """Whose the address was; the value says what follows."""

    OWN_DELETION = "netvip removed it: nothing follows"
    SHIELD = "part of a shield was deleted: the shield is renewed"
    VIP = "a VIP was deleted that keepalived still holds: protect the instance, put the VIP back"
    RELEASED = "keepalived released its VIP: nothing follows"
    HOST_ADDRESS = "networkd deleted an address of the host: protect the instances there"
    UNRELATED = "no instance needs it: nothing follows"


@dataclass(frozen=True, slots=True)
class Loss:
    """An address that was deleted, by whom, and what it means for which instances."""

    time: float
    address: Address
    author: Author
    meaning: Meaning
    #: Names of the instances that react.
    instances: tuple[str, ...] = ()
    #: Whether a window was open, as networkd had announced that it would act.
    announced: bool = False

    @property
    def needs_protection(self) -> bool:
        """Whether networkd, or another process, takes what an instance needs."""
        return self.meaning in (Meaning.VIP, Meaning.HOST_ADDRESS)

    @property
    def reason(self) -> str:
        """Why a window opens, for the journal."""
        return f"{self.address} was deleted by {self.author} without announcement"


class Holder(Protocol):
    """What the decision asks of a VRRP instance."""

    @property
    def name(self) -> str:
        """The instance's name."""

    @property
    def places(self) -> frozenset[int]:
        """Numbers of the interfaces that its VIPs are on, and that their answers need."""

    def vip_keys(self) -> frozenset[AddressKey]:
        """Where the kernel has its VIPs."""

    def keeps_vips(self, now: float) -> bool:
        """Whether keepalived has its VIPs on the interface now, and has not released them."""

    def is_shielded_by(self, ip: IP) -> bool:
        """Whether this address on lo is part of its shield."""

    def master(self, now: float) -> Tri:
        """Whether this node is MASTER."""


def decide(
    now: float,
    address: Address,
    author: Author,
    mirror: Mirror,
    instances: Collection[Holder],
    windows: Collection[int],
) -> Loss:
    """What the deletion of an address means; to be asked before it is removed from the mirror."""
    announced = address.ifindex in windows
    meaning, concerned = _meaning(now, address, author, mirror, instances)
    return Loss(now, address, author, meaning, tuple(i.name for i in concerned), announced)


def _meaning(
    now: float, address: Address, author: Author, mirror: Mirror, instances: Collection[Holder]
) -> tuple[Meaning, Iterable[Holder]]:
    if author.kind is AuthorKind.NETVIP:
        return Meaning.OWN_DELETION, ()
    if address.proto == TAG and mirror.name(address.ifindex) == "lo":
        return Meaning.SHIELD, [i for i in instances if i.is_shielded_by(address.ip)]
    if holders := [i for i in instances if address.key in i.vip_keys()]:
        # keepalived announces what it releases before it deletes it (Law 6): one that is MASTER
        # still has not released it.
        losing = [i for i in holders if i.keeps_vips(now)]
        return (Meaning.VIP if losing else Meaning.RELEASED), losing
    if author.kind is AuthorKind.NETWORKD and _is_own(address, mirror, instances):
        masters = [i for i in instances if address.ifindex in i.places and i.master(now) is Tri.YES]
        return (Meaning.HOST_ADDRESS if masters else Meaning.UNRELATED), masters
    return Meaning.UNRELATED, ()


def _is_own(address: Address, mirror: Mirror, instances: Iterable[Holder]) -> bool:
    keys = frozenset(key for instance in instances for key in instance.vip_keys())
    return address in build.own_addresses(mirror, address.ifindex, keys)
