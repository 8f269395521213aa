"""A vrrp_sync_group: keepalived moves its members together, and so does netvip."""

from __future__ import annotations

from ipaddress import ip_address

from netvip.core import actions, events
from netvip.core.events import RequestKind
from netvip.core.machine import Machine
from netvip.core.model import Address, InstanceSpec, Kernel, Link, Role, Rules, Tri, Vip

NAMES = {
    "VI_1": ("ens160", 2, "10.77.0"),
    "VI_2": ("ens192", 3, "192.168.5"),
    "VI_3": ("lan", 4, "10.9.9"),
}


def spec(name: str, group: str) -> InstanceSpec:
    interface, index, net = NAMES[name]
    vip = Vip(ip_address(f"{net}.10"), 24, interface, tracked=False)
    return InstanceSpec(
        name,
        interface,
        50 + index,
        2,
        (vip,),
        source_configured=Tri.YES,
        track_file=Tri.YES,
        group=group,
    )


def test_a_hand_over_takes_the_whole_group_along() -> None:
    machine, done = Machine(), list[actions.Action]()

    def feed(event: events.Event) -> None:
        done.extend(machine.handle(event))

    addresses = tuple(
        Address(index, ip_address(f"{net}.{host}"), 24)
        for _, index, net in NAMES.values()
        for host in (1, 10)
    )
    links = tuple(Link(index, name) for name, index, _ in NAMES.values())
    feed(events.Resync(0.0, Kernel(addresses, links, (), {2: Rules(), 10: Rules()})))
    feed(events.KeepalivedRunning(0.1, Tri.YES))
    specs = (spec("VI_1", "G"), spec("VI_2", "G"), spec("VI_3", ""))
    for asked in (0.2, 0.5):
        feed(events.DumpReceived(asked + 0.02, asked, tuple((one, Role.MASTER) for one in specs)))
    for one in specs:
        index, net = NAMES[one.name][1:]
        feed(events.Advert(1.0, index, 2, one.vrid, 100, True, f"{net}.1"))
    done.clear()
    feed(events.Request(1.5, RequestKind.YIELD, "VI_1"))
    shielded = [action.instance for action in done if isinstance(action, actions.Protect)]
    faults = [action.instance for action in done if isinstance(action, actions.SetTrackFile)]
    assert shielded == faults == ["VI_1", "VI_2"]
