"""What the checks that keepalived runs read: verdicts, states, windows, signs of life.

Any process may read these files at any moment: each is replaced whole, is readable by all users,
and holds no secret. Times are hundredths of seconds on the boot clock, as /proc/uptime shows it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from netvip.actuators.files import write_atomically
from netvip.const import ALIVE_FOR, CRASH_HOLD, CRASH_LOOP, CRASHES_HELD, RUN
from netvip.core.actions import PublishInstance, SaveStates
from netvip.keepalived.names import file_name


class PublishedFiles:
    """The files below /run/netvip."""

    def __init__(self, run: Path = Path(RUN)) -> None:
        self._run = run
        # States that the last dump had otherwise than their files.
        self._suspected: set[tuple[Path, str]] = set()

    def alive(self, seconds: float = ALIVE_FOR) -> None:
        """Give a sign of life that is valid for so many seconds."""
        self._write("alive", f"{int((_boot_clock() + seconds) * 100)}\n")

    def crashed(self) -> None:
        """The daemon was killed and systemd starts the next one: hold every check for a moment. A
        daemon that crashes again and again protects nothing, and holds no check (Law 10)."""
        count = self._crashes() + 1
        self._write("crashed", f"{count} {_boot_clock():.2f}\n")
        if count <= CRASHES_HELD:
            self.hold(CRASH_HOLD)

    def hold_till_known(self) -> None:
        """The daemon has started and knows nothing yet: hold every check, as crashed() does."""
        if self._crashes() <= CRASHES_HELD:
            self.hold(ALIVE_FOR)

    def _crashes(self) -> int:
        """How many crashes in a row there were, if the last one was a short while ago."""
        try:
            count, moment = (self._run / "crashed").read_text().split()
            return int(count) if 0 <= _boot_clock() - float(moment) < CRASH_LOOP else 0
        except (OSError, ValueError):
            return 0

    def hold(self, seconds: float) -> None:
        """Hold every check for so many seconds, whatever its instance's state."""
        for path in (self._run / "verdict").glob("[!.]*"):
            text = path.read_text(errors="surrogateescape")
            changed = path.stat()  # its time tells how old the list of VIPs is
            if "\nheld\n" not in text:
                write_atomically(path, f"{text}held\n", 0o644)
                os.utime(path, ns=(changed.st_atime_ns, changed.st_mtime_ns))
        self.alive(seconds)

    def dead(self) -> None:
        """The daemon ends: no check is held any longer."""
        (self._run / "alive").unlink(missing_ok=True)

    def window(self, is_open: bool) -> None:
        """Whether a window is open; if not, when the last one closed."""
        self._write("window", "open -\n" if is_open else f"closed {int(_boot_clock() * 100)}\n")

    def publish(self, record: PublishInstance) -> None:
        """Write down how an instance stands, and from which files keepalived was configured."""
        lines = [f"state {record.state}", f"verdict {record.verdict}", f"load {record.load}"]
        lines += [f"why {record.why}"] if record.why else []
        lines += ["held"] if record.held else []
        lines += [f"conf {path}" for path in record.files]
        lines += [" ".join(words) for words in record.objects]
        # Last: keepalived-check reads many of them in another way, and ends with that.
        lines += [f"vip {interface} {ip}" for interface, ip in record.vips]
        self._write(f"verdict/{file_name(record.instance)}", "\n".join([*lines, ""]))

    def renew(self) -> None:
        """keepalived's dump has confirmed the lists of VIPs."""
        for path in (self._run / "verdict").glob("[!.]*"):
            os.utime(path)

    def withdraw(self, instance: str) -> None:
        """keepalived has no such instance any more."""
        (self._run / "verdict" / file_name(instance)).unlink(missing_ok=True)

    def save_states(self, action: SaveStates) -> None:
        """Fill in the states of keepalived's processes where their notify script has not run yet:
        a reload that adopts an instance changes no state. Correct one that two dumps in a row have
        otherwise: of two notify scripts that run at a time the older may write last. Remove the
        states of earlier processes, and of instances without netvip's notify script."""
        self._remove_states(set(action.processes), set(map(file_name, action.notifying)))
        suspected, self._suspected = self._suspected, set()
        for instance, state in action.states:
            for process in action.processes:
                path = self._run / "state" / f"{file_name(instance)}@{process}"
                if _is_other(path, state):
                    self._suspected.add((path, state))
                    if (path, state) in suspected:
                        write_atomically(path, f"{state}\n", 0o644)
                with suppress(FileExistsError), open(path, "x", opener=_readable) as file:
                    file.write(f"{state}\n")

    def _remove_states(self, processes: set[str], names: set[str]) -> None:
        for path in (self._run / "state").glob("*"):
            name, _, process = path.name.rpartition("@")
            if name not in names or process not in processes:
                path.unlink(missing_ok=True)

    def _write(self, name: str, text: str) -> None:
        write_atomically(self._run / name, text, 0o644)


def _is_other(path: Path, state: str) -> bool:
    """Whether the file has another state."""
    try:
        return path.read_text(errors="surrogateescape").strip() != state
    except OSError:
        return False


def _readable(name: str, flags: int) -> int:
    file = os.open(name, flags, 0o644)
    os.fchmod(file, 0o644)  # the unit's umask would make it unreadable for others
    return file


def _boot_clock() -> float:
    # As the readers do: in a container /proc/uptime may show another clock than the kernel's.
    return float(Path("/proc/uptime").read_text().split()[0])
