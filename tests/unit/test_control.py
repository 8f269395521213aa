"""The control socket, over a real one."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from netvip.control import client, server
from netvip.control.server import ControlServer, Handler
from netvip.errors import DaemonUnreachable

pytestmark = pytest.mark.asyncio
UNKNOWN = {"error": "not a request that this daemon knows"}


failures: list[BaseException] = []


async def broken(_: object) -> dict[str, str]:
    raise ValueError("of the daemon's own")


@asynccontextmanager
async def served(place: Path) -> AsyncIterator[str]:
    path = str(place / "control")
    verbs: dict[str, Handler] = {"status": lambda _: {"version": "1"}, "broken": broken}
    server = ControlServer(verbs, failures.append, path)
    await server.start()
    try:
        yield path
    finally:
        await server.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CLIENT_LIMIT", 0.5)


async def exchange(path: str, request: bytes, *, end: bool = False) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(request)
        if end:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionResetError:
        return b""  # the server closed with some of the request unread
    finally:
        writer.close()


async def answer(path: str, request: bytes, *, end: bool = False) -> Any:
    return json.loads(await exchange(path, request, end=end))


async def test_a_handler_s_error_is_the_daemon_s(tmp_path: Path) -> None:
    failures.clear()
    async with served(tmp_path) as path:
        assert await exchange(path, b'{"verb": "broken"}\n') == b""
    assert [str(problem) for problem in failures] == ["of the daemon's own"]


async def test_a_verb_is_answered(tmp_path: Path) -> None:
    async with served(tmp_path) as path:
        assert await answer(path, b'{"verb": "status"}\n') == {"version": "1"}
        assert await asyncio.to_thread(client.ask, "status", path) == {"version": "1"}


async def test_a_last_line_needs_no_newline(tmp_path: Path) -> None:
    async with served(tmp_path) as path:
        assert await answer(path, b'{"verb": "status"}', end=True) == {"version": "1"}


@pytest.mark.parametrize(
    "request_line",
    [
        b'{"verb": "reboot"}',
        b"{}",
        b"",
        b"null",
        b"[]",
        b"7",
        b'"status"',
        b'{"verb": {}}',
        b'{"verb": null}',
        b"status",
        b"\xff\x00\xfe",
        b"[" * 4000,
        b'{"verb": "status", "words": {"a": 1}}',
        b'{"verb": "status", "words": [1]}',
    ],
)
async def test_what_is_no_request_is_told_so(tmp_path: Path, request_line: bytes) -> None:
    async with served(tmp_path) as path:
        assert await answer(path, request_line + b"\n") == UNKNOWN
        assert await answer(path, b'{"verb": "status"}\n') == {"version": "1"}


async def test_an_overlong_line_is_not_answered(tmp_path: Path) -> None:
    async with served(tmp_path) as path:
        assert await exchange(path, b" " * (3 * server.LONGEST_LINE)) == b""
        assert await exchange(path, b" " * (3 * server.LONGEST_LINE) + b"\n") == b""
        assert await answer(path, b'{"verb": "status"}\n') == {"version": "1"}


async def test_a_silent_client_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CLIENT_LIMIT", 0.01)
    async with served(tmp_path) as path:
        assert await exchange(path, b'{"verb": ') == b""


async def test_a_client_that_hangs_up_does_no_harm(tmp_path: Path) -> None:
    async with served(tmp_path) as path:
        for _ in range(2 * server.MOST_CLIENTS):
            _, writer = await asyncio.open_unix_connection(path)
            writer.transport.abort()
        assert await answer(path, b'{"verb": "status"}\n') == {"version": "1"}


async def test_clients_beyond_the_limit_go_without_until_others_leave(tmp_path: Path) -> None:
    async with served(tmp_path) as path:
        waiting = [await asyncio.open_unix_connection(path) for _ in range(server.MOST_CLIENTS)]
        assert await exchange(path, b'{"verb": "status"}\n') == b""
        for _, writer in waiting:
            writer.write(b'{"verb": "status"}\n')
        replies = [json.loads(await reader.read()) for reader, _ in waiting]
        assert replies == [{"version": "1"}] * server.MOST_CLIENTS
        assert await answer(path, b'{"verb": "status"}\n') == {"version": "1"}
        for _, writer in waiting:
            writer.close()


async def test_the_socket_goes_with_the_server(tmp_path: Path) -> None:
    async with served(tmp_path) as path:
        mode = Path(path).stat().st_mode
        assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o666)
    assert list(tmp_path.iterdir()) == []


async def test_what_a_killed_daemon_left_is_replaced(tmp_path: Path) -> None:
    for name in ("control", "control.new"):
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(tmp_path / name))
    async with served(tmp_path) as path:
        assert await answer(path, b'{"verb": "status"}\n') == {"version": "1"}


# --- the client ---------------------------------------------------------------------------------


async def test_without_a_daemon_it_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(DaemonUnreachable, match=r"does not answer on .*/control .*netvip\.service"):
        client.ask("status", str(tmp_path / "control"))


async def test_a_dead_daemons_socket_is_unreachable(tmp_path: Path) -> None:
    path = str(tmp_path / "control")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    with pytest.raises(DaemonUnreachable, match="refused"):
        client.ask("status", path)


async def test_a_daemon_that_hangs_is_unreachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LIMIT", 0.01)
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(tmp_path / "control"))
        hung.listen()
        with pytest.raises(DaemonUnreachable, match="timed out"):
            client.ask("status", str(tmp_path / "control"))


@pytest.mark.parametrize("reply", [b"", b"{", b"\xff\n", b"[]\n", b"null\n"])
async def test_a_reply_that_is_none_is_unreachable(tmp_path: Path, reply: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(reply)
        writer.close()

    path = str(tmp_path / "control")
    async with await asyncio.start_unix_server(talk, path):
        with pytest.raises(DaemonUnreachable):
            await asyncio.to_thread(client.ask, "status", path)
