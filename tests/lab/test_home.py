"""The whole way: lost for good, let go, well again, and home in the maintenance window."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.follow import now, settings, shell, states, wait
from tests.lab.measure import Tool, probed
from tests.lab.pair import INTERFACE, OWN, VIP, Pair
from tests.lab.test_verdict import THEFT

pytestmark = pytest.mark.once("trixie")

#: How long nobody may move once all is settled: the third bad check in a row comes after 6 s, and a
#: failover that follows it takes 1.6 s.
WATCHED = 8.0
HOME = f"[failback]\nhome = {OWN['a']}\n"
TIMER = "netvip-failback.timer"
#: A maintenance window every ten seconds: an operator has one a week.
OFTEN = "[Timer]\nOnCalendar=\nOnCalendar=*:*:0/10\nAccuracySec=10ms\n"
DROP_IN = f"/etc/systemd/system/{TIMER}.d/lab.conf"


def _is_backup(status: dict[str, Any]) -> bool:
    return [instance["state"] for instance in status["instances"]] == ["BACKUP"]


@pytest.fixture
def away(guarded: Pair) -> Iterator[Pair]:
    """`a` is home, and `b` MASTER."""
    with settings(guarded, HOME):
        # make_master() may have restarted the peer's keepalived: it takes over once it is BACKUP.
        guarded.wait_status(guarded.b, _is_backup)
        assert shell(guarded.a, "netvip yield VI_1") == "VI_1: handed over"
        guarded.wait_master(guarded.b)
        yield guarded


@pytest.fixture
def timer(guarded: Pair) -> Iterator[None]:
    """The timer has its hours on `b`; the test enables it."""
    guarded.b.write(DROP_IN, OFTEN)
    guarded.b.run("systemctl", "daemon-reload")
    yield
    guarded.b.run("systemctl", "disable", "--now", TIMER)
    guarded.b.run("rm", DROP_IN)
    guarded.b.run("systemctl", "daemon-reload")


def test_the_ideal_sequence(bare: Pair, guarded: Pair, timer: None, figures: list[str]) -> None:
    came_home = _without_netvip(bare)
    with settings(guarded, HOME):
        since = {node.name: now(node) for node in guarded.nodes}
        probe, thief = probed(guarded.near, VIP), None
        try:
            thief = Tool(guarded.a.net, "thief", INTERFACE, f"{VIP}/24", THEFT)
            wait(lambda: guarded.holder() == [guarded.b], 30.0, "the takeover")
            wait(lambda: states(guarded.a, since["a"])[-1:] == ["BACKUP"], 30.0, "its recovery")
            thief.stop()
            time.sleep(WATCHED)  # the observation itself: the thief has gone, nobody moves
            assert guarded.holder() == [guarded.b]
            lost = int(probe.stop()["lost"])
        finally:
            probe.kill()
            if thief is not None:
                thief.kill()
        assert states(guarded.a, since["a"]) == ["FAULT", "BACKUP"]
        assert lost < 1600, "within its skew and a second"
        home = _in_the_window(guarded)
        assert states(guarded.b, since["b"])[:1] == ["MASTER"]
        assert states(guarded.a, since["a"]) == ["FAULT", "BACKUP", "MASTER"]
    figures.append(
        f"ideal sequence, {guarded.suite}: {lost} lost as the VIP was lost for good, {home} as it "
        f"came home (keepalived alone: {came_home})"
    )
    assert came_home > 300, "the control shows no damage"
    assert home <= 1


def _without_netvip(pair: Pair) -> int:
    """Probes lost as the VIP comes home by a restart of keepalived, the one way it has."""
    pair.make_master()
    pair.a.run("systemctl", "restart", "keepalived.service")
    pair.wait_master(pair.b)
    probe = probed(pair.near, VIP)
    try:
        pair.b.run("systemctl", "restart", "keepalived.service")
        pair.wait_master(pair.a)
        time.sleep(1.0)  # the last probes' answers
        return int(probe.stop()["lost"])
    finally:
        probe.kill()


def _in_the_window(pair: Pair) -> int:
    """Probes lost as the VIP comes home by the timer."""
    probe = probed(pair.near, VIP)
    try:
        pair.b.run("systemctl", "enable", "--now", TIMER)
        wait(lambda: pair.holder() == [pair.a], 30.0, "the way home")
        time.sleep(WATCHED)  # the observation itself
        assert pair.holder() == [pair.a]
        return int(probe.stop()["lost"])
    finally:
        probe.kill()


def test_outside_the_window_it_stays_and_says_why(away: Pair) -> None:
    said = shell(away.b, "netvip failback; echo $?")
    assert "outside the maintenance window" in said and said.endswith("\n1")
    for asked, answer in (("is-enabled", "disabled"), ("is-active", "inactive")):
        assert away.b.run("systemctl", asked, TIMER, check=False).strip() == answer
        assert away.a.run("systemctl", asked, TIMER, check=False).strip() == answer, "as installed"
    assert away.holder() == [away.b]


def test_a_home_that_does_not_answer_is_not_gone_to(away: Pair) -> None:
    away.a.net.run("ip", "link", "set", INTERFACE, "down")
    try:
        said = shell(away.b, "netvip failback --now; echo $?")
    finally:
        away.a.net.run("ip", "link", "set", INTERFACE, "up")
    why = f"the home node {OWN['a']} does not answer an echo; the VIPs stay here"
    assert said == f"netvip: {why}\n1"


def test_a_home_that_does_not_take_over_leaves_them_where_they_are(
    away: Pair, figures: list[str]
) -> None:
    away.a.run("systemctl", "stop", "keepalived.service")
    probe = probed(away.near, VIP)
    try:
        said = shell(away.b, "netvip failback --now; echo $?")
        wait(lambda: away.holder() == [away.b], 30.0, "its way back")
        time.sleep(2.0)  # the last probes' answers
        lost = int(probe.stop()["lost"])
    finally:
        probe.kill()
        away.a.run("systemctl", "start", "keepalived.service")
    figures.append(f"failback, home's keepalived stopped, {away.suite}: lost {lost}")
    assert said.endswith("the peer did not take over; see netvip status\n1"), said
    assert lost <= 1 and away.holder() == [away.b]


def test_the_operator_brings_them_home_at_once(away: Pair, figures: list[str]) -> None:
    assert shell(away.a, "netvip failback --now").startswith("nothing to do: ")
    probe = probed(away.near, VIP)
    try:
        assert shell(away.b, "netvip failback --now; echo $?") == "VI_1: handed over\n0"
        wait(lambda: away.holder() == [away.a], 30.0, "the way home")
        time.sleep(1.0)  # the last probes' answers
        lost = int(probe.stop()["lost"])
    finally:
        probe.kill()
    figures.append(f"netvip failback --now, {away.suite}: lost {lost}")
    assert lost <= 1


def test_the_units_are_sound(guarded: Pair) -> None:
    units = f"{TIMER} netvip-failback.service"
    assert shell(guarded.a, f"systemd-analyze verify --man=no {units}") == ""
