"""keepalived's processes, found without its pid file: by real processes of that name."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netvip.core import events
from netvip.core.model import Tri
from netvip.keepalived import process
from netvip.sources import keepalived as source_module
from netvip.sources.keepalived import KeepalivedSource

CLONE_NEWNET = 0x40000000  # sched.h; Python 3.12 has it as os.CLONE_NEWNET


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """A network namespace, where that can be: other tests look for keepalived in the machine's."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    apart = libc.unshare(CLONE_NEWNET) == 0
    try:
        yield
    finally:
        assert not apart or libc.setns(home, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        os.close(home)


def named_keepalived(place: Path, program: str) -> Path:
    """A copy of a program under keepalived's name."""
    place.mkdir(parents=True)
    return Path(shutil.copy(shutil.which(program) or program, place / "keepalived"))


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """A keepalived that has started another one; their numbers."""
    monkeypatch.setattr(process, "PID_FILES", (str(tmp_path / "none.pid"),))
    shell = named_keepalived(tmp_path / "parent", "bash")
    child = named_keepalived(tmp_path / "child", "sleep")
    started = subprocess.Popen(
        [shell, "-c", f"{child} 60 & echo $!; wait"], stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    number = int(started.stdout.readline())
    while Path(f"/proc/{number}/comm").read_text() != "keepalived\n":
        pass  # between fork and exec it has its parent's name, which is the same
    try:
        yield started.pid, number
    finally:
        for pid in (number, started.pid):
            os.kill(pid, 9)
        started.stdout.close()
        started.wait()


def test_the_parent_is_found_where_no_pid_file_names_it(family: tuple[int, int]) -> None:
    assert process.parent() == family[0]
    assert [found.pid for found in process.children(family[0])] == [family[1]]
    assert set(family) <= set(process.running())


def test_a_pid_file_that_names_another_s_process_counts_for_nothing(
    family: tuple[int, int], tmp_path: Path
) -> None:
    (tmp_path / "none.pid").write_text(f"{os.getpid()}\n")
    assert process.parent() == family[0]


def test_an_orphan_runs_but_is_nobody_s_parent(tmp_path: Path) -> None:
    lonely = named_keepalived(tmp_path / "orphan", "sleep")
    with subprocess.Popen([lonely, "60"]) as started:
        try:
            while Path(f"/proc/{started.pid}/comm").read_text() != "keepalived\n":
                pass  # it is being started
            assert started.pid in process.running()
            assert process.parent() != started.pid
        finally:
            started.kill()


@contextmanager
def unshared(tmp_path: Path, *namespaces: str) -> Iterator[int]:
    """A keepalived that has started another one in namespaces of its own; its number here."""
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    shell = named_keepalived(tmp_path / "parent", "bash")
    child = named_keepalived(tmp_path / "child", "sleep")
    command = ["unshare", *namespaces, "--fork", "--kill-child", str(shell), "-c"]
    with subprocess.Popen([*command, f"{child} 60 & wait"], start_new_session=True) as started:
        try:
            number = _only_child(started.pid)
            while not process.children(number):
                pass  # it is being started
            yield number
        finally:
            os.killpg(started.pid, signal.SIGKILL)


def _only_child(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    while not (found := children.read_text().split()):
        pass  # it is being started
    while Path(f"/proc/{found[0]}/comm").read_text() != "keepalived\n":
        pass
    return int(found[0])


@pytest.fixture
def no_pid_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PID_FILES", (str(tmp_path / "none.pid"),))


def told_of(pid: int, ours: int | None) -> list[str]:
    """What is told of a process; the lab's nodes on this machine have some of that name as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "NAMED_MOST", 1000)
        return [words for words in process.elsewhere(ours) if f"(process {pid})" in words]


@pytest.mark.usefixtures("no_pid_file")
def test_one_in_a_container_on_the_host_s_network_is_found(tmp_path: Path) -> None:
    with unshared(tmp_path, "--pid") as number:
        assert process.parent() == number
        assert process.is_contained(number) and not process.is_contained(os.getpid())
        assert told_of(number, ours=number) == []
        assert process.configuration_id(number) is None


@pytest.mark.usefixtures("no_pid_file")
def test_one_in_another_network_namespace_is_left_alone_and_named(tmp_path: Path) -> None:
    with unshared(tmp_path, "--net") as number:
        assert process.parent() is None and number not in process.running()
        (told,) = told_of(number, ours=None)
        assert told == (
            f"keepalived (process {number}) runs in another network namespace; "
            "netvip leaves it alone"
        )


def test_a_second_one_is_named(family: tuple[int, int], tmp_path: Path) -> None:
    with unshared(tmp_path / "second", "--mount") as number:
        ours = process.parent()
        assert ours in (family[0], number)
        other = number if ours == family[0] else family[0]
        (told,) = told_of(other, ours)
        assert told.endswith(f"is a second one beside process {ours}; netvip leaves it alone")


def test_a_child_that_forks_for_a_script_is_no_second_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the fork executes the script it has keepalived's name, as its parent has."""
    monkeypatch.setattr(process, "PID_FILES", (str(tmp_path / "none.pid"),))
    shell = named_keepalived(tmp_path / "keepalived", "bash")
    os.mkfifo(tmp_path / "never")
    forks = f"(: <{tmp_path}/never) & wait"  # to open a pipe that nobody writes to takes for ever
    family = [str(shell), "-c", f"{shell} -c {shlex.quote(forks)} & echo $!; wait"]
    with subprocess.Popen(family, stdout=subprocess.PIPE, text=True, process_group=0) as started:
        try:
            assert started.stdout is not None
            child = int(started.stdout.readline())
            while not process.children(child):
                pass  # it is being started
            (forked,) = process.children(child)
            assert process.is_keepalived(forked.pid)
            assert told_of(child, ours=started.pid) == []
            monkeypatch.setattr(process, "running", lambda: [child, started.pid])
            assert process.parent() == started.pid, "numbers begin again at the highest one"
        finally:
            os.killpg(started.pid, signal.SIGKILL)


def test_what_another_user_calls_keepalived_is_not_ours() -> None:
    if os.geteuid() != 0:
        pytest.skip("a process of another user's needs root")
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        program = named_keepalived(Path(place) / "bin", "sleep")
        command = ["setpriv", "--reuid=65534", "--clear-groups", str(program), "60"]
        with subprocess.Popen(command) as started:
            try:
                while Path(f"/proc/{started.pid}/comm").read_text() != "keepalived\n":
                    pass  # it is being started
                assert not process.is_keepalived(started.pid)
                assert started.pid not in process.running()
            finally:
                started.kill()


def test_a_program_of_root_s_that_another_user_starts_is_not_ours() -> None:
    """As su(1) is: its effective user is root, its real user is not."""
    if os.geteuid() != 0:
        pytest.skip("a process of another user's needs root")
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        program = named_keepalived(Path(place) / "bin", "sleep")
        with subprocess.Popen(["setpriv", "--ruid=65534", str(program), "60"]) as started:
            try:
                while Path(f"/proc/{started.pid}/comm").read_text() != "keepalived\n":
                    pass  # it is being started
                assert not process.is_keepalived(started.pid)
            finally:
                started.kill()


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert process.configuration_id(gone.pid) is None
    assert process.option(gone.pid, "-f", "--use-file") is None
    assert not process.is_keepalived(gone.pid) and not process.is_contained(gone.pid)
    assert not process.shares_network(gone.pid)


@pytest.mark.usefixtures("no_pid_file")
def test_the_host_s_own_comes_before_one_in_a_container(tmp_path: Path) -> None:
    with unshared(tmp_path / "one", "--pid") as contained:
        assert process.parent() == contained
        with unshared(tmp_path / "two", "--mount") as own:
            assert process.parent() == own
            (told,) = told_of(contained, ours=own)
            assert "is a second one" in told


# --- which of several is followed ---------------------------------------------------------------


async def following(source: KeepalivedSource, seen: list[events.Event], *wanted: Tri) -> None:
    """Wait until the source has reported these states of keepalived, and no others."""
    async with asyncio.timeout(20):
        while [e.running for e in seen if isinstance(e, events.KeepalivedRunning)] != [*wanted]:
            await asyncio.sleep(0.01)  # /proc announces nothing
            source.request()


@pytest.mark.asyncio
async def test_the_host_s_own_is_followed_as_soon_as_there_is_one_and_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in a container has started first, and goes on while the host's own restarts."""
    pid_file = tmp_path / "keepalived.pid"
    monkeypatch.setattr(process, "PID_FILES", (str(pid_file),))
    monkeypatch.setattr(source_module, "LOOK_EVERY", 0.01)
    seen: list[events.Event] = []
    source = KeepalivedSource(seen.append, tmp_path / "keepalived.conf")
    with unshared(tmp_path / "one", "--pid"):
        task = asyncio.ensure_future(source.run())
        await following(source, seen, Tri.YES)
        with unshared(tmp_path / "two", "--mount") as own:
            pid_file.write_text(f"{own}\n")
            await following(source, seen, Tri.YES, Tri.NO, Tri.YES)
        seen.clear()
        while not any(isinstance(event, events.KeepalivedRunning) for event in seen):
            await asyncio.sleep(0.01)
        for _ in range(20):
            source.look("VI_1", "10.77.0.2")
            await asyncio.sleep(0.01)
        task.cancel()
    running = {e.running for e in seen if isinstance(e, events.KeepalivedRunning)}
    left = {e.running for e in seen if isinstance(e, events.KeepalivedLookedFor)}
    assert running == left == {Tri.NO}
