"""Files that are there whole, or as they were."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file's content; a reader sees the old or the new, never a part."""
    draft = path.with_name(f".{path.name}.new")
    data = text.encode(errors="surrogateescape")
    with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
    os.replace(draft, path)
