"""Services at a VIP: how they are parsed, and how they are probed with real servers."""

from __future__ import annotations

import asyncio
import os
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
def test_a_service_is_parsed(text: str, service: Service) -> None:
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
        '"http://:80/a b"',
        "http://:80/\xe9",
        "https://:443/",
        "command",
        "command true",
        "command /bin/x 'open",
    ],
)
def test_an_invalid_service_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S+ \S+"):
        parse(text)


@contextmanager
def server(answer: bytes | None, drip: bool = False) -> Iterator[int]:
    """A server on loopback that sends `answer` to each client, or nothing if it is None; its port.
    With drip it sends an endless answer byte by byte."""
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
                pass  # the client closed the connection

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


def probed(*texts: str) -> list[Served]:
    vip = ip_address("127.0.0.1")
    subject = Subject("VI_1", Role.MASTER, (), (vip,), services=texts)
    (found,) = asyncio.run(service_probe.ask([subject]))
    return found


def test_a_service_that_answers() -> None:
    with server(b"HTTP/1.1 200 OK\r\n\r\n") as port:
        found = probed(f"tcp://:{port}", f"http://:{port}/health", f"http://:{port}/ 204")
    assert [served.finding for served in found] == [Tri.YES, Tri.YES, Tri.NO]
    assert [served.words for served in found] == [
        "accepts connections",
        "answers 200",
        "answers 200, not 204",
    ]
    assert found[0].service == f"tcp://:{port} at 127.0.0.1"


def test_a_service_that_does_not_listen_is_bad() -> None:
    with server(b"") as port:
        pass
    (found,) = probed(f"tcp://:{port}")
    assert (found.finding, found.words) == (Tri.NO, "Connection refused")


def test_a_good_service_is_not_delayed_by_many_bad_ones() -> None:
    with server(None) as hanging, server(b"HTTP/1.1 200 OK\r\n\r\n") as good:
        found = probed(*[f"http://:{hanging}/{i}" for i in range(40)], f"http://:{good}/")
    assert [served.finding for served in found] == [Tri.NO] * 40 + [Tri.YES]


def test_a_probe_that_waits_for_a_thread_has_its_whole_deadline() -> None:
    with server(None) as hanging, server(b"HTTP/1.1 200 OK\r\n\r\n") as good:
        many = [f"http://:{hanging}/{i}" for i in range(VIPS_PER_INTERVAL)]
        found = probed(*many, f"http://:{good}/")
    assert found[-1].finding is Tri.YES


def test_each_address_of_a_name_has_its_part_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first takes no connection, and does not refuse one: its queue is full."""
    with server(b"HTTP/1.1 200 OK\r\n\r\n") as port, socket.socket() as full:
        full.bind(("127.0.0.2", port))
        full.listen(0)
        with socket.socket() as first, socket.socket() as second:  # a queue that takes no more
            for one in (first, second):
                one.setblocking(False)
                one.connect_ex(("127.0.0.2", port))
            found = [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
                for host in ("127.0.0.2", "127.0.0.1")
            ]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
            (served,) = probed(f"tcp://two.example:{port}")
    assert served.finding is Tri.YES


def test_a_command_that_does_not_end_though_killed_holds_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As one that waits for a disk, which no signal ends."""
    monkeypatch.setattr(service_probe, "SERVICE_LIMIT", 0.2)
    monkeypatch.setattr(os, "killpg", lambda *_: None)
    first, second = probed("command /bin/sleep 1.5"), probed("command /bin/sleep 1.5")
    assert first[0].finding is second[0].finding is Tri.NO
    assert "although it was killed" in second[0].words


def test_a_service_with_an_invalid_name_is_unknown() -> None:
    (found,) = probed("tcp://a..b:80")
    assert found.finding is Tri.UNKNOWN


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0\r\n\r\n", b"\xff" * 100_000])
def test_an_invalid_http_response_is_bad(answer: bytes) -> None:
    with server(answer) as port:
        (found,) = probed(f"http://:{port}/")
    assert found.finding is Tri.NO and found.words


@pytest.mark.parametrize("drip", [False, True])
def test_a_service_that_hangs_is_bad_after_the_deadline(
    monkeypatch: pytest.MonkeyPatch, drip: bool
) -> None:
    monkeypatch.setattr(service_probe, "SERVICE_LIMIT", 0.2)
    with server(None, drip) as port:
        (found,) = probed(f"http://:{port}/")
    assert found.finding is Tri.NO and "within" in found.words


def test_a_command_is_good_if_it_exits_with_0_and_killed_if_it_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service_probe, "SERVICE_LIMIT", 0.2)
    found = probed(
        "command /bin/true",
        "command /bin/sh -c 'exit 3'",
        "command /bin/sh -c 'sleep 60 & sleep 60'",
        "command /does/not/exist",
    )
    findings = [Tri.YES, Tri.NO, Tri.NO, Tri.UNKNOWN]
    assert [served.finding for served in found] == findings
    assert found[1].words == "exits with 3"


def test_a_command_is_run_once_for_all_vips() -> None:
    vips = tuple(map(ip_address, ("127.0.0.1", "127.0.0.2")))
    subject = Subject("VI_1", Role.MASTER, (), vips, services=("command /bin/true",))
    (found,) = asyncio.run(service_probe.ask([subject]))
    assert len(found) == 1
