"""A name service that does not answer."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import threading
import time
from ipaddress import ip_address
from pathlib import Path

from netvip.checks.service_probe import ask
from netvip.const import SERVICE_LIMIT
from netvip.core.check.findings import Subject
from netvip.core.model import Role, Tri

#: sys/mount.h
MS_BIND = 0x1000


def test_a_name_that_is_not_resolved_in_time_is_no_dead_service(
    lan: int, run_directory: Path
) -> None:
    silent = run_directory / "resolv.conf"
    silent.write_text("nameserver 127.0.0.1\noptions timeout:2 attempts:1\n")
    target = str(Path("/etc/resolv.conf").resolve()).encode()
    assert ctypes.CDLL(None).mount(str(silent).encode(), target, None, MS_BIND, None) == 0
    before = set(threading.enumerate())
    services = ("tcp://backend.example:80", "http://backend.example:80/health")
    vip = ip_address("10.77.0.10")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        begun = time.monotonic()
        subject = Subject("VI_1", Role.MASTER, (), (vip,), (), (), services)
        (found,) = asyncio.run(ask([subject]))
        took = time.monotonic() - begun
        for thread in set(threading.enumerate()) - before:
            thread.join(20.0)  # the name service is given up
    assert [served.finding for served in found] == [Tri.UNKNOWN, Tri.UNKNOWN], found
    assert all("backend.example" in served.words for served in found)
    assert took >= SERVICE_LIMIT, "the name service answered"
