"""Few prefixes for many addresses: a rule for each prefix costs the kernel a comparison for each
packet that it routes (fact rules-cost)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from ipaddress import ip_network
from itertools import groupby, pairwise

from netvip.core.model import IP, Network

#: No prefix of other addresses than the given ones is wider: the network of one site.
WIDEST = {32: 16, 128: 48}

#: The first number of a prefix, and how many of its bits are free.
_Block = tuple[int, int]


def fewest(addresses: Iterable[IP]) -> list[Network]:
    """The fewest prefixes that are these addresses, which are of one family, and no other.

    With numbers, because ipaddress.collapse_addresses() takes 12 to 40 ms for a thousand addresses
    that are no neighbours, and this 4.
    """
    known = list(addresses)
    return _networks(_exact(known), known)


def few(addresses: Iterable[IP], apart: Iterable[IP], most: int) -> list[Network]:
    """Prefixes that have these addresses, of one family, and none of those that are to stay apart:
    not many more than `most`, where that can be."""
    known = list(addresses)
    blocks, wide = _exact(known), 1
    others = sorted(int(ip) for ip in apart if known and ip.version == known[0].version)
    bits = known[0].max_prefixlen if known else 0
    while len(blocks) > most:
        # No two have fewer bits apart.
        nearest = min((one[0] ^ other[0]).bit_length() for one, other in pairwise(blocks))
        wide = max(wide, nearest)
        if wide > bits - WIDEST[bits]:
            break
        blocks = list(_widened(blocks, wide, others))
        wide += 1
    return _networks(blocks, known)


def _exact(known: list[IP]) -> list[_Block]:
    runs = _runs(sorted({int(ip) for ip in known}))
    return [block for start, end in runs for block in _blocks(start, end)]


def _networks(blocks: Iterable[_Block], known: list[IP]) -> list[Network]:
    size = len(known[0].packed) if known else 0
    return [ip_network((first.to_bytes(size, "big"), 8 * size - free)) for first, free in blocks]


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of neighbours."""
    for _, group in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        yield run[0], run[-1]


def _blocks(start: int, end: int) -> Iterator[_Block]:
    """A run as the fewest prefixes."""
    while start <= end:
        free = (end - start + 1).bit_length() - 1  # the largest that ends within the run ...
        if start:
            free = min(free, (start & -start).bit_length() - 1)  # ... and may begin here
        yield start, free
        start += 1 << free


def _widened(blocks: list[_Block], free: int, others: list[int]) -> Iterator[_Block]:
    """The blocks, those that one with so many free bits has as that one, unless it has others."""
    for (bits, number), group in groupby(blocks, lambda block: _place(block, free)):
        inner = list(group)
        first, end = number << bits, (number + 1) << bits
        if len(inner) > 1 and not _any_within(others, first, end):
            yield first, free
        else:
            yield from inner


def _place(block: _Block, free: int) -> tuple[int, int]:
    """Where a block is: in which one with so many free bits; in its own where it has more."""
    bits = max(free, block[1])
    return bits, block[0] >> bits


def _any_within(numbers: list[int], start: int, end: int) -> bool:
    """Whether one of these sorted numbers is from start to before end."""
    place = bisect_left(numbers, start)
    return place < len(numbers) and numbers[place] < end
