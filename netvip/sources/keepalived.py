"""keepalived's process and its state dump, with nothing changed in its configuration."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

from netvip.const import DUMP_EVERY, DUMP_LIMIT
from netvip.core import events
from netvip.core.model import InstanceSpec, Tri
from netvip.errors import DumpError
from netvip.keepalived import dump
from netvip.keepalived.declared import Declaration, declaration
from netvip.keepalived.process import Process, children, configuration_id, parent
from netvip.linux.programs import output

DUMP_FILE = Path("/tmp/keepalived.json")
#: SIGJSON of keepalived (SIGRTMIN + 2). Where JSON is not built in, it kills (FACTS 5).
SIGJSON = signal.SIGRTMIN + 2
#: A keepalived that is reloading drops the signal: ask again soon.
ASK_AGAIN = 1.0
#: How often to look for a keepalived that is not there.
LOOK_EVERY = 2.0
#: keepalived writes the file in pieces; it has no event to tell that it has done.
REREAD_EVERY = 0.005
VERSION = re.compile(r"Keepalived v(\d+(?:\.\d+)*)")


class KeepalivedSource:
    """Finds keepalived, watches that it lives, and asks for its state on request."""

    def __init__(self, emit: Callable[[events.Event], None], configuration: Path) -> None:
        self._emit, self._configuration = emit, configuration
        self._wanted = asyncio.Event()
        self._version: tuple[int, ...] = ()
        self._json = Tri.UNKNOWN
        self._pid: int | None = None
        self._again = False
        #: What the configuration said as the last dump was made.
        self.declaration = Declaration()

    def processes(self) -> tuple[Process, ...]:
        """The processes that run keepalived's scripts."""
        return children(self._pid) if self._pid is not None else ()

    def request(self, again: bool = False) -> None:
        """Have a dump made; requests while one is being made are one request. `again`: and another
        soon after, as systemd takes a reload for done before keepalived's VRRP process has."""
        self._again = self._again or again
        self._wanted.set()

    async def run(self) -> None:
        """Follow keepalived through its lives until cancelled."""
        while True:
            pid = self._pid = parent()
            if pid is None:
                self._emit(events.KeepalivedRunning(time.monotonic(), Tri.NO))
                await self._look_again()
                continue
            await self._follow(pid)

    async def _look_again(self) -> None:
        self._wanted.clear()
        try:
            await asyncio.wait_for(self._wanted.wait(), LOOK_EVERY)  # its unit's job has ended
        except TimeoutError:
            pass  # nobody said so, but it may have come all the same

    async def _follow(self, pid: int) -> None:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()

        def gone() -> None:
            loop.remove_reader(handle)  # a pidfd stays readable for ever
            ended.set()

        loop.add_reader(handle, gone)
        try:
            await self._ask_version()
            self._emit(events.KeepalivedRunning(time.monotonic(), Tri.YES))
            await self._serve(handle, ended)
        finally:
            loop.remove_reader(handle)
            os.close(handle)
        self._emit(events.KeepalivedRunning(time.monotonic(), Tri.NO))

    async def _serve(self, handle: int, ended: asyncio.Event) -> None:
        gone, misses = asyncio.ensure_future(ended.wait()), 0
        try:
            while not ended.is_set():
                self._wanted.clear()
                again, self._again = self._again, False
                answered = await self._dump(handle)
                misses = 0 if answered else misses + 1
                wanted = asyncio.ensure_future(self._wanted.wait())
                await asyncio.wait(
                    {gone, wanted},
                    timeout=_next(misses, again),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                wanted.cancel()
        finally:
            gone.cancel()

    async def _ask_version(self) -> None:
        self._version, self._json = await built()

    async def _dump(self, handle: int) -> bool:
        asked = time.monotonic()
        try:
            text = await self._ask(handle)
            self.declaration = self._declaration()
            instances = dump.parse(text, self._version, self.declaration.instances)
        except DumpError as problem:
            self._emit(events.DumpFailed(time.monotonic(), str(problem)))
            return False
        self._emit(events.DumpReceived(asked, instances, time.monotonic()))
        return True

    def _declaration(self) -> Declaration:
        node = configuration_id(self._pid) if self._pid is not None else None
        return declaration(self._configuration, node, self._version)

    async def _ask(self, handle: int) -> str:
        if self._json is not Tri.YES:
            raise DumpError(
                "this keepalived was built without JSON, or its version is unknown; "
                "install a build with JSON (Debian's has it)"
            )
        _make_room()
        before = _identity()
        try:
            signal.pidfd_send_signal(handle, SIGJSON)
        except PermissionError as problem:
            raise DumpError(
                "no permission to signal keepalived; netvip must run as root"
            ) from problem
        except ProcessLookupError as problem:
            raise DumpError("keepalived has just ended") from problem
        return await _read_new(before)


def _next(misses: int, again: bool) -> float:
    """When to ask again, if nobody wants it before: keepalived logs a line each time."""
    if again:
        return ASK_AGAIN
    return min(ASK_AGAIN * 2 ** (misses - 1), DUMP_EVERY) if misses else DUMP_EVERY


async def built() -> tuple[tuple[int, ...], Tri]:
    """keepalived's version, empty where it is not known, and whether it was built with JSON."""
    program = shutil.which("keepalived", path="/usr/sbin:/usr/local/sbin:/sbin:/usr/bin")
    text = (await output(program, "-v") or "") if program else ""
    found = VERSION.search(text)
    # keepalived -v lists what was built in; only a list that was seen can lack a word.
    version = tuple(map(int, found[1].split("."))) if found else ()
    return version, Tri.of("JSON" in text) if found else Tri.UNKNOWN


async def ask_once(configuration: Path) -> tuple[InstanceSpec, ...]:
    """keepalived's instances, for who is not the daemon. Raises DumpError."""
    heard: list[events.Event] = []
    source = KeepalivedSource(heard.append, configuration)
    source._pid = parent()
    if source._pid is None:
        raise DumpError("keepalived is not running")
    handle = os.pidfd_open(source._pid)
    try:
        await source._ask_version()
        await source._dump(handle)
    finally:
        os.close(handle)
    for event in heard:
        if isinstance(event, events.DumpFailed):
            raise DumpError(event.why)
        if isinstance(event, events.DumpReceived):
            return tuple(spec for spec, _ in event.instances)
    return ()


async def _read_new(before: tuple[int, int] | None) -> str:
    deadline = time.monotonic() + DUMP_LIMIT
    while time.monotonic() < deadline:
        await asyncio.sleep(REREAD_EVERY)
        text = _read(before)
        if text is not None:
            DUMP_FILE.unlink(missing_ok=True)  # it may hold auth_data in clear text
            return text
    raise DumpError(
        f"keepalived wrote no dump to {DUMP_FILE} within {DUMP_LIMIT:.0f} s; "
        "does its unit set PrivateTmp=yes or TMPDIR?"
    )


def _make_room() -> None:
    """Anybody may write to /tmp: what is there and not a file of root's own, a directory for one,
    would keep keepalived from writing."""
    try:
        status = DUMP_FILE.lstat()
        if status.st_uid != os.geteuid() or not stat.S_ISREG(status.st_mode):
            DUMP_FILE.rename(f"{DUMP_FILE}.{time.time_ns()}")
    except FileNotFoundError:
        pass
    except OSError as problem:
        raise DumpError(
            f"{DUMP_FILE} is in keepalived's way, and no file of root's: remove it "
            f"({problem.strerror})"
        ) from problem


def _identity() -> tuple[int, int] | None:
    try:
        status = DUMP_FILE.lstat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _read(before: tuple[int, int] | None) -> str | None:
    """The dump, once it is complete, newer than `before`, and root's own regular file."""
    try:
        file = os.open(DUMP_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    with open(file, encoding="utf-8", errors="replace") as stream:
        status = os.fstat(file)
        if status.st_uid != os.geteuid() or not stat.S_ISREG(status.st_mode):
            return None
        if (status.st_ino, status.st_mtime_ns) == before:
            return None
        text = stream.read()
    return text if text.rstrip().endswith(("]", "}")) and _balanced(text) else None


def _balanced(text: str) -> bool:
    return text.count("{") == text.count("}") and text.count("[") == text.count("]")
