"""What keepalived's checks and its next start read of the core (Law 10), in simulated time."""

from __future__ import annotations

from netvip.const import ALIVE_FOR
from netvip.core import actions, events
from netvip.core.model import Role, Tri
from tests.sim.test_story import calm, did
from tests.sim.world import LAN, OPERATOR, VIP, Node


def check_fails_within(node: Node, seconds: float) -> bool:
    end = node.now + seconds
    while node.now < end:
        node.run(0.01)
        if node.check_fails:
            return True
    return False


def test_the_check_does_not_fail_for_a_vip_that_netvip_restores() -> None:
    node = calm()
    node.reload(away=1.5)
    assert not check_fails_within(node, 6.0), node.log
    assert did(node, actions.PutBack) and node.has(VIP)


def test_the_check_does_not_fail_for_an_unannounced_loss() -> None:
    node = calm()
    node.reload(announced=False)
    assert not check_fails_within(node, 6.0), node.log


def test_law_10_the_check_fails_for_a_vip_that_a_dead_daemon_does_not_restore() -> None:
    node = calm()
    node.reload(away=0.3)
    node.run(0.1)
    assert not node.has(VIP)
    node.kill_netvip()
    assert not check_fails_within(node, ALIVE_FOR - 0.02)
    assert check_fails_within(node, 0.1)


def test_the_check_fails_for_a_vip_that_netvip_no_longer_restores() -> None:
    node = calm(tracks=False)
    for _ in range(6):
        node.unset(VIP.key, OPERATOR)
        node.run(2.0)
    assert not node.has(VIP) and node.check_fails, node.log
    assert node.published["VI_1"].verdict == "failed"
    assert "no longer restoring it" in node.published["VI_1"].why


def test_a_window_is_published_when_protection_is_up_and_no_longer_than_it() -> None:
    node = calm()
    before = len(node.done)
    node.reload()
    node.run(0.0)
    kinds = [type(action) for _, action in node.done[before:]]
    assert kinds.index(actions.Protect) < kinds.index(actions.PublishWindow)
    assert node.published_window
    node.run(5.0)
    assert not node.published_window


def test_evidence_that_expires_is_published_although_nothing_happens() -> None:
    node = calm()
    assert node.published["VI_1"].state == "MASTER"
    node.role = Role.UNKNOWN  # keepalived hangs: it sends no adverts
    node.run(node.spec.master_down + 0.1)
    assert node.published["VI_1"].state == "UNKNOWN"


def test_a_dump_tells_the_notify_script_s_files_and_the_next_start() -> None:
    node = calm()
    saved = [a for _, a in node.done if isinstance(a, actions.SaveStates)][-1]
    assert saved == actions.SaveStates(("4711.1",), (("VI_1", "MASTER"),), frozenset({"VI_1"}))
    assert did(node, actions.SaveSourceList)
    assert node.published["VI_1"].files == ("/etc/keepalived/keepalived.conf",)


def test_a_configuration_that_cannot_be_read_changes_no_file() -> None:
    node = calm()
    before = len(did(node, actions.SaveStates)), len(did(node, actions.SaveSourceList))
    node.feed(events.DumpReceived(node.now, node.now, ((node.spec, Role.MASTER),)))
    assert (len(did(node, actions.SaveStates)), len(did(node, actions.SaveSourceList))) == before


def test_an_instance_that_keepalived_drops_is_withdrawn() -> None:
    node = calm()
    node.feed(events.DumpReceived(node.now, node.now, ()))
    assert node.published == {} and len(did(node, actions.WithdrawInstance)) == 1


def test_adverts_are_heard_where_the_instances_are() -> None:
    node = calm()
    heard = [a for _, a in node.done if isinstance(a, actions.Listen)]
    assert heard[-1] == actions.Listen((LAN,), frozenset({VIP.ip}))
    node.feed(events.LinkLost(node.now, LAN))
    heard = [a for _, a in node.done if isinstance(a, actions.Listen)]
    assert heard[-1].ifindexes == ()


def test_leftovers_stay_while_a_process_of_keepalived_s_is_left() -> None:
    node = calm()
    node.feed(events.KeepalivedRunning(node.now, Tri.NO))  # its parent; the world's role: alive
    node.feed(events.Advert(node.now, LAN, 2, 51, 100, False, "10.77.0.2", b"\x02\0\0\0\0\x02"))
    node.run(1.0)
    assert did(node, actions.LookForKeepalived) and node.has(VIP)
