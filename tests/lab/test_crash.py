"""netvip killed or hung in mid-window: what it leaves ends by itself, and the next one finishes."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator

import pytest

from tests.lab.conftest import Damage
from tests.lab.follow import shell, wait
from tests.lab.measure import Tool, measure, reconfigure
from tests.lab.node import Node
from tests.lab.pair import INTERFACE, VIP, Pair, has_address, leftovers

#: The moment to strike: the shield comes up before the deletion, the deletion comes after.
BEFORE, AFTER = ("add", "lo"), ("del", INTERFACE)
#: Seconds for which a shield is valid in the kernel if no daemon renews it.
LEASE = 3


def strike(pair: Pair, moment: tuple[str, str], number: signal.Signals) -> None:
    """Reconfigure, and signal netvip at a moment of it."""
    pair.make_master()
    victim = pair.a.host_pid("netvip.service")
    trip = Tool(pair.a.net, "trip", *moment, VIP, str(victim), str(int(number)))
    try:
        reconfigure(pair.a)
        time.sleep(0.3)  # the deletion follows within 45 ms; what matters was timed by the tool
        tripped = trip.stop()["tripped"]
    finally:
        trip.kill()
    assert tripped is not None, "the moment never came"


def clean(node: Node) -> bool:
    """The VIP on its interface, and nothing of netvip's beside it."""
    return has_address(node, VIP) and leftovers(node) == []


@pytest.mark.parametrize("moment", [BEFORE, AFTER], ids=["before", "after"])
def test_killed_in_mid_window_the_next_daemon_finishes(
    guarded: Pair, damage: Damage, moment: tuple[str, str]
) -> None:
    assert damage("reconfigure").lost > 0
    strike(guarded, moment, signal.SIGKILL)
    wait(lambda: clean(guarded.a), 30.0, "the put-back")
    story = guarded.a.journal("netvip.service")
    assert guarded.holder() == [guarded.a], ("the peer took over", story)


def test_hung_in_mid_window_the_watchdog_or_the_peer_ends_it(guarded: Pair, damage: Damage) -> None:
    assert damage("reconfigure").lost > 0
    strike(guarded, AFTER, signal.SIGSTOP)

    def settled() -> bool:
        """keepalived's check may be quicker than the watchdog: then the peer has it."""
        return len(guarded.holder()) == 1 and leftovers(guarded.a) == []

    wait(settled, 30.0, "the end")
    guarded.wait_status(guarded.a, lambda status: bool(status["instances"]))


@pytest.fixture
def no_restart(guarded: Pair) -> Iterator[None]:
    """systemd does not start a daemon that was killed."""
    drop_in = "/etc/systemd/system/netvip.service.d/lab.conf"
    guarded.a.write(drop_in, "[Service]\nRestart=no\n")
    guarded.a.run("systemctl", "daemon-reload")
    yield
    (guarded.a.root / drop_in.lstrip("/")).unlink()
    guarded.a.run("systemctl", "daemon-reload")
    guarded.a.run("systemctl", "restart", "netvip.service")


def test_killed_for_good_nothing_outlives_its_lease(guarded: Pair, no_restart: None) -> None:
    strike(guarded, AFTER, signal.SIGKILL)
    left = " ".join(leftovers(guarded.a))
    assert all(int(valid) <= LEASE for valid in re.findall(r"valid_lft (\d+)sec", left)), left
    assert "forever" not in left
    wait(lambda: guarded.a.unit("netvip.service")["ActiveState"] == "failed", 30.0, "its end")
    assert _bridge(guarded.a) == [], "systemd has swept it away"
    wait(lambda: leftovers(guarded.a) == [], 30.0, "the lease's end")
    assert not has_address(guarded.a, VIP), "somebody else put it back: the test proves nothing"


def _bridge(node: Node) -> list[str]:
    return [line for line in leftovers(node) if "dynamic" not in line]


def test_stopped_in_mid_window_it_puts_back_first(guarded: Pair, damage: Damage) -> None:
    assert damage("reconfigure").lost > 0
    strike(guarded, AFTER, signal.SIGTERM)
    wait(lambda: clean(guarded.a), 30.0, "the put-back")
    assert "put back" in guarded.a.journal("netvip.service")
    status = json.loads(guarded.a.run("netvip", "status", "--json", check=False) or "{}")
    assert status.get("windows", []) == []


# --- what would have ended the daemon -------------------------------------------------------------

STATE = "/var/lib/netvip"


@pytest.fixture
def no_room(guarded: Pair) -> Iterator[None]:
    """A file system without an inode left, and without what is written there."""
    guarded.a.run("mount", "-t", "tmpfs", "-o", "mode=755,nr_inodes=1", "none", STATE)
    guarded.a.run("systemctl", "restart", "netvip.service")
    yield
    guarded.a.run("systemctl", "stop", "netvip.service")
    guarded.a.run("umount", STATE)
    guarded.a.run("systemctl", "start", "netvip.service")


def test_without_room_on_the_disk_no_vip_is_left_alone(
    guarded: Pair, damage: Damage, no_room: None
) -> None:
    assert damage("reconfigure").lost > 0
    guarded.make_master()
    cost = measure(guarded, reconfigure)
    story = guarded.a.journal("netvip.service")
    assert cost.lost == 0 and story.count("cannot write ") == 1, story


def test_a_directory_in_the_dump_s_place_is_moved_aside(guarded: Pair) -> None:
    guarded.make_master()
    place = "/tmp/keepalived.json"
    shell(guarded.a, f"rm -f {place}; setpriv --reuid=nobody --clear-groups mkdir {place}")
    guarded.a.run("systemctl", "restart", "netvip.service")
    guarded.make_master()
    assert shell(guarded.a, f"ls -d {place}.*; rm -r {place}.*").startswith(f"{place}.")
