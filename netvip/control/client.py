"""Sending requests to the daemon. It imports little, as commands that run often import it."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from netvip.const import CONTROL_SOCKET
from netvip.errors import DaemonUnreachable, Refused

if TYPE_CHECKING:
    from netvip.control.status import Status

#: Seconds. The daemon answers within milliseconds; a command must not wait for a hung one.
LIMIT = 2.0
LARGEST_REPLY = 16 << 20


def ask(
    verb: str, path: str = CONTROL_SOCKET, words: Sequence[str] = (), limit: float = LIMIT
) -> dict[str, Any]:
    """Send one request, return the reply; limit in s. Raises DaemonUnreachable, or Refused."""
    try:
        request = {"verb": verb, "words": list(words)}
        reply = _exchange(json.dumps(request).encode() + b"\n", path, limit)
        answer = json.loads(reply)
        if not isinstance(answer, dict) or "error" in answer:
            raise ValueError("the answer is not one of this version; restart netvip.service")
    except (OSError, ValueError) as problem:
        raise DaemonUnreachable(
            f"netvip's daemon does not answer on {path} ({problem}); "
            "is netvip.service running, and are you root or in group netvip?"
        ) from problem
    if "refused" in answer:
        raise Refused(answer["refused"])
    return answer


def status() -> Status:
    """The status document. Raises DaemonUnreachable, or Refused."""
    return cast("Status", ask("status"))


def _exchange(request: bytes, path: str, limit: float) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(limit)
        connection.connect(path)
        connection.sendall(request)
        reply = bytearray()
        while (part := connection.recv(65536)) and len(reply) < LARGEST_REPLY:
            reply += part
    return bytes(reply)
