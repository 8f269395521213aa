"""netvip killed or hung in mid-window: what it leaves ends by itself, and the next one finishes."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.lab.conftest import Damage
from tests.lab.follow import shell
from tests.lab.measure import Tool, measure, reconfigure
from tests.lab.node import Node
from tests.lab.pair import INTERFACE, VIP, Pair, has_address, leftovers
from tests.lab.shell import LabError

#: The moment to strike: the shield comes up before the deletion, the deletion comes after.
BEFORE, AFTER = ("add", "lo"), ("del", INTERFACE)
#: Shield and lease: 3 s, and the kernel looks for expired addresses about once a second.
LEASE_ENDS = 5.0


def strike(pair: Pair, moment: tuple[str, str], number: signal.Signals) -> float:
    """Reconfigure, and signal netvip at a moment of it; return when that was."""
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
    return float(tripped)


def wait(condition: Callable[[], bool], until: float, what: str) -> float:
    """Wait for something that only the kernel's state shows; return how late it was."""
    while time.monotonic() < until + 5.0:
        if condition():
            return time.monotonic()
        time.sleep(0.02)
    raise LabError(f"{what} never happened")


def clean(node: Node) -> bool:
    """The VIP on its interface, and nothing of netvip's beside it."""
    return has_address(node, VIP) and leftovers(node) == []


@pytest.mark.parametrize("moment", [BEFORE, AFTER], ids=["before", "after"])
def test_killed_in_mid_window_the_next_daemon_finishes(
    guarded: Pair, damage: Damage, moment: tuple[str, str]
) -> None:
    assert damage("reconfigure").lost > 0
    killed = strike(guarded, moment, signal.SIGKILL)
    done = wait(lambda: clean(guarded.a), killed + 3.0, "the put-back")
    story = guarded.a.journal("netvip.service")
    assert done - killed <= 3.0, (done - killed, story)
    assert guarded.holder() == [guarded.a], "the peer took over"


def test_hung_in_mid_window_the_watchdog_or_the_peer_ends_it(guarded: Pair, damage: Damage) -> None:
    assert damage("reconfigure").lost > 0
    hung = strike(guarded, AFTER, signal.SIGSTOP)

    def settled() -> bool:
        """keepalived's check may be quicker than the watchdog: then the peer has it."""
        return len(guarded.holder()) == 1 and leftovers(guarded.a) == []

    done = wait(settled, hung + 8.0, "the end")
    assert done - hung <= 8.0, guarded.a.journal("netvip.service")
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
    killed = strike(guarded, AFTER, signal.SIGKILL)
    bridge_gone = wait(lambda: not _bridge(guarded.a), killed + 2.0, "the sweep")
    shield_gone = wait(lambda: leftovers(guarded.a) == [], killed + LEASE_ENDS, "the lease's end")
    assert bridge_gone - killed <= 2.0
    assert shield_gone - killed <= LEASE_ENDS
    assert not has_address(guarded.a, VIP), "somebody else put it back: the test proves nothing"


def _bridge(node: Node) -> list[str]:
    return [line for line in leftovers(node) if "dynamic" not in line]


def test_stopped_in_mid_window_it_puts_back_first(guarded: Pair, damage: Damage) -> None:
    assert damage("reconfigure").lost > 0
    strike(guarded, AFTER, signal.SIGTERM)
    wait(lambda: clean(guarded.a), time.monotonic() + 3.0, "the put-back")
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
