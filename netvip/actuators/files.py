"""Writes files atomically."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file. A reader sees the old content or the new content, never a part of it."""
    draft = path.with_name(f".{path.name}.new")
    data = text.encode(errors="surrogateescape")
    with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
    os.replace(draft, path)
