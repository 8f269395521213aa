"""The life of one instance, told by the core in simulated time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netvip.const import ANSWER_LIMIT, PASSING_LIMIT
from netvip.core import actions, events
from netvip.core.bond import members
from netvip.core.events import Request, RequestKind
from netvip.core.instance.states import Phase
from netvip.core.mirror import Mirror
from netvip.core.model import Author, AuthorKind, Link, Role, Rules, Tri
from netvip.core.requests.handle import AptPolicy
from netvip.core.requests.holds import Hold
from tests.sim.world import ANNOUNCED_AFTER, KEEPALIVED, LAN, NETWORKD, OPERATOR, OWN, VIP, Node


def phase(node: Node) -> Phase:
    assert node.machine is not None
    return node.machine.instances["VI_1"].phase


def did(node: Node, kind: type[actions.Action]) -> list[float]:
    return [when for when, action in node.done if isinstance(action, kind)]


def calm(**options: object) -> Node:
    node = Node(**options)  # type: ignore[arg-type]
    node.run(2.0)
    return node


def answers_throughout(node: Node, seconds: float) -> bool:
    good = True
    end = node.now + seconds
    while node.now < end:
        node.run(0.001)
        good = good and node.answers
    return good


def test_an_announced_reload_is_shielded_before_and_put_back_after() -> None:
    node = calm()
    node.reload()
    assert answers_throughout(node, 3.0), node.log
    assert node.has(VIP) and not node.shielded and not node.bridged
    assert did(node, actions.Protect)[0] < 2.03 < did(node, actions.PutBack)[0]
    assert phase(node) is Phase.WATCHING


def test_the_vip_goes_back_once_and_after_the_host_s_own_address() -> None:
    node = calm()
    node.reload(away=2.0)
    node.run(1.0)
    assert not node.has(OWN) and not node.has(VIP) and node.answers
    node.run(5.0)
    assert len(did(node, actions.PutBack)) == 1 and node.has(VIP)


def test_an_unannounced_loss_is_shielded_at_once() -> None:
    node = calm()
    node.reload(announced=False)
    node.run(0.0)
    assert node.shielded and node.bridged
    node.run(3.0)
    assert node.has(VIP) and phase(node) is Phase.WATCHING


def test_a_reload_that_changes_nothing_only_shields_for_a_moment() -> None:
    node = calm()
    node.feed(events.ChangeExpected(node.now, "somebody called Reload"))
    node.run(3.0)
    assert did(node, actions.Protect) and not did(node, actions.PutBack)
    assert phase(node) is Phase.WATCHING and not node.shielded


def test_assisted_is_never_put_back_and_carried_until_re_elected() -> None:
    node = calm(guarded=False)
    node.reload()
    assert answers_throughout(node, 3.0), node.log
    assert not did(node, actions.PutBack) and node.has(VIP) and not node.shielded


def test_the_shield_falls_as_another_master_has_announced_itself() -> None:
    node = calm(guarded=False)
    node.reload(own_too=False)
    node.run(0.1)
    node.peer_is_master()
    node.run(ANNOUNCED_AFTER - 0.001)
    assert node.shielded, "till then the neighbours send here"
    node.run(0.001)
    assert not node.shielded and not node.bridged


def test_a_master_that_announces_nothing_is_not_waited_for() -> None:
    node = calm(guarded=False)
    node.claim = lambda: None  # type: ignore[method-assign]
    node.reload(own_too=False)
    node.run(0.1)
    node.peer_is_master()
    node.run(PASSING_LIMIT)
    assert not node.shielded and not node.bridged


def test_one_that_is_master_again_at_once_keeps_its_shield() -> None:
    node = calm(guarded=False)
    node.claim = lambda: None  # type: ignore[method-assign]
    node.reload(own_too=False)
    node.run(0.1)
    node.peer_is_master()
    node.elect()
    node.advert(own=True, priority=110)
    node.reload(own_too=False)
    assert answers_throughout(node, 2 * PASSING_LIMIT), node.log
    assert not did(node, actions.Unprotect)


def test_a_shield_carries_no_longer_than_the_master_down_interval_and_a_second() -> None:
    node = calm(guarded=False)
    node.elect = lambda: None  # type: ignore[method-assign]
    node.reload(own_too=False)
    node.run(0.031 + node.spec.master_down + 0.9)
    assert node.shielded, node.log
    node.run(0.2)
    assert not node.shielded and not node.bridged, node.log


def test_assisted_is_not_put_back_even_while_keepalived_has_not_noticed() -> None:
    node = calm(guarded=False)
    node.release = lambda role=Role.BACKUP: None  # type: ignore[method-assign]
    node.reload()
    node.run(20.0)
    assert not did(node, actions.PutBack) and phase(node) is Phase.FAILED
    assert any("(assisted)" in line and "still missing" in line for line in node.log), node.log


def test_a_release_by_keepalived_is_no_loss() -> None:
    node = calm()
    node.release()
    node.run(2.0)
    assert not did(node, actions.Protect) and not did(node, actions.PutBack)


def test_a_backup_is_not_shielded() -> None:
    node = calm(role=Role.BACKUP)
    node.reload()
    node.run(3.0)
    assert not did(node, actions.Protect)


def test_a_vip_that_a_reload_of_keepalived_dropped_is_not_put_back() -> None:
    node = calm()
    node.spec = replace(node.spec, vips=())
    node.unset(VIP.key, Author(AuthorKind.OTHER, "keepalived"))
    node.run(3.0)
    assert not did(node, actions.PutBack) and not node.has(VIP) and not node.shielded


def test_a_deletion_by_an_operator_waits_for_keepalived_s_dump() -> None:
    node = calm(dump=True)
    node.unset(VIP.key, Author(AuthorKind.OTHER, "ip (netlink port 4711)"))
    node.run(2.0)
    assert node.has(VIP) and any("ip (netlink port 4711)" in line for line in node.log)


def test_without_a_dump_an_operator_s_deletion_is_reported_and_left() -> None:
    node = calm(tracks=False)
    node.dump_works = False
    node.unset(VIP.key, Author(AuthorKind.OTHER, "ip (netlink port 4711)"))
    node.run(15.0)
    assert not node.has(VIP) and phase(node) is Phase.FAILED and not node.shielded
    node.set(VIP, Author(AuthorKind.OTHER, "ip"))
    node.run(2.0)
    assert phase(node) is Phase.WATCHING


def test_the_fourth_deletion_in_a_minute_is_not_restored() -> None:
    node = calm(tracks=False)
    for _ in range(3):
        node.unset(VIP.key, Author(AuthorKind.OTHER, "ip"))
        node.run(3.0)
        assert node.has(VIP)
    node.unset(VIP.key, Author(AuthorKind.OTHER, "ip"))
    node.run(3.0)
    assert not node.has(VIP) and phase(node) is Phase.FAILED


def steal(node: Node, times: int = 4) -> None:
    """Somebody deletes the VIP more often than netvip makes good."""
    for _ in range(times):
        node.unset(VIP.key, Author(AuthorKind.OTHER, "ip"))
        node.run(1.5)


def test_a_vip_that_cannot_be_kept_is_released_and_another_master_ends_the_fault() -> None:
    node = calm()
    steal(node, 3)
    node.unset(VIP.key, Author(AuthorKind.OTHER, "ip"))
    node.run(0.0)
    assert node.fault and node.role is Role.FAULT and phase(node) is Phase.RELEASING
    node.run(0.6)
    node.peer_is_master()
    assert node.fault and phase(node) is Phase.AWAY
    for _ in range(3):
        node.run(0.5)
        node.peer_is_master()
    assert not node.fault and phase(node) is Phase.WATCHING and not node.has(VIP)


def test_where_nobody_takes_over_the_fault_is_taken_back_and_not_soon_tried_again() -> None:
    node = calm()
    steal(node)
    node.run(10.0)
    assert not node.fault and node.role is Role.MASTER and node.has(VIP)
    faults = did(node, actions.SetTrackFile)
    assert faults[1] - faults[0] <= 1.0 + 2.0 + 0.01
    node.unset(VIP.key, Author(AuthorKind.OTHER, "ip"))
    node.run(5.0)
    assert not node.fault, "a degraded VIP beats none"
    assert node.machine is not None
    assert node.machine.instances["VI_1"].held(node.now), "nor should the dead man's check let go"


def test_a_node_that_takes_the_vip_back_and_loses_it_again_stays_away_for_longer() -> None:
    node = calm()
    away: list[float] = []
    for _ in range(3):
        steal(node, 4 if not away else 1)
        node.peer_is_master()
        begun = node.now
        while node.fault:
            node.run(0.5)
            node.peer_is_master()
        away.append(node.now - begun)
        node.elect()
        node.run(2.5)
    assert away[0] < 2.0 < 7.0 < away[1] < 10.0 < 60.0 < away[2] < 70.0


def test_a_master_that_falls_silent_ends_the_fault() -> None:
    node = calm()
    steal(node)
    node.run(0.5)
    node.peer_is_master()
    node.run(1.5)
    steal(node, 0)
    node.elect()
    node.run(2.5)
    node.unset(VIP.key, Author(AuthorKind.OTHER, "ip"))
    node.peer_is_master()
    assert node.fault
    node.run(node.spec.master_down + 0.01)
    assert not node.fault, "8 s is what it would have stayed away"


def test_what_keepalived_tells_counts_at_once_and_names_its_origin() -> None:
    node = calm(role=Role.BACKUP)
    assert node.machine is not None
    known = node.machine.instances["VI_1"].mastership
    node.feed(events.StateReported(node.now, "VI_1", Role.MASTER, "fifo"))
    assert known.role(node.now, node.spec) is Role.MASTER and known.origin == "fifo"
    node.feed(events.StateSignalled(node.now, "ens160", 51, 2, Role.FAULT))
    assert known.role(node.now, node.spec) is Role.FAULT and known.origin == "D-Bus"
    node.feed(events.StateReported(node.now, "another", Role.MASTER, "fifo"))
    node.feed(events.StateSignalled(node.now, "ens160", 51, 10, Role.MASTER))
    assert known.role(node.now, node.spec) is Role.FAULT


def test_another_s_advert_does_not_end_a_fault_that_keepalived_tells_of() -> None:
    node = calm(role=Role.BACKUP)
    assert node.machine is not None
    known = node.machine.instances["VI_1"].mastership
    told = ((node.spec, Role.FAULT),)
    asked = node.now
    node.run(0.01)
    node.feed(events.Advert(node.now, LAN, 2, 51, 100, False, "10.77.0.2"))
    # It was written before that advert, and is as true.
    node.feed(events.DumpReceived(node.now, asked, told))
    assert known.role(node.now, node.spec) is Role.FAULT
    node.feed(events.Advert(node.now, LAN, 2, 51, 100, False, "10.77.0.2"))
    assert known.role(node.now, node.spec) is Role.FAULT
    node.feed(events.StateReported(node.now, "VI_1", Role.BACKUP, "fifo"))
    node.feed(events.DumpReceived(node.now, asked, told))
    assert known.role(node.now, node.spec) is Role.BACKUP


def test_a_keepalived_that_stops_under_its_shield_loses_nothing() -> None:
    node = calm()
    node.feed(events.ChangeExpected(node.now, "systemd queued a job for keepalived.service"))
    node.release(Role.INIT)
    node.run(0.5)
    assert phase(node) is Phase.CARRYING and node.shielded and not node.has(VIP)
    assert not [line for line in node.log if "deleted" in line]
    node.peer_is_master()
    node.run(1.0)
    assert not node.shielded and not did(node, actions.PutBack)


def test_a_backup_that_says_so_has_its_shield_carry_on_for_the_takeover() -> None:
    node = calm()
    node.reload(announced=False)
    node.run(0.0)
    node.feed(events.StateReported(node.now, "VI_1", Role.BACKUP, "fifo"))
    assert phase(node) is Phase.CARRYING and node.shielded


def test_networkd_s_deletions_are_restored_however_often() -> None:
    node = calm()
    for _ in range(20):
        node.reload(announced=False)
        node.run(3.0)
        assert node.has(VIP)


def test_a_shield_that_networkd_takes_as_well_is_back_at_once() -> None:
    node = calm()
    node.reload()
    node.run(0.01)
    for key in [key for key in node.addresses if key.ifindex != LAN]:
        node.unset(key, NETWORKD)
    node.run(0.0)
    assert node.shielded


def test_killed_in_mid_window_the_next_daemon_finishes() -> None:
    for moment in (0.01, 0.05):
        node = calm()
        node.reload()
        node.run(moment)
        node.kill_netvip()
        node.run(0.5)
        node.start_netvip()
        node.run(2.5)
        assert node.has(VIP) and not node.shielded and not node.bridged, node.log


def test_killed_after_leaving_master_the_next_daemon_takes_its_put_back_away() -> None:
    node = calm()
    node.reload()
    node.run(0.8)
    assert node.has(VIP)
    node.kill_netvip()
    node.role = Role.BACKUP
    node.start_netvip()
    node.advert(own=False, priority=100)
    node.run(1.0)
    assert not node.has(VIP), node.log


def test_a_stop_in_mid_window_puts_back_first() -> None:
    node = calm()
    node.reload()
    node.run(0.06)
    node.feed(events.Stop(node.now))
    node.run(1.0)
    assert node.has(VIP)
    assert node.machine is not None and not node.machine.busy


def test_silence_is_no_evidence_of_mastership() -> None:
    node = calm()
    node.dump_works = False
    node.role = Role.UNKNOWN
    node.run(5.0)
    node.unset(VIP.key, NETWORKD)
    node.run(2.0)
    assert not did(node, actions.Protect) and not did(node, actions.PutBack)


def unheard() -> Node:
    """A MASTER whose adverts netvip does not hear."""
    node = calm()
    node.audible = False
    node.run(10.0)
    return node


def test_a_master_whose_adverts_are_not_heard_is_one_by_its_own_word() -> None:
    node = unheard()
    before = did(node, actions.RequestDump)
    node.run(60.0)
    assert node.published["VI_1"].state == "MASTER"
    assert did(node, actions.RequestDump) == before, "keepalived logs a line for each dump"


def test_so_it_is_protected_as_any_other() -> None:
    node = unheard()
    node.reload()
    assert answers_throughout(node, 5.0), node.log
    assert node.has(VIP) and not node.shielded and phase(node) is Phase.WATCHING


def test_its_word_holds_until_another_master_is_heard() -> None:
    node = unheard()
    node.advert(own=False, priority=120)
    assert node.published["VI_1"].state == "BACKUP"


def test_one_that_hangs_without_being_heard_gets_nothing_put_back() -> None:
    node = unheard()
    node.role, node.dump_works = Role.UNKNOWN, False
    node.reload()
    node.run(15.0)
    assert not did(node, actions.PutBack) and not node.shielded


def test_its_vips_are_announced_by_fresh_evidence_only() -> None:
    node = unheard()
    node.reload()
    node.run(3.0)
    announced = did(node, actions.Announce)
    assert announced
    node.run(200.0)
    assert max(did(node, actions.Announce)) - announced[0] < node.spec.master_down


def test_what_it_deletes_without_being_heard_may_be_released() -> None:
    """Another node that is not heard either became MASTER."""
    node = unheard()
    node.role = Role.BACKUP
    node.unset(VIP.key, KEEPALIVED)
    node.run(10.0)
    assert not did(node, actions.Protect) and not did(node, actions.PutBack)


def test_what_somebody_else_deletes_there_is_back_as_soon_as_keepalived_says_so() -> None:
    node = unheard()
    node.unset(VIP.key, OPERATOR)
    node.run(1.0)
    assert node.has(VIP) and did(node, actions.Protect) and did(node, actions.PutBack)


def test_a_master_that_it_ignores_is_asked_about() -> None:
    node = unheard()
    node.advert(own=False, priority=90)
    assert node.published["VI_1"].state == "BACKUP"
    node.run(1.1)
    assert node.published["VI_1"].state == "MASTER"


def test_its_word_ends_when_it_does_not_answer() -> None:
    node = unheard()
    node.feed(events.DumpFailed(node.now, "keepalived wrote no dump"))
    assert node.published["VI_1"].state == "UNKNOWN"


def test_a_silence_is_asked_about_before_the_evidence_is_stale() -> None:
    node = calm()
    node.audible = False
    asked = len(did(node, actions.RequestDump))
    node.run(node.spec.master_down)
    assert len(did(node, actions.RequestDump)) == asked + 1
    node.run(1.0)
    assert node.published["VI_1"].state == "MASTER"


def test_two_masters_at_odds_are_none() -> None:
    node = calm()
    for _ in range(3):
        node.advert(own=False, priority=90)
        node.advert(own=True, priority=110)
        node.dump_works = False
    node.unset(VIP.key, NETWORKD)
    node.run(0.5)
    assert not did(node, actions.PutBack)


def test_where_a_shield_hurts_there_is_none_and_the_vip_goes_back_at_once() -> None:
    node = calm()
    node.feed(events.ShieldBlocked(node.now, Tri.YES, "fib daddr . iif type != local drop"))
    node.reload(own_too=False)
    node.run(0.031)
    assert node.has(VIP) and not node.shielded and not did(node, actions.Protect)
    node.run(3.0)
    assert node.has(VIP) and phase(node) is Phase.WATCHING


def test_a_look_at_the_filters_that_fails_changes_nothing() -> None:
    node = calm()
    node.feed(events.ShieldBlocked(node.now, Tri.YES, "fib daddr . iif type != local drop"))
    node.feed(events.ShieldBlocked(node.now, Tri.UNKNOWN))
    node.reload(own_too=False)
    node.run(0.1)
    assert not did(node, actions.Protect)
    node.run(3.0)
    node.feed(events.ShieldBlocked(node.now, Tri.NO))
    node.reload()
    node.run(0.01)
    assert did(node, actions.Protect)


def flapping(node: Node, away: float = 0.2) -> None:
    """networkd restarts and takes the members of a bond for a moment."""
    node.reload(own_too=True, away=0.1)
    node.run(0.05)
    node.carrier(False)
    node.run(away)
    node.carrier(True)


def called(node: Node, call: str = ":1.7 3") -> None:
    node.feed(events.ChangeExpected(node.now, "somebody called Reload", call=call))


def test_a_window_stays_open_until_a_busy_networkd_has_answered() -> None:
    node = calm()
    called(node)
    assert answers_throughout(node, 2.0) and phase(node) is Phase.SHIELDED
    node.feed(events.CallAnswered(node.now, ":1.7 3", refused=False))
    node.after(0.4, node.reload_now)
    assert answers_throughout(node, 4.0), node.log
    assert len(did(node, actions.Protect)) == 1 and node.has(VIP)
    assert phase(node) is Phase.WATCHING


def test_a_call_that_networkd_refuses_ends_its_window() -> None:
    node = calm()
    node.feed(events.LinkState(node.now, LAN, Tri.YES))
    called(node)
    node.run(0.01)
    node.feed(events.CallAnswered(node.now, ":1.7 3", refused=True))
    node.run(0.2)
    assert phase(node) is Phase.WATCHING


def test_a_refused_call_ends_no_window_that_something_else_had_opened() -> None:
    node = calm()
    node.feed(events.LinkState(node.now, LAN, Tri.YES))
    called(node, "")
    node.run(0.1)
    called(node)
    node.run(0.01)
    node.feed(events.CallAnswered(node.now, ":1.7 3", refused=True))
    node.run(0.3)
    assert phase(node) is Phase.SHIELDED
    node.run(0.5)
    assert phase(node) is Phase.WATCHING


def test_a_call_without_an_answer_is_not_waited_for_longer_than_its_limit() -> None:
    node = calm()
    called(node)
    node.run(ANSWER_LIMIT - 0.1)
    assert phase(node) is Phase.SHIELDED
    node.run(0.2)
    assert phase(node) is Phase.WATCHING


def test_a_vip_that_was_added_a_moment_ago_is_shielded_all_the_same() -> None:
    node = calm(role=Role.BACKUP)
    node.peer_is_master()
    node.run(1.0)
    node.elect()
    node.feed(events.StateReported(node.now, "VI_1", Role.MASTER, "fifo"))
    called(node)
    node.run(0.0)
    assert node.shielded, node.log


def test_a_networkd_that_has_started_is_waited_for_until_it_reports_its_links() -> None:
    node = calm()
    node.feed(events.NetworkdRunning(node.now, Tri.NO))
    node.feed(events.ChangeExpected(node.now, "systemd-networkd disconnected from D-Bus"))
    node.run(0.1)
    node.feed(events.NetworkdRunning(node.now, Tri.YES))
    node.feed(events.ChangeExpected(node.now, "systemd-networkd connected to D-Bus"))
    node.run(0.8)
    assert phase(node) is Phase.SHIELDED
    node.reload_now()
    assert answers_throughout(node, 3.0), node.log
    assert len(did(node, actions.Protect)) == 1


def test_a_carrier_that_is_back_within_its_window_ends_no_shield() -> None:
    node = calm()
    flapping(node)
    node.run(0.0)
    assert node.answers, node.log
    assert answers_throughout(node, 3.0), node.log
    node.peer_is_master()
    node.run(0.1)
    assert not node.shielded and not node.bridged and not node.has(VIP)


def test_a_carrier_that_stays_away_ends_the_shield_with_the_master_down_interval() -> None:
    node = calm()
    node.reload()
    node.run(0.05)
    node.carrier(False)
    node.run(node.spec.master_down + 1.1)
    assert not node.shielded and not node.bridged, node.log


def test_a_carrier_that_goes_outside_a_window_ends_the_shield() -> None:
    node = calm()
    call(node, RequestKind.YIELD, "VI_1")
    node.run(0.0)
    assert node.shielded
    node.carrier(False)
    node.run(0.0)
    assert not node.shielded and phase(node) is Phase.WATCHING


# --- those who come in ----------------------------------------------------------------------------


def call(
    node: Node, kind: RequestKind, subject: str = "", state: str = "", seconds: float = 60.0
) -> None:
    node.feed(Request(node.now, kind, subject, state, seconds))


def test_a_hook_before_networkd_stops_is_as_good_as_its_job() -> None:
    node = calm()
    call(node, RequestKind.NETWORKD_STOPS)
    assert phase(node) is Phase.SHIELDED
    node.reload(announced=False)
    assert answers_throughout(node, 3.0), node.log
    assert node.has(VIP) and not node.shielded


def test_a_hold_arms_and_freezes_nothing() -> None:
    node = calm()
    call(node, RequestKind.HOLD, "apt")
    assert node.machine is not None and not node.machine.windows and did(node, actions.RequestDump)
    assert node.machine.deadline() <= node.now + 60.0
    node.release(Role.BACKUP)
    node.run(1.0)
    assert not node.has(VIP) and phase(node) is Phase.WATCHING


def test_a_hold_ends_by_its_lease_and_says_so() -> None:
    node = calm()
    call(node, RequestKind.HOLD, "apt", seconds=5.0)
    node.run(6.0)
    assert node.machine is not None and not node.machine.requests.holds
    assert any("hold 'apt' expired: it was never released" in line for line in node.log)
    assert [a.holds for _, a in node.done if isinstance(a, actions.SaveHolds)][-1] == ()


def test_the_holds_of_an_earlier_daemon_are_in_force() -> None:
    node = calm()
    node.feed(events.SnapshotLoaded(node.now, (), (), (Hold("apt", 1, node.now + 5.0),)))
    call(node, RequestKind.APT_ENDED)
    assert node.machine is not None and not node.machine.requests.holds


def test_networkd_dispatcher_announces_where_there_is_no_bus() -> None:
    node = calm()
    call(node, RequestKind.LINK, "ens160", "configuring")
    assert phase(node) is Phase.WATCHING, "the bus knows better"
    node.feed(events.NetworkdRunning(node.now, Tri.UNKNOWN))
    call(node, RequestKind.LINK, "ens160", "routable")
    call(node, RequestKind.LINK, "eth9", "configuring")
    assert phase(node) is Phase.WATCHING
    call(node, RequestKind.LINK, "ens160", "configuring")
    assert phase(node) is Phase.SHIELDED


def test_a_yield_is_carried_by_the_shield_until_the_other_node_s_advert() -> None:
    node = calm()
    call(node, RequestKind.YIELD, "VI_1")
    assert phase(node) is Phase.YIELDING and node.fault and not node.has(VIP)
    assert answers_throughout(node, 0.6) and node.machine is not None and node.machine.yielding
    node.peer_is_master()
    node.run(0.1)
    assert phase(node) is Phase.AWAY and not node.shielded
    for _ in range(5):
        node.run(0.5)
        node.peer_is_master()
    assert phase(node) is Phase.WATCHING and not node.fault and node.role is Role.BACKUP


def test_a_daemon_that_has_just_started_yields_as_well() -> None:
    node = calm()
    node.kill_netvip()
    node.start_netvip()
    node.run(0.05)
    node.feed(events.StateReported(node.now, "VI_1", Role.MASTER, "fifo"))
    call(node, RequestKind.YIELD, "VI_1")
    assert phase(node) is Phase.YIELDING and node.fault, node.log


def test_a_yield_that_nobody_takes_is_taken_back_without_a_loss() -> None:
    node = calm()
    call(node, RequestKind.YIELD, "VI_1")
    assert answers_throughout(node, 12.0), node.log
    assert node.role is Role.MASTER and node.has(VIP) and not node.shielded
    call(node, RequestKind.YIELD, "VI_1")
    assert phase(node) is Phase.WATCHING, "asked again at once, it would be in vain again"


def test_nothing_is_yielded_that_cannot_be() -> None:
    for node in (calm(role=Role.BACKUP), calm(guarded=False), calm(tracks=False)):
        call(node, RequestKind.YIELD, "VI_1")
        assert phase(node) is Phase.WATCHING and not node.fault


def test_what_an_apt_run_means_is_the_operator_s_to_say() -> None:
    for policy, held, expected in (
        (AptPolicy.HOLD, True, Phase.WATCHING),
        (AptPolicy.IGNORE, False, Phase.WATCHING),
        (AptPolicy.YIELD, True, Phase.YIELDING),
    ):
        node = calm()
        assert node.machine is not None
        node.machine.configure(apt=policy)
        call(node, RequestKind.APT_BEGINS)
        assert (bool(node.machine.requests.holds), phase(node)) == (held, expected)
        call(node, RequestKind.APT_ENDED)
        assert not node.machine.requests.holds


# --- coverage -----------------------------------------------------------------------------------


def test_a_rule_that_moves_leaves_the_instance_to_keepalived_until_it_is_back() -> None:
    node = calm(guarded=False)
    node.feed(events.RulesSeen(node.now, 2, Rules(local_moved=True)))
    node.reload()
    node.run(8.0)
    assert not did(node, actions.Protect) and any("not protected" in line for line in node.log)
    node.feed(events.RulesSeen(node.now, 2, Rules()))
    node.reload()
    assert answers_throughout(node, 1.0) and did(node, actions.Protect)


# --- bonds --------------------------------------------------------------------------------------


ENS1, ENS2, BOND = 5, 6, 7


def on_a_bond(systemd: int, managed: Tri = Tri.YES) -> Node:
    """The VIP's interface is a VLAN on a bond of two."""
    node = calm()
    node.feed(events.SystemdVersion(node.now, systemd))
    node.feed(events.LinkSeen(node.now, Link(BOND, "bond0", kind="bond")))
    for number, member in ((1, ENS1), (2, ENS2)):
        node.feed(events.LinkSeen(node.now, Link(member, f"ens{number}", master=BOND)))
        node.feed(events.LinkState(node.now, member, Tri.YES, managed))
    node.feed(events.LinkSeen(node.now, Link(LAN, "ens160", kind="vlan", lower=BOND)))
    return node


def test_before_networkd_takes_a_bond_s_members_away_the_peer_takes_over() -> None:
    node = on_a_bond(252)
    call(node, RequestKind.NETWORKD_STOPS)
    assert phase(node) is Phase.YIELDING and node.fault
    node.after(0.6, node.peer_is_master)
    assert answers_throughout(node, 0.6) and node.shielded
    node.run(0.1)
    assert phase(node) is Phase.AWAY and not node.shielded


def test_so_it_does_when_networkd_leaves_the_bus_without_a_hook() -> None:
    node = on_a_bond(252)
    node.feed(events.ChangeExpected(node.now, "systemd queued a job for networkd"))
    assert phase(node) is Phase.SHIELDED
    node.feed(events.NetworkdRunning(node.now, Tri.NO))
    assert phase(node) is Phase.YIELDING


def test_without_a_peer_the_shield_carries_on_until_this_node_is_elected_again() -> None:
    node = on_a_bond(252)
    call(node, RequestKind.NETWORKD_STOPS)
    assert answers_throughout(node, 11.0), node.log
    assert node.role is Role.MASTER and node.has(VIP) and not node.shielded


@pytest.mark.parametrize(
    ("systemd", "managed"),
    [
        *((version, Tri.YES) for version in (0, 254, 255, 257)),
        *((252, managed) for managed in (Tri.NO, Tri.UNKNOWN)),
    ],
)
def test_what_is_not_known_to_take_the_carrier_is_no_reason_to_hand_over(
    systemd: int, managed: Tri
) -> None:
    node = on_a_bond(systemd, managed)
    call(node, RequestKind.NETWORKD_STOPS)
    assert phase(node) is Phase.SHIELDED


def test_a_member_that_networkd_does_not_manage_keeps_the_carrier() -> None:
    node = on_a_bond(252)
    node.feed(events.LinkState(node.now, ENS2, Tri.YES, Tri.NO))
    call(node, RequestKind.NETWORKD_STOPS)
    assert phase(node) is Phase.SHIELDED


def test_a_host_without_a_bond_hands_nothing_over() -> None:
    node = calm()
    node.feed(events.SystemdVersion(node.now, 252))
    node.feed(events.LinkState(node.now, LAN, Tri.YES, Tri.YES))
    call(node, RequestKind.NETWORKD_STOPS)
    assert phase(node) is Phase.SHIELDED


def test_changed_files_of_all_members_take_the_carrier_as_well() -> None:
    node = on_a_bond(252)
    node.feed(events.ChangeExpected(node.now, "a process called Reload", call=":1.7 3"))
    assert phase(node) is Phase.SHIELDED and not node.fault
    node.feed(events.FilesChanged(node.now, frozenset({ENS1, ENS2})))
    assert phase(node) is Phase.YIELDING and node.fault and answers_throughout(node, 0.5)


@pytest.mark.parametrize("changed", [set(), {ENS1}, {BOND, LAN}])
def test_one_member_keeps_the_carrier(changed: set[int]) -> None:
    node = on_a_bond(252)
    node.feed(events.ChangeExpected(node.now, "a process called Reload", call=":1.7 3"))
    node.feed(events.FilesChanged(node.now, frozenset(changed)))
    assert phase(node) is Phase.SHIELDED and not node.fault


def test_a_newer_networkd_leaves_the_members_where_they_are() -> None:
    node = on_a_bond(257)
    node.feed(events.FilesChanged(node.now, frozenset({ENS1, ENS2})))
    assert not node.fault


def test_whoever_hears_nothing_does_not_say_that_nobody_came() -> None:
    """The carrier is away for longer than a hand-over takes."""
    node = on_a_bond(252)
    node.feed(events.ChangeExpected(node.now, "a process called Reload", call=":1.7 3"))
    node.feed(events.FilesChanged(node.now, frozenset({ENS1, ENS2})))
    node.carrier(False)
    node.run(1.6)
    assert not node.fault and not any("no peer took over" in line for line in node.log)
    node.carrier(True)
    node.peer_is_master()
    node.run(1.1)
    assert phase(node) is Phase.WATCHING and not node.shielded


def test_and_it_hands_over_the_next_time_as_well() -> None:
    """Nobody could be heard: that says nothing about the peer."""
    node = on_a_bond(252)
    changed = frozenset({ENS1, ENS2})
    node.feed(events.ChangeExpected(node.now, "a process called Reload", call=":1.7 3"))
    node.feed(events.FilesChanged(node.now, changed))
    node.carrier(False)
    node.run(1.6)
    node.carrier(True)
    node.feed(events.LinkSeen(node.now, Link(LAN, "ens160", kind="vlan", lower=BOND)))
    node.run(10.0)
    assert node.role is Role.MASTER and not node.fault
    node.feed(events.FilesChanged(node.now, changed))
    assert phase(node) is Phase.YIELDING


def test_networkd_is_asked_for_the_members_of_the_bond() -> None:
    node = on_a_bond(252)
    call(node, RequestKind.NETWORKD_STOPS)
    done = (action for _, action in node.done if isinstance(action, actions.QueryLinks))
    asked = [action for action in done if action.ifindexes]
    assert asked[0].ifindexes == (LAN,) and asked[-1].ifindexes == (LAN, ENS1, ENS2)
    assert not asked[0].members and asked[-1].members == {ENS1, ENS2}


def test_a_bridge_with_a_bond_as_its_port_is_on_the_bond() -> None:
    mirror = Mirror()
    mirror.add_link(Link(4, "br0", kind="bridge"))
    mirror.add_link(Link(5, "br0.7", kind="vlan", lower=4))
    mirror.add_link(Link(6, "ens1", master=7, lower=6))
    assert members(mirror, 5) == frozenset()
    mirror.add_link(Link(7, "bond0", kind="bond", master=4))
    assert members(mirror, 5) == members(mirror, 7) == {6}
