"""The control socket's server side: one line of JSON in, one out."""

from __future__ import annotations

import asyncio
import grp
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from netvip.const import CONTROL_SOCKET, GROUP

LONGEST_LINE = 4096
#: A client that does not say what it wants by then goes without.
CLIENT_LIMIT = 2.0
MOST_CLIENTS = 16
#: Connections that are accepted in one turn of the event loop: any user may connect without end.
ACCEPTED = 4
#: include/uapi/asm-generic/socket.h; the socket module does not know it.
SO_PEERGROUPS = 59
#: socket.getsockopt() takes 1024 bytes at most.
MOST_GROUPS = 255
#: Who is not to be answered is told so, within this time, and so many at a time.
STRANGERS_LIMIT, MOST_STRANGERS = 0.2, 4
REFUSAL = b'{"refused": "only root and members of the group netvip are answered"}\n'

Answer = Mapping[str, Any]
Handler = Callable[[Sequence[str]], Answer | Awaitable[Answer]]


class ControlServer:
    """Answers root and the members of group netvip; one verb a connection. `failed` gets what a
    verb's handler raised: that is the daemon's trouble, and no client's."""

    def __init__(
        self,
        verbs: Mapping[str, Handler],
        failed: Callable[[BaseException], None],
        path: str = CONTROL_SOCKET,
    ) -> None:
        self._verbs, self._failed, self._path = verbs, failed, path
        self._clients = self._strangers = 0
        self._group: int | None = None
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; a socket left by an earlier daemon is replaced."""
        self._group = members()
        draft = f"{self._path}.new"
        _unlink(draft)
        self._server = await asyncio.start_unix_server(
            self._serve, draft, limit=LONGEST_LINE, backlog=ACCEPTED
        )
        # Whoever comes is asked who it is: the kernel knows a process's groups, a mode but one.
        os.chmod(draft, 0o666)
        os.replace(draft, self._path)

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
            _unlink(self._path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if _may_ask(writer, self._group):
                await self._serve_client(reader, writer)
            else:
                await self._refuse(reader, writer)
        except (OSError, ValueError):
            pass  # the client's trouble: it went away, sent too much, or said nothing
        finally:
            writer.close()

    async def _serve_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._clients += 1
        try:
            if self._clients <= MOST_CLIENTS:
                line = await asyncio.wait_for(reader.readline(), CLIENT_LIMIT)
                try:
                    answer = self._answer(line)
                    if not isinstance(answer, Mapping):
                        answer = await answer
                    text = json.dumps(answer)
                except Exception as problem:
                    self._failed(problem)
                    return
                writer.write(text.encode() + b"\n")
                await asyncio.wait_for(writer.drain(), CLIENT_LIMIT)
        finally:
            self._clients -= 1

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._strangers += 1
        try:
            if self._strangers <= MOST_STRANGERS:
                # What is left unread as it is closed would take the refusal with it.
                await asyncio.wait_for(reader.readline(), STRANGERS_LIMIT)
                writer.write(REFUSAL)
                await asyncio.wait_for(writer.drain(), STRANGERS_LIMIT)
        finally:
            self._strangers -= 1

    def _answer(self, line: bytes) -> Answer | Awaitable[Answer]:
        try:
            request = json.loads(line)
            handler, words = self._verbs[request["verb"]], request.get("words", [])
            if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {"error": "not a request that this daemon knows"}
        return handler(words)


def members() -> int | None:
    """The number of the group whose members are answered; None where there is no such group."""
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return None


def _may_ask(writer: asyncio.StreamWriter, group: int | None) -> bool:
    """Whether a client is root's, or of the group. The kernel says so: a name service that hangs
    must not hang the daemon."""
    sock = writer.get_extra_info("socket")
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, gid = struct.unpack("3i", credentials)
    return uid in (0, os.geteuid()) or (group is not None and group in (gid, *_groups(sock)))


def _groups(sock: socket.socket) -> tuple[int, ...]:
    """The client's further groups."""
    try:
        found = sock.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 4 * MOST_GROUPS)
    except OSError:
        return ()  # more than that, or a kernel before 4.13
    return struct.unpack(f"{len(found) // 4}I", found)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
