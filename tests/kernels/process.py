"""A user-mode-linux kernel as a process of the machine."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tests.kernels.fetch import Kernel
from tests.lab.rootfs import rootfs

#: Where a kernel that needs a newer libc than the machine's finds the machine's root.
MACHINE = "/machine"

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


def start(
    kernel: Kernel,
    scratch: Path,
    memory: int,
    words: Sequence[str],
    console: IO[bytes],
    namespace: str = "",
) -> subprocess.Popen[bytes]:
    """Boot a kernel with so much memory, in MiB, and with further words on its command line; in a
    network namespace if one is named. What it needs besides is below `scratch`."""
    line = [
        str(kernel.program),
        f"mem={memory}M",
        "umid=netvip",
        f"uml_dir={scratch}/",
        f"initrd={kernel.initramfs}",
        f"lab.modules={kernel.modules}",
        *words,
        *("random.trust_cpu=on", "quiet", "panic=-1"),
        *("con=null", "con0=fd:0,fd:1", "ssl=null"),
    ]
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    return subprocess.Popen(
        [*inside, *_enter(kernel, scratch), *line],
        stdin=subprocess.DEVNULL,
        stdout=console,
        stderr=subprocess.STDOUT,
        # The guest's memory is a file in TMPDIR; /tmp may be a disk.
        env={**os.environ, "TMPDIR": "/dev/shm", "LD_PRELOAD": str(kernel.preload)},
        start_new_session=True,
    )


def end(guest: subprocess.Popen[bytes]) -> None:
    """Make sure that nothing of it is left running."""
    if guest.poll() is None:
        os.killpg(guest.pid, signal.SIGKILL)
    guest.wait()


def is_native(kernel: Kernel) -> bool:
    """Whether the machine's own libc is that of the kernel's suite."""
    return kernel.suite == _machine_suite()


def _enter(kernel: Kernel, scratch: Path) -> list[str]:
    """The words that run the program with its suite's libc, where the machine's is older."""
    if is_native(kernel):
        return []
    place = scratch / "libc"
    place.mkdir()
    visible = [str(scratch), str(kernel.program.parents[2])]
    enter = ["unshare", "--mount", "sh", "-c", ENTER, "enter", str(place)]
    return [*enter, str(rootfs(kernel.suite)), *visible, "--"]


def _machine_suite() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        key, _, value = line.partition("=")
        if key == "VERSION_CODENAME":
            return value.strip('"')
    return ""
