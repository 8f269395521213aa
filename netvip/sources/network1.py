"""networkd's names on D-Bus: its bus name, and the object paths of its links."""

from __future__ import annotations

import re

NETWORK1 = "org.freedesktop.network1"
LINK_PATH = "/org/freedesktop/network1/link/"
ENCODED = re.compile(r"_(3[0-9])([0-9]{0,9})", re.ASCII)


def link_index(path: str) -> int:
    """The interface number in the object path of a network1 link; 0 if it is another path."""
    if not path.startswith(LINK_PATH):
        return 0
    # sd_bus_path_encode(3): the first digit is written as _ and its code in hexadecimal.
    label = ENCODED.fullmatch(path[len(LINK_PATH) :])
    return int(bytes.fromhex(label[1]).decode() + label[2]) if label else 0


def link_path(ifindex: int) -> str:
    """The object path of a network1 link."""
    digits = str(ifindex)
    return f"{LINK_PATH}_{ord(digits[0]):02x}{digits[1:]}"
