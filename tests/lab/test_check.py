"""The coordinated check on real nodes: what it finds, what follows, and what does not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.lab.follow import now, settings, shell, states, third_host, wait
from tests.lab.measure import SERVICE_PORT, Tool, measure, reconfigure, restart
from tests.lab.node import Node
from tests.lab.pair import GATEWAY, INTERFACE, OWN, VIP, Pair, has_address, netvip_status

pytestmark = pytest.mark.once("trixie")

#: [check] interval, s.
INTERVAL = 2.0
#: How long nobody may move once all is settled: the third bad check in a row comes after 6 s, and a
#: failover that follows it takes 1.6 s.
WATCHED = 8.0
#: The same after an election, which takes 3.6 s.
ELECTED = 4.0
THIRD = "10.77.0.60/24"
ELSEWHERE = "it sends the VIP's packets elsewhere"
WRONG_MAC = "02:00:00:00:00:99"
PEER = f"[check]\nhosts = {OWN['b']}\n"


def instance(node: Node) -> dict[str, Any]:
    """What netvip says of the one instance."""
    found: dict[str, Any] = netvip_status(node)["instances"][0]
    return found


def verify(node: Node) -> list[dict[str, Any]]:
    """The steps of a check made now."""
    (found,) = json.loads(node.run("netvip", "verify", "--json", check=False))
    assert found["fresh"]
    steps: list[dict[str, Any]] = found["steps"]
    return steps


def findings(node: Node, kind: str) -> list[str]:
    return [step["finding"] for step in verify(node) if step["kind"] == kind]


# --- verify ---------------------------------------------------------------------------------------


def test_verify_shows_each_step_with_its_finding_and_time(guarded: Pair) -> None:
    guarded.make_master()
    shown = shell(guarded.a, "netvip verify; echo $?")
    assert shown.splitlines()[0].startswith("VI_1: MASTER, ") and shown.endswith("\n0"), shown
    for words in (
        f"{VIP}/24: on {INTERFACE}, unchanged",
        f"{VIP}: no other host answers for it",
        f"{VIP} from {GATEWAY}: answers",
    ):
        assert words in shown, shown
    shown = shell(guarded.b, "netvip verify VI_1; echo $?")
    assert shown.splitlines()[0].startswith("VI_1: BACKUP, ") and shown.endswith("\n0"), shown
    assert f"{VIP}/24: not on {INTERFACE}" in shown and f"{VIP}: answered by " in shown
    assert shell(guarded.a, "netvip verify VI_9; echo $?").endswith("not known\n1")


# --- conflicts ------------------------------------------------------------------------------------


def test_a_third_host_with_the_vip_is_reported_and_never_fought(
    guarded: Pair, figures: list[str]
) -> None:
    with settings(guarded, ""), third_host(guarded, THIRD) as third:
        master, since = guarded.a, {node.name: now(node) for node in guarded.nodes}
        mac = third.run("cat", "/sys/class/net/eth0/address").strip()
        third.run("ip", "address", "add", f"{VIP}/24", "dev", "eth0")
        begun = time.monotonic()
        wait(lambda: instance(master)["conflict"]["with"] == mac, 30.0, "the report")
        figures.append(f"duplicate, {guarded.suite}: named after {time.monotonic() - begun:.1f} s")
        wait(lambda: guarded.holder() == [guarded.b], 30.0, "the one yield")
        time.sleep(WATCHED)  # the observation itself: no ping-pong
        assert guarded.holder() == [guarded.b]
        assert states(guarded.a, since["a"]) == ["FAULT", "BACKUP"]
        assert states(guarded.b, since["b"]) == ["MASTER"]
        wait(lambda: instance(guarded.b)["conflict"]["confirmed"], 30.0, "the peer's report")
        assert f"conflict: another host ({mac}) answers" in guarded.b.journal(
            "netvip.service", since["b"]
        )
        _is_not_restored(guarded, guarded.b)
    guarded.make_master()


def _is_not_restored(pair: Pair, node: Node) -> None:
    since = now(node)
    restart(node)
    wait(lambda: not has_address(node, VIP), 30.0, "networkd's deletion")
    closed = "window closed after"
    wait(lambda: closed in node.journal("netvip.service", since), 30.0, "the end of the window")
    time.sleep(2 * INTERVAL)  # the observation itself: two more checks
    story = node.journal("netvip.service", since)
    assert "put back after" not in story, story
    assert pair.holder() == [] and "cannot put it back: another host" in story
    assert states(node, since) == [], "it stays, and is reported"


def test_control_without_netvip_nobody_tells_of_a_duplicate(bare: Pair) -> None:
    bare.make_master()
    with third_host(bare, THIRD) as third:
        since = now(bare.a)
        third.run("ip", "address", "add", f"{VIP}/24", "dev", "eth0")
        time.sleep(3 * INTERVAL)  # the observation itself
        assert bare.holder() == [bare.a]
        assert bare.a.journal("keepalived.service", since) == ""


# --- who sends its packets elsewhere --------------------------------------------------------------


def cached(node: Node) -> str:
    """Where the node sends the VIP's packets."""
    return node.net.run("ip", "neigh", "show", VIP, "dev", INTERFACE)


def poison(node: Node) -> None:
    """The node believes for a while that the VIP is elsewhere."""
    words = ("lladdr", WRONG_MAC, "dev", INTERFACE, "nud", "reachable")
    node.net.run("ip", "neigh", "replace", VIP, *words)
    assert WRONG_MAC in cached(node)


def test_a_peer_whose_cache_is_wrong_is_told(bare: Pair, guarded: Pair, figures: list[str]) -> None:
    bare.make_master()
    poison(bare.b)
    time.sleep(2 * INTERVAL)  # the observation itself
    assert WRONG_MAC in cached(bare.b), "the control shows no damage"
    with settings(guarded, PEER):
        since = now(guarded.a)
        guarded.b.run("systemctl", "stop", "netvip.service")  # whose own probes would heal it
        wait(lambda: "yes" in findings(guarded.a, "reach"), 30.0, "a first answer")
        begun = time.monotonic()

        def reported() -> bool:
            if ELSEWHERE in guarded.a.journal("netvip.service", since):
                return True
            if WRONG_MAC not in cached(guarded.b):  # an ARP request of `a` may put it right too
                poison(guarded.b)
            return False

        wait(reported, 30.0, "the report")
        wait(lambda: WRONG_MAC not in cached(guarded.b), 30.0, "the announcement")
        figures.append(f"ARP cache, {guarded.suite}: right after {time.monotonic() - begun:.1f} s")
        assert guarded.holder() == [guarded.a] and states(guarded.a, since) == []


@contextmanager
def unplugged(*ends: tuple[Any, str]) -> Iterator[None]:
    """These interfaces of these namespaces are down."""
    try:
        for space, interface in ends:
            space.run("ip", "link", "set", interface, "down")
        yield
    finally:
        for space, interface in ends:
            space.run("ip", "link", "set", interface, "up")


def test_a_gateway_that_is_down_is_no_reason_to_move(guarded: Pair) -> None:
    with settings(guarded, PEER), unplugged((guarded.gateway, "eth0")):
        since = now(guarded.a)
        time.sleep(WATCHED)  # the observation itself
        steps = {step["subject"]: step["finding"] for step in verify(guarded.a)}
        assert steps[f"{VIP} from {GATEWAY}"] == "unknown"
        assert steps[f"{VIP} from {OWN['b']}"] == "yes" and steps[VIP] == "yes"
        assert guarded.holder() == [guarded.a] and states(guarded.a, since) == []


def test_nor_is_a_gateway_and_a_peer_that_are_both_down(guarded: Pair) -> None:
    peer = guarded.b.net
    with settings(guarded, PEER):
        with unplugged((guarded.gateway, "eth0"), (peer, INTERFACE)):
            since = now(guarded.a)
            time.sleep(WATCHED)  # the observation itself
            reached = {
                s["subject"]: s["finding"] for s in verify(guarded.a) if s["kind"] == "reach"
            }
            assert set(reached.values()) == {"unknown"}, reached
            assert has_address(guarded.a, VIP) and states(guarded.a, since) == []
            assert instance(guarded.a)["verdict"] == "good"
        wait(lambda: guarded.holder() == [guarded.a], 30.0, "one holder again")


PING = f"""vrrp_script chk_gw {{
    script "/usr/bin/ping -c 1 -W 1 {GATEWAY}"
    interval 1
    fall 2
    user root
}}
"""


def test_control_a_script_that_pings_the_gateway_faults_both(bare: Pair) -> None:
    texts = {}
    for node in bare.nodes:
        conf = node.root / "etc/keepalived/keepalived.conf"
        texts[conf] = text = conf.read_text()
        tracked = "    nopreempt\n    track_script {\n        chk_gw\n    }\n"
        conf.write_text(PING + text.replace("    nopreempt\n", tracked))
        node.run("systemctl", "restart", "keepalived.service")
    try:
        bare.make_master()
        with unplugged((bare.gateway, "eth0")):
            wait(lambda: bare.holder() == [], 30.0, "both in FAULT")
    finally:
        for conf, text in texts.items():
            conf.write_text(text)
        for node in bare.nodes:
            node.run("systemctl", "restart", "keepalived.service")


# --- the service ----------------------------------------------------------------------------------

SERVICE = f"[check]\ninterval = 1\nfall = 2\nservice = tcp://:{SERVICE_PORT}\n"
#: Long enough for a failover with these settings: the second bad check comes after 2 s.
DEAD = 5.0


@contextmanager
def serving(*nodes: Node) -> Iterator[dict[str, Tool]]:
    """The proxy's service on these nodes, by name."""
    tools = {node.name: Tool(node.net, "serve", str(SERVICE_PORT)) for node in nodes}
    try:
        yield tools
    finally:
        for tool in tools.values():
            tool.kill()


def answers(pair: Pair) -> bool:
    """Whether a client gets through to the service at the VIP."""
    script = f"import socket; socket.create_connection(('{VIP}', {SERVICE_PORT}), 1)"
    try:
        pair.near.run("python3", "-I", "-c", script)
    except Exception:
        return False
    return True


def test_a_dead_service_moves_to_the_peer_once(bare: Pair, guarded: Pair) -> None:
    bare.make_master()
    with serving(*bare.nodes) as tools:
        assert answers(bare)
        tools["a"].kill()
        time.sleep(DEAD)  # the observation itself
        assert bare.holder() == [bare.a] and not answers(bare), "the control shows no damage"
    with serving(*guarded.nodes) as tools, settings(guarded, SERVICE):
        wait(lambda: findings(guarded.a, "service") == ["yes"], 30.0, "a first answer")
        since = {node.name: now(node) for node in guarded.nodes}
        tools["a"].kill()
        wait(lambda: guarded.holder() == [guarded.b], 30.0, "the failover")
        wait(lambda: answers(guarded), 30.0, "the service at the peer")
        wait(lambda: findings(guarded.b, "service") == ["yes"], 30.0, "the peer's first answer")
        assert "the service does not answer" in guarded.a.journal("netvip.service", since["a"])
        tools["b"].kill()
        time.sleep(2 * WATCHED)  # the observation itself: dead on both, no ping-pong
        assert len(guarded.holder()) == 1
        moves = sum(states(node, since[node.name]).count("MASTER") for node in guarded.nodes)
        assert moves <= 2, "the peer, and at most once back"


def test_a_service_that_is_dead_on_both_from_the_start_moves_nothing(guarded: Pair) -> None:
    with settings(guarded, SERVICE):
        since = now(guarded.a)
        wait(
            lambda: "the service does not answer" in instance(guarded.a)["check"]["faults"],
            30.0,
            "the report",
        )
        time.sleep(DEAD)  # the observation itself
        assert guarded.holder() == [guarded.a] and states(guarded.a, since) == []
        assert "it has not answered since this node is MASTER" in shell(guarded.a, "netvip verify")


# --- keepalived killed ----------------------------------------------------------------------------

NO_RESTART = "/etc/systemd/system/keepalived.service.d/lab.conf"


def kill_all(node: Node) -> None:
    """kill -9, parent and children, of which none lives to see another die: keepalived's children
    get a SIGTERM as their parent dies (PR_SET_PDEATHSIG), and would end in good order."""
    for name in ("STOP", "KILL"):
        node.run("systemctl", "kill", "-s", name, "keepalived.service")


def kill_parent(node: Node) -> None:
    node.run("kill", "-9", str(node.main_pid("keepalived.service")))


def kill_child(node: Node) -> None:
    shell(node, f"pkill -9 -P {node.main_pid('keepalived.service')}")


@pytest.fixture
def unrestarted(guarded: Pair) -> Iterator[Pair]:
    """systemd does not start keepalived again on `a`."""
    guarded.a.write(NO_RESTART, "[Service]\nRestart=no\n")
    guarded.a.run("systemctl", "daemon-reload")
    guarded.make_master()
    yield guarded
    guarded.a.run("rm", NO_RESTART)
    shell(guarded.a, "systemctl daemon-reload; systemctl reset-failed keepalived")
    for node in guarded.nodes:
        node.run("systemctl", "start", "keepalived.service")
    guarded.make_master()


def test_what_a_dead_keepalived_left_goes_when_there_is_another_master(
    bare: Pair, unrestarted: Pair
) -> None:
    bare.make_master()
    bare.a.write(NO_RESTART, "[Service]\nRestart=no\n")
    bare.a.run("systemctl", "daemon-reload")
    kill_all(bare.a)
    wait(lambda: has_address(bare.b, VIP), 30.0, "the takeover")
    time.sleep(ELECTED)  # the observation itself
    assert len(bare.holder()) == 2, "the control shows no damage"
    shell(bare.a, f"rm {NO_RESTART}; systemctl daemon-reload; systemctl restart keepalived")
    since = now(unrestarted.a)
    kill_all(unrestarted.a)
    wait(lambda: has_address(unrestarted.b, VIP), 30.0, "the takeover")
    wait(lambda: unrestarted.holder() == [unrestarted.b], 30.0, "the removal")
    assert "left behind by keepalived, which is not running" in unrestarted.a.journal(
        "netvip.service", since
    )


def test_without_another_master_it_stays(unrestarted: Pair) -> None:
    unrestarted.b.run("systemctl", "stop", "keepalived.service")
    cost = measure(unrestarted, kill_all, afterwards=WATCHED)
    assert unrestarted.holder() == [unrestarted.a]
    assert cost.near["lost"] == 0, "a VIP with nobody behind it beats none"


@pytest.mark.parametrize("how", [kill_all, kill_parent, kill_child])
@pytest.mark.parametrize("peer", ["up", "down"])
def test_killed_keepalived_ends_with_one_holder(
    guarded: Pair, how: Callable[[Node], None], peer: str
) -> None:
    guarded.make_master()
    if peer == "down":
        guarded.b.run("systemctl", "stop", "keepalived.service")
    since = {node.name: now(node) for node in guarded.nodes}

    def elected() -> bool:
        return any("MASTER" in states(node, since[node.name]) for node in guarded.nodes)

    try:
        how(guarded.a)
        wait(elected, 30.0, "an election")
        wait(lambda: len(guarded.holder()) == 1, 30.0, "one holder")
        time.sleep(ELECTED)  # which stays the one
        assert len(guarded.holder()) == 1, guarded.state()
        assert peer == "up" or guarded.holder() == [guarded.a]
    finally:
        shell(guarded.a, "systemctl reset-failed keepalived; systemctl start keepalived")
        guarded.b.run("systemctl", "start", "keepalived.service")


# --- the case that started this project -----------------------------------------------------------


def test_a_backup_tells_of_a_master_whose_vip_is_dark(guarded: Pair) -> None:
    """The control stands in test_verdict: without netvip and its check it stays dark."""
    guarded.make_master()
    conf = guarded.a.root / "etc/keepalived/keepalived.conf"
    text = conf.read_text()
    conf.write_text(text.replace("/etc/netvip/keepalived-check VI_1", "/bin/true"))
    shell(guarded.a, "systemctl reload keepalived; systemctl stop netvip")
    since = now(guarded.b)
    try:
        restart(guarded.a)
        wait(lambda: not has_address(guarded.a, VIP), 30.0, "the loss")
        wait(lambda: netvip_status(guarded.b)["faults"].get("dark") == 1, 30.0, "the report")
        assert "no host answers for a VIP although" in guarded.b.journal("netvip.service", since)
        assert f"{VIP}: no host answers" in shell(guarded.b, "netvip verify")
    finally:
        conf.write_text(text)
        shell(guarded.a, "systemctl start netvip; systemctl restart keepalived")
    guarded.make_master()


# --- size -----------------------------------------------------------------------------------------


@pytest.mark.idle
def test_fifty_vips_are_checked_in_time_and_hold_nothing_up(suite: str, package: Path) -> None:
    """The control of what a reconfigure costs stands in test_networkd."""
    many = [VIP, *(f"10.77.0.{host}" for host in range(150, 199))]
    with Pair(suite, many) as pair:
        pair.protect(package, guarded=True)
        steps = verify(pair.a)
        assert len([s for s in steps if s["kind"] == "ownership"]) == len(many)
        assert {s["finding"] for s in steps} == {"yes"}, "whatever came too late is unknown"
        pair.a.write("/etc/netvip/netvip.conf.d/lab.conf", "[check]\ninterval = 0.2\n")
        pair.a.run("systemctl", "restart", "netvip.service")
        pair.make_master()
        cost = measure(pair, reconfigure, afterwards=3.0)
        assert (cost.near["lost"], cost.far["lost"], cost.failovers) == (0, 0, 0)
