"""IP addresses that are compared and named thousands of times: one object for each address, which
works out its hash and its text once. ipaddress makes a text for each hash."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

#: A thousand VIPs and the host's other addresses, with room to spare; some 300 bytes each.
KEPT = 4096


class _Kept:
    """An address whose hash and text are there already."""

    __slots__ = ()
    _hash: int
    _text: str

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        return self._text

    def __format__(self, spec: str) -> str:
        return super().__format__(spec) if spec else self._text


class _Kept4(_Kept, IPv4Address):
    __slots__ = ("_hash", "_text")

    def __init__(self, packed: bytes) -> None:
        IPv4Address.__init__(self, packed)
        self._hash, self._text = IPv4Address.__hash__(self), IPv4Address.__str__(self)

    def __repr__(self) -> str:
        return f"IPv4Address({self._text!r})"


class _Kept6(_Kept, IPv6Address):
    __slots__ = ("_hash", "_text")

    def __init__(self, packed: bytes) -> None:
        IPv6Address.__init__(self, packed)
        self._hash, self._text = IPv6Address.__hash__(self), IPv6Address.__str__(self)

    def __repr__(self) -> str:
        return f"IPv6Address({self._text!r})"


@lru_cache(KEPT)
def address(packed: bytes) -> IPv4Address | IPv6Address:
    """The address of 4 or 16 bytes in network order. It equals ipaddress's own, and has the same
    hash. Raises ValueError for another number of bytes."""
    return _Kept4(packed) if len(packed) == 4 else _Kept6(packed)
