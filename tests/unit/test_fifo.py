"""keepalived's notify fifo: valid and invalid lines, and a pipe that is removed and replaced."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip.core import events
from netvip.core.model import Role
from netvip.sources.fifo import FifoSource, parse
from netvip.sources.pipe import LONGEST_LINE


@pytest.mark.parametrize(
    ("line", "state"),
    [
        (b'INSTANCE "VI_1" MASTER 110', ("VI_1", Role.MASTER)),
        (b'INSTANCE "VI_1" BACKUP 110', ("VI_1", Role.BACKUP)),
        (b'INSTANCE "a name" FAULT 0', ("a name", Role.FAULT)),
        (b'INSTANCE "VI_1" STOP 110', ("VI_1", Role.INIT)),
        (b'INSTANCE "VI_1" DELETED 110', ("VI_1", Role.INIT)),
        (b'INSTANCE "VI_1" MASTER', ("VI_1", Role.MASTER)),
        ('INSTANCE "Gerät" MASTER 1'.encode(), ("Gerät", Role.MASTER)),
    ],
)
def test_a_change_of_state(line: bytes, state: tuple[str, Role]) -> None:
    assert parse(1.0, line) == events.StateReported(1.0, *state, "fifo")


@pytest.mark.parametrize(
    "line",
    [
        b'GROUP "G1" MASTER 0',
        b'INSTANCE "VI_1" BACKUP_PRIORITY 90',
        b'INSTANCE "VI_1" MASTER_RX_LOWER_PRI 110',
    ],
)
def test_another_line_of_keepalived_is_valid(line: bytes) -> None:
    assert parse(1.0, line) == events.Event(1.0)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"MASTER",
        b'instance "VI_1" MASTER 110',
        b"INSTANCE VI_1 MASTER 110",
        b'INSTANCE "VI_1" MASTER 1100',
        b'INSTANCE "VI_1" MASTER 110 and more',
        b'INSTANCE "VI_1" master 110',
        b'  INSTANCE "VI_1" MASTER 110',
        b"\x00" * 20,
    ],
)
def test_a_line_that_keepalived_does_not_write_is_invalid(line: bytes) -> None:
    assert parse(1.0, line) is None


@given(st.binary(max_size=300))
def test_no_line_raises(line: bytes) -> None:
    parse(1.0, line)


class Pipe:
    """A fifo, its reader, and the events of the reader."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: list[events.Event] = []
        self.loop = asyncio.new_event_loop()
        os.mkfifo(path)
        self.source = FifoSource(self.events.append, self.loop, str(path))

    def write(self, data: bytes) -> None:
        writer = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        os.write(writer, data)
        os.close(writer)
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.run_until_complete(asyncio.sleep(0))

    def states(self) -> list[str]:
        return [event.role.name for event in self.events if isinstance(event, events.StateReported)]


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    pipe = Pipe(tmp_path / "fifo")
    yield pipe
    pipe.source.close()
    pipe.loop.close()


def test_lines_are_read_in_their_order_and_in_pieces(pipe: Pipe) -> None:
    pipe.source.start()
    pipe.write(b'INSTANCE "VI_1" MASTER 110\nINSTANCE "VI_1" BACK')
    pipe.write(b'UP 110\nGROUP "G" MASTER 0\n')
    assert pipe.states() == ["MASTER", "BACKUP"]
    assert (pipe.source.lines, pipe.source.dropped) == (3, 0)


def test_lines_from_before_the_start_are_dropped(pipe: Pipe) -> None:
    keepalived = os.open(pipe.path, os.O_RDWR | os.O_NONBLOCK)
    os.write(keepalived, b'INSTANCE "VI_1" MASTER 110\n')
    pipe.source.start()
    os.close(keepalived)
    pipe.write(b'INSTANCE "VI_1" BACKUP 110\n')
    assert pipe.states() == ["BACKUP"]


def test_overlong_and_invalid_lines_are_dropped_and_counted(pipe: Pipe) -> None:
    pipe.source.start()
    pipe.write(b"x" * (LONGEST_LINE + 1) + b"\nrubbish\n")
    pipe.write(b"y" * 2000)
    pipe.write(b"y" * 2000)
    pipe.write(b'y\nINSTANCE "VI_1" FAULT 0\n')
    assert pipe.states() == ["FAULT"]
    assert (pipe.source.lines, pipe.source.dropped) == (1, 3)


def test_a_pipe_that_is_removed_or_replaced_is_opened_again(pipe: Pipe) -> None:
    pipe.source.follow()
    pipe.path.unlink()
    pipe.source.follow()
    os.mkfifo(pipe.path)
    pipe.source.follow()
    pipe.write(b'INSTANCE "VI_1" MASTER 110\n')
    assert pipe.states() == ["MASTER"]
