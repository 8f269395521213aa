"""Probes in a real kernel, between two hosts on a veth pair."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from netvip.checks.ownership import NeighbourProber
from netvip.checks.reach import EchoProber
from netvip.checks.runner import Runner
from netvip.core.actions import RunCheck
from netvip.core.check.findings import Echo, Holder, Subject
from netvip.core.events import CheckFinished, Event
from netvip.core.model import Address, AddressKey, Role, Tri
from netvip.sources.home import is_here
from netvip.wire import ndp
from tests.netns.conftest import ip, settle

_libc = ctypes.CDLL(None, use_errno=True)
VIP, OWN, NEIGHBOUR = map(ip_address, ("10.77.0.10", "10.77.0.1", "10.77.0.2"))
VIP6, OWN6, NEIGHBOUR6 = map(ip_address, ("fd00:77::10", "fd00:77::1", "fd00:77::2"))


class Far:
    """The host at the other end of the veth pair, in its own namespace."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(["unshare", "--net", "sleep", "120"])
        self._wait_for_namespace()
        ip("link", "set", "peer", "netns", str(self._child.pid))
        for address in (f"{NEIGHBOUR}/24", f"{NEIGHBOUR6}/64"):
            self.run("address", "add", address, "dev", "peer", *_nodad(address))
        self.run("link", "set", "peer", "up")
        settle(self.run)

    def _wait_for_namespace(self) -> None:
        ours = os.stat("/proc/thread-self/ns/net").st_ino
        while os.stat(f"/proc/{self._child.pid}/ns/net").st_ino == ours:
            pass  # unshare(1) needs less than a millisecond, and does not report it

    def run(self, *words: str) -> str:
        command = ["nsenter", "-t", str(self._child.pid), "-n", "ip", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    @property
    def mac(self) -> bytes:
        words = self.run("-o", "link", "show", "dev", "peer").split()
        return bytes.fromhex(words[words.index("link/ether") + 1].replace(":", ""))

    def close(self) -> None:
        self._child.kill()
        self._child.wait()


def _nodad(address: str) -> list[str]:
    return ["nodad"] if ":" in address else []


@pytest.fixture
def far(lan: int) -> Iterator[Far]:
    host = Far()
    for address in (f"{OWN6}/64", f"{VIP6}/128", "fe80::1/64"):
        ip("address", "add", address, "dev", "ens160", "nodad")
    settle()
    try:
        yield host
    finally:
        host.close()


def holders(*addresses: Address) -> list[Holder]:
    async def ask() -> list[Holder]:
        prober = NeighbourProber()
        try:
            keys = [address.key for address in addresses]
            await prober.ask(keys)
            return await prober.ask(keys)  # late answers must not count for the next check
        finally:
            prober.close()

    return asyncio.run(ask())


def vips(lan: int) -> tuple[Address, Address]:
    return Address(lan, VIP, 24), Address(lan, VIP6, 128)


def test_no_other_host_answers_for_an_address_of_this_host(lan: int, far: Far) -> None:
    assert [(h.ip, h.macs, h.asked) for h in holders(*vips(lan))] == [
        (VIP, frozenset(), Tri.YES),
        (VIP6, frozenset(), Tri.YES),
    ]


def test_a_duplicate_is_found_with_its_hardware_address(lan: int, far: Far) -> None:
    for address in (f"{VIP}/24", f"{VIP6}/128"):
        far.run("address", "add", address, "dev", "peer", *_nodad(address))
    assert [h.macs for h in holders(*vips(lan))] == [{far.mac}, {far.mac}]


def test_the_answer_to_a_probe_is_not_multicast(lan: int, far: Far) -> None:
    """To all nodes it would update their neighbour caches, and so move the VIP."""
    far.run("address", "add", f"{VIP6}/128", "dev", "peer", "nodad")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ndp.ETHERTYPE)) as sock:
        sock.bind(("ens160", ndp.ETHERTYPE))
        sock.setblocking(False)
        (found,) = holders(Address(lan, VIP6, 128))
        assert found.macs == {far.mac}
        answers = [frame for frame in drained(sock) if ndp.reply(frame[14:]) is not None]
    assert answers and all(frame[:2] != b"\x33\x33" for frame in answers)


def drained(sock: socket.socket) -> Iterator[bytes]:
    """The frames that arrived."""
    try:
        while True:
            yield sock.recv(2048)
    except BlockingIOError:
        pass


def test_without_a_link_local_address_ipv6_is_unknown(lan: int, far: Far) -> None:
    ip("-6", "address", "flush", "dev", "ens160", "scope", "link")
    assert [h.asked for h in holders(*vips(lan))] == [Tri.YES, Tri.UNKNOWN]


def test_a_shield_answers_for_ipv4(lan: int, far: Far) -> None:
    far.run("address", "add", f"{VIP}/32", "dev", "lo")
    far.run("link", "set", "lo", "up")
    assert holders(Address(lan, VIP, 24))[0].macs == {far.mac}


@pytest.mark.parametrize("ifindex", ["lo", "none"])
def test_without_an_ethernet_interface_the_result_is_unknown(
    lan: int, far: Far, ifindex: str
) -> None:
    number = 1 if ifindex == "lo" else 4711
    (found,) = holders(Address(number, VIP, 32))
    assert (found.macs, found.asked) == (frozenset(), Tri.UNKNOWN)


def echoes(subject: Subject) -> list[Echo]:
    async def ask() -> list[Echo]:
        prober = EchoProber()
        try:
            return (await prober.ask([subject])).get(subject.instance, [])
        finally:
            prober.close()

    return asyncio.run(ask())


def subject(lan: int, *targets: object) -> Subject:
    asked = tuple(ip_address(str(target)) for target in targets)
    return Subject(
        "VI_1", Role.MASTER, tuple(vip.key for vip in vips(lan)), (VIP, VIP6), asked, (OWN, OWN6)
    )


def test_a_neighbour_answers_the_vip(lan: int, far: Far) -> None:
    found = echoes(subject(lan, NEIGHBOUR, NEIGHBOUR6))
    assert [(e.vip, e.target, e.answered) for e in found] == [
        (VIP, NEIGHBOUR, Tri.YES),
        (VIP6, NEIGHBOUR6, Tri.YES),
    ]
    assert all(0 < e.took < 1 for e in found)


def test_a_neighbour_with_a_wrong_cache_entry_answers_the_host_only(lan: int, far: Far) -> None:
    for address in (VIP, VIP6):
        words = ("lladdr", "02:00:00:00:00:99", "dev", "peer", "nud", "permanent")
        far.run("neigh", "replace", str(address), *words)
    # In IPv6 this host resolves a new neighbour from the VIP. The neighbour answers to its wrong
    # entry, and looks as if it were down. So this host has an entry for the neighbour already.
    known = ("lladdr", far.mac.hex(":"), "dev", "ens160", "nud", "reachable")
    ip("neigh", "replace", str(NEIGHBOUR6), *known)
    found = echoes(subject(lan, NEIGHBOUR, NEIGHBOUR6))
    assert [(e.answered, e.alive) for e in found] == [(Tri.NO, Tri.YES)] * 2


def test_a_host_that_is_down_is_not_alive(lan: int, far: Far) -> None:
    (found,) = echoes(subject(lan, "10.77.0.77"))
    assert (found.answered, found.alive) == (Tri.NO, Tri.NO)


def test_a_vip_that_is_missing_is_unknown(lan: int, far: Far) -> None:
    ip("address", "delete", f"{VIP}/24", "dev", "ens160")
    (found,) = echoes(subject(lan, NEIGHBOUR))
    assert (found.answered, found.alive) == (Tri.UNKNOWN, Tri.UNKNOWN)


def test_fifty_vips_are_checked_within_the_deadlines(lan: int, far: Far) -> None:
    many = [ip_address(f"10.77.0.{host}") for host in range(100, 150)]
    for address in many:
        ip("address", "add", f"{address}/24", "dev", "ens160")
    asked = Subject(
        "VI_1",
        Role.MASTER,
        tuple(AddressKey(lan, address, 24) for address in many),
        tuple(many),
        (NEIGHBOUR,),
        (OWN,),
    )

    async def check() -> CheckFinished:
        emitted: asyncio.Queue[Event] = asyncio.Queue()
        runner = Runner(emitted.put_nowait)
        task = asyncio.create_task(runner.run())
        runner.request(RunCheck((asked,)))
        event = await asyncio.wait_for(emitted.get(), 20)
        task.cancel()
        runner.close()
        assert isinstance(event, CheckFinished)
        return event

    (observed,) = asyncio.run(check()).findings
    assert [h.asked for h in observed.holders] == [Tri.YES] * 50
    assert [e.answered for e in observed.echoes] == [Tri.YES] * 50, "late answers do not count"


def test_home_is_the_host_that_has_the_address(lan: int) -> None:
    Path("/proc/sys/net/ipv4/ip_nonlocal_bind").write_text("1")
    assert is_here(str(OWN), OWN) is Tri.YES
    assert is_here(str(NEIGHBOUR), NEIGHBOUR) is Tri.NO
