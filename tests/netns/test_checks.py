"""The scripts that keepalived runs, and `netvip check`, with real files, processes and addresses.

The test stands for keepalived's VRRP process: it is the parent process of the scripts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
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
UNPRIVILEGED = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

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


def lists(*objects: str) -> PublishInstance:
    """A MASTER with its VIP, and routes and rules as they are published."""
    return replace(record(), objects=tuple(tuple(words.split()) for words in objects))


def close_window(published: PublishedFiles) -> None:
    published.window(False)
    time.sleep(0.02)  # a check that begins in the same hundredth of a second is still held


@pytest.fixture
def published() -> PublishedFiles:
    """keepalived has reported MASTER, the daemon is alive, no window is open."""
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


def test_the_check_needs_neither_daemon_nor_privilege(published: PublishedFiles) -> None:
    published.dead()
    # The tree may be below a directory that other users cannot enter.
    script_copy = shutil.copy(SCRIPTS / "keepalived-check", "/run/netvip/keepalived-check")
    command = [*UNPRIVILEGED, script_copy, "VI_1"]
    assert subprocess.run(command, timeout=20).returncode == 0
    lose_vip()
    assert subprocess.run(command, timeout=20).returncode == 1


@pytest.mark.parametrize("state", ["BACKUP", "FAULT", "STOP"])
def test_only_a_master_needs_its_vip(published: PublishedFiles, state: str) -> None:
    lose_vip()
    assert script("keepalived-notify", "VI_1", "INSTANCE", "VI_1", state, "100") == 0
    assert check() == 0


def test_the_state_of_another_keepalived_process_is_ignored(published: PublishedFiles) -> None:
    lose_vip()
    mine = myself()
    state = Path(f"/run/netvip/state/VI_1@{mine.pid}.{mine.start}")
    state.rename(state.with_name(f"VI_1@{mine.pid}.{mine.start - 1}"))
    assert check() == 0


def test_a_window_holds_while_the_daemon_lives(published: PublishedFiles) -> None:
    lose_vip()
    published.publish(record(held=True))
    assert check() == 0
    Path("/run/netvip/alive").write_text(f"{int(time.clock_gettime(time.CLOCK_BOOTTIME) * 100)}\n")
    assert check() == 1
    published.dead()
    assert check() == 1


def test_a_check_is_healthy_if_the_configuration_was_edited(
    published: PublishedFiles, tmp_path: Path
) -> None:
    conf = tmp_path / "keepalived of mine.conf"
    conf.write_text("")
    os.utime(conf, (1, 1))
    files = (str(conf), str(tmp_path / "missing.conf"))
    published.publish(replace(record(), files=files))
    lose_vip()
    assert check() == 1
    os.utime(conf, (time.time() - 5, time.time() - 5))
    for path in Path("/run/netvip/verdict").iterdir():
        os.utime(path, (time.time() - 10, time.time() - 10))
    assert check() == 0
    published.renew()  # keepalived's dump says that it holds the same
    assert check() == 1


@pytest.mark.parametrize("name", ["verdict", "state", "verdict/VI_1", "alive", "window"])
def test_a_check_is_healthy_if_a_file_is_missing_or_invalid(
    published: PublishedFiles, name: str
) -> None:
    path = Path("/run/netvip") / name
    if path.is_dir():
        path.rename(path.with_name("elsewhere"))
    else:
        path.write_bytes(b"\xff\xfe\x00 vip\nvip\nheld maybe ; reboot\n$(reboot) `reboot`\n")
    assert check() == 0


def test_a_vip_whose_interface_is_gone_is_missing(published: PublishedFiles) -> None:
    """keepalived watches the instance's own interface, and a VIP may be on another one."""
    ip("link", "delete", "ens160")
    assert check() == 1


@pytest.mark.parametrize(
    ("added", "listed"),
    [
        ("fd00:77::10/64", "fd00:77::10"),
        ("fd00:77::10/64", "fd00:0077:0::0010"),
        ("10.99.0.10/32", "10.99.0.10"),
    ],
)
def test_addresses_are_compared_as_addresses(
    published: PublishedFiles, added: str, listed: str
) -> None:
    ip("address", "add", added, "dev", "ens160", *(("nodad",) if ":" in added else ()))
    published.publish(record(vip=listed))
    assert check() == 0
    assert netvip("check").returncode == 0
    ip("address", "delete", added, "dev", "ens160")
    assert check() == 1


MANY = [f"10.80.0.{number}" for number in range(1, 100)]


def many(published: PublishedFiles, held: bool = False) -> None:
    """A hundred VIPs on two interfaces, one of them written in another way than ip writes it."""
    ip("address", "add", "fd00:77::10/64", "dev", "ens160", "nodad")
    for vip in MANY:
        ip("address", "add", f"{vip}/32", "dev", "peer")
    vips = (("ens160", VIP), *(("peer", vip) for vip in MANY), ("ens160", "FD00:77:0::10"))
    published.publish(replace(record(held=held), vips=vips))


@pytest.mark.parametrize(
    ("address", "device"),
    [(f"{VIP}/24", "ens160"), ("10.80.0.99/32", "peer"), ("fd00:77::10/64", "ens160")],
)
def test_each_of_many_vips_is_missed(published: PublishedFiles, address: str, device: str) -> None:
    many(published)
    assert check() == 0
    ip("address", "delete", address, "dev", device)
    assert check() == 1
    ip("address", "add", address, "dev", device, *(["nodad"] if ":" in address else []))
    assert check() == 0


def test_many_vips_are_held(published: PublishedFiles) -> None:
    many(published)
    ip("address", "flush", "dev", "peer")
    assert check() == 1
    published.hold(60.0)  # which appends to what was published
    assert check() == 0
    published.dead()
    assert check() == 1


def test_many_vips_whose_interface_is_gone_are_missing(published: PublishedFiles) -> None:
    many(published)
    ip("link", "delete", "peer")
    assert check() == 1


def test_a_vip_with_a_peer_is_found(published: PublishedFiles) -> None:
    ip("address", "add", "10.99.0.10", "peer", "10.99.0.11/32", "dev", "ens160")
    published.publish(record(vip="10.99.0.10"))
    assert check() == 0
    assert netvip("check").returncode == 0
    published.publish(record(vip="10.99.0.11"))
    assert check() == 1


def test_a_state_that_two_dumps_have_otherwise_is_corrected(published: PublishedFiles) -> None:
    """Two notify scripts that run at a time may write in the wrong order."""
    mine = myself()
    state = Path(f"/run/netvip/state/VI_1@{mine}")
    action = SaveStates((str(mine),), (("VI_1", "BACKUP"),), frozenset({"VI_1"}))
    published.save_states(action)
    assert state.read_text() == "MASTER\n"
    published.save_states(replace(action, states=(("VI_1", "MASTER"),)))
    published.save_states(action)
    assert state.read_text() == "MASTER\n"
    published.save_states(action)
    assert state.read_text() == "BACKUP\n"


def test_a_state_is_filled_in_unless_keepalived_wrote_one(published: PublishedFiles) -> None:
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


def test_netvip_check_prints_the_reason(published: PublishedFiles) -> None:
    good = netvip("check", "VI_1")
    assert (good.returncode, good.stdout) == (0, "VI_1: MASTER, every VIP is present\n")
    lose_vip()
    published.dead()
    bad = netvip("check", "VI_1")
    assert (bad.returncode, bad.stdout) == (
        1,
        "VI_1: MASTER, missing: 10.77.0.10\n",
    )
    published.alive()
    published.publish(record(held=True))
    assert netvip("check").returncode == 0
    published.publish(record(verdict="failed", why="taken 4 times"))
    assert netvip("check").stdout == "VI_1: MASTER, taken 4 times\n"


def test_netvip_check_without_the_daemon_uses_keepalived_s_state(
    published: PublishedFiles,
) -> None:
    published.dead()
    published.publish(record(state="BACKUP", held=True))
    assert netvip("check").returncode == 0
    lose_vip()
    assert netvip("check").returncode == 1
    assert netvip("notify", "INSTANCE", "VI_1", "BACKUP", "100").returncode == 0
    assert netvip("check").returncode == 0


def test_netvip_notify_writes_the_state_to_file_and_fifo(published: PublishedFiles) -> None:
    pipe = os.open("/run/netvip/fifo", os.O_RDWR | os.O_NONBLOCK)
    try:
        assert netvip("notify", "INSTANCE", "VI_1", "FAULT", "100").returncode == 0
        assert os.read(pipe, 100) == b'INSTANCE "VI_1" FAULT 100\n'
        while True:
            os.write(pipe, b"x" * 4096)
    except BlockingIOError:
        assert (
            netvip("notify", "GROUP", "G", "MASTER", "0").returncode == 0
        )  # it does not wait for a full pipe
    finally:
        os.close(pipe)
    mine = myself()
    state = Path(f"/run/netvip/state/VI_1@{mine.pid}.{mine.start}")
    assert state.read_text() == "FAULT\n"
    assert netvip("notify", "INSTANCE").returncode == 2


# --- keepalived-hold ------------------------------------------------------------------------------


def hold(*command: str) -> int:
    return script("keepalived-hold", *command)


def test_outside_a_window_the_command_s_exit_code_is_returned(published: PublishedFiles) -> None:
    assert [hold("true"), hold("sh", "-c", "exit 3"), hold("true")] == [0, 3, 0]


def test_without_netvip_the_command_s_exit_code_is_returned() -> None:
    assert [hold("true"), hold("sh", "-c", "exit 3"), hold()] == [0, 3, 2]


def test_in_a_window_the_last_good_result_is_returned(published: PublishedFiles) -> None:
    published.window(True)
    assert [hold("false"), netvip("check", "--hold", "false").returncode] == [0, 1]
    close_window(published)
    assert hold("false") == 1


def test_in_a_window_the_last_bad_result_is_returned(published: PublishedFiles) -> None:
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


def test_a_window_during_the_command_holds_it(published: PublishedFiles) -> None:
    writes = "echo closed $(($(cut -d. -f1 /proc/uptime) * 100 + 100)) >/run/netvip/window; false"
    assert hold("sh", "-c", writes) == 0


# --- keepalived-notify before an operator's script ------------------------------------------------


@pytest.mark.parametrize(
    ("user", "uid"), [("root", "0 0"), ("nobody", "65534 65534"), ("nobody:daemon", "65534 1")]
)
def test_the_operator_s_notify_runs_as_its_user_with_keepalived_s_arguments(
    published: PublishedFiles, tmp_path: Path, user: str, uid: str
) -> None:
    tmp_path.chmod(0o777)
    script_text = f'echo "$(id -u) $(id -g) $*" >{tmp_path}/output; exit 5'
    keepalived = ("INSTANCE", "VI 1", "BACKUP", "100")
    command = ("--as", user, "--then", "sh", "-c", script_text, "sh", "a word", *keepalived)
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    assert script("keepalived-notify", "VI_1", *command) == 5
    output = (tmp_path / "output").read_text()
    assert output == f"{uid} a word INSTANCE VI 1 BACKUP 100\n"
    lose_vip()
    assert check() == 0


def test_the_operator_s_notify_runs_where_keepalived_has_changed_the_user(
    published: PublishedFiles, tmp_path: Path
) -> None:
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    command = ("--as", "nobody:nogroup", "--then", "sh", "-c", f"id -u >{tmp_path}/output", "sh")
    notify = str(SCRIPTS / "keepalived-notify")
    done = subprocess.run([*UNPRIVILEGED, notify, "VI_1", *command, "INSTANCE", "VI 1", "X", "1"])
    assert done.returncode == 0
    assert (tmp_path / "output").read_text() == "65534\n"


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
    assert check() == 0, "the earlier crashes were long ago"


ROUTES = (
    ("-4", "10.99.0.0/16 via 10.77.0.50", "route 4 254 10.99.0.0/16"),
    ("-4", "10.98.0.0/16 dev ens160 table 100", "route 4 100 10.98.0.0/16"),
    ("-4", "10.98.0.7 dev ens160 table 100", "route 4 100 10.98.0.7"),
    ("-4", "blackhole 10.95.0.0/16 table 1000", "route 4 1000 blackhole 10.95.0.0/16"),
    ("-4", "default via 10.77.0.50 table 200", "route 4 200 default"),
    ("-6", "fd99::/64 dev ens160 table 100", "route 6 100 fd99::/64"),
    ("-6", "unreachable fd98::/64", "route 6 254 unreachable fd98::/64"),
)
RULES = (
    ("-4", "from 10.77.0.10 table 100 pref 5000", "rule 4 5000"),
    ("-6", "iif ens160 table 100 pref 5001", "rule 6 5001"),
)


def test_routes_and_rules_that_keepalived_does_not_track_are_missed(
    published: PublishedFiles,
) -> None:
    things = [("route", *one) for one in ROUTES] + [("rule", *one) for one in RULES]
    for kind, family, words, _ in things:
        ip(family, kind, "add", "protocol", "18", *words.split())
    published.publish(lists(*(shown for *_, shown in things)))
    published.dead()
    assert check() == 0 and netvip("check").returncode == 0
    for kind, family, words, shown in things:
        ip(family, kind, "delete", *words.split())
        assert check() == 1, words
        done = netvip("check")
        assert done.returncode == 1 and done.stdout.strip().endswith(f"missing: {shown}"), words
        ip(family, kind, "add", "protocol", "18", *words.split())
        assert check() == 0, words


def test_a_route_in_a_file_of_another_version_s_is_no_finding(published: PublishedFiles) -> None:
    published.publish(lists("route 5 x y", "rule z"))
    published.dead()
    assert check() == 0 and netvip("check").returncode == 0
