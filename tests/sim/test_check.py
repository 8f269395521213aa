"""The coordinated check in simulated time: what follows from its findings, and what does not."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from itertools import pairwise

import pytest

from netvip.core import actions, events
from netvip.core.check.policy import Policy, Wishes
from netvip.core.check.verdicts import Belief, Kind, Step
from netvip.core.events import RequestKind
from netvip.core.instance.states import Phase
from netvip.core.model import IP, Author, AuthorKind, Role, Tri
from tests.sim.test_story import call, calm, did, phase
from tests.sim.world import GATEWAY, LAN, OPERATOR, OWN, VIP, Node

THIRD = frozenset({b"\x02\0\0\0\0\x03"})
SERVICE = Policy(wishes=Wishes(services=("tcp://:443",)))


def serving(policy: Policy = SERVICE, **options: object) -> Node:
    """A node whose service is watched, and has answered."""
    node = calm(**options)
    assert node.machine is not None
    node.machine.configure(policy)
    node.run(4.0)
    return node


def peer_stays(node: Node, seconds: float) -> None:
    """The peer is master and says so."""
    for _ in range(round(seconds)):
        node.peer_is_master()
        node.run(1.0)


def conflict(node: Node) -> bool:
    assert node.machine is not None
    return node.machine.instances["VI_1"].conflict.confirmed


# --- when -----------------------------------------------------------------------------------------


def test_ten_triggers_make_one_check() -> None:
    node = calm()
    node.run(1.0)
    before = len(did(node, actions.RunCheck))
    for _ in range(10):
        call(node, RequestKind.VERIFY)
        node.run(0.001)
    node.run(1.5)
    assert len(did(node, actions.RunCheck)) == before + 1


def test_one_is_made_at_the_end_of_every_window_and_none_within() -> None:
    node = calm()
    begun = node.now
    node.reload()
    node.run(1.5)
    closed = next(float(line.split()[0]) for line in node.log if "window closed" in line)
    during = [when for when in did(node, actions.RunCheck) if begun < when < closed]
    after = [when for when in did(node, actions.RunCheck) if closed <= when <= closed + 0.1]
    assert during == [] and len(after) == 1, node.log


def test_interval_0_checks_on_request_only() -> None:
    node = calm()
    assert node.machine is not None
    node.machine.configure(Policy(interval=0.0))
    node.run(3.0)
    before = len(did(node, actions.RunCheck))
    node.run(30.0)
    assert len(did(node, actions.RunCheck)) == before
    call(node, RequestKind.VERIFY)
    node.run(0.1)
    assert len(did(node, actions.RunCheck)) == before + 1


def test_a_check_without_a_result_is_run_again() -> None:
    node = calm()
    node.examines = False
    node.run(40.0)
    begun = did(node, actions.RunCheck)
    assert len(begun) >= 3 and all(b - a > 9.99 for a, b in pairwise(begun[1:]))


def test_what_was_seen_before_a_window_says_nothing_after_it() -> None:
    node = serving()
    node.serves = Tri.NO
    while not node.machine or node.machine.checks.due() > node.now + 0.01:
        node.run(0.01)
    node.run(0.02)  # the probes are out
    node.reload(away=0.02)
    steps = node.machine.checks.history("VI_1").asked
    node.run(0.4)
    assert node.machine.checks.history("VI_1").asked == steps


def test_without_instances_nothing_is_due() -> None:
    node = calm()
    call(node, RequestKind.VERIFY)
    node.feed(events.DumpReceived(node.now, node.now, ()))
    assert node.machine is not None
    for _ in range(3):
        node.run(1.0)
        assert node.machine.checks.due() > node.now


# --- conflicts ------------------------------------------------------------------------------------


def test_law_4_a_conflict_yields_once_and_is_neither_put_back_nor_announced() -> None:
    node = calm()
    node.strangers = THIRD
    node.run(3.0)
    assert any("another host (02:00:00:00:00:03) answers" in line for line in node.log), (
        "within two intervals"
    )
    assert not conflict(node) and not node.fault, "it may be an old master's last shield"
    while not conflict(node) and node.now < 12.0:
        node.run(0.1)
    assert conflict(node) and phase(node) is Phase.YIELDING
    peer_stays(node, 20.0)
    assert phase(node) is Phase.WATCHING and len(did(node, actions.SetTrackFile)) == 2
    node.elect()
    node.run(60.0)
    assert node.role is Role.MASTER and len(did(node, actions.SetTrackFile)) == 2, "one yield"
    node.reload()
    node.run(60.0)
    assert not node.has(VIP) and not did(node, actions.PutBack) and not node.fault
    announced = [when for when in did(node, actions.Announce) if when > 3.0]
    assert announced == []


def test_a_last_shield_is_no_conflict() -> None:
    node = calm()
    node.strangers = THIRD
    node.run(4.0)
    node.strangers = frozenset()
    node.run(30.0)
    assert not conflict(node) and not node.fault and not did(node, actions.SetTrackFile)


def test_a_conflict_that_ends_is_told_and_what_is_missing_is_restored() -> None:
    node = calm()
    node.strangers = THIRD
    node.run(8.0)
    node.run(12.0)  # nobody took over: it is MASTER again
    assert conflict(node) and node.role is Role.MASTER
    node.reload()
    node.run(15.0)
    assert not node.has(VIP) and phase(node) is Phase.FAILED
    node.strangers = frozenset()
    node.run(60.0)
    assert not conflict(node) and any("no other host answers" in line for line in node.log)
    assert node.has(VIP), "by the election after a FAULT that nobody took"


def test_who_was_seen_as_backup_is_not_yielded_to_as_master() -> None:
    node = calm(role=Role.BACKUP)
    node.strangers = THIRD
    peer_stays(node, 10.0)
    assert conflict(node)
    node.elect()
    node.run(60.0)
    assert node.role is Role.MASTER and not did(node, actions.SetTrackFile), "it would move nothing"


def test_a_conflict_of_an_assisted_instance_is_reported() -> None:
    node = calm(guarded=False)
    node.strangers = THIRD
    node.run(10.0)
    assert conflict(node) and not node.fault


# --- reach ----------------------------------------------------------------------------------------


def test_a_misled_host_gets_announcements_and_nothing_else_follows() -> None:
    node = calm()
    node.targets |= {OWN.ip + 1: Tri.NO}
    assert node.machine is not None
    node.machine.configure(Policy(wishes=Wishes(hosts=(OWN.ip + 1,))))
    node.run(3.0)
    assert did(node, actions.Announce)
    node.run(60.0)
    assert not node.fault and len(did(node, actions.Announce)) < 12, "seldomer with time"


@pytest.mark.parametrize("before", [Tri.YES, Tri.UNKNOWN])
def test_a_gateway_that_is_down_proves_nothing(before: Tri) -> None:
    node = calm()
    node.targets[GATEWAY] = before
    node.run(10.0)
    node.targets[GATEWAY] = Tri.UNKNOWN
    node.run(60.0)
    assert not node.fault and not did(node, actions.Announce)


def test_a_vip_that_no_host_reaches_any_more_is_released() -> None:
    node = calm()
    node.run(5.0)
    node.targets[GATEWAY] = Tri.NO
    node.run(9.0)
    told, let_go = did(node, actions.Announce), did(node, actions.SetTrackFile)
    assert told and let_go and told[0] < let_go[0]


def test_a_host_that_never_answered_the_vip_proves_nothing() -> None:
    node = calm()
    node.targets[GATEWAY] = Tri.NO
    node.run(60.0)
    assert not node.fault


# --- the service ----------------------------------------------------------------------------------


def test_a_dead_service_releases_the_vip_after_fall_findings() -> None:
    node = serving()
    node.serves = Tri.NO
    node.run(4.0)
    assert not node.fault
    node.run(2.0)
    assert node.fault and any("the service does not answer" in line for line in node.log)
    peer_stays(node, 3.0)
    assert not node.fault and node.role is Role.BACKUP


def test_two_bad_findings_and_a_good_one_release_nothing() -> None:
    node = serving()
    for _ in range(10):
        node.serves = Tri.NO
        node.run(4.0)
        node.serves = Tri.YES
        node.run(2.0)
    assert not did(node, actions.SetTrackFile)


def test_an_unknown_finding_is_neither_bad_nor_good() -> None:
    node = serving()
    node.serves = Tri.UNKNOWN
    node.run(60.0)
    assert not node.fault


def test_a_service_that_never_answered_here_is_waited_for() -> None:
    node = calm()
    node.serves = Tri.NO
    assert node.machine is not None
    node.machine.configure(SERVICE)
    node.run(200.0)
    assert not node.fault and phase(node) is Phase.WATCHING
    assert any("it has not answered since this node is MASTER" in line for line in node.log)
    node.run(200.0)
    assert did(node, actions.SetTrackFile), "the other node is tried in the end"


def test_taken_back_from_a_node_that_served_a_dead_service_is_released_again() -> None:
    """As where a node preempts: nothing says that the other one could not serve."""
    node = serving()
    node.serves = Tri.NO
    while not node.fault:
        node.run(0.5)
    peer_stays(node, 3.0)
    assert not node.fault
    node.run(1.0)
    node.elect()
    node.run(15.0)
    assert len(did(node, actions.SetTrackFile)) >= 3, "at once, not after five minutes"


def test_left_by_a_node_that_could_not_serve_either_it_stays() -> None:
    node = serving()
    node.serves = Tri.NO
    while not node.fault:
        node.run(0.5)
    peer_stays(node, 3.0)
    node.advert(own=False, priority=0)
    node.elect()
    node.run(200.0)
    assert len(did(node, actions.SetTrackFile)) == 2 and node.role is Role.MASTER


def test_where_nobody_takes_a_dead_service_over_the_vip_stays() -> None:
    node = serving()
    node.serves = Tri.NO
    node.run(25.0)
    assert node.role is Role.MASTER and node.has(VIP), node.log
    assert node.machine is not None
    known = node.machine.instances["VI_1"]
    assert known.phase is not Phase.FAILED or known.held(node.now), "no check of keepalived's fails"


# --- on a backup ----------------------------------------------------------------------------------


def test_a_vip_that_is_dark_though_its_master_adverts_is_told_and_counted() -> None:
    node = calm(role=Role.BACKUP)
    node.answering = lambda role: frozenset()  # type: ignore[method-assign]
    peer_stays(node, 12.0)
    assert sum("no host answers for a VIP" in line for line in node.log) == 1
    assert node.machine is not None
    assert [f.name for f in node.machine.checks.counts] == ["DARK"]
    assert not did(node, actions.SetTrackFile) and not did(node, actions.PutBack)


def test_without_a_master_s_advert_nothing_is_dark() -> None:
    node = calm(role=Role.BACKUP)
    node.answering = lambda role: frozenset()  # type: ignore[method-assign]
    node.peer_is_master()
    node.run(5.0)
    node.run(30.0)
    assert not any("no host answers for a VIP" in line for line in node.log)


# --- announcing again -----------------------------------------------------------------------------


@pytest.mark.parametrize(("refreshes", "further"), [(Tri.YES, 0), (Tri.NO, 2)])
def test_a_put_back_is_announced_again_and_again(refreshes: Tri, further: int) -> None:
    node = calm()
    node.spec = replace(node.spec, refreshes=refreshes)
    call(node, RequestKind.HOLD, "have keepalived asked")
    node.run(1.0)
    node.reload()
    node.run(20.0)
    assert len(did(node, actions.Announce)) == 3, "at once, after 1 s, after 5 more"
    node.run(120.0)
    assert len(did(node, actions.Announce)) == 3 + further
    node.peer_is_master()
    node.run(200.0)
    assert len(did(node, actions.Announce)) == 3 + further, "not for another's VIPs"


# --- healing --------------------------------------------------------------------------------------


def killed(node: Node) -> None:
    """kill -9: the VIP is left where it is."""
    node.role = Role.UNKNOWN
    node.feed(events.KeepalivedRunning(node.now, Tri.NO))


def test_law_7_what_a_dead_keepalived_left_goes_with_another_master_s_advert() -> None:
    node = calm()
    killed(node)
    node.run(30.0)
    assert node.has(VIP), "a degraded VIP beats none"
    node.feed(events.Advert(node.now, LAN, 2, 51, 100, False, "10.77.0.2", b"\x02\0\0\0\0\x02"))
    node.run(0.1)
    assert not node.has(VIP) and did(node, actions.Remove)


def test_a_release_is_no_other_master() -> None:
    node = calm()
    killed(node)
    node.feed(events.Advert(node.now, LAN, 2, 51, 0, False, "10.77.0.2"))
    node.run(1.0)
    assert node.has(VIP)


def stuck(allowed: bool = True, known: bool = True) -> Node:
    """In FAULT for the one reason that is known, which is gone."""
    node = calm(role=Role.FAULT)
    assert node.machine is not None
    node.machine.configure(restart=allowed)
    node.spec = replace(node.spec, sticks_without=OWN.ip if known else None)
    call(node, RequestKind.HOLD, "have keepalived asked")
    node.run(1.0)
    call(node, RequestKind.RELEASE, "have keepalived asked")
    return node


def test_a_keepalived_that_is_stuck_in_fault_is_restarted_once_in_five_minutes() -> None:
    node = stuck()
    node.run(55.0)
    assert not did(node, actions.RestartKeepalived)
    node.run(245.0)
    assert len(did(node, actions.RestartKeepalived)) == 1, node.log
    node.run(200.0)
    assert len(did(node, actions.RestartKeepalived)) == 2


@pytest.mark.parametrize(("allowed", "known"), [(False, True), (True, False)])
def test_it_is_left_alone_where_it_is_not_allowed_or_the_cause_not_known(
    allowed: bool, known: bool
) -> None:
    node = stuck(allowed, known)
    node.run(200.0)
    assert not did(node, actions.RestartKeepalived)


def test_nor_is_it_restarted_while_somebody_is_at_work_or_its_source_is_away() -> None:
    node = stuck()
    call(node, RequestKind.HOLD, "cabling", seconds=300.0)
    node.run(200.0)
    assert not did(node, actions.RestartKeepalived)
    node = stuck()
    node.unset(OWN.key, Author(AuthorKind.OTHER, "ip"))
    node.run(200.0)
    assert not did(node, actions.RestartKeepalived)


# --- presence -------------------------------------------------------------------------------------


def presence(node: Node) -> tuple[Tri, str]:
    assert node.machine is not None
    (step,) = (s for s in node.machine.checks.history("VI_1").steps if s.kind is Kind.PRESENCE)
    return step.finding, step.words


def test_a_vip_that_somebody_changed_is_not_as_it_was_until_keepalived_says_so() -> None:
    node = calm()
    node.set(replace(VIP, metric=5), OPERATOR)
    node.run(10.0)
    changed = (Tri.NO, "on ens160 with other attributes: metric 5 instead of 0")
    assert presence(node) == changed and not node.fault
    assert sum("with other attributes" in line for line in node.log) == 1, node.log
    node.reload()
    node.run(5.0)
    assert presence(node) == (Tri.YES, "on ens160, unchanged"), "put back as keepalived had it"
    node.set(replace(VIP, metric=5), OPERATOR)
    node.feed(events.KeepalivedReloaded(node.now))
    node.run(5.0)
    assert presence(node) == (Tri.YES, "on ens160, unchanged")


# --- what is no news of this instance -------------------------------------------------------------

ELSEWHERE = ip_address("192.0.2.7")


def stranger_adverts(node: Node, priority: int = 100, ip: IP = ELSEWHERE) -> None:
    advert = events.Advert(node.now, LAN, 2, 51, priority, False, "192.0.2.1", b"\x02" * 6, (ip,))
    node.feed(advert)


def test_law_1_another_virtual_router_with_the_same_vrid_takes_nothing_away() -> None:
    node = calm()
    node.reload()
    node.run(30.0)
    stranger_adverts(node)
    assert master(node) is Tri.YES
    node.run(5.0)
    assert node.has(VIP) and not did(node, actions.Remove)


@pytest.mark.parametrize("dump", [True, False])
def test_a_peer_of_lower_priority_that_adverts_once_takes_nothing_away(dump: bool) -> None:
    node = calm()
    node.reload()
    node.run(30.0)
    node.dump_works = dump
    stranger_adverts(node, 50, VIP.ip)
    node.run(10.0)
    assert node.has(VIP) and master(node) is Tri.YES and not did(node, actions.Remove)


def master(node: Node) -> Tri:
    assert node.machine is not None
    return node.machine.instances["VI_1"].master(node.now)


def test_what_a_backup_took_for_a_conflict_is_no_reason_to_leave_a_vip_away() -> None:
    node = calm(role=Role.BACKUP)
    node.strangers = THIRD
    peer_stays(node, 12.0)
    assert conflict(node)
    node.elect()
    node.strangers = frozenset()
    node.run(1.2)
    node.reload()
    node.run(1.5)
    assert node.has(VIP), node.log


def test_a_single_host_that_answers_for_a_master_is_the_master() -> None:
    node = calm(role=Role.BACKUP)
    node.peer_mac = b"\x02\0\0\0\0\x22"
    node.answering = lambda role: THIRD  # type: ignore[method-assign]
    peer_stays(node, 12.0)
    assert not conflict(node)


def test_law_4_a_conflict_that_never_ends_yields_once() -> None:
    node = calm()
    node.strangers = THIRD
    node.run(8.0)
    node.run(3600.0)
    assert conflict(node) and len(did(node, actions.SetTrackFile)) == 2, node.log


def test_each_vip_has_to_fail_for_itself() -> None:
    belief, steps = Belief(), [Step(Kind.REACH, str(n), Tri.YES, "") for n in range(3)]
    for turn in range(9):
        belief.take([s._replace(finding=Tri.of(n != turn % 3)) for n, s in enumerate(steps)], 3, 2)
        assert not belief.bad
    for _ in range(3):
        belief.take([steps[0]._replace(finding=Tri.NO), *steps[1:]], 3, 2)
    assert belief.bad
    belief.take(steps[1:], 3, 2)
    assert not belief.bad, "the one that is not asked any more"
