"""The files of an adoption as they were before and after it, so that it can be reverted.

Plain files and a manifest of lines "NUMBER PATH", so that a shell can revert where Python cannot
run any more: NUMBER.before (none where there was no such file) and NUMBER.after.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from netvip.errors import NetvipError

MANIFEST = "manifest"


class BackupError(NetvipError):
    """The backup cannot be read or written; the text says why."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A file's bytes before the adoption (None: it did not exist), and after it."""

    before: bytes | None
    after: bytes


class Backup:
    """The directory of one adoption."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def exists(self) -> bool:
        """Whether an adoption is in effect."""
        return (self.directory / MANIFEST).is_file()

    def load(self) -> dict[Path, Saved]:
        """The files, by path; none if no adoption is in effect."""
        if not self.exists:
            return {}
        try:
            lines = (self.directory / MANIFEST).read_bytes().decode(errors="surrogateescape")
            entries = (line.partition(" ") for line in lines.splitlines())
            return {Path(path): self._saved(number) for number, _, path in entries}
        except OSError as problem:
            raise BackupError(
                f"{problem.filename}: {problem.strerror}; are you root, or is the backup damaged?"
            ) from problem

    def save(self, files: Mapping[Path, Saved]) -> None:
        """Replace the backup by these files; the manifest is written last."""
        draft = self.directory.with_name(f".{self.directory.name}.new")
        try:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True, mode=0o700)
            for number, saved in enumerate(files.values(), 1):
                if saved.before is not None:
                    _write(draft / f"{number}.before", saved.before)
                _write(draft / f"{number}.after", saved.after)
            lines = [f"{number} {path}\n" for number, path in enumerate(files, 1)]
            _write(draft / MANIFEST, "".join(lines).encode(errors="surrogateescape"))
            self.remove()
            draft.rename(self.directory)
        except OSError as problem:
            raise BackupError(f"{problem.filename}: {problem.strerror}; are you root?") from problem

    def remove(self) -> None:
        """Remove the backup, its manifest first: without the manifest there is no backup."""
        if self.exists:
            (self.directory / MANIFEST).unlink()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _saved(self, number: str) -> Saved:
        before = self.directory / f"{number}.before"
        after = (self.directory / f"{number}.after").read_bytes()
        return Saved(before.read_bytes() if before.exists() else None, after)


def _write(path: Path, data: bytes) -> None:
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(data)  # 0600: it may hold keepalived's auth_pass
        file.flush()
        os.fsync(file.fileno())
