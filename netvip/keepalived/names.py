"""File names for instances: keepalived allows any characters in an instance's name."""

from __future__ import annotations

PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


def file_name(instance: str) -> str:
    """The instance's name with everything but letters, digits, _ and - written as %XX."""
    return "".join(
        c if c in PLAIN else "".join(f"%{byte:02X}" for byte in c.encode(errors="surrogateescape"))
        for c in instance
    )
