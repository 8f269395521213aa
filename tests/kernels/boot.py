"""Running a command as root under a user-mode-linux kernel, on the machine's own root file system.

The guest sees the machine's root read-only, under a tmpfs of its own. It gives its output and exit
status back through a directory that both see, and keeps nothing.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.kernels.fetch import GUEST, Kernel
from tests.kernels.process import MACHINE, end, is_native, start
from tests.lab.rootfs import cache_directory
from tests.lab.shell import LabError

#: The guest's memory, in MiB: two nodes and a tmpfs that holds what they write.
MEMORY = 4096
#: How often the guest's output is looked at, in seconds.
LOOK_EVERY = 0.2


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
            f"lab.root={'/' if is_native(self._kernel) else MACHINE}",
            f"lab.share={share}",
        ]
        with open(scratch / "console", "wb") as console:
            guest = start(self._kernel, scratch, MEMORY, words, console)
            try:
                self._follow(guest, share / "output", time.monotonic() + limit)
            finally:
                end(guest)

    def _follow(self, guest: subprocess.Popen[bytes], output: Path, deadline: float) -> None:
        with open(output, errors="replace") as text:
            while guest.poll() is None:
                if time.monotonic() > deadline:
                    raise LabError(f"kernel {self._kernel.name}: the time is over")
                self._out.write(text.read())
                self._out.flush()
                time.sleep(LOOK_EVERY)  # hostfs announces nothing
            self._out.write(text.read())
