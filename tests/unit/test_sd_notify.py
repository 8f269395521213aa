"""sd_notify over real sockets."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from netvip.linux.sd_notify import notify, watchdog_interval


def manager(address: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(address)
    sock.settimeout(5)
    return sock


def test_a_manager_at_a_path_is_notified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    with manager(path) as sock:
        notify("READY=1\nSTATUS=1 VIP – fine")
        assert sock.recv(4096).decode() == "READY=1\nSTATUS=1 VIP – fine"


def test_a_manager_at_an_abstract_address_is_notified(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"netvip-test-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    with manager(f"\0{name}") as sock:
        notify("WATCHDOG=1")
        assert sock.recv(4096) == b"WATCHDOG=1"


@pytest.mark.parametrize("address", [None, "", "/nonexistent/notify", "@netvip-missing", "x" * 200])
def test_without_a_manager_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20000000", 10.0), ("1", 5e-7), (None, None), ("", None), ("-5", None), ("abc", None)],
)
def test_the_watchdog_interval_is_half_of_watchdog_usec(
    monkeypatch: pytest.MonkeyPatch, text: str | None, seconds: float | None
) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    if text is not None:
        monkeypatch.setenv("WATCHDOG_USEC", text)
    assert watchdog_interval() == seconds


def test_a_watchdog_time_of_0_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "0")
    assert watchdog_interval() is None
