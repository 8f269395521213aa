"""An adoption's backup, and the shell's way back in the package's prerm."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from netvip.keepalived.backup import Backup, BackupError, Saved
from tests.unit.helpers import ROOT


def test_what_was_saved_is_loaded_again_byte_for_byte(tmp_path: Path) -> None:
    backup = Backup(tmp_path / "state" / "adopt")
    assert backup.load() == {} and not backup.exists
    files = {
        Path("/etc/keepalived/keepalived.conf"): Saved(b"\xff\x00 a\r\n", b"b"),
        Path("/etc/a file with blanks"): Saved(None, b"new\n"),
    }
    backup.save(files)
    assert backup.exists and backup.load() == files
    assert all(path.stat().st_mode & 0o077 == 0 for path in backup.directory.iterdir())
    backup.save({Path("/x"): Saved(b"", b"")})
    assert backup.load() == {Path("/x"): Saved(b"", b"")}
    backup.remove()
    assert backup.load() == {}


def test_a_damaged_backup_is_one_sentence(tmp_path: Path) -> None:
    backup = Backup(tmp_path / "adopt")
    backup.save({Path("/x"): Saved(b"", b"")})
    (backup.directory / "1.after").unlink()
    with pytest.raises(BackupError, match=r"1\.after: No such file"):
        backup.load()


PRERM = """
set -e
backup=$1
mkdir -p "$backup/../bin"
printf '#!/bin/sh\\n' >"$backup/../bin/invoke-rc.d"
chmod +x "$backup/../bin/invoke-rc.d"
PATH=$backup/../bin:$PATH
%s
%s
if revert; then exit 0; else exit 1; fi
"""
#: Nothing can be written any more, as on a full disk.
FULL = "trap '' XFSZ; ulimit -f 0"


def revert(backup: Backup, before: str = "") -> int:
    """The prerm's own functions, run by themselves."""
    script = (ROOT / "debian/netvip.prerm").read_text()
    functions = script[script.index("ours() {") : script.index("# An adopted keepalived")]
    command = ["sh", "-c", PRERM % (functions, before), "sh", str(backup.directory)]
    return subprocess.run(command, timeout=10).returncode


def test_the_shell_reverts_as_well(tmp_path: Path) -> None:
    conf, added = tmp_path / "a conf", tmp_path / "added"
    link = tmp_path / "link"
    conf.write_bytes(b"after")
    conf.chmod(0o640)
    link.symlink_to(conf)
    added.write_bytes(b"new")
    backup = Backup(tmp_path / "state" / "adopt")
    backup.save({link: Saved(b"before\x00\xff", b"after"), added: Saved(None, b"new")})
    assert revert(backup) == 0
    assert conf.read_bytes() == b"before\x00\xff" and conf.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink() and not added.exists() and not backup.exists


def test_the_shell_goes_on_where_a_revert_was_interrupted(tmp_path: Path) -> None:
    first, second, added = tmp_path / "first", tmp_path / "second", tmp_path / "added"
    first.write_bytes(b"1")
    second.write_bytes(b"after")
    backup = Backup(tmp_path / "state" / "adopt")
    saved = {first: Saved(b"1", b"after"), second: Saved(b"2", b"after"), added: Saved(None, b"")}
    backup.save(saved)
    assert revert(backup) == 0
    assert (first.read_bytes(), second.read_bytes()) == (b"1", b"2") and not backup.exists


def test_the_shell_replaces_nothing_on_a_full_disk(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for path in (first, second):
        path.write_bytes(b"after")
    backup = Backup(tmp_path / "state" / "adopt")
    backup.save({first: Saved(b"1", b"after"), second: Saved(b"2", b"after")})
    assert revert(backup, FULL) == 1
    assert first.read_bytes() == second.read_bytes() == b"after" and backup.exists
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second", "state"]


def test_the_shell_touches_nothing_where_somebody_edited_since(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"after")
    second.write_bytes(b"edited")
    backup = Backup(tmp_path / "state" / "adopt")
    backup.save({first: Saved(b"1", b"after"), second: Saved(b"2", b"after")})
    assert revert(backup) != 0
    assert first.read_bytes() == b"after" and backup.exists
