"""A service at a VIP, as it is written in netvip.conf.

`tcp://:443`, `http://:80/health [STATUS]` or `command PATH [ARGUMENT...]`; an address before the
port names another place than the VIP.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

#: RFC 9110 15: a request that was met, unless another status is named.
OK = 200
PORTS = {"tcp": None, "http": 80}


@dataclass(frozen=True, slots=True)
class Service:
    """A service, as written. A port for tcp and http; words for a command."""

    text: str
    scheme: str
    host: str = ""
    port: int = 0
    path: str = "/"
    status: int = OK
    words: tuple[str, ...] = ()


def parse(text: str) -> Service:
    """The service in a line of the configuration. Raises ValueError with a sentence."""
    try:
        words = shlex.split(text)
    except ValueError as problem:
        raise ValueError(f"{text!r}: {problem}") from None
    if words[:1] == ["command"] and len(words) > 1 and words[1].startswith("/"):
        return Service(text, "command", words=tuple(words[1:]))
    status = words[1] if len(words) == 2 and text.startswith("http://") else str(OK)
    where = urlsplit(words[0] if words else "")
    if where.scheme not in PORTS or len(words) > 2 or not _is_status(status):
        raise ValueError(_form(text))
    try:
        port = where.port or PORTS[where.scheme]
    except ValueError:
        raise ValueError(f"{text!r}: a port is a number up to 65535") from None
    if port is None or where.username or (where.scheme == "tcp" and (where.path or len(words) > 1)):
        raise ValueError(_form(text))
    path = (where.path or "/") + (f"?{where.query}" if where.query else "")
    return Service(text, where.scheme, where.hostname or "", port, path, int(status))


def _is_status(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) == 3


def _form(text: str) -> str:
    return f"{text!r} is no service; write tcp://:443, http://:80/path [STATUS] or command /path"
