"""Announcements on a real interface."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, ip_address

import pytest

from netvip.actuators.announce import announce
from netvip.actuators.parts import finish
from netvip.core.model import Address
from netvip.wire import arp

#: asm-generic/socket.h: beyond net.core.rmem_max, which is small on some machines.
SO_RCVBUFFORCE = 33
COUNT = 300


def address(ifindex: int, number: int) -> Address:
    return Address(ifindex, IPv4Address("10.77.1.0") + number, 24)


def test_every_address_is_announced_and_each_that_fails_is_named(lan: int) -> None:
    addresses = [address(lan, number) for number in range(COUNT)]
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as peer:
        peer.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20)
        peer.bind(("peer", arp.ETHERTYPE))
        peer.settimeout(5.0)
        missing = [address(4711, 1), address(4711, 2)]
        problems: list[str] = []
        finish(announce([missing[0], *addresses, missing[1]], problems.append, lambda: True))
        heard = [arp.announced(peer.recv(2048)) for _ in range(COUNT)]
    assert heard == [a.ip for a in addresses]
    assert [problem.split(":")[0] for problem in problems] == [
        f"cannot announce {found}" for found in missing
    ]


def test_both_versions_of_ip_are_announced(lan: int) -> None:
    six = Address(lan, ip_address("fd00:77::10"), 128)
    problems: list[str] = []
    finish(announce([address(lan, 1), six], problems.append, lambda: True))
    assert problems == []


def test_what_is_no_longer_wanted_is_not_announced(lan: int) -> None:
    """Another node has become MASTER meanwhile (Law 1)."""
    addresses, left = [address(lan, number) for number in range(COUNT)], iter([True] * 100)
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as peer:
        peer.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20)
        peer.bind(("peer", arp.ETHERTYPE))
        peer.settimeout(0.2)
        problems: list[str] = []
        steps = sum(1 for _ in announce(addresses, problems.append, lambda: next(left, False)))
        heard = [arp.announced(peer.recv(2048)) for _ in range(100)]
        with pytest.raises(TimeoutError):
            peer.recv(2048)
    assert heard == [a.ip for a in addresses[:100]] and steps > 1
