"""Keeps the VIPs in a file, so that the next daemon can put back what this one could not."""

from __future__ import annotations

import json
from dataclasses import asdict
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from netvip.actuators.files import write_atomically
from netvip.const import SNAPSHOT_FILE
from netvip.core.model import Address

_ADDRESSES = ("ip", "peer", "broadcast")


def save(addresses: tuple[Address, ...], put_back: tuple[Address, ...]) -> None:
    """Write the snapshot. /run is a tmpfs, so it ends with the boot."""
    document = {"addresses": list(map(_plain, addresses)), "put_back": list(map(_plain, put_back))}
    write_atomically(Path(SNAPSHOT_FILE), json.dumps(document))


def load() -> tuple[tuple[Address, ...], tuple[Address, ...]]:
    """The addresses and the put-back addresses that an earlier daemon saved; none if the file is
    missing or invalid."""
    try:
        document = json.loads(Path(SNAPSHOT_FILE).read_text())
        return (
            tuple(map(_address, document["addresses"])),
            tuple(map(_address, document["put_back"])),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return (), ()


def _plain(address: Address) -> dict[str, Any]:
    fields = asdict(address)
    return {
        key: str(value) if key in _ADDRESSES and value else value for key, value in fields.items()
    }


def _address(fields: dict[str, Any]) -> Address:
    parsed: dict[str, Any] = {
        key: ip_address(value) if key in _ADDRESSES and value else value
        for key, value in fields.items()
    }
    address = Address(**parsed)
    numbers = (address.ifindex, address.prefixlen, address.scope, address.flags, address.proto)
    if address.ip is None or not all(isinstance(number, int) for number in numbers):
        raise TypeError("not an address of a snapshot")
    return address
