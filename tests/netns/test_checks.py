"""The scripts that keepalived runs, and `netvip check`: with real files, processes and addresses.

The test itself plays keepalived's VRRP process: it is the scripts' parent.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from netvip.actuators import run_directory as directory
from netvip.actuators.published import PublishedFiles
from netvip.const import CRASHES_HELD
from netvip.core.actions import PublishInstance, SaveStates
from netvip.keepalived.process import Process
from tests.netns.conftest import ip
from tests.unit.helpers import ROOT, environment

SCRIPTS = ROOT / "scripts"
VIP = "10.77.0.10"
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

pytestmark = pytest.mark.usefixtures("lan", "run_directory")


def myself() -> Process:
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return Process(os.getpid(), int(fields[19]))


def script(name: str, *arguments: str) -> int:
    return subprocess.run([str(SCRIPTS / name), *arguments], timeout=20).returncode


def check(name: str = "VI_1") -> int:
    return script("keepalived-check", name)


def record(
    state: str = "MASTER", held: bool = False, vip: str = VIP, **more: str
) -> PublishInstance:
    vips = (("ens160", vip),)
    return PublishInstance(
        "VI_1", state, more.get("verdict", "good"), more.get("why", ""), held, vips, 1
    )


def close_window(published: PublishedFiles) -> None:
    published.window(False)
    time.sleep(0.02)  # its end is told in hundredths of a second, and what began with it is held


@pytest.fixture
def published() -> PublishedFiles:
    """A MASTER that has said so, its daemon alive, no window open."""
    published = PublishedFiles()
    directory.prepare()
    published.publish(record())
    close_window(published)
    published.alive()
    assert script("keepalived-notify", "VI_1", "INSTANCE", "VI_1", "MASTER", "100") == 0
    return published


def lose_vip() -> None:
    ip("address", "delete", f"{VIP}/24", "dev", "ens160")


def test_a_master_with_its_vip_is_healthy_and_without_it_is_not(published: PublishedFiles) -> None:
    assert check() == 0
    lose_vip()
    assert check() == 1


def test_the_dead_man_needs_no_daemon_and_no_privilege(published: PublishedFiles) -> None:
    published.dead()
    command = [*NOBODY, str(SCRIPTS / "keepalived-check"), "VI_1"]
    assert subprocess.run(command, timeout=20).returncode == 0
    lose_vip()
    assert subprocess.run(command, timeout=20).returncode == 1


@pytest.mark.parametrize("state", ["BACKUP", "FAULT", "STOP"])
def test_only_a_master_needs_its_vip(published: PublishedFiles, state: str) -> None:
    lose_vip()
    assert script("keepalived-notify", "VI_1", "INSTANCE", "VI_1", state, "100") == 0
    assert check() == 0


def test_what_another_keepalived_said_does_not_count(published: PublishedFiles) -> None:
    lose_vip()
    mine = myself()
    state = Path(f"/run/netvip/state/VI_1@{mine}")

    def save(process: Process, *notifying: str) -> None:
        states = (("VI_1", "BACKUP"),) if notifying else ()
        published.save_states(SaveStates((str(process),), states, frozenset(notifying)))

    save(mine, "VI_1")
    assert state.read_text() == "MASTER\n"
    save(mine)
    assert not state.exists()
    save(mine, "VI_1")
    assert state.read_text() == "BACKUP\n" and state.stat().st_mode & 0o777 == 0o644
    save(Process(mine.pid, mine.start + 1), "VI_1")
    assert not state.exists()


# --- netvip check and netvip notify ---------------------------------------------------------------


def netvip(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "netvip", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, env=environment())


def test_netvip_check_says_why(published: PublishedFiles) -> None:
    good = netvip("check", "VI_1")
    assert (good.returncode, good.stdout) == (0, "VI_1: MASTER, every VIP is present\n")
    lose_vip()
    published.dead()
    bad = netvip("check", "VI_1")
    assert (bad.returncode, bad.stdout) == (1, "VI_1: MASTER, not on its interface: 10.77.0.10\n")
    published.alive()
    published.publish(record(held=True))
    assert netvip("check").returncode == 0
    published.publish(record(verdict="failed", why="taken 4 times"))
    assert netvip("check").stdout == "VI_1: MASTER, taken 4 times\n"


def test_netvip_check_without_the_daemon_asks_keepalived_s_word_and_the_kernel(
    published: PublishedFiles,
) -> None:
    published.dead()
    published.publish(record(state="BACKUP", held=True))
    assert netvip("check").returncode == 0
    lose_vip()
    assert netvip("check").returncode == 1
    assert netvip("notify", "INSTANCE", "VI_1", "BACKUP", "100").returncode == 0
    assert netvip("check").returncode == 0


def test_netvip_notify_keeps_the_state_and_tells_the_daemon(published: PublishedFiles) -> None:
    pipe = os.open("/run/netvip/fifo", os.O_RDWR | os.O_NONBLOCK)
    try:
        assert netvip("notify", "INSTANCE", "VI_1", "FAULT", "100").returncode == 0
        assert os.read(pipe, 100) == b'INSTANCE "VI_1" FAULT 100\n'
        while True:
            os.write(pipe, b"x" * 4096)
    except BlockingIOError:
        assert netvip("notify", "GROUP", "G", "MASTER", "0").returncode == 0  # full: no waiting
    finally:
        os.close(pipe)
    mine = myself()
    state = Path(f"/run/netvip/state/VI_1@{mine.pid}.{mine.start}")
    assert state.read_text() == "FAULT\n"
    assert netvip("notify", "INSTANCE").returncode == 2


# --- keepalived-hold ------------------------------------------------------------------------------


def hold(*command: str) -> int:
    return script("keepalived-hold", *command)


def test_a_held_command_answers_for_itself_outside_of_windows(published: PublishedFiles) -> None:
    assert [hold("true"), hold("sh", "-c", "exit 3"), hold("true")] == [0, 3, 0]


def test_without_netvip_the_wrapper_is_transparent() -> None:
    assert [hold("true"), hold("sh", "-c", "exit 3"), hold()] == [0, 3, 2]


def test_in_a_window_the_last_good_verdict_stands(published: PublishedFiles) -> None:
    published.window(True)
    assert [hold("false"), netvip("check", "--hold", "false").returncode] == [0, 1]
    close_window(published)
    assert hold("false") == 1


def test_in_a_window_a_bad_verdict_stays_bad(published: PublishedFiles) -> None:
    Path("/run/netvip/checks/root").mkdir()
    assert [hold("false"), hold("false", "other"), hold("true", "other")] == [1, 1, 0]
    published.window(True)
    assert [hold("false"), hold("false", "other")] == [1, 1]
    assert hold("true", "other") == 0


def test_a_recovery_is_remembered(published: PublishedFiles, tmp_path: Path) -> None:
    Path("/run/netvip/checks/root").mkdir()
    well = tmp_path / "well"
    command = ("test", "-e", str(well))
    assert hold(*command) == 1
    well.touch()
    assert hold(*command) == 0
    well.unlink()
    published.window(True)
    assert hold(*command) == 0


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("?\n")])
def test_an_open_window_holds_only_while_the_daemon_lives(
    published: PublishedFiles, spoil: Callable[[Path], object]
) -> None:
    published.window(True)
    spoil(Path("/run/netvip/alive"))
    assert hold("false") == 1


def test_a_window_that_opened_and_closed_meanwhile_counts(published: PublishedFiles) -> None:
    writes = "echo closed $(($(cut -d. -f1 /proc/uptime) * 100 + 100)) >/run/netvip/window; false"
    assert hold("sh", "-c", writes) == 0


# --- keepalived-notify before an operator's own ---------------------------------------------------


@pytest.mark.parametrize(
    ("user", "uid"), [("root", "0 0"), ("nobody", "65534 65534"), ("nobody:daemon", "65534 1")]
)
def test_the_operator_s_notify_runs_as_its_user_with_keepalived_s_arguments(
    published: PublishedFiles, tmp_path: Path, user: str, uid: str
) -> None:
    tmp_path.chmod(0o777)
    theirs = f'echo "$(id -u) $(id -g) $*" >{tmp_path}/said; exit 5'
    keepalived = ("INSTANCE", "VI 1", "BACKUP", "100")
    command = ("--as", user, "--then", "sh", "-c", theirs, "sh", "a word", *keepalived)
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    assert script("keepalived-notify", "VI_1", *command) == 5
    said = (tmp_path / "said").read_text()
    assert said == f"{uid} a word INSTANCE VI 1 BACKUP 100\n"
    lose_vip()
    assert check() == 0


def test_after_a_crash_the_checks_are_held_for_a_moment(published: PublishedFiles) -> None:
    listed = Path("/run/netvip/verdict/VI_1")
    os.utime(listed, (1, 1))
    lose_vip()
    assert check() == 1
    published.crashed()
    published.hold_till_known()
    assert check() == 0 and listed.stat().st_mtime == 1
    assert listed.read_text().count("held") == 1
    Path("/run/netvip/alive").write_text("1\n")
    assert check() == 1


def test_a_daemon_that_goes_on_crashing_holds_no_check(published: PublishedFiles) -> None:
    lose_vip()
    for _ in range(CRASHES_HELD + 1):
        published.dead()
        published.crashed()
    published.hold_till_known()
    assert check() == 1
    Path("/run/netvip/crashed").write_text("7 0.0\n")
    published.crashed()
    assert check() == 0, "those were long ago"
