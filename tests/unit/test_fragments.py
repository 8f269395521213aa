"""IPv6 fragments, built byte by byte after RFC 8200 4.5."""

from __future__ import annotations

import struct
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip.wire.fragments import LARGEST, MOST, Reassembly

ADDRESSES = bytes(range(32))
PAYLOAD = bytes(n % 251 for n in range(1000))


def header(following: int, length: int) -> bytes:
    return struct.pack("!IHBB", 6 << 28, length, following, 255) + ADDRESSES


WHOLE = header(112, len(PAYLOAD)) + PAYLOAD


def split(size: int = 400, identification: int = 7, payload: bytes = PAYLOAD) -> list[bytes]:
    found = []
    for begin in range(0, len(payload), size):
        part, more = payload[begin : begin + size], begin + size < len(payload)
        fragment = struct.pack("!BBHI", 112, 0, begin | more, identification) + part
        found.append(header(44, len(fragment)) + fragment)
    return found


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_last_fragment_to_come_makes_the_packet_whole(order: tuple[int, ...]) -> None:
    reassembly, fragments = Reassembly(), split()
    taken = [reassembly.take(fragments[n]) for n in order]
    assert taken == [b"", b"", WHOLE]
    assert [reassembly.take(fragments[n]) for n in order] == [b"", b"", WHOLE]


def test_packets_that_come_at_the_same_time_are_told_apart() -> None:
    reassembly, other = Reassembly(), split(identification=8, payload=PAYLOAD[::-1])
    for one, two in zip(split()[:-1], other[:-1], strict=True):
        assert reassembly.take(one) == reassembly.take(two) == b""
    assert reassembly.take(split()[-1]) == WHOLE
    assert reassembly.take(other[-1])[40:] == PAYLOAD[::-1]


def test_what_is_no_fragment_passes() -> None:
    for packet in (WHOLE, b"", b"\x45" + bytes(60), header(58, 4) + bytes(4)):
        assert Reassembly().take(packet) == packet


def test_the_oldest_of_too_many_packets_is_given_up() -> None:
    reassembly = Reassembly()
    for identification in range(MOST + 1):
        reassembly.take(split(identification=identification)[0])
    _, *rest = split(identification=0)
    assert [reassembly.take(fragment) for fragment in rest] == [b"", b""]
    last = split(identification=MOST)
    assert [reassembly.take(fragment) for fragment in last[1:]] == [b"", WHOLE]


def test_a_packet_that_grows_without_end_is_given_up() -> None:
    reassembly = Reassembly()
    for fragment in split(payload=bytes(LARGEST + 800)):
        assert reassembly.take(fragment) == b""


@given(st.lists(st.binary(max_size=100)), st.data())
def test_no_packet_of_a_stranger_s_does_harm(noise: list[bytes], data: st.DataObject) -> None:
    reassembly = Reassembly()
    for bits in noise:
        fragment = header(44, len(bits)) + bits
        reassembly.take(fragment[: data.draw(st.integers(0, len(fragment)))])
    assert len(reassembly._parts) <= MOST
    assert [reassembly.take(fragment) for fragment in split(identification=1 << 31)][-1] == WHOLE
