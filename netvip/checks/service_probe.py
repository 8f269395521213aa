"""Probes the service at a VIP: by a TCP connection, an HTTP status, or a command."""

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
from typing import ClassVar

from netvip.checks.service_spec import Service, parse
from netvip.const import SERVICE_LIMIT, VIPS_PER_INTERVAL
from netvip.core.check.findings import Served, Subject
from netvip.core.model import IP, Tri
from netvip.linux.threads import in_thread

USER_AGENT = "netvip"
#: Seconds that a probe has to end after its deadline, which one that waits for a disk does not.
ABORT_LIMIT = 0.1
#: Seconds; a time-out of 0 would mean not to wait at all.
SHORTEST = 0.001
#: The number of probes at a time. Each has its own thread, so that a probe that waits for a dead
#: service does not delay the probe of another service beyond its deadline.
MOST_AT_A_TIME = VIPS_PER_INTERVAL


async def ask(subjects: Iterable[Subject]) -> list[list[Served]]:
    """The result of each service at each VIP of this node. A command is run once for all VIPs."""
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
        finding, words = await _until_deadline(
            _PROBES[service.scheme](service, service.host or str(vip))
        )
        took = time.monotonic() - begun
    name = service.text if service.host or service.words else f"{service.text} at {vip}"
    return Served(vip, name, finding, words, took)


class _Probe:
    """A probe that runs in a thread; abort() ends it."""

    def __init__(self, service: Service, host: str) -> None:
        self.service, self.host = service, host
        #: Whether it waits for a name service, which tells nothing about the service.
        self.resolving = False

    def run(self) -> tuple[Tri, str]:
        """Run the probe; return its finding and a description."""
        raise NotImplementedError

    def abort(self) -> None:
        """End run() after the deadline, if it does not end by itself."""


async def _until_deadline(probe: _Probe) -> tuple[Tri, str]:
    asking = asyncio.ensure_future(in_thread(partial(_outcome, probe)))
    _running.add(asking)
    asking.add_done_callback(_running.discard)
    done, _ = await asyncio.wait({asking}, timeout=SERVICE_LIMIT)
    if not done:
        if probe.resolving:  # it ends by itself, when the name service answers or is given up
            return Tri.UNKNOWN, f"cannot be probed: no address for {probe.host} in time"
        probe.abort()
        await asyncio.wait({asking}, timeout=ABORT_LIMIT)
        return _TOO_LATE
    return asking.result()


def _outcome(probe: _Probe) -> tuple[Tri, str]:
    try:
        return probe.run()
    except TimeoutError:
        return _TOO_LATE
    except ConnectionError as problem:
        return Tri.NO, problem.strerror or str(problem)
    # No memory, no file descriptor, an invalid name: the service may be good.
    except (OSError, UnicodeError) as problem:
        return Tri.UNKNOWN, f"cannot be probed: {problem}"


class _NetworkProbe(_Probe):
    """A probe of a port."""

    def connect(self) -> socket.socket:
        """A connection to the first address that accepts one, as socket.create_connection(); each
        has its part of the time that is left."""
        self.resolving = True
        try:
            found = socket.getaddrinfo(self.host, self.service.port, type=socket.SOCK_STREAM)
        finally:
            self.resolving = False
        end = time.monotonic() + SERVICE_LIMIT
        for others, (family, kind, protocol, _, address) in enumerate(found, 1 - len(found)):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(_left(end) / (1 - others))
                sock.connect(address)
                sock.settimeout(_left(end))
                return sock
            except OSError:
                sock.close()
                if not others:
                    raise
        raise OSError(f"{self.host} has no address")


def _left(end: float) -> float:
    return max(end - time.monotonic(), SHORTEST)


class _TcpProbe(_NetworkProbe):
    """Whether the service accepts a TCP connection."""

    def run(self) -> tuple[Tri, str]:
        self.connect().close()
        return Tri.YES, "accepts connections"


class _HttpProbe(_NetworkProbe):
    """Whether the service returns the expected HTTP status."""

    def __init__(self, service: Service, host: str) -> None:
        super().__init__(service, host)
        self._connection = _HttpConnection(self)

    def run(self) -> tuple[Tri, str]:
        wanted = self.service.status
        try:
            self._connection.request("GET", self.service.path, headers={"User-Agent": USER_AGENT})
            status = self._connection.getresponse().status
        except http.client.InvalidURL as problem:
            return Tri.UNKNOWN, f"cannot be probed: {problem}"
        except http.client.HTTPException as problem:
            return Tri.NO, f"invalid HTTP response: {problem!r}"
        finally:
            self._connection.close()
        words = f"answers {status}" if status == wanted else f"answers {status}, not {wanted}"
        return Tri.of(status == wanted), words

    def abort(self) -> None:
        if (sock := self._connection.sock) is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # ends a response that arrives byte by byte


class _HttpConnection(http.client.HTTPConnection):
    """An HTTP connection whose probe knows when it waits for a name service."""

    def __init__(self, probe: _NetworkProbe) -> None:
        super().__init__(probe.host, probe.service.port, timeout=SERVICE_LIMIT)
        self._probe = probe

    def connect(self) -> None:
        """Connect, as the probe does."""
        self.sock = self._probe.connect()


class _CommandProbe(_Probe):
    """Whether a command exits with 0."""

    #: Those that SIGKILL has not ended yet, as they wait for a disk: none is started beside them.
    _hanging: ClassVar[set[str]] = set()

    def run(self) -> tuple[Tri, str]:
        if self.service.text in self._hanging:
            return Tri.NO, "the last one does not end, although it was killed"
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
            os.killpg(process.pid, signal.SIGKILL)  # and the processes that it started
            self._hanging.add(self.service.text)
            process.wait()
            self._hanging.discard(self.service.text)
            return _TOO_LATE
        return Tri.of(code == 0), f"exits with {code}"


#: What runs, as the event loop alone does not keep it.
_running: set[asyncio.Future[tuple[Tri, str]]] = set()
_TOO_LATE = (Tri.NO, f"no answer within {SERVICE_LIMIT:.0f} s")
_PROBES: dict[str, type[_Probe]] = {"tcp": _TcpProbe, "http": _HttpProbe, "command": _CommandProbe}
