"""Where the files of a running keepalived are, by real processes in namespaces of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netvip.errors import DumpError
from netvip.keepalived.place import BUILT, place

CONF = Path("/etc/keepalived/keepalived.conf")
#: Becomes what a container's first process is: below another root directory.
ENTER = 'mount --bind "$0" "$0" && exec chroot "$0" /sleep "$@"'


@contextmanager
def process(*command: str, **environment: str) -> Iterator[int]:
    with subprocess.Popen(command, env=os.environ | environment) as started:
        try:
            yield started.pid
        finally:
            started.kill()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root directory with nothing but one program."""
    if os.geteuid() != 0:
        pytest.skip("another root directory needs root")
    found = tmp_path / "root"
    found.mkdir()
    program, source = found / "sleep", found / "sleep.c"
    source.write_text("#include <unistd.h>\nint main(void) { for (;;) pause(); }\n")
    subprocess.run(["gcc", "-static", "-o", program, source], check=True)
    return found


@contextmanager
def contained(root: Path, *arguments: str, **environment: str) -> Iterator[int]:
    """A process in a PID namespace and below a root directory of its own; its number here."""
    command = ("unshare", "--pid", "--mount", "--fork", "--kill-child", "sh", "-c", ENTER)
    with process(*command, str(root), *arguments, **environment) as outside:
        children = Path(f"/proc/{outside}/task/{outside}/children")
        while not (found := children.read_text().split()):
            pass  # it is being started
        while Path(f"/proc/{found[0]}/comm").read_text() != "sleep\n":
            pass
        yield int(found[0])


def test_the_host_s_own_has_the_host_s_files() -> None:
    with process("sleep", "60") as pid:
        where = place(pid, CONF)
    assert (where.main_file, where.dump) == (CONF, Path("/tmp/keepalived.json"))
    assert not where.is_contained
    with process("sleep", "60", TMPDIR="/var/tmp") as pid:
        while place(pid, CONF).dump == where.dump:
            pass  # it is being started
        assert place(pid, CONF).dump == Path("/var/tmp/keepalived.json")


def test_a_container_s_files_are_below_its_root(root: Path) -> None:
    (root / "etc/keepalived").mkdir(parents=True)
    (root / "etc/keepalived/keepalived.conf").write_text("")
    with contained(root) as pid:
        own = Path(f"/proc/{pid}/root")
        where = place(pid, CONF)
        assert where.is_contained and where.main_file == own / "etc/keepalived/keepalived.conf"
        assert where.dump == own / "tmp/keepalived.json"
        assert where.name(where.main_file) == CONF
    with contained(root, "-f", "/ka.conf", TMPDIR="/run") as pid:
        own, where = Path(f"/proc/{pid}/root"), place(pid, CONF)
        assert (where.main_file, where.dump) == (own / "ka.conf", own / "run/keepalived.json")


def test_one_that_was_built_there_has_its_file_elsewhere(root: Path) -> None:
    with contained(root) as pid:
        assert place(pid, CONF).configuration == BUILT


def test_links_in_a_circle_are_told_in_a_sentence(root: Path) -> None:
    (root / "etc").symlink_to("etc")
    with contained(root) as pid, pytest.raises(DumpError, match="cannot reach the files"):
        place(pid, CONF)
