"""What keepalived and its checks read of netvip: track files, verdicts, windows, signs of life.

A reader may come at any moment and without privilege: every file is replaced whole, is readable
by all, and holds nothing secret. Times are hundredths of seconds on the boot clock, as /proc/uptime
shows it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from netvip.actuators.files import write_atomically
from netvip.const import ALIVE_FOR, CRASH_HOLD, CRASH_LOOP, CRASHES_HELD, RUN
from netvip.core.actions import PublishInstance
from netvip.keepalived.names import file_name
from netvip.keepalived.process import Process


class PublishedFiles:
    """The files below /run/netvip."""

    def __init__(self, run: Path = Path(RUN)) -> None:
        self._run = run

    def prepare(self) -> None:
        """Make what tmpfiles.d makes at boot, where it has not: after a first installation."""
        for name in ("track", "verdict", "state", "checks"):
            path = self._run / name
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o755)
        for name in ("fifo", "hook"):
            pipe = self._run / name
            if not pipe.is_fifo():
                pipe.unlink(missing_ok=True)
                os.mkfifo(pipe, 0o600)

    def alive(self, seconds: float = ALIVE_FOR) -> None:
        """Give a sign of life that counts for so long."""
        self._write("alive", f"{int((_boot_clock() + seconds) * 100)}\n")

    def crashed(self) -> None:
        """A daemon was killed and the next one is on its way: hold every check for a moment. One
        that goes on crashing protects nothing, and holds nothing (Law 10)."""
        count = self._crashes() + 1
        self._write("crashed", f"{count} {_boot_clock():.2f}\n")
        if count <= CRASHES_HELD:
            self.hold(CRASH_HOLD)

    def hold_till_known(self) -> None:
        """The next one is here and has not looked yet: the same."""
        if self._crashes() <= CRASHES_HELD:
            self.hold(ALIVE_FOR)

    def _crashes(self) -> int:
        """How many there were in a row, the last one a short while ago."""
        try:
            count, moment = (self._run / "crashed").read_text().split()
            return int(count) if 0 <= _boot_clock() - float(moment) < CRASH_LOOP else 0
        except (OSError, ValueError):
            return 0

    def hold(self, seconds: float) -> None:
        """Hold every check for so long, without knowing how anything stands."""
        for path in (self._run / "verdict").glob("[!.]*"):
            text = path.read_text(errors="surrogateescape")
            changed = path.stat()  # which says how old the list of VIPs is
            if "\nheld\n" not in text:
                write_atomically(path, f"{text}held\n", 0o644)
                os.utime(path, ns=(changed.st_atime_ns, changed.st_mtime_ns))
        self.alive(seconds)

    def dead(self) -> None:
        """Nothing of ours holds any check any longer."""
        (self._run / "alive").unlink(missing_ok=True)

    def window(self, is_open: bool) -> None:
        """Whether one is open; if not, when the last one closed."""
        self._write("window", "open -\n" if is_open else f"closed {int(_boot_clock() * 100)}\n")

    def track(self, instance: str, fault: bool) -> None:
        """FAULT (1) or not (0) in the instance's track file; it is never removed (FACTS 5)."""
        self._write(f"track/{file_name(instance)}", f"{int(fault)}\n")

    def clear(self, instances: Iterable[str] = ()) -> None:
        """No FAULT of ours, in any track file."""
        for name in instances:
            self.track(name, False)
        for path in (self._run / "track").glob("*"):
            write_atomically(path, "0\n", 0o644)

    def publish(self, record: PublishInstance, configuration: Iterable[Path]) -> None:
        """Write down how an instance stands, and what keepalived holds by which files."""
        lines = [f"state {record.state}", f"verdict {record.verdict}", f"load {record.load}"]
        lines += [f"why {record.why}"] if record.why else []
        lines += ["held"] if record.held else []
        lines += [f"conf {path}" for path in configuration]
        lines += [f"vip {interface} {ip}" for interface, ip in record.vips]
        self._write(f"verdict/{file_name(record.instance)}", "\n".join([*lines, ""]))

    def forget(self, instance: str) -> None:
        """keepalived has no such instance any more."""
        self.track(instance, False)
        (self._run / "verdict" / file_name(instance)).unlink(missing_ok=True)

    def state(self, instance: str, state: str, processes: Iterable[Process]) -> None:
        """Fill in the state of keepalived's processes where their notify script has not yet run:
        in a configuration that was adopted, and reloaded, nothing changes."""
        for process in processes:
            path = self._run / "state" / f"{file_name(instance)}@{process.pid}.{process.start}"
            with suppress(FileExistsError), open(path, "x", opener=_readable) as file:
                file.write(f"{state}\n")

    def tidy(self, processes: Iterable[Process], notified: Iterable[str]) -> None:
        """Remove the states of keepalived's earlier processes, and of instances that no notify of
        ours keeps right any more."""
        names = set(map(file_name, notified))
        alive = {f"{process.pid}.{process.start}" for process in processes}
        for path in (self._run / "state").glob("*"):
            name, _, process = path.name.rpartition("@")
            if name not in names or process not in alive:
                path.unlink(missing_ok=True)

    def _write(self, name: str, text: str) -> None:
        write_atomically(self._run / name, text, 0o644)


def _readable(name: str, flags: int) -> int:
    file = os.open(name, flags, 0o644)
    os.fchmod(file, 0o644)  # the unit's umask keeps everybody out
    return file


def _boot_clock() -> float:
    # As those who read it do: in a container /proc/uptime may be another clock than the kernel's.
    return float(Path("/proc/uptime").read_text().split()[0])
