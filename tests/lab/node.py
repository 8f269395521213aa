"""A node: real systemd as PID 1 in namespaces of its own, on an overlay of a suite's root."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.lab.netns import Namespace
from tests.lab.rootfs import rootfs
from tests.lab.settings import BOOT_LIMIT
from tests.lab.shell import LabError, run

#: Runs in the node's fresh namespaces and becomes its PID 1. sysfs must be read-write and of this
#: network namespace, or networkd believes itself in a container and drops nothing at a restart.
INIT = r"""
set -e
mount --make-rprivate /
cd "$1"
hostname "$2"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for device in null zero full random urandom tty; do
    : > dev/$device
    mount --bind /dev/$device dev/$device
done
pivot_root . mnt
umount -l /mnt
exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system
"""

#: The environment of apt, outside a node that has booted.
APT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


def cgroup_root() -> Path:
    """The mount point of the cgroup v2 tree."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(point)
    raise LabError("no cgroup v2 tree is mounted: the lab needs one")


class Node:
    """One machine of the lab. Lay its cables in `net`, write its files, then boot()."""

    def __init__(
        self, name: str, suite: str, net: Namespace, scratch: Path, interface: str = "ens160"
    ) -> None:
        self.name, self.suite, self.net = name, suite, net
        #: Where its VIPs are.
        self.interface = interface
        self._scratch = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=scratch))
        self.root = self._scratch / "root"
        self._cgroup = cgroup_root() / f"netvip-{net.name}"
        self._launcher: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._mount(rootfs(suite))

    def _mount(self, lower: Path) -> None:
        for part in ("root", "upper", "work"):
            (self._scratch / part).mkdir()
        layers = f"lowerdir={lower},upperdir={self._scratch}/upper,workdir={self._scratch}/work"
        run("mount", "-t", "overlay", "-o", layers, "overlay", self.root)
        self.write("/etc/hostname", f"{self.name}\n")
        self.write("/etc/machine-id", "")
        # Nothing of a node outlives it, a power cut of the machine least of all.
        self.write("/etc/dpkg/dpkg.cfg.d/lab", "force-unsafe-io\n")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the node, its directories made as needed."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def install_aside(self, package: str) -> None:
        """Install a package of apt's own archive before the node boots."""
        options = ("--yes", "--no-install-recommends")
        run("chroot", self.root, "apt-get", "-qq", *options, "install", package, env=APT)

    def boot(self) -> None:
        """Start PID 1; ready() waits for it, so that two nodes boot at the same time."""
        self._cgroup.mkdir(exist_ok=True)
        self._launcher = subprocess.Popen(
            [
                "sh",
                "-c",
                'echo $$ > "$0/cgroup.procs"; exec "$@"',
                str(self._cgroup),
                "ip",
                "netns",
                "exec",
                self.net.name,
                "unshare",
                "--pid",
                "--fork",
                "--mount",
                "--uts",
                "--ipc",
                "--cgroup",
                "--kill-child",
                "bash",
                "-c",
                INIT,
                "init",
                str(self.root),
                self.name,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def ready(self) -> None:
        """Wait until the node has booted."""
        deadline = time.monotonic() + BOOT_LIMIT
        while time.monotonic() < deadline:
            try:
                self._pid = self._find_pid1()
                self.run("systemctl", "is-system-running", "--wait", check=False)
                self.run("busctl", "status", "org.freedesktop.systemd1")
                return
            except (LabError, OSError, ValueError):
                time.sleep(0.1)  # PID 1 has no event to offer before its bus is up
        raise LabError(f"{self.name} did not boot within {BOOT_LIMIT:.0f} s")

    def power_off(self) -> None:
        """systemctl poweroff, as an orderly shutdown; returns when PID 1 has ended."""
        assert self._launcher is not None
        self.run("systemctl", "poweroff", "--no-wall", check=False)
        self._launcher.wait(timeout=60)
        self._empty_cgroup()

    def _find_pid1(self) -> int:
        assert self._launcher is not None
        pid = self._launcher.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        child = int(children[0]) if children else 0
        if not child or Path(f"/proc/{child}/comm").read_text().strip() != "systemd":
            raise LabError("init is not systemd yet")
        return child

    def inside(self, *argv: str | Path) -> list[str]:
        """The command line that runs `argv` inside the node."""
        enter = ["nsenter", "-t", str(self._pid), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]
        clean = [
            "env",
            "-i",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME=/root",
            "LC_ALL=C.UTF-8",
            "DEBIAN_FRONTEND=noninteractive",
        ]
        return [*enter, *clean, *map(str, argv)]

    def run(self, *argv: str | Path, **kwargs: Any) -> str:
        """Run a command inside the node, as its root."""
        return run(*self.inside(*argv), **kwargs)

    def popen(self, *argv: str | Path, **kwargs: Any) -> subprocess.Popen[str]:
        """Start a command inside the node, its standard output a pipe of text."""
        return subprocess.Popen(self.inside(*argv), stdout=subprocess.PIPE, text=True, **kwargs)

    def succeeds(self, *argv: str | Path) -> bool:
        """Whether a command inside the node exits with 0."""
        return subprocess.run(self.inside(*argv), capture_output=True).returncode == 0

    def main_pid(self, unit: str) -> int:
        """The unit's main process, numbered as the node sees it; 0 when there is none."""
        return int(self.run("systemctl", "show", "-P", "MainPID", unit))

    def unit(self, unit: str) -> Mapping[str, str]:
        """A unit's properties."""
        lines = self.run("systemctl", "show", unit).splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def journal(self, unit: str, since: float = 0.0) -> str:
        """What the unit logged since a time in seconds since the epoch.

        Not since a cursor: journalctl 252 skips the first line after one if -u is given as well.
        """
        self.run("journalctl", "--sync")
        return self.run("journalctl", "-q", "-o", "cat", "-u", unit, f"--since=@{since:.6f}")

    def host_pid(self, unit: str) -> int:
        """The unit's first process, numbered as the host sees it."""
        group = self._cgroup / "system.slice" / unit / "cgroup.procs"
        return int(group.read_text().split()[0])

    def install(self, package: Path) -> None:
        """apt install ./package, without a network."""
        shutil.copy(package, self.root / "root" / package.name)
        self.run("apt-get", "-qq", "install", "-y", f"/root/{package.name}")

    def cut_power(self) -> None:
        """Kill PID 1 and all it started. The node's files stay as they are; its namespace has no
        link and no address any more."""
        self._kill_all()
        for link in json.loads(self.net.run("ip", "-j", "link", "show", "up")):
            self.net.run("ip", "link", "set", link["ifname"], "down")
            self.net.run("ip", "address", "flush", "dev", link["ifname"])

    def _kill_all(self) -> None:
        if self._launcher is not None:
            self._launcher.kill()
            self._launcher.wait()
            self._launcher = None
        self._empty_cgroup()

    def close(self) -> None:
        """Kill PID 1 and all it started, unmount, and remove what was made."""
        self._kill_all()
        subprocess.run(["umount", "-l", str(self.root)], capture_output=True)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _empty_cgroup(self) -> None:
        deadline = time.monotonic() + 10.0
        while self._cgroup.is_dir() and time.monotonic() < deadline:
            for procs in self._cgroup.rglob("cgroup.procs"):
                for pid in procs.read_text().split():
                    _kill(int(pid))
            for directory in sorted(self._cgroup.rglob("*/"), reverse=True):
                _remove_group(directory)
            _remove_group(self._cgroup)
            time.sleep(0.02)  # the kernel empties a cgroup asynchronously


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _remove_group(directory: Path) -> None:
    try:
        directory.rmdir()
    except OSError:
        pass  # still busy: the caller comes back
