"""Running a command as root under a user-mode-linux kernel, on the machine's own root file system.

The guest sees the machine's root read-only, under a tmpfs of its own. It gives its output and exit
status back through a directory that both see, and keeps nothing.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.kernels.fetch import GUEST, Kernel
from tests.lab.rootfs import cache_directory, rootfs
from tests.lab.shell import LabError

#: The guest's memory, in MiB: two nodes and a tmpfs that holds what they write.
MEMORY = 4096
#: How often the guest's output is looked at, in seconds.
LOOK_EVERY = 0.2

#: The kernel program of a newer suite needs that suite's libc: it runs in a root of its own.
ENTER = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
root=$1/root
shift 2
mkdir -p "$root/machine"
mount --rbind / "$root/machine"
for directory in /dev /var/tmp "$@"; do
    [ "$directory" = -- ] && break
    mkdir -p "$root$directory"
    mount --rbind "$directory" "$root$directory"
done
while [ "$1" != -- ]; do shift; done
shift
mount -t proc proc "$root/proc"
exec chroot "$root" "$@"
"""


class Guest:
    """One boot of a kernel. run() boots, runs the command, and waits for the guest's end."""

    def __init__(self, kernel: Kernel, out: IO[str] = sys.stdout) -> None:
        self._kernel, self._out = kernel, out

    def run(
        self,
        command: Sequence[str],
        directory: Path,
        limit: float,
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """Run a command in a directory of the machine; its exit status. Raises LabError where the
        guest did not come to an end within `limit` seconds, or died."""
        with tempfile.TemporaryDirectory(prefix="netvip-guest-", dir="/var/tmp") as scratch:
            share = Path(scratch) / "share"
            share.mkdir()
            shutil.copy(GUEST / "guest-init", share / "guest-init")
            exports = [f"export {k}={shlex.quote(v)}" for k, v in (environment or {}).items()]
            job = [*exports, f"cd {shlex.quote(str(directory))}", shlex.join(command)]
            (share / "job").write_text("\n".join(job) + "\n")
            visible = (directory, cache_directory())
            (share / "visible").write_text("".join(f"{path}\n" for path in visible))
            (share / "output").touch()
            self._boot(Path(scratch), share, limit)
            try:
                return int((share / "status").read_text())
            except (OSError, ValueError):
                console = (Path(scratch) / "console").read_text(errors="replace")[-3000:]
                raise LabError(
                    f"kernel {self._kernel.name} ended without a result:\n{console}"
                ) from None

    def _boot(self, scratch: Path, share: Path, limit: float) -> None:
        words = [
            str(self._kernel.program),
            f"mem={MEMORY}M",
            "umid=netvip",
            f"uml_dir={scratch}/",
            f"initrd={self._kernel.initramfs}",
            f"lab.root={'/' if self._is_native else '/machine'}",
            f"lab.share={share}",
            f"lab.modules={self._kernel.modules}",
            *("random.trust_cpu=on", "quiet", "panic=-1"),
            *("con=null", "con0=fd:0,fd:1", "ssl=null"),
        ]
        with open(scratch / "console", "wb") as console:
            guest = subprocess.Popen(
                [*self._enter(scratch), *words],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                # The guest's memory is a file in TMPDIR; /tmp may be a disk.
                env={
                    **os.environ,
                    "TMPDIR": "/dev/shm",
                    "LD_PRELOAD": str(self._kernel.preload),
                },
                start_new_session=True,
            )
            try:
                self._follow(guest, share / "output", time.monotonic() + limit)
            finally:
                if guest.poll() is None:
                    os.killpg(guest.pid, signal.SIGKILL)
                guest.wait()

    def _follow(self, guest: subprocess.Popen[bytes], output: Path, deadline: float) -> None:
        with open(output, errors="replace") as text:
            while guest.poll() is None:
                if time.monotonic() > deadline:
                    raise LabError(f"kernel {self._kernel.name}: the time is over")
                self._out.write(text.read())
                self._out.flush()
                time.sleep(LOOK_EVERY)  # hostfs announces nothing
            self._out.write(text.read())

    @property
    def _is_native(self) -> bool:
        """Whether the machine's own libc is that of the kernel's suite."""
        return self._kernel.suite == _machine_suite()

    def _enter(self, scratch: Path) -> list[str]:
        """The words that run the program with its suite's libc, where the machine's is older."""
        if self._is_native:
            return []
        place = scratch / "libc"
        place.mkdir()
        visible = [str(scratch), str(self._kernel.program.parents[2])]
        enter = ["unshare", "--mount", "sh", "-c", ENTER, "enter", str(place)]
        return [*enter, str(rootfs(self._kernel.suite)), *visible, "--"]


def _machine_suite() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        key, _, value = line.partition("=")
        if key == "VERSION_CODENAME":
            return value.strip('"')
    return ""
