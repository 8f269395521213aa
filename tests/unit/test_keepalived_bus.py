"""keepalived's D-Bus signals, and the same signals from other senders."""

from __future__ import annotations

import pytest

from netvip.core import events
from netvip.core.model import Role
from netvip.linux.bus import DAEMON, Signal
from netvip.sources.keepalived_bus import NAME, KeepalivedBusSource

PATH = "/org/keepalived/Vrrp1/Instance/ens160/51/IPv4"


def states(*signals: Signal) -> list[tuple[str, int, int, Role]]:
    emitted: list[events.Event] = []
    source = KeepalivedBusSource(emitted.append)
    source.owner = ":1.7"
    for signal in signals:
        source.take(signal)
    found = [event for event in emitted if isinstance(event, events.StateSignalled)]
    return [(event.interface, event.vrid, event.family, event.role) for event in found]


def change(path: str = PATH, state: object = 2, sender: str = ":1.7") -> Signal:
    return Signal(sender, path, f"{NAME}.Instance", "VrrpStatusChange", (state,))


def owner(new: str, sender: str = DAEMON[0]) -> Signal:
    body = (NAME, ":1.7", new)
    return Signal(sender, DAEMON[1], DAEMON[0], "NameOwnerChanged", body)


def test_a_change_of_state_names_interface_vrid_and_family() -> None:
    assert states(change()) == [("ens160", 51, 2, Role.MASTER)]
    six = change("/org/keepalived/Vrrp1/Instance/bond0_100/7/IPv6", 3)
    assert states(six) == [("bond0_100", 7, 10, Role.FAULT)]


@pytest.mark.parametrize(
    "signal",
    [
        change(sender=":1.8"),
        change("/org/keepalived/Vrrp1/Vrrp"),
        change("/org/keepalived/Vrrp1/Instance/ens160/51/IPv5"),
        change("/org/keepalived/Vrrp1/Instance/ens160/51000/IPv4"),
        change(state=17),
        change(state="2"),
        Signal(":1.7", PATH, f"{NAME}.Instance", "VrrpStatusChange", ()),
    ],
)
def test_a_forged_or_invalid_signal_is_ignored(signal: Signal) -> None:
    assert states(signal) == []


def test_keepalived_may_return_with_another_unique_name() -> None:
    assert states(owner(":1.9"), change(), change(sender=":1.9")) == [
        ("ens160", 51, 2, Role.MASTER)
    ]
    assert len(states(owner(":1.9", sender=":1.66"), change())) == 1
