"""Keeps VIPs, virtual routes and rules in a file, so that the next daemon can put back what this
one could not."""

from __future__ import annotations

import json
from dataclasses import fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from netvip.actuators.files import write_atomically
from netvip.actuators.parts import Parts
from netvip.const import SNAPSHOT_FILE
from netvip.core.actions import SaveSnapshot
from netvip.core.model import Address
from netvip.core.objects import KernelObject
from netvip.linux import objects

#: So many addresses are made plain in one part: each takes some 10 us.
PART = 128
_ADDRESSES = ("ip", "peer", "broadcast")
_FIELDS = tuple(field.name for field in fields(Address) if field.init)


#: VIPs, those that netvip had put back, and the same of virtual routes and rules.
Saved = tuple[
    tuple[Address, ...],
    tuple[Address, ...],
    tuple[KernelObject, ...],
    tuple[KernelObject, ...],
]


def save(action: SaveSnapshot) -> Parts:
    """Write the snapshot. /run is a tmpfs, so it ends with the boot."""
    texts: dict[str, list[str]] = {"addresses": [], "put_back": []}
    for kind, things in (
        ("objects", action.objects),
        ("objects_put_back", action.objects_put_back),
    ):
        texts[kind] = [json.dumps([objects.kind(thing), thing.body.hex()]) for thing in things]
    for kind, several in (("addresses", action.addresses), ("put_back", action.put_back)):
        for count, address in enumerate(several, 1):
            texts[kind].append(json.dumps(_plain(address)))
            if not count % PART:
                yield
    yield
    lists = (f'"{kind}": [{", ".join(found)}]' for kind, found in texts.items())
    write_atomically(Path(SNAPSHOT_FILE), f"{{{', '.join(lists)}}}")


def load() -> Saved:
    """What an earlier daemon saved; nothing if the file is missing or invalid."""
    try:
        document = json.loads(Path(SNAPSHOT_FILE).read_text())
        return (
            tuple(map(_address, document["addresses"])),
            tuple(map(_address, document["put_back"])),
            tuple(map(_object, document.get("objects", ()))),
            tuple(map(_object, document.get("objects_put_back", ()))),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return (), (), (), ()


def _plain(address: Address) -> dict[str, Any]:
    # dataclasses.asdict() copies every value: for a thousand VIPs it takes 20 ms.
    plain = {name: getattr(address, name) for name in _FIELDS}
    texts = {name: str(plain[name]) for name in _ADDRESSES if plain[name]}
    return plain | texts


def _object(plain: list[str]) -> KernelObject:
    kind, body = plain
    return objects.restored(kind, bytes.fromhex(body))


def _address(plain: dict[str, Any]) -> Address:
    parsed: dict[str, Any] = {
        key: ip_address(value) if key in _ADDRESSES and value else value
        for key, value in plain.items()
    }
    address = Address(**parsed)
    numbers = (address.ifindex, address.prefixlen, address.scope, address.flags, address.proto)
    if address.ip is None or not all(isinstance(number, int) for number in numbers):
        raise TypeError("not an address of a snapshot")
    return address
