"""sd_notify(3): readiness, the watchdog, and a status line for `systemctl status`."""

from __future__ import annotations

import os
import socket


def notify(text: str) -> None:
    """Send a notification to the service manager; do nothing if there is none."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto(text.encode(), address)
        except OSError:
            pass  # the daemon works without the manager


def watchdog_interval() -> float | None:
    """Seconds between watchdog notifications, half of WatchdogSec=; None without a watchdog."""
    text = os.environ.get("WATCHDOG_USEC", "")
    wanted = text.isascii() and text.isdigit() and int(text) > 0
    return int(text) / 2e6 if wanted else None
