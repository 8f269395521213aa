"""What the bus says of networkd, as events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netvip.core import events
from netvip.core.events import Event
from netvip.core.model import Tri
from netvip.linux.bus import Signal
from netvip.sources.networkd import (
    LINK_PATH,
    NETWORK1,
    SYSTEMD1,
    NetworkdSource,
    link_index,
    link_path,
)

NETWORKD, KEEPALIVED = "systemd-networkd.service", "keepalived.service"
SENDERS = {"JobNew": ":1.1", "JobRemoved": ":1.1", "NameOwnerChanged": "org.freedesktop.DBus"}
Hear = Callable[[Signal], list[Event]]


def hears(method: str) -> Hear:
    """A source that returns what it made of a signal, its times set to 0."""
    emitted: list[Event] = []
    source = NetworkdSource(emitted.append, lambda _: None)
    source.owners.update({SYSTEMD1[0]: ":1.1", NETWORK1: ":1.2"})

    def hear(signal: Signal) -> list[Event]:
        emitted.clear()
        getattr(source, method)(signal)
        assert all(event.time > 0 for event in emitted)
        return [replace(event, time=0) for event in emitted]

    return hear


@pytest.fixture
def hear() -> Hear:
    return hears("_heard")


@pytest.fixture
def overhear() -> Hear:
    return hears("_overheard")


def signal(member: str, *body: Any, path: str = "/") -> Signal:
    return Signal(SENDERS.get(member, ":1.2"), path, "", member, body)


def job(member: str, number: int, unit: str) -> Signal:
    result = ("done",) if member == "JobRemoved" else ()
    return signal(member, number, f"/job/{number}", unit, *result)


def state(value: str, path: str) -> Signal:
    changed = {"AdministrativeState": value, "OperationalState": "routable"}
    return signal("PropertiesChanged", f"{NETWORK1}.Link", changed, [], path=path)


# --- paths --------------------------------------------------------------------------------------


@given(st.integers(1, 2**31 - 1))
def test_a_links_path_tells_its_index(ifindex: int) -> None:
    assert link_index(link_path(ifindex)) == ifindex


def test_a_links_path_is_sd_bus_s() -> None:
    assert link_path(2) == "/org/freedesktop/network1/link/_32"
    assert link_path(107) == "/org/freedesktop/network1/link/_3107"


TAILS = ["_", "_z", "_zz", "_3", "_3x", "__", "_31_", "x", "", "_²", "_b2", "_-1", "_+3", "_ 3"]


@pytest.mark.parametrize("tail", [*TAILS, "_31" + "0" * 5000])
def test_a_hostile_path_is_no_link(tail: str) -> None:
    assert link_index(LINK_PATH + tail) == 0


@given(st.text().map(LINK_PATH.__add__) | st.text())
@example("/org/freedesktop/network1")
def test_no_path_raises(path: str) -> None:
    assert link_index(path) >= 0


# --- signals ------------------------------------------------------------------------------------


def test_a_job_for_networkd_announces_and_is_counted_until_it_is_removed(hear: Hear) -> None:
    announced = events.ChangeExpected(0, f"systemd queued a job for {NETWORKD}")
    assert hear(job("JobNew", 7, NETWORKD)) == [announced, events.SystemdJobs(0, 1)]
    assert hear(job("JobNew", 8, NETWORKD)) == [announced, events.SystemdJobs(0, 2)]
    assert hear(job("JobRemoved", 7, NETWORKD)) == [events.SystemdJobs(0, 1)]
    assert hear(job("JobRemoved", 7, NETWORKD)) == [events.SystemdJobs(0, 1)]
    assert hear(job("JobRemoved", 8, NETWORKD)) == [events.SystemdJobs(0, 0)]


def test_a_job_for_another_unit_is_nothing(hear: Hear) -> None:
    assert [hear(job(m, 7, "ssh.service")) for m in ("JobNew", "JobRemoved")] == [[], []]


def test_the_end_of_keepaliveds_job_may_have_changed_it(hear: Hear) -> None:
    announced = events.ChangeExpected(0, "systemd queued a job for keepalived.service")
    assert hear(job("JobNew", 7, KEEPALIVED)) == [announced, events.SystemdJobs(0, 1)]
    ended = hear(job("JobRemoved", 7, KEEPALIVED))
    assert ended == [events.SystemdJobs(0, 0), events.KeepalivedReloaded(0)]


@pytest.mark.parametrize(
    ("owners", "running", "what"),
    [((":1.5", ""), Tri.NO, "left"), (("", ":1.6"), Tri.YES, "came to")],
)
def test_networkd_coming_and_going_announces(
    hear: Hear, owners: tuple[str, str], running: Tri, what: str
) -> None:
    assert hear(signal("NameOwnerChanged", NETWORK1, *owners)) == [
        events.NetworkdRunning(0, running),
        events.ChangeExpected(0, f"systemd-networkd {what} the bus"),
    ]


def test_a_systemd_that_executed_itself_anew_is_still_heard(hear: Hear) -> None:
    hear(job("JobNew", 7, NETWORKD))
    again = hear(signal("NameOwnerChanged", "org.freedesktop.systemd1", ":1.1", ":1.11"))
    assert again == [events.SystemdJobs(0, 0)]
    assert hear(job("JobNew", 8, NETWORKD)) == [], "by its old name it is somebody else"
    reborn = replace(job("JobNew", 9, NETWORKD), sender=":1.11")
    assert hear(reborn)[-1] == events.SystemdJobs(0, 1)


def test_another_name_on_the_bus_is_nothing(hear: Hear) -> None:
    assert hear(signal("NameOwnerChanged", "org.example", ":1.5", "")) == []
    assert hear(signal("NameAcquired", ":1.7")) == []


@pytest.mark.parametrize("value", ["configured", "unmanaged", "failed"])
def test_a_final_state_ends(hear: Hear, value: str) -> None:
    assert hear(state(value, link_path(12))) == [events.LinkState(0, 12, Tri.YES)]


@pytest.mark.parametrize("value", ["pending", "initialized", "configuring", "linger", "new"])
def test_any_other_state_announces(hear: Hear, value: str) -> None:
    assert hear(state(value, link_path(12))) == [
        events.ChangeExpected(0, f"systemd-networkd says {value}", 12),
        events.LinkState(0, 12, Tri.NO),
    ]


def test_other_properties_are_nothing(hear: Hear) -> None:
    assert hear(signal("PropertiesChanged", "x", {"CarrierState": "carrier"}, [])) == []
    assert hear(state("configuring", "/org/freedesktop/network1")) == []


def test_a_signal_that_systemd_never_sends_does_no_harm(hear: Hear) -> None:
    members = ("JobNew", "JobRemoved", "NameOwnerChanged", "PropertiesChanged")
    assert [hear(signal(member)) for member in members] == [[]] * 4


@pytest.mark.parametrize("sender", [":1.66", "", "org.freedesktop.systemd1"])
def test_a_signal_that_another_sent_is_not_believed(hear: Hear, sender: str) -> None:
    forged = [
        job("JobNew", 7, NETWORKD),
        signal("NameOwnerChanged", NETWORK1, ":1.2", ""),
        signal(
            "PropertiesChanged", "", {"AdministrativeState": "configuring"}, [], path=link_path(2)
        ),
    ]
    assert [hear(replace(one, sender=sender)) for one in forged] == [[], [], []]


# --- calls of others ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "path", "body", "ifindex"),
    [
        ("Reload", "/org/freedesktop/network1", (), 0),
        ("ReconfigureLink", "/org/freedesktop/network1", (12,), 12),
        ("ForceRenewLink", "/org/freedesktop/network1", (12,), 12),
        ("RenewLink", "/org/freedesktop/network1", (12,), 12),
        ("Reconfigure", link_path(12), (), 12),
        ("ForceRenew", link_path(12), (), 12),
        ("Renew", link_path(12), (), 12),
        ("ReconfigureLink", "/org/freedesktop/network1", ("12",), 0),
        ("ReconfigureLink", "/org/freedesktop/network1", (), 0),
    ],
)
def test_a_call_that_reconfigures_announces(
    overhear: Hear, member: str, path: str, body: tuple[object, ...], ifindex: int
) -> None:
    reason = f"somebody called {member} of systemd-networkd"
    assert overhear(signal(member, *body, path=path)) == [events.ChangeExpected(0, reason, ifindex)]


@pytest.mark.parametrize("member", ["ListLinks", "Describe", "SetLinkDNS", ""])
def test_a_call_that_only_asks_is_nothing(overhear: Hear, member: str) -> None:
    assert overhear(signal(member)) == []


def test_a_hostile_call_does_not_raise(overhear: Hear) -> None:
    assert len(overhear(signal("Reload", path=f"{LINK_PATH}_zz"))) == 1
