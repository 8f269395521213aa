"""Events from what D-Bus reports about networkd."""

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
from netvip.sources.network1 import LINK_PATH, NETWORK1, link_index, link_path
from netvip.sources.networkd import SYSTEMD1, NetworkdSource

NETWORKD, KEEPALIVED = "systemd-networkd.service", "keepalived.service"
SENDERS = {"JobNew": ":1.1", "JobRemoved": ":1.1", "NameOwnerChanged": "org.freedesktop.DBus"}
Handler = Callable[[Signal], list[Event]]
#: What a state of a link tells about whether networkd manages it; the others tell nothing.
WHETHER_MANAGED = {
    "configured": Tri.YES,
    "configuring": Tri.YES,
    "failed": Tri.YES,
    "unmanaged": Tri.NO,
}


def handler(method: str) -> Handler:
    """A method of a source; it returns the events that it emits, with their times set to 0."""
    emitted: list[Event] = []
    source = NetworkdSource(emitted.append, lambda _: None)
    source.owners.update({SYSTEMD1[0]: ":1.1", NETWORK1: ":1.2"})

    def on_signal(signal: Signal) -> list[Event]:
        emitted.clear()
        getattr(source, method)(signal)
        assert all(event.time > 0 for event in emitted)
        return [replace(event, time=0) for event in emitted]

    return on_signal


@pytest.fixture
def on_signal() -> Handler:
    return handler("take_signal")


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
def test_a_path_of_a_link_contains_its_index(ifindex: int) -> None:
    assert link_index(link_path(ifindex)) == ifindex


def test_a_path_is_encoded_as_by_sd_bus() -> None:
    assert link_path(2) == "/org/freedesktop/network1/link/_32"
    assert link_path(107) == "/org/freedesktop/network1/link/_3107"


TAILS = ["_", "_z", "_zz", "_3", "_3x", "__", "_31_", "x", "", "_²", "_b2", "_-1", "_+3", "_ 3"]


@pytest.mark.parametrize("tail", [*TAILS, "_31" + "0" * 5000])
def test_an_invalid_path_is_not_a_link(tail: str) -> None:
    assert link_index(LINK_PATH + tail) == 0


@given(st.text().map(LINK_PATH.__add__) | st.text())
@example("/org/freedesktop/network1")
def test_no_path_raises(path: str) -> None:
    assert link_index(path) >= 0


# --- signals ------------------------------------------------------------------------------------


def test_a_job_for_networkd_announces_and_is_counted_until_it_is_removed(
    on_signal: Handler,
) -> None:
    announced = events.ChangeExpected(0, f"systemd queued a job for {NETWORKD}")
    assert on_signal(job("JobNew", 7, NETWORKD)) == [announced, events.SystemdJobs(0, 1)]
    assert on_signal(job("JobNew", 8, NETWORKD)) == [announced, events.SystemdJobs(0, 2)]
    assert on_signal(job("JobRemoved", 7, NETWORKD)) == [events.SystemdJobs(0, 1)]
    assert on_signal(job("JobRemoved", 7, NETWORKD)) == [events.SystemdJobs(0, 1)]
    assert on_signal(job("JobRemoved", 8, NETWORKD)) == [events.SystemdJobs(0, 0)]


def test_a_job_for_another_unit_is_ignored(on_signal: Handler) -> None:
    assert [on_signal(job(m, 7, "ssh.service")) for m in ("JobNew", "JobRemoved")] == [[], []]


def test_keepalived_may_have_reloaded_when_its_job_ends(on_signal: Handler) -> None:
    announced = events.ChangeExpected(0, "systemd queued a job for keepalived.service")
    assert on_signal(job("JobNew", 7, KEEPALIVED)) == [announced, events.SystemdJobs(0, 1)]
    ended = on_signal(job("JobRemoved", 7, KEEPALIVED))
    assert ended == [events.SystemdJobs(0, 0), events.KeepalivedReloaded(0)]


@pytest.mark.parametrize(
    ("owners", "running", "what"),
    [((":1.5", ""), Tri.NO, "disconnected from"), (("", ":1.6"), Tri.YES, "connected to")],
)
def test_networkd_on_or_off_the_bus_announces(
    on_signal: Handler, owners: tuple[str, str], running: Tri, what: str
) -> None:
    assert on_signal(signal("NameOwnerChanged", NETWORK1, *owners)) == [
        events.NetworkdRunning(0, running),
        events.ChangeExpected(0, f"systemd-networkd {what} D-Bus"),
    ]


def test_a_reexecuted_systemd_is_known_by_its_new_name(on_signal: Handler) -> None:
    on_signal(job("JobNew", 7, NETWORKD))
    again = on_signal(signal("NameOwnerChanged", "org.freedesktop.systemd1", ":1.1", ":1.11"))
    assert again == [events.SystemdJobs(0, 0)]
    assert on_signal(job("JobNew", 8, NETWORKD)) == [], "its old name may be of another process"
    reexecuted = replace(job("JobNew", 9, NETWORKD), sender=":1.11")
    assert on_signal(reexecuted)[-1] == events.SystemdJobs(0, 1)


def test_another_name_on_the_bus_is_ignored(on_signal: Handler) -> None:
    assert on_signal(signal("NameOwnerChanged", "org.example", ":1.5", "")) == []
    assert on_signal(signal("NameAcquired", ":1.7")) == []


@pytest.mark.parametrize("value", ["configured", "unmanaged", "failed"])
def test_a_final_state_does_not_announce(on_signal: Handler, value: str) -> None:
    assert on_signal(state(value, link_path(12))) == [
        events.LinkState(0, 12, Tri.YES, WHETHER_MANAGED.get(value, Tri.UNKNOWN))
    ]


@pytest.mark.parametrize("value", ["pending", "initialized", "configuring", "linger", "new"])
def test_any_other_state_announces(on_signal: Handler, value: str) -> None:
    assert on_signal(state(value, link_path(12))) == [
        events.ChangeExpected(0, f"systemd-networkd reports the link as {value}", 12),
        events.LinkState(0, 12, Tri.NO, WHETHER_MANAGED.get(value, Tri.UNKNOWN)),
    ]


def test_other_properties_are_ignored(on_signal: Handler) -> None:
    assert on_signal(signal("PropertiesChanged", "x", {"CarrierState": "carrier"}, [])) == []
    assert on_signal(state("configuring", "/org/freedesktop/network1")) == []


def test_a_signal_without_arguments_is_ignored(on_signal: Handler) -> None:
    members = ("JobNew", "JobRemoved", "NameOwnerChanged", "PropertiesChanged")
    assert [on_signal(signal(member)) for member in members] == [[]] * 4


@pytest.mark.parametrize("sender", [":1.66", "", "org.freedesktop.systemd1"])
def test_a_signal_of_another_sender_is_ignored(on_signal: Handler, sender: str) -> None:
    forged = [
        job("JobNew", 7, NETWORKD),
        signal("NameOwnerChanged", NETWORK1, ":1.2", ""),
        signal(
            "PropertiesChanged", "", {"AdministrativeState": "configuring"}, [], path=link_path(2)
        ),
    ]
    assert [on_signal(replace(one, sender=sender)) for one in forged] == [[], [], []]
