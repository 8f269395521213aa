"""The files of a configuration, read and replaced as bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from netvip.errors import NetvipError


class AdoptError(NetvipError):
    """The configuration was not changed, or was restored; the text says why."""


def encoded(text: str) -> bytes:
    """A text as it stood in its file."""
    return text.encode(errors="surrogateescape")


def decoded(data: bytes) -> str:
    """A file's text, undecodable bytes as surrogates."""
    return data.decode(errors="surrogateescape")


def content(path: Path) -> bytes | None:
    """A file's bytes; None if there is none. Raises AdoptError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise AdoptError(f"cannot read {path}: {problem.strerror}") from problem


def write(contents: Mapping[Path, bytes | None]) -> None:
    """Give each file these bytes, or (None) remove it. Raises OSError and AdoptError."""
    for path, data in contents.items():
        if data is None:
            path.unlink(missing_ok=True)
        elif content(path) != data:
            replace(path, data)


def replace(path: Path, data: bytes) -> None:
    """Replace a file whole; owner and mode stay. Raises OSError."""
    target = path.resolve()  # a symbolic link stays one
    draft = target.with_name(f".{target.name}.netvip")
    draft.unlink(missing_ok=True)
    mode = 0o644
    with open(draft, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(data)
        if target.exists():
            status = target.stat()
            mode = status.st_mode & 0o7777
            os.fchown(file.fileno(), status.st_uid, status.st_gid)
        os.fchmod(file.fileno(), mode)  # only now: it may hold keepalived's auth_pass
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, target)
