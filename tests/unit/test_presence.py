"""Which VIPs are there and noted: the quick bookkeeping, compared with the plain definition."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from netvip.core.instance.presence import Presence
from netvip.core.mirror import Mirror
from netvip.core.model import Address, InstanceSpec, Link, Vip
from tests.sim.world import LAN, VIP

ADDRESSES = tuple(replace(VIP, ip=VIP.ip + number) for number in range(4))
#: What may happen, and to which of the VIPs.
EVENTS = st.tuples(
    st.sampled_from(["came", "went", "note", "expire", "recall", "without", "with", "link"]),
    st.integers(0, len(ADDRESSES) - 1),
)


def spec(*addresses: Address) -> InstanceSpec:
    vips = tuple(Vip(address.ip, address.prefixlen, "ens160") for address in addresses)
    return InstanceSpec("VI_1", "ens160", 51, 2, vips)


@given(st.lists(EVENTS, max_size=30))
def test_what_is_there_and_not_noted_is_known(happened: list[tuple[str, int]]) -> None:
    mirror, renamed = Mirror(), False
    mirror.add_link(Link(LAN, "ens160"))
    presence = Presence(spec(*ADDRESSES), mirror)
    for what, which in happened:
        address = ADDRESSES[which]
        if what == "came":
            mirror.add(address)
        elif what == "went":
            mirror.remove(address.key)
        elif what == "note":
            presence.note()
        elif what == "expire":
            presence.expire()
        elif what == "recall":
            presence.recall([address])
        elif what == "without":
            presence.reconfigure(spec(*(a for a in ADDRESSES if a is not address)))
        elif what == "with":
            presence.reconfigure(spec(*ADDRESSES))
        else:
            renamed = not renamed
            mirror.add_link(Link(LAN, "ens192" if renamed else "ens160"))
        wanted = presence.keys()
        there = {key for key in wanted if mirror.get(key) is not None}
        assert presence.unknown() is bool(there - presence.memory.keys())
        assert presence.absent == wanted - there
        noted = presence.noted()
        assert [a.key for a in noted] == [key for key in presence.vips if key in presence.memory]
        assert set(presence.memory) <= wanted
        assert {ip for _, ip in presence.names} == {str(key.ip) for key in presence.memory}


def test_the_missing_vips_of_all_instances_are_counted() -> None:
    """The kernel adds them one after the other, whosever they are."""
    mirror = Mirror()
    mirror.add_link(Link(LAN, "ens160"))
    first, second = Presence(spec(*ADDRESSES[:2]), mirror), Presence(spec(*ADDRESSES[2:]), mirror)
    assert first.absent_of_all == second.absent_of_all == 4
    mirror.add(ADDRESSES[3])
    assert first.absent_of_all == 3 and len(first.absent) == 2
    second.end()
    assert first.absent_of_all == 2
