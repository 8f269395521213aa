"""A node of the lab as a whole machine: its root file system, booted by a kernel of Debian's.

Its PID 1 is the machine's. The machine sees the node's files read-only under a tmpfs: each boot
finds them as they were. What became of the boot comes back through a directory that both sides see.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.kernels.fetch import Kernel
from tests.kernels.process import end, start
from tests.kernels.report import Report
from tests.lab.netns import Switch
from tests.lab.node import Node
from tests.lab.pair import NUMBER, SCRATCH, made
from tests.lab.shell import LabError

FILES = Path(__file__).parent / "machine"
UNITS = {"lab-watch.service": "sysinit.target", "lab-report.service": "multi-user.target"}
#: MiB: one node, and a tmpfs that holds what it writes.
MEMORY = 1024
#: How often the share is looked at, in seconds: hostfs announces nothing.
LOOK_EVERY = 0.2
#: Seconds from the request for a report to the report.
REPORT_LIMIT = 120.0
#: A locally administered address (IEEE 802), by which the machine's udev names the interface.
MAC = "02:00:00:77:00:0{number}"
LINK = "[Match]\nMACAddress={mac}\n\n[Link]\nName=ens160\n"
#: What nodes in namespaces have in place of a machine's own.
ABSENT = ("systemd-udev-trigger.service.d/lab.conf", "keepalived.service.d/lab.conf")
WAIT_ONLINE = "systemd-networkd-wait-online.service"


class Machine:
    """One boot of a node whose power is off, with one cable to the switch. `waits`: whether the
    machine's network-online.target waits until networkd has configured the network, as Debian's."""

    def __init__(self, kernel: Kernel, node: Node, switch: Switch, waits: bool = True) -> None:
        self.name, self._kernel, self._node, self._switch = node.name, kernel, node, switch
        self._scratch = Path(tempfile.mkdtemp(prefix="netvip-guest-", dir=SCRATCH))
        made.append(self._scratch.name)
        self._share = self._scratch / "share"
        self._share.mkdir()
        for script in ("report", "yardstick.sh"):
            shutil.copy(FILES / script, self._share)
        self._mac = MAC.format(number=NUMBER[node.name])
        self._guest: subprocess.Popen[bytes] | None = None
        self._furnish(waits)

    def _furnish(self, waits: bool) -> None:
        system = self._node.root / "etc/systemd/system"
        for name in (WAIT_ONLINE, *ABSENT):
            (system / name).unlink(missing_ok=True)
        self._enable(WAIT_ONLINE, "network-online.target")
        if not waits:
            (system / WAIT_ONLINE).symlink_to("/dev/null")
        for unit, target in UNITS.items():
            self._node.write(f"/etc/systemd/system/{unit}", (FILES / unit).read_text())
            self._enable(unit, target)
        self._node.write("/etc/systemd/network/05-cable.link", LINK.format(mac=self._mac))

    def _enable(self, unit: str, target: str) -> None:
        self._node.write(f"/etc/systemd/system/{target}.d/{unit}.conf", f"[Unit]\nWants={unit}\n")

    def boot(self) -> None:
        """Switch the machine on."""
        tap = self._switch.tap()
        words = [
            f"lab.root={self._node.root}",
            f"lab.share={self._share}",
            "lab.init=/sbin/init",
            f"vec0:transport=tap,ifname={tap},mac={self._mac}",
        ]
        with open(self._scratch / "console", "wb") as console:
            self._guest = start(
                self._kernel, self._scratch, MEMORY, words, console, self._switch.name
            )

    def wait(self, what: str, happened: Callable[[], bool], limit: float) -> None:
        """Wait until something has happened, for so many seconds."""
        deadline = time.monotonic() + limit
        while not happened():
            if self._guest is None or self._guest.poll() is not None:
                raise LabError(f"machine {self.name} has ended:\n{self._tail()}")
            if time.monotonic() > deadline:
                raise LabError(f"machine {self.name}, {what}: not in time\n{self._tail()}")
            time.sleep(LOOK_EVERY)

    def is_booted(self) -> bool:
        """Whether systemd has done all that a boot does."""
        return bool(self._read("booted"))

    def has_had(self, address: str) -> bool:
        """Whether the address was ever on an interface, up to now."""
        return f"inet {address}/" in self._read("addresses")

    def ask(self) -> None:
        """Ask the machine for its report; report() waits for it, so that two report at a time."""
        (self._share / "end").touch()

    def report(self) -> Report:
        """What became of the boot."""
        self.wait("report", lambda: bool(self._read("status")), REPORT_LIMIT)
        return Report(self.name, self._share)

    def close(self) -> None:
        """Cut the machine's power, and remove what was made for it."""
        if self._guest is not None:
            end(self._guest)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _read(self, name: str) -> str:
        try:
            return (self._share / name).read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def _tail(self) -> str:
        console = self._scratch / "console"
        return console.read_text(errors="replace")[-3000:] if console.exists() else ""
