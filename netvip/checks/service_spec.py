"""Parses a service of netvip.conf: `tcp://:443`, `http://:80/health [STATUS]` or
`command PATH [ARGUMENT...]`. With an address before the port it is probed there, not at the VIP.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

#: RFC 9110 15.3.1: the status that is expected unless another is configured.
OK = 200
#: Default ports.
PORTS = {"tcp": None, "http": 80}


@dataclass(frozen=True, slots=True)
class Service:
    """A service. tcp and http have a port; a command has words. `host` is empty for the VIP."""

    text: str
    scheme: str
    host: str = ""
    port: int = 0
    path: str = "/"
    status: int = OK
    words: tuple[str, ...] = ()


def parse(text: str) -> Service:
    """The service in a line of the configuration. Raises ValueError that says what is wrong."""
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
        raise ValueError(f"{text!r} has an invalid port; use a number from 1 to 65535") from None
    if port is None or where.username or (where.scheme == "tcp" and (where.path or len(words) > 1)):
        raise ValueError(_form(text))
    path = (where.path or "/") + (f"?{where.query}" if where.query else "")
    if not path.isascii() or not path.isprintable() or " " in path:
        raise ValueError(f"{text!r} has an invalid path; encode other characters as %20")
    return Service(text, where.scheme, where.hostname or "", port, path, int(status))


def _is_status(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) == 3


def _form(text: str) -> str:
    return f"{text!r} is not a service; use tcp://:443, http://:80/path [STATUS] or command /path"
