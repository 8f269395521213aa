"""keepalived's JSON dump: both forms, and what is none."""

from __future__ import annotations

import json
import socket
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip.core.model import InstanceSpec, Role, Tri, Vip
from netvip.errors import DumpError
from netvip.keepalived.declared import Declared
from netvip.keepalived.dump import parse, vip

#: keepalived 2.3.3's own, with a second VIP that says more.
DATA: dict[str, Any] = json.loads(r"""
{"iname":"VI_1","dont_track_primary":0,"skip_check_adv_addr":0,"strict_mode":0,"vmac_ifname":"",
"ifp_ifname":"ens160","master_priority":0,"last_transition":1795414083.277550,"garp_delay":5,
"garp_refresh":0,"garp_rep":5,"garp_refresh_rep":1,"garp_lower_prio_delay":5,
"garp_lower_prio_rep":5,"lower_prio_no_advert":0,"higher_prio_send_advert":0,"vrid":51,
"base_priority":110,"effective_priority":110,"vipset":true,"promote_secondaries":false,
"adver_int":1,"master_adver_int":1,"accept":1,"nopreempt":true,"preempt_delay":0,"state":2,
"wantstate":2,"version":2,"smtp_alert":false,"notify_deleted":false,
"vips":["10.77.0.10\/24 dev ens160 scope global set"],"auth_type":0}
""")
VIP = Vip(ip_address("10.77.0.10"), 24, "ens160")


def document(**changes: Any) -> str:
    return json.dumps([{"data": DATA | changes, "stats": {"advert_rcvd": 0}}])


def only(text: str, version: tuple[int, ...] = (2, 3, 3)) -> tuple[InstanceSpec, Role]:
    (entry,) = parse(text, version, {"VI_1": Declared(source=Tri.YES)})
    return entry


def test_a_real_dump_is_read() -> None:
    spec = InstanceSpec(
        name="VI_1",
        interface="ens160",
        vrid=51,
        family=socket.AF_INET,
        vips=(VIP,),
        priority=110,
        advert_interval=1.0,
        source_configured=Tri.YES,
        watches_addresses=True,
    )
    assert only(document()) == (spec, Role.MASTER)


def test_the_newer_form_says_the_same() -> None:
    newer = json.dumps({"json_version": 2, "vrrp": json.loads(document())})
    assert only(newer) == only(document())


@pytest.mark.parametrize("text", ["[]", '{"json_version": 2, "vrrp": []}'])
def test_no_instances_is_an_answer(text: str) -> None:
    assert parse(text, (2, 3, 3), {}) == ()


@pytest.mark.parametrize(
    ("state", "role"),
    [(0, "INIT"), (1, "BACKUP"), (2, "MASTER"), (3, "FAULT"), (97, "UNKNOWN"), (-7, "UNKNOWN")],
)
def test_a_state_is_a_role(state: int, role: str) -> None:
    assert only(document(state=state))[1] is Role[role]


@pytest.mark.parametrize(
    ("version", "watches"), [((1, 3, 9), False), ((2, 0), True), ((2, 0, 0), True), ((2,), False)]
)
def test_keepalived_watches_its_addresses_from_2_0_on(
    version: tuple[int, ...], watches: bool
) -> None:
    assert only(document(), version)[0].watches_addresses is watches


def test_an_instance_that_the_configuration_does_not_name_has_an_unknown_source() -> None:
    assert only(document(iname="other"))[0].source_configured is Tri.UNKNOWN


def test_excluded_vips_count_and_the_first_vip_gives_the_family() -> None:
    spec, _ = only(document(vips=["2001:db8::10/128 dev ens160 set"], evips=["10.77.0.10/24 set"]))
    assert (spec.family, len(spec.vips), spec.vips[1]) == (socket.AF_INET6, 2, VIP)


def test_a_vmac_instance_has_its_vips_on_the_vmac_and_its_interface_below() -> None:
    vips = ["10.77.0.10/24 dev vrrp.51@ens160 scope global set"]
    spec, _ = only(document(vmac_ifname="vrrp.51", ifp_ifname="vrrp.51", vips=vips))
    assert spec.vips == (Vip(VIP.ip, 24, "vrrp.51", base="ens160"),)
    assert (spec.interface, spec.own_link) == ("ens160", "vrrp.51")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.77.0.10/24 dev eth1 scope global set", Vip(VIP.ip, 24, "eth1")),
        ("10.77.0.10/24", VIP),
        ("10.77.0.10", Vip(VIP.ip, 32, "ens160")),
        ("10.77.0.10/24 scope global no_track set", Vip(VIP.ip, 24, "ens160", tracked=False)),
        ("10.77.0.10/24 dev", VIP),
        ("fe80::10/64 dev dev", Vip(ip_address("fe80::10"), 64, "dev")),
    ],
)
def test_a_vip_is_read_from_keepalived_s_words(text: str, expected: Vip) -> None:
    assert vip(text, "ens160") == expected


@pytest.mark.parametrize("adver_int", [1, 1.0, "1", "1.0", 0])
def test_an_advert_interval_is_in_seconds(adver_int: object) -> None:
    assert only(document(adver_int=adver_int))[0].advert_interval == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        document()[:-1],
        "null",
        "1",
        '"VI_1"',
        "{}",
        "[{}]",
        "[null]",
        '[{"data": []}]',
        document(vips=["nonsense"]),
        document(vips=[""]),
        document(vips=[7]),
        document(vrid=float("inf")),
        document(vrid=None),
        document(adver_int=10**400),
        document(state="MASTER"),
        "[" * 100_000,
    ],
)
def test_what_is_no_dump_is_a_dump_error(text: str) -> None:
    with pytest.raises(DumpError, match="keepalived's dump"):
        parse(text, (2, 3, 3), {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    st.text()
    | JSON.map(json.dumps)
    | st.dictionaries(st.sampled_from(list(DATA)), JSON).map(lambda changes: document(**changes))
)
def test_garbage_raises_nothing_but_a_dump_error(text: str) -> None:
    try:
        for spec, role in parse(text, (2, 3, 3), {}):
            assert isinstance(spec, InstanceSpec) and isinstance(role, Role)
    except DumpError:
        pass


def test_an_interval_that_is_no_number_of_seconds_is_a_dump_error() -> None:
    for interval in (float("nan"), float("inf"), -1):
        with pytest.raises(DumpError):
            parse(document(adver_int=interval), (2, 3, 3), {})
