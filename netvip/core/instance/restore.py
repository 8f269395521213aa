"""Whether what is missing may be put back: by evidence that it is keepalived's (Laws 1, 4 to 6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from netvip.core.model import AddressKey, AuthorKind, Tri

if TYPE_CHECKING:
    from netvip.core.instance.instance import Instance


def may_restore(now: float, instance: Instance, keys: Iterable[AddressKey]) -> bool:
    """Whether all of these may be put back on their interface now."""
    if instance.conflict.confirmed or instance.master(now) is not Tri.YES:
        return False
    return all(restorable(instance, key) and _after_loss(instance, key) for key in keys)


def restorable(instance: Instance, key: AddressKey) -> bool:
    """Whether netvip knows what it looked like, and keepalived leaves it to netvip."""
    vip = next((vip for vip in instance.spec.vips if instance.key(vip) == key), None)
    if vip is None or key not in instance.memory:
        return False
    return not (vip.tracked and instance.spec.watches_addresses)


def _after_loss(instance: Instance, key: AddressKey) -> bool:
    # keepalived deletes without an advert when a reload drops the VIP from its configuration:
    # unless networkd is known to have taken it, its dump has to say that the VIP is still its.
    loss = instance.losses.get(key)
    if loss is None:
        return False
    if loss.author.kind is AuthorKind.NETWORKD:
        return instance.mastership.confirmed_since(loss.time)
    return instance.dumped_at >= loss.time
