"""Fixtures: a network namespace with a veth pair, and a mount namespace with an empty /run."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

#: sched.h
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip these tests without root, as they need namespaces."""
    for item in items:
        if os.geteuid() != 0 and "netns" in Path(str(item.path)).parts:
            item.add_marker(pytest.mark.skip(reason="network namespaces need root"))


def ip(*words: str) -> str:
    """Run ip(8) in the namespace of the test; return its output."""
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def settle(run: Callable[..., str] = ip, link_locals: int = 1) -> None:
    """Return when every IPv6 address is usable, and there are that many link-local ones: the kernel
    adds those, and all local routes, some time after it answered the request."""
    deadline = time.monotonic() + 10.0
    while True:
        lines = run("-6", "-o", "address", "show").splitlines()
        found = [line.split()[3].partition("/")[0] for line in lines]
        local = run("-6", "route", "show", "table", "local", "type", "local").split()
        usable = set(found) <= set(local) and not any("tentative" in line for line in lines)
        if usable and sum(a.startswith("fe80:") for a in found) >= link_locals:
            return
        assert time.monotonic() < deadline, lines
        time.sleep(0.01)  # polled from outside: netlink is under test


def _enter(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


@pytest.fixture
def lan() -> Iterator[int]:
    """The index of ens160 with 10.77.0.1/24, a VIP and a default route; its peer is `peer`."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    _enter(_libc.unshare(CLONE_NEWNET))
    try:
        ip("link", "set", "lo", "up")
        # Or the kernel would go on adding link-local addresses and routes for a second or two.
        for scope in ("all", "default"):
            Path(f"/proc/sys/net/ipv6/conf/{scope}/accept_dad").write_text("0")
        ip("link", "add", "ens160", "type", "veth", "peer", "name", "peer")
        for name in ("ens160", "peer"):
            ip("link", "set", name, "up")
        settle(link_locals=2)
        for address in ("10.77.0.1/24", "10.77.0.10/24"):
            ip("address", "add", address, "dev", "ens160")
        ip("route", "add", "default", "via", "10.77.0.100")
        yield socket.if_nametoindex("ens160")
    finally:
        _enter(_libc.setns(home, CLONE_NEWNET))
        os.close(home)


#: sched.h and sys/mount.h.
CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE = 0x4000, 0x40000


def _leave(home: int) -> None:
    """Go back; the kernel refuses while a thread that the test started is still ending."""
    deadline = time.monotonic() + 5.0
    while _libc.setns(home, CLONE_NEWNS) != 0:
        if ctypes.get_errno() != errno.EINVAL or time.monotonic() > deadline:
            _enter(-1)
        time.sleep(0.01)


@pytest.fixture
def run_directory() -> Iterator[Path]:
    """An empty /run with netvip's directory, as tmpfiles.d creates it."""
    home = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY)
    here = Path.cwd()
    _enter(_libc.unshare(CLONE_NEWNS))
    try:
        _enter(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
        _enter(_libc.mount(b"tmpfs", b"/run", b"tmpfs", 0, b"mode=0755"))
        path = Path("/run/netvip")
        path.mkdir(mode=0o755)
        yield path
    finally:
        _leave(home)
        os.close(home)
        os.chdir(here)
