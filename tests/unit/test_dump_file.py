"""The place of keepalived's dump, which is one where anybody may write."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netvip.core.model import Tri
from netvip.errors import DumpError
from netvip.keepalived import ask
from netvip.sources import keepalived


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "keepalived.json"


def test_a_directory_in_keepalived_s_way_is_moved_aside(place: Path) -> None:
    place.mkdir()
    (place / "kept").write_text("x")
    ask._make_room(place)
    (moved,) = place.parent.iterdir()
    assert moved != place and (moved / "kept").read_text() == "x"


def test_a_link_is_moved_and_not_followed(place: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("x")
    place.symlink_to(elsewhere)
    ask._make_room(place)
    assert not place.is_symlink() and elsewhere.read_text() == "x"


def test_an_earlier_dump_stays(place: Path) -> None:
    ask._make_room(place)
    place.write_text("{}")
    ask._make_room(place)
    assert place.read_text() == "{}"


def test_what_cannot_be_moved_is_told_in_a_sentence(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.mkdir()

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(DumpError, match="keeps keepalived from writing"):
        ask._make_room(place)


def test_a_keepalived_that_never_answers_is_asked_less_and_less() -> None:
    pauses = [keepalived._next(misses, again=False) for misses in range(12)]
    assert pauses == [300.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0]
    assert keepalived._next(0, again=True) == 1.0


# --- asking -------------------------------------------------------------------------------------

#: Writes a dump when it is asked for one, each later than the last by so many seconds.
KEEPALIVED = """
import os, signal, sys, time
delays = [float(word) for word in sys.argv[1:]]
def write(*_):
    time.sleep(delays.pop(0))
    with open(os.environ["TMPDIR"] + "/keepalived.json", "w") as file:
        file.write("[]")
signal.signal(signal.SIGRTMIN + 2, write)
print("ready", flush=True)
while True:
    signal.pause()
"""


@contextmanager
def keepalived_writes(place: Path, *delays: float) -> Iterator[Callable[[], object]]:
    """Something that writes dumps as keepalived does; asks it for one."""
    command = [sys.executable, "-c", KEEPALIVED, *map(str, delays)]
    environment = os.environ | {"TMPDIR": str(place.parent)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as started:
        assert started.stdout is not None and started.stdout.readline() == b"ready\n"
        handle = os.pidfd_open(started.pid)
        asker = ask.Asker(place.parent / "keepalived.conf")
        build = ask.Build((2, 2, 7), Tri.YES)
        try:
            yield lambda: asyncio.run(asker.ask(started.pid, handle, build))
        finally:
            os.close(handle)
            started.kill()


def test_netvip_removes_its_own_dump_and_no_other_s(place: Path) -> None:
    with keepalived_writes(place, 0, 0, 0) as asked:
        asked()
        assert not place.exists()
        place.write_text("{}")
        for _ in range(2):
            asked()
            assert place.read_text() == "[]"


def test_a_dump_that_came_too_late_is_removed_with_the_next(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask, "DUMP_LIMIT", 0.1)
    with keepalived_writes(place, 0.3, 0) as asked:
        with pytest.raises(DumpError, match="wrote no dump"):
            asked()
        while not place.exists() or place.read_text() != "[]":
            pass  # it comes late
        monkeypatch.setattr(ask, "DUMP_LIMIT", 10.0)
        asked()
        assert not place.exists()


@pytest.mark.parametrize("text", [" VRRP" * 200_000, "Keepalived v" + "9" * 10_000, ""])
def test_a_program_that_is_not_keepalived_s_is_read_all_the_same(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.write_text(f"Keepalived v2.2.7\0{text}")
    monkeypatch.setattr("builtins.open", lambda *_: program.open("rb"))
    assert ask._read_program(1) == ask.Build((2, 2, 7), Tri.NO)


def test_what_was_built_in_is_read_from_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.write_text("x\0Keepalived v2.2.7 (01/16,2022)\0 LVS VRRP VRRP_VMAC JSON BFD\0")
    monkeypatch.setattr("builtins.open", lambda *_: program.open("rb"))
    assert ask._read_program(1) == ask.Build((2, 2, 7), Tri.YES)
