"""Services at a VIP: as written, and as a real server, a hanging one, or none answers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import pytest

from netvip.checks import service_probe
from netvip.checks.service_spec import Service, parse
from netvip.const import VIPS_PER_INTERVAL
from netvip.core.check.findings import Served, Subject
from netvip.core.model import Role, Tri


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("tcp://:443", Service("tcp://:443", "tcp", port=443, path="/")),
        ("http://:80/health", Service("http://:80/health", "http", port=80, path="/health")),
        ("http:///", Service("http:///", "http", port=80)),
        (
            "http://10.0.0.1:8080/a?b=c 204",
            Service("http://10.0.0.1:8080/a?b=c 204", "http", "10.0.0.1", 8080, "/a?b=c", 204),
        ),
        ("tcp://[fd00::1]:25", Service("tcp://[fd00::1]:25", "tcp", "fd00::1", 25)),
        (
            "command /bin/x 'a b'",
            Service("command /bin/x 'a b'", "command", words=("/bin/x", "a b")),
        ),
    ],
)
def test_as_written(text: str, service: Service) -> None:
    assert parse(text) == service


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tcp://",
        "tcp://:0x1",
        "tcp://:70000",
        "tcp://:443/path",
        "tcp://:443 200",
        "udp://:53",
        "http://:80/ 2000",
        "http://:80/ ok",
        "http://u@:80/",
        "https://:443/",
        "command",
        "command true",
        "command /bin/x 'open",
    ],
)
def test_what_is_no_service_is_told_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S+ \S+"):
        parse(text)


@contextmanager
def server(answer: bytes | None, drip: bool = False) -> Iterator[int]:
    """A server on loopback: says this to whoever comes (None: nothing at all); its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()
    kept: list[socket.socket] = []

    def serve() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            kept.append(connection)
            try:
                if drip:
                    connection.sendall(b"HTTP/1.1 ")
                    while not stop.wait(0.05):
                        connection.sendall(b"2")
                elif answer is not None:
                    connection.recv(4096)
                    connection.sendall(answer)
                    connection.close()
            except OSError:
                pass  # the client went away, as it should

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in kept:
            connection.close()


def asked(*texts: str) -> list[Served]:
    vip = ip_address("127.0.0.1")
    subject = Subject("VI_1", Role.MASTER, (), (vip,), services=texts)
    (found,) = asyncio.run(service_probe.ask([subject]))
    return found


def test_a_service_that_answers() -> None:
    with server(b"HTTP/1.1 200 OK\r\n\r\n") as port:
        found = asked(f"tcp://:{port}", f"http://:{port}/health", f"http://:{port}/ 204")
    assert [served.finding for served in found] == [Tri.YES, Tri.YES, Tri.NO]
    assert [served.words for served in found] == ["accepts", "answers 200", "answers 200, not 204"]
    assert found[0].service == f"tcp://:{port} at 127.0.0.1"


def test_a_service_that_is_not_there_is_refused() -> None:
    with server(b"") as port:
        pass
    (found,) = asked(f"tcp://:{port}")
    assert (found.finding, found.words) == (Tri.NO, "Connection refused")


def test_a_good_service_does_not_wait_for_many_bad_ones() -> None:
    with server(None) as hanging, server(b"HTTP/1.1 200 OK\r\n\r\n") as good:
        found = asked(*[f"http://:{hanging}/{i}" for i in range(40)], f"http://:{good}/")
    assert [served.finding for served in found] == [Tri.NO] * 40 + [Tri.YES]


def test_those_beyond_the_threads_have_their_whole_time_too() -> None:
    with server(None) as hanging, server(b"HTTP/1.1 200 OK\r\n\r\n") as good:
        many = [f"http://:{hanging}/{i}" for i in range(VIPS_PER_INTERVAL)]
        found = asked(*many, f"http://:{good}/")
    assert found[-1].finding is Tri.YES


def test_a_place_that_cannot_be_is_not_known_to_be_bad() -> None:
    (found,) = asked("tcp://a..b:80")
    assert found.finding is Tri.UNKNOWN


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0\r\n\r\n", b"\xff" * 100_000])
def test_what_is_no_http_is_bad(answer: bytes) -> None:
    with server(answer) as port:
        (found,) = asked(f"http://:{port}/")
    assert found.finding is Tri.NO and found.words


@pytest.mark.parametrize("drip", [False, True])
def test_a_service_that_hangs_is_waited_for_no_longer_than_its_deadline(
    monkeypatch: pytest.MonkeyPatch, drip: bool
) -> None:
    monkeypatch.setattr(service_probe, "SERVICE_LIMIT", 0.2)
    with server(None, drip) as port:
        (found,) = asked(f"http://:{port}/")
    assert found.finding is Tri.NO and "within" in found.words


def test_a_command_is_judged_by_its_exit_code_and_killed_when_it_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service_probe, "SERVICE_LIMIT", 0.2)
    found = asked(
        "command /bin/true",
        "command /bin/sh -c 'exit 3'",
        "command /bin/sh -c 'sleep 60 & sleep 60'",
        "command /does/not/exist",
    )
    findings = [Tri.YES, Tri.NO, Tri.NO, Tri.UNKNOWN]
    assert [served.finding for served in found] == findings
    assert found[1].words == "exits 3"


def test_a_command_is_run_once_for_all_vips() -> None:
    vips = tuple(map(ip_address, ("127.0.0.1", "127.0.0.2")))
    subject = Subject("VI_1", Role.MASTER, (), vips, services=("command /bin/true",))
    (found,) = asyncio.run(service_probe.ask([subject]))
    assert len(found) == 1
