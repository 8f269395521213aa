"""Does the service at a VIP do what it should? A connection, an HTTP status, or a command."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial

from netvip.checks.service_spec import Service, parse
from netvip.const import SERVICE_LIMIT, VIPS_PER_INTERVAL
from netvip.core.check.findings import Served, Subject
from netvip.core.model import IP, Tri
from netvip.linux.threads import in_thread

USER_AGENT = "netvip"
#: So many questions at a time. Each has a thread of its own: one that waits for a dead service must
#: not keep the question at a good one waiting until that is late.
MOST_AT_A_TIME = VIPS_PER_INTERVAL


async def ask(subjects: Iterable[Subject]) -> list[list[Served]]:
    """How each service does at each VIP that is here; a command is run once for all."""
    free = asyncio.Semaphore(MOST_AT_A_TIME)
    return list(await asyncio.gather(*(_ask(subject, free) for subject in subjects)))


async def _ask(subject: Subject, free: asyncio.Semaphore) -> list[Served]:
    asked = [_served(service, ip, free) for service, ip in _places(subject)]
    return list(await asyncio.gather(*asked))


def _places(subject: Subject) -> Iterator[tuple[Service, IP]]:
    for service in map(parse, subject.services):
        once = service.scheme == "command" or service.host
        for ip in subject.sources[:1] if once else subject.sources:
            yield service, ip


async def _served(service: Service, vip: IP, free: asyncio.Semaphore) -> Served:
    async with free:
        begun = time.monotonic()
        finding, words = await _bounded(_WORK[service.scheme](service, service.host or str(vip)))
        took = time.monotonic() - begun
    name = service.text if service.host or service.words else f"{service.text} at {vip}"
    return Served(vip, name, finding, words, took)


class _Work:
    """One question, asked in a thread; break_off() makes the thread end."""

    def __init__(self, service: Service, host: str) -> None:
        self.service, self.host = service, host

    def run(self) -> tuple[Tri, str]:
        """Ask."""
        raise NotImplementedError

    def break_off(self) -> None:
        """Time is over."""


async def _bounded(work: _Work) -> tuple[Tri, str]:
    asking = asyncio.ensure_future(in_thread(partial(_worded, work)))
    done, _ = await asyncio.wait({asking}, timeout=SERVICE_LIMIT)
    if not done:
        work.break_off()
        await asking
        return _TOO_LATE
    return asking.result()


def _worded(work: _Work) -> tuple[Tri, str]:
    try:
        return work.run()
    except TimeoutError:
        return _TOO_LATE
    except ConnectionError as problem:
        return Tri.NO, problem.strerror or str(problem)
    # No memory, no descriptor, a name that is none: no fault of the service's.
    except (OSError, UnicodeError) as problem:
        return Tri.UNKNOWN, f"could not be asked: {problem}"


class _Connection(_Work):
    """Whether somebody accepts."""

    def run(self) -> tuple[Tri, str]:
        socket.create_connection((self.host, self.service.port), SERVICE_LIMIT).close()
        return Tri.YES, "accepts"


class _Answer(_Work):
    """What an HTTP server says."""

    def __init__(self, service: Service, host: str) -> None:
        super().__init__(service, host)
        self._connection = http.client.HTTPConnection(host, service.port, timeout=SERVICE_LIMIT)

    def run(self) -> tuple[Tri, str]:
        wanted = self.service.status
        try:
            self._connection.request("GET", self.service.path, headers={"User-Agent": USER_AGENT})
            status = self._connection.getresponse().status
        except http.client.HTTPException as problem:
            return Tri.NO, f"no HTTP: {problem!r}"
        finally:
            self._connection.close()
        words = f"answers {status}" if status == wanted else f"answers {status}, not {wanted}"
        return Tri.of(status == wanted), words

    def break_off(self) -> None:
        if (sock := self._connection.sock) is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # who sends a byte now and then is read no more


class _Command(_Work):
    """What a program exits with."""

    def run(self) -> tuple[Tri, str]:
        process = subprocess.Popen(
            self.service.words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            code = process.wait(SERVICE_LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # and whatever it started
            process.wait()
            return _TOO_LATE
        return Tri.of(code == 0), f"exits {code}"


_TOO_LATE = (Tri.NO, f"no answer within {SERVICE_LIMIT:.0f} s")
_WORK: dict[str, type[_Work]] = {"tcp": _Connection, "http": _Answer, "command": _Command}
