"""Fixtures: a network namespace with a veth pair, and a mount namespace with an empty /run."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator
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
        ip("link", "add", "ens160", "type", "veth", "peer", "name", "peer")
        for name in ("ens160", "peer"):
            ip("link", "set", name, "up")
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
        _enter(_libc.setns(home, CLONE_NEWNS))
        os.close(home)
        os.chdir(here)
