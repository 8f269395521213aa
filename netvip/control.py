"""The control socket's server side: one line of JSON in, one out."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any

from netvip.const import CONTROL_SOCKET

LONGEST_LINE = 4096
#: A client that does not say what it wants by then goes without.
CLIENT_LIMIT = 2.0
MOST_CLIENTS = 16

Handler = Callable[[], Mapping[str, Any]]


class ControlServer:
    """Answers root; one verb a connection."""

    def __init__(self, verbs: Mapping[str, Handler], path: str = CONTROL_SOCKET) -> None:
        self._verbs, self._path = verbs, path
        self._clients = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; a socket left by an earlier daemon is replaced."""
        draft = f"{self._path}.new"
        _unlink(draft)
        self._server = await asyncio.start_unix_server(self._serve, draft, limit=LONGEST_LINE)
        os.chmod(draft, 0o600)
        os.replace(draft, self._path)

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
            _unlink(self._path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if self._clients <= MOST_CLIENTS and _uid(writer) == os.geteuid():
                line = await asyncio.wait_for(reader.readline(), CLIENT_LIMIT)
                writer.write(json.dumps(self._answer(line)).encode() + b"\n")
                await asyncio.wait_for(writer.drain(), CLIENT_LIMIT)
        except (OSError, ValueError):
            pass  # the client's trouble: it went away, sent too much, or said nothing
        finally:
            self._clients -= 1
            writer.close()

    def _answer(self, line: bytes) -> Mapping[str, Any]:
        try:
            verb = json.loads(line)["verb"]
            handler = self._verbs[verb]
        except (ValueError, KeyError, TypeError, RecursionError):
            return {"error": "not a request that this daemon knows"}
        return handler()


def _uid(writer: asyncio.StreamWriter) -> int:
    sock = writer.get_extra_info("socket")
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
