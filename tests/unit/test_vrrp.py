"""Adverts, built byte by byte after RFC 3768 and RFC 5798."""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip.wire.vrrp import Advertisement, parse
from tests.unit.helpers import rfc1071

GROUP = {4: "224.0.0.18", 6: "ff02::12"}
SELF = {4: "10.77.0.1", 6: "fe80::1"}
VIPS = {4: ("10.77.0.10", "10.77.0.11"), 6: ("fe80::10", "2001:db8::10")}


def summed(body: bytes, pseudo: bytes) -> bytes:
    return body[:6] + struct.pack("!H", rfc1071(pseudo + body)) + body[8:]


def packet(
    ip: int = 4,
    version: int = 3,
    *,
    priority: int = 110,
    destination: str | None = None,
    ttl: int = 255,
    pseudo: bool = True,
    kind: int = 1,
    count: int | None = None,
    addresses: bytes | None = None,
) -> bytes:
    src = ip_address(SELF[ip]).packed
    dst = ip_address(destination or GROUP[ip]).packed
    packed = b"".join(ip_address(vip).packed for vip in VIPS[ip])
    packed = packed if addresses is None else addresses
    timer = struct.pack("!H", 50) if version == 3 else bytes([0, 1])
    count = len(VIPS[ip]) if count is None else count
    body = bytes([version << 4 | kind, 51, priority, count]) + timer + bytes(2) + packed
    body += b"password" if version == 2 else b""
    if ip == 4:
        summing = src + dst + struct.pack("!BBH", 0, 112, len(body))
        body = summed(body, summing if version == 3 and pseudo else b"")
        length = 20 + len(body)
        return struct.pack("!BBHHHBBH", 0x45, 0, length, 0, 0, ttl, 112, 0) + src + dst + body
    body = summed(body, src + dst + struct.pack("!IHBB", len(body), 0, 0, 112))
    return struct.pack("!IHBB", 6 << 28, len(body), 112, ttl) + src + dst + body


@pytest.mark.parametrize(("ip", "version", "family"), [(4, 2, 2), (4, 3, 2), (6, 3, 10)])
def test_an_advert_is_read(ip: int, version: int, family: int) -> None:
    vips = tuple(map(ip_address, VIPS[ip]))
    expected = Advertisement(family, 51, 110, ip_address(SELF[ip]), vips)
    if version == 2:
        expected = replace(expected, version=2, interval=1, authentication=b"\0")
    assert parse(packet(ip, version)) == expected


def behind_an_authentication_header(advert: bytes, following: int = 112) -> bytes:
    """As keepalived's auth_type AH sends it (RFC 4302 2)."""
    header = struct.pack("!BBHII", following, 4, 0, 0x0A4D0001, 7) + bytes(range(12))
    length = struct.pack("!H", len(advert) + len(header))
    return advert[:2] + length + advert[4:9] + b"\x33" + advert[10:20] + header + advert[20:]


def test_an_advert_behind_an_authentication_header_is_read() -> None:
    advert = packet(4, 2)
    assert parse(behind_an_authentication_header(advert)) == parse(advert) is not None


def with_trailer(advert: bytes, trailer: bytes) -> bytes:
    """keepalived 2.4's auth_hmac: behind the addresses, and not part of the VRRP checksum. The
    length in the header of IP counts it."""
    if advert[0] >> 4 == 4:
        length = struct.pack("!H", len(advert) + len(trailer))
        return advert[:2] + length + advert[4:] + trailer
    length = struct.pack("!H", len(advert) - 40 + len(trailer))
    return advert[:4] + length + advert[6:] + trailer


@pytest.mark.parametrize("ip", [4, 6])
@given(trailer=st.binary(min_size=1, max_size=80))
def test_an_advert_with_a_trailer_of_auth_hmac_is_read(ip: int, trailer: bytes) -> None:
    plain = packet(ip)
    assert parse(with_trailer(plain, trailer)) == parse(plain) is not None


def test_a_trailer_makes_no_invalid_advert_valid() -> None:
    plain = packet()
    broken = plain[:-1] + bytes([plain[-1] ^ 1])  # in the last address
    assert parse(with_trailer(broken, bytes(range(40)))) is None


def test_what_else_is_behind_one_is_no_advert() -> None:
    whole = behind_an_authentication_header(packet(4, 2))
    assert parse(behind_an_authentication_header(packet(4, 2), following=6)) is None
    shortened = whole[:2] + struct.pack("!H", 26) + whole[4:26]
    assert parse(shortened) is None


@pytest.mark.parametrize(("ip", "version"), [(4, 2), (4, 3), (6, 3)])
def test_priority_0_is_a_release(ip: int, version: int) -> None:
    advert = parse(packet(ip, version, priority=0))
    assert advert is not None and advert.priority == 0


@pytest.mark.parametrize("ip", [4, 6])
def test_a_multicast_advert_that_was_forwarded_is_refused(ip: int) -> None:
    assert parse(packet(ip, ttl=254)) is None


@pytest.mark.parametrize(("ip", "to"), [(4, "10.77.0.2"), (6, "2001:db8::2")])
def test_a_unicast_advert_may_have_been_forwarded(ip: int, to: str) -> None:
    assert parse(packet(ip, destination=to, ttl=64)) is not None


def test_version_3_over_ipv4_may_leave_the_pseudo_header_out() -> None:
    assert parse(packet(4, 3, pseudo=False)) == parse(packet(4, 3))


@pytest.mark.parametrize(("ip", "version"), [(4, 2), (4, 3), (6, 3)])
@given(data=st.data())
def test_a_flipped_bit_invalidates_an_advert(ip: int, version: int, data: st.DataObject) -> None:
    whole = bytearray(packet(ip, version))
    at = data.draw(st.integers(20 if ip == 4 else 40, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    assert parse(bytes(whole)) is None


@pytest.mark.parametrize(
    "broken",
    [
        packet(4, 2, kind=2),
        packet(4, 1),
        packet(4, 4),
        packet(6, 2),
        packet(4, 3, count=3),
        packet(4, 3, count=1, addresses=b"\x0a\x4d"),
        b"\x65" + packet(4, 3)[1:],
        b"\x44" + packet(4, 3)[1:],
        packet(4, 3)[:9] + b"\x06" + packet(4, 3)[10:],
    ],
    ids=["type", "v1", "v4", "v2-on-6", "count", "half-address", "ip-version", "ihl", "protocol"],
)
def test_an_invalid_advert_is_refused(broken: bytes) -> None:
    assert parse(broken) is None


def test_a_truncated_ipv6_address_is_not_taken_for_an_ipv4_one() -> None:
    assert parse(packet(6, 3, count=1, addresses=bytes([32, 1, 13, 184]))) is None


@pytest.mark.parametrize(("ip", "version"), [(4, 2), (4, 3), (6, 3)])
def test_a_truncated_advert_is_refused(ip: int, version: int) -> None:
    whole = packet(ip, version)
    assert [parse(whole[:end]) for end in range(len(whole))] == [None] * len(whole)


def test_bytes_after_the_packet_are_padding() -> None:
    assert parse(packet(4, 3) + bytes(6)) == parse(packet(4, 3))


@given(st.binary(max_size=120))
def test_garbage_never_raises(data: bytes) -> None:
    parse(data)


@given(st.sampled_from([(4, 2), (4, 3), (6, 3)]), st.binary(min_size=1, max_size=40), st.data())
def test_an_advert_full_of_garbage_never_raises(
    kind: tuple[int, int], garbage: bytes, data: st.DataObject
) -> None:
    whole = packet(*kind)
    at = data.draw(st.integers(0, len(whole)))
    parse(whole[:at] + garbage + whole[at + len(garbage) :])
