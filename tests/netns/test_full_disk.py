"""Files below /run where there is no room left."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path

import pytest

from netvip.actuators.published import PublishedFiles
from netvip.actuators.track_files import TrackFiles
from netvip.commands import daemon
from netvip.errors import NetvipError


def fill(directory: Path) -> Path:
    """Take all the room there is."""
    ballast = directory / "ballast"
    with open(ballast, "wb", buffering=0) as file, pytest.raises(OSError) as full:
        while True:
            file.write(bytes(1 << 20))
    assert full.value.errno == errno.ENOSPC
    return ballast


@pytest.fixture
def small_run(run_directory: Path) -> Path:
    """/run/netvip on a file system of 2 MB."""
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(run_directory)], check=True
    )
    (run_directory / "track").mkdir()
    return run_directory


def test_a_daemon_finds_its_lock_without_room(
    small_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(small_run)
    monkeypatch.setattr(daemon, "RUN", str(small_run))
    with daemon._alone(), pytest.raises(NetvipError, match="another"), daemon._alone():
        pass


def test_fault_is_written_although_there_is_no_room(small_run: Path) -> None:
    files, track = TrackFiles(small_run), small_run / "track/VI_1"
    files.set("VI_1", False)
    fill(small_run)
    for fault in (True, False, True):
        files.set("VI_1", fault)
        assert track.read_text() == f"{int(fault)}\n"


def test_every_fault_ends_although_there_is_no_room(small_run: Path) -> None:
    files, track = TrackFiles(small_run), small_run / "track/VI_1"
    files.set("VI_1", True)
    fill(small_run)
    files.clear()
    assert track.read_text() == "0\n"


def test_a_file_that_cannot_be_written_says_so(small_run: Path) -> None:
    ballast = fill(small_run)
    with pytest.raises(OSError) as full:
        PublishedFiles(small_run).window(True)
    assert full.value.errno == errno.ENOSPC
    ballast.unlink()
    PublishedFiles(small_run).window(True)
    assert (small_run / "window").read_text() == "open -\n"
