"""Asking keepalived for its state: the version, the signal, the dump that it writes to a file.

Nothing changes in keepalived's configuration. One dump at a time: the file has a fixed name. Others
may ask for dumps as well (keepalived-exporter does), and read the same file.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import stat
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from netvip.const import DUMP_LIMIT
from netvip.core.model import InstanceSpec, Role, Tri
from netvip.errors import DumpError
from netvip.keepalived import dump
from netvip.keepalived.declared import Declaration, Declarations
from netvip.keepalived.place import Place, place
from netvip.keepalived.process import configuration_id, is_contained, is_keepalived, parent
from netvip.linux.programs import output
from netvip.linux.threads import in_thread

#: SIGJSON of keepalived (SIGRTMIN + 2). A keepalived without JSON is killed by it (fact
#: json-signal).
SIGJSON = signal.SIGRTMIN + 2
#: keepalived writes the file in pieces, and no event tells that it is complete.
REREAD_EVERY = 0.005
VERSION = re.compile(r"Keepalived v(\d{1,4}(?:\.\d{1,4}){0,4})")
#: The words that keepalived -v prints of what was built in stand together in the program.
BUILT_IN = re.compile(r" VRRP [^\0]{0,400} JSON\b")
#: A user's PATH lacks some of these.
PROGRAMS = "/usr/sbin:/usr/local/sbin:/sbin:/usr/bin"
#: Debian's is 0.9 MB.
LARGEST_PROGRAM = 8 << 20


@dataclass(frozen=True, slots=True)
class Build:
    """The keepalived that is installed: its version, empty where unknown, and whether it was built
    with JSON."""

    version: tuple[int, ...] = ()
    json: Tri = Tri.UNKNOWN


@dataclass(frozen=True, slots=True)
class Answer:
    """keepalived's instances with their roles, and what its configuration files declare."""

    instances: tuple[tuple[InstanceSpec, Role], ...]
    declaration: Declaration


async def build_of(pid: int) -> Build:
    """What the keepalived with this process number was built as."""
    return await in_thread(partial(_read_program, pid)) if is_contained(pid) else await installed()


def _read_program(pid: int) -> Build:
    """A program in a container cannot be run here: what it would print is read from its file."""
    try:
        with open(f"/proc/{pid}/exe", "rb") as program:
            text = program.read(LARGEST_PROGRAM).decode("latin-1")
    except OSError:
        return Build()
    found = VERSION.search(text)
    return Build(_numbers(found), Tri.of(bool(BUILT_IN.search(text)))) if found else Build()


def _numbers(version: re.Match[str]) -> tuple[int, ...]:
    return tuple(map(int, version[1].split(".")))


async def installed() -> Build:
    """What `keepalived -v` tells."""
    program = shutil.which("keepalived", path=f"{os.environ.get('PATH', os.defpath)}:{PROGRAMS}")
    text = (await output(program, "-v") or "") if program else ""
    found = VERSION.search(text)
    # The text lists what was built in; only a text that was read can lack a word.
    version = _numbers(found) if found else ()
    return Build(version, Tri.of("JSON" in text) if found else Tri.UNKNOWN)


class Asker:
    """Asks for dumps and reads them; it remembers what does not change from one to the next."""

    def __init__(self, configuration: Path) -> None:
        self._configuration = configuration
        self._declarations = Declarations()
        # A dump that came too late, or will: netvip's own, to be removed with the next one.
        self._late: Path | None = None

    async def ask(self, pid: int, handle: int, build: Build) -> Answer:
        """Have the keepalived with this process number write a dump, and read it. handle is a pidfd
        of it. Raises DumpError."""
        where = place(pid, self._configuration)
        node = configuration_id(pid)
        try:
            text = await self._dump(where.dump, handle, build)
            # In a thread: thousands of VIPs take tens of milliseconds to read.
            return await in_thread(partial(self._read, text, where, node, build))
        except OSError as problem:  # it is ending, or a link leads in a circle
            raise DumpError(f"cannot reach the files of keepalived: {problem}") from problem

    def _read(self, text: str, where: Place, node: str | None, build: Build) -> Answer:
        declared = self._declarations.read(where.main_file, node, build.version, where.root)
        return Answer(dump.parse(text, build.version, declared.instances), declared)

    async def _dump(self, file: Path, handle: int, build: Build) -> str:
        if build.json is not Tri.YES:
            raise DumpError(
                "this keepalived was built without JSON, or its version is unknown; "
                "install a build with JSON (Debian's has it)"
            )
        _make_room(file)
        before = _identity(file)
        is_own = before is None or file == self._late
        self._late = file if is_own else None
        try:
            signal.pidfd_send_signal(handle, SIGJSON)
        except PermissionError as problem:
            raise DumpError(
                "no permission to signal keepalived; netvip must run as root"
            ) from problem
        except ProcessLookupError as problem:
            raise DumpError("keepalived has just stopped") from problem
        text = await _read_new(file, before)
        if is_own:  # else it is another's, who reads it as well
            file.unlink(missing_ok=True)  # it may hold auth_data in clear text
        self._late = None
        return text


async def ask_once(configuration: Path) -> tuple[InstanceSpec, ...]:
    """The instances of the keepalived that is running, for a command. Raises DumpError."""
    pid = parent()
    if pid is None:
        raise DumpError("keepalived is not running")
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError as problem:
        raise DumpError("keepalived has just stopped") from problem
    try:
        if not is_keepalived(pid):  # the number may have become another process's before the pidfd
            raise DumpError("keepalived has just stopped")
        answer = await Asker(configuration).ask(pid, handle, await build_of(pid))
    finally:
        os.close(handle)
    return tuple(spec for spec, _ in answer.instances)


async def _read_new(file: Path, before: tuple[int, int] | None) -> str:
    deadline = time.monotonic() + DUMP_LIMIT
    while time.monotonic() < deadline:
        await asyncio.sleep(REREAD_EVERY)
        text = _read(file, before)
        if text is not None:
            return text
    raise DumpError(
        f"keepalived wrote no dump to {file} within {DUMP_LIMIT:.0f} s; does its unit set "
        "PrivateTmp=yes or TMPDIR? Then give netvip.service CAP_SYS_PTRACE; see netvip(8), "
        "Containers"
    )


def _make_room(file: Path) -> None:
    """Move aside what keeps keepalived from writing: any user may write to /tmp, and keepalived
    does not replace a directory or another user's file."""
    try:
        status = file.lstat()
        if status.st_uid != os.geteuid() or not stat.S_ISREG(status.st_mode):
            file.rename(f"{file}.{time.time_ns()}")
    except FileNotFoundError:
        pass
    except OSError as problem:
        raise DumpError(
            f"{file} is not a regular file of root's and keeps keepalived from writing its "
            f"dump: remove it ({problem.strerror})"
        ) from problem


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        status = file.lstat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _read(file: Path, before: tuple[int, int] | None) -> str | None:
    """The dump, once it is complete, newer than `before`, and root's own regular file."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    with open(handle, encoding="utf-8", errors="replace") as stream:
        status = os.fstat(handle)
        if status.st_uid != os.geteuid() or not stat.S_ISREG(status.st_mode):
            return None
        if (status.st_ino, status.st_mtime_ns) == before:
            return None
        text = stream.read()
    return text if text.rstrip().endswith(("]", "}")) and _balanced(text) else None


def _balanced(text: str) -> bool:
    return text.count("{") == text.count("}") and text.count("[") == text.count("]")
