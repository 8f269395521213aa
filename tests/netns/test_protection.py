"""Shield and bridge in a real kernel: all that is sent is added, and all of it is removed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path
from subprocess import CalledProcessError

import pytest

from netvip.actuators import objects, protect
from netvip.actuators.netlink import NetlinkSender
from netvip.actuators.parts import finish
from netvip.const import BRIDGE_PREFIXES, TAG
from netvip.core.actions import Plan
from netvip.core.mirror import Mirror
from netvip.core.model import Address
from netvip.core.plan import build
from netvip.sources import netlink
from tests.netns.conftest import ip, settle


class Kernel:
    """The actuators, and the requests that the kernel refused."""

    def __init__(self) -> None:
        self.refused: list[tuple[str, str]] = []
        self.sender = NetlinkSender(lambda what, why: self.refused.append((what, why)))
        self.protection = protect.Protector(self.sender)

    def close(self) -> None:
        self.sender.read_answers()
        loop = asyncio.new_event_loop()
        self.sender.close(loop)
        loop.close()


@pytest.fixture
def kernel(lan: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    monkeypatch.setattr(protect, "BRIDGE_FILE", str(tmp_path / "bridge.json"))
    return Kernel()


def mirrored() -> Mirror:
    mirror = Mirror()
    mirror.load(netlink.snapshot())
    return mirror


def vips(mirror: Mirror, lan: int) -> list[Address]:
    return [address for address in mirror.addresses(lan) if str(address.ip).endswith(".10")]


def planned(lan: int) -> Plan:
    mirror = mirrored()
    found = vips(mirror, lan)
    keys = frozenset(address.key for address in found)
    first = build.first_number(mirror.taken)
    assert first is not None
    return build.build(mirror, lan, found, keys, build.numbers(first, 0))


def everything() -> str:
    return "".join(
        ip(*words)
        for words in (
            ("rule",),
            ("route", "show", "table", "all"),
            ("nexthop",),
            ("-o", "address", "show", "dev", "lo"),
        )
    )


def test_shield_and_bridge_are_added_and_removed(lan: int, kernel: Kernel) -> None:
    before = everything()
    finish(kernel.protection.prepare("VI_1", planned(lan)))
    assert everything() == before
    finish(kernel.protection.protect("VI_1"))
    shown = everything()
    for words in (
        "32765:\tfrom 10.77.0.10 lookup main suppress_prefixlength 0",
        "32765:\tfrom 10.77.0.10 lookup 71000",
        "32767:\tfrom all lookup 71001",
        "default nhid 71003 via 10.77.0.100 dev ens160 table 71000 proto kernel onlink",
        "10.77.0.0/24 nhid 71002 dev ens160 table 71001 proto kernel scope link src 10.77.0.1",
        "10.77.0.10/32 scope host dynamic lo",
        "10.77.0.1/32 scope host dynamic lo",
    ):
        assert words in shown, shown
    finish(kernel.protection.unprotect("VI_1"))
    assert everything() == before
    kernel.close()
    assert kernel.refused == []


def test_packets_from_the_vip_are_routed_without_an_address(lan: int, kernel: Kernel) -> None:
    finish(kernel.protection.prepare("VI_1", planned(lan)))
    finish(kernel.protection.protect("VI_1"))
    ip("address", "flush", "dev", "ens160")
    assert "dev ens160" in ip("route", "get", "10.77.0.50", "from", "10.77.0.10")
    assert "via 10.77.0.100" in ip("route", "get", "192.0.2.1", "from", "10.77.0.10")
    assert "src 10.77.0.1" in ip("route", "get", "192.0.2.1")
    finish(kernel.protection.unprotect("VI_1"))


@pytest.fixture
def second(lan: int) -> None:
    """Another interface, with routes of others."""
    ip("link", "add", "ens161", "type", "veth", "peer", "name", "port161")
    for link in ("ens161", "port161"):
        ip("link", "set", link, "up")
    ip("address", "add", "10.79.0.1/24", "dev", "ens161")
    ip("route", "add", "10.77.0.128/25", "via", "10.79.0.50", "dev", "ens161")


def test_the_longest_prefix_wins_while_an_address_is_away(
    lan: int, second: None, kernel: Kernel
) -> None:
    ip("route", "add", "10.0.0.0/8", "via", "10.79.0.50", "dev", "ens161")
    before = everything()
    finish(kernel.protection.prepare("VI_1", planned(lan)))
    finish(kernel.protection.protect("VI_1"))
    ip("address", "flush", "dev", "ens160")
    for destination, way in (
        ("10.77.0.50", "dev ens160"),
        ("10.77.0.150", "via 10.79.0.50"),
        ("10.78.0.1", "via 10.79.0.50"),
        ("192.0.2.1", "via 10.77.0.100"),
    ):
        assert way in ip("route", "get", destination, "from", "10.77.0.10"), destination
    for destination, way in (("10.77.0.50", "dev ens160"), ("10.78.0.1", "via 10.79.0.50")):
        assert way in ip("route", "get", destination), destination  # the host's own
    finish(kernel.protection.unprotect("VI_1"))
    rules = [line for line in before.splitlines() if "lookup" in line]
    assert ip("rule").splitlines() == rules
    kernel.close()
    assert kernel.refused == []


@pytest.mark.parametrize("protocol", ["bird", "static"])
@pytest.mark.parametrize(("metric", "better"), [("20", True), ("2000", False)])
def test_the_better_default_route_of_another_interface_wins(
    lan: int, second: None, kernel: Kernel, protocol: str, metric: str, better: bool
) -> None:
    ip("route", "delete", "default", "dev", "ens160")
    ip("route", "add", "default", "via", "10.77.0.100", "dev", "ens160", "metric", "1024")
    other = ("default", "via", "10.79.0.50", "dev", "ens161", "metric", metric, "proto", protocol)
    ip("route", "add", *other)
    finish(kernel.protection.prepare("VI_1", planned(lan)))
    finish(kernel.protection.protect("VI_1"))
    ip("address", "flush", "dev", "ens160")
    way = "via 10.79.0.50" if better else "via 10.77.0.100"
    assert way in ip("route", "get", "192.0.2.1", "from", "10.77.0.10")
    finish(kernel.protection.unprotect("VI_1"))


def test_what_a_dead_daemon_left_of_longer_prefixes_is_swept(
    lan: int, second: None, kernel: Kernel
) -> None:
    ip("route", "add", "10.0.0.0/8", "via", "10.79.0.50", "dev", "ens161")
    before = ip("rule")
    finish(kernel.protection.prepare("VI_1", planned(lan)))
    finish(kernel.protection.protect("VI_1"))
    assert "suppress_prefixlength 23" in ip("rule")
    successor = Kernel()
    protect.sweep(successor.sender)
    successor.close()
    assert (ip("rule"), successor.refused) == (before, [])


def test_an_operator_s_rule_comes_first(lan: int, kernel: Kernel) -> None:
    ip("rule", "add", "from", "10.77.0.10", "lookup", "99")
    ip("route", "add", "default", "via", "10.77.0.200", "dev", "ens160", "table", "99")
    mirror = mirrored()
    assert mirror.rules[2].steer(vips(mirror, lan)[0].ip)
    finish(kernel.protection.prepare("VI_1", planned(lan)))
    finish(kernel.protection.protect("VI_1"))
    assert "via 10.77.0.200" in ip("route", "get", "192.0.2.1", "from", "10.77.0.10")
    finish(kernel.protection.unprotect("VI_1"))


def test_neighbouring_vips_share_rules(lan: int, kernel: Kernel) -> None:
    before = everything()
    for number in range(16, 33):
        ip("address", "add", f"10.78.0.{number}/32", "dev", "ens160")
    mirror = mirrored()
    found = [a for a in mirror.addresses(lan) if str(a.ip).startswith("10.78.")]
    first = build.first_number(mirror.taken)
    assert first is not None
    where = build.numbers(first, 0)
    plan = build.build(mirror, lan, found, frozenset(a.key for a in found), where)
    finish(kernel.protection.prepare("VI_1", plan))
    finish(kernel.protection.protect("VI_1"))
    rules = [line.split("\t")[1] for line in ip("rule").splitlines() if "from 10.78" in line]
    assert rules == [
        "from 10.78.0.16/28 lookup main suppress_prefixlength 0",
        "from 10.78.0.16/28 lookup 71000",
        "from 10.78.0.32 lookup main suppress_prefixlength 0",
        "from 10.78.0.32 lookup 71000",
    ]
    finish(kernel.protection.unprotect("VI_1"))
    for number in range(16, 33):
        ip("address", "delete", f"10.78.0.{number}/32", "dev", "ens160")
    assert everything() == before


@pytest.fixture
def scattered(lan: int) -> Iterator[list[str]]:
    """VIPs of which no two are neighbours, and one of the host's own addresses among them."""
    every = [f"10.78.0.{number}" for number in range(1, 64, 2)]
    for vip in (*every, "10.78.0.32"):
        ip("address", "add", f"{vip}/32", "dev", "ens160")
    yield every
    for vip in (*every, "10.78.0.32"):
        ip("address", "delete", f"{vip}/32", "dev", "ens160")


def planned_for(lan: int, addresses: Iterable[str]) -> Plan:
    mirror, wanted = mirrored(), set(addresses)
    found = [a for a in mirror.addresses(lan) if str(a.ip) in wanted]
    first = build.first_number(mirror.taken)
    assert first is not None
    keys = frozenset(a.key for a in mirror.addresses(lan) if str(a.ip) in EVERY_SCATTERED)
    return build.build(mirror, lan, found, keys, build.numbers(first, 0))


EVERY_SCATTERED = frozenset(f"10.78.0.{number}" for number in range(1, 64, 2))


def sources(network: str) -> list[str]:
    return [line.split("\t")[1] for line in ip("rule").splitlines() if f"from {network}" in line]


def test_many_scattered_vips_share_rules(lan: int, scattered: list[str], kernel: Kernel) -> None:
    before = everything()
    finish(kernel.protection.prepare("VI_1", planned_for(lan, scattered)))
    finish(kernel.protection.protect("VI_1"))
    rules = sources("10.78")
    assert len(rules) <= 4 * BRIDGE_PREFIXES < 2 * len(scattered)
    assert all("iif lo" in rule for rule in rules)
    assert rules[:2] == [
        "from 10.78.0.0/28 iif lo lookup main suppress_prefixlength 0",
        "from 10.78.0.0/28 iif lo lookup 71000",
    ]
    # The host's own address is under none of their prefixes.
    assert not any("10.78.0.32" in rule for rule in rules)
    ip("route", "delete", "default")
    for vip in scattered:
        assert "via 10.77.0.100" in ip("route", "get", "192.0.2.1", "from", vip)
        # Nor is the way back unknown to a reverse path filter.
        assert "local" in ip("route", "get", vip, "from", "192.0.2.1", "iif", "ens160")
    # What the host forwards from an address under one of their prefixes is none of netvip's.
    with pytest.raises(CalledProcessError):
        ip("route", "get", "192.0.2.1", "from", "10.78.0.2", "iif", "ens160")
    ip("route", "add", "default", "via", "10.77.0.100")
    finish(kernel.protection.unprotect("VI_1"))
    assert everything() == before
    kernel.close()
    assert kernel.refused == []


def test_a_shared_rule_goes_with_the_last_instance(
    lan: int, scattered: list[str], kernel: Kernel
) -> None:
    before, halves = everything(), {"VI_1": scattered[::2], "VI_2": scattered[1::2]}
    for instance, addresses in halves.items():
        finish(kernel.protection.prepare(instance, planned_for(lan, addresses)))
        finish(kernel.protection.protect(instance))
    ip("route", "delete", "default")
    for instance, left in (("VI_1", scattered[1::2]), ("VI_2", [])):
        for vip in left:
            assert "via 10.77.0.100" in ip("route", "get", "192.0.2.1", "from", vip)
        finish(kernel.protection.unprotect(instance))
        for vip in left:
            assert "via 10.77.0.100" in ip("route", "get", "192.0.2.1", "from", vip)
    ip("route", "add", "default", "via", "10.77.0.100")
    assert everything() == before
    kernel.close()
    assert kernel.refused == []


def test_no_prefix_is_wide_where_the_host_leaves_by_another_interface(
    lan: int, scattered: list[str], kernel: Kernel
) -> None:
    ip("link", "add", "dmz", "type", "veth", "peer", "name", "dmzpeer")
    ip("link", "set", "dmz", "up")
    ip("address", "add", "10.99.0.1/24", "dev", "dmz")
    assert planned_for(lan, scattered).apart is not None
    ip("route", "replace", "default", "via", "10.77.0.100", "metric", "200")
    ip("route", "delete", "default", "via", "10.77.0.100", "metric", "0")
    ip("route", "add", "default", "via", "10.99.0.100", "metric", "100")
    assert planned_for(lan, scattered).apart is None


def test_the_operator_s_table_is_copied(lan: int, kernel: Kernel) -> None:
    """networkd deletes its rules and their tables' routes with the rest of an interface."""
    rule = ("from", "10.77.0.0/24", "lookup", "99", "pref", "1000")
    ip("rule", "add", *rule)
    ip("route", "add", "default", "via", "10.77.0.200", "dev", "ens160", "table", "99")
    # The rest of the host leaves by another interface.
    ip("link", "add", "dmz", "type", "veth", "peer", "name", "dmzpeer")
    ip("link", "set", "dmz", "up")
    ip("address", "add", "10.99.0.1/24", "dev", "dmz")
    ip("route", "replace", "default", "via", "10.99.0.100")
    before = everything()
    finish(kernel.protection.prepare("VI_1", planned(lan)))
    finish(kernel.protection.protect("VI_1"))
    ip("rule", "delete", *rule)
    ip("route", "flush", "table", "99")
    ip("address", "flush", "dev", "ens160")
    for own in ("10.77.0.10", "10.77.0.1"):
        assert "via 10.77.0.200 dev ens160" in ip("route", "get", "192.0.2.1", "from", own)
        # Nor does a more specific route of main win: packets from there were not looked up in it.
        assert "dev ens160" in ip("route", "get", "10.99.0.7", "from", own)
    assert "dev dmz" in ip("route", "get", "192.0.2.1")
    ip("rule", "add", *rule)
    finish(kernel.protection.unprotect("VI_1"))
    left = [line for line in everything().splitlines() if line not in before]
    assert left == []
    kernel.close()
    assert kernel.refused == []


def test_instances_agree_on_the_nexthops_of_their_tables(lan: int, kernel: Kernel) -> None:
    """Each instance's VIP has a table with a gateway of its own."""
    ip("address", "add", "10.77.0.11/32", "dev", "ens160")
    for own, table, gateway in (("10", "98", "201"), ("11", "99", "202")):
        ip("rule", "add", "from", f"10.77.0.{own}", "lookup", table, "pref", "1000")
        ip("route", "add", "default", "via", f"10.77.0.{gateway}", "dev", "ens160", "table", table)
    mirror = mirrored()
    found = {str(a.ip): a for a in mirror.addresses(lan)}
    both = [found["10.77.0.10"], found["10.77.0.11"]]
    first = build.first_number(mirror.taken)
    assert first is not None
    for vip in both:
        where, keys = build.numbers(first, 0), frozenset(a.key for a in both)
        finish(kernel.protection.prepare(str(vip.ip), build.build(mirror, lan, [vip], keys, where)))
        finish(kernel.protection.protect(str(vip.ip)))
    for table in ("98", "99"):
        ip("route", "flush", "table", table)
    ip("address", "flush", "dev", "ens160")
    for own, gateway in (("10", "201"), ("11", "202")):
        assert f"via 10.77.0.{gateway}" in ip("route", "get", "192.0.2.1", "from", f"10.77.0.{own}")
    for vip in both:
        finish(kernel.protection.unprotect(str(vip.ip)))
    assert not ip("nexthop")


def test_netvip_s_own_tables_are_no_one_s(lan: int, kernel: Kernel) -> None:
    before = mirrored().every_route(lan)
    finish(kernel.protection.prepare("VI_1", planned(lan)))
    finish(kernel.protection.protect("VI_1"))
    assert mirrored().every_route(lan) == before
    finish(kernel.protection.unprotect("VI_1"))


def test_a_more_specific_route_through_another_interface_wins(lan: int, kernel: Kernel) -> None:
    ip("link", "add", "dmz", "type", "veth", "peer", "name", "dmzpeer")
    ip("link", "set", "dmz", "up")
    ip("link", "set", "dmzpeer", "up")
    ip("address", "add", "10.99.0.1/24", "dev", "dmz")
    finish(kernel.protection.prepare("VI_1", planned(lan)))
    finish(kernel.protection.protect("VI_1"))
    assert "dev dmz" in ip("route", "get", "10.99.0.7", "from", "10.77.0.10")
    finish(kernel.protection.unprotect("VI_1"))


def test_an_operator_s_numbers_are_avoided(lan: int, kernel: Kernel) -> None:
    ip("nexthop", "add", "id", "71002", "dev", "ens160")
    ip("rule", "add", "from", "10.0.0.9", "lookup", "72001")
    assert planned(lan).numbers == build.numbers(73000, 0)


def test_an_address_that_the_operator_added_to_lo_is_not_shielded(lan: int, kernel: Kernel) -> None:
    ip("address", "add", "10.77.0.10/32", "dev", "lo")
    assert planned(lan).vips == ()


def test_two_instances_share_an_interface(lan: int, kernel: Kernel) -> None:
    before, both = everything(), planned(lan)
    for name in ("VI_1", "VI_2"):
        finish(kernel.protection.prepare(name, both))
        finish(kernel.protection.protect(name))
    finish(kernel.protection.unprotect("VI_1"))
    assert "10.77.0.10/32 scope host dynamic lo" in everything()
    assert "nhid 71002" in everything()
    finish(kernel.protection.unprotect("VI_2"))
    assert everything() == before


def test_instances_of_both_families_are_removed_completely(lan: int, kernel: Kernel) -> None:
    ip("address", "add", "fd00:77::1/64", "dev", "ens160", "nodad")
    ip("address", "add", "fd00:77::10/64", "dev", "ens160", "nodad")
    settle()
    before, v4 = everything(), planned(lan)
    mirror = mirrored()
    six = [a for a in mirror.addresses(lan) if str(a.ip) == "fd00:77::10"]
    v6 = build.build(mirror, lan, six, frozenset(a.key for a in six), v4.numbers)
    for order in (("VI_1", "VI_6"), ("VI_6", "VI_1")):
        for name, prepared in (("VI_1", v4), ("VI_6", v6)):
            finish(kernel.protection.prepare(name, prepared))
            finish(kernel.protection.protect(name))
        assert "fd00:77::10/128 scope global nodad dynamic" in everything()
        for name in order:
            finish(kernel.protection.unprotect(name))
        assert everything() == before


def test_a_sweep_removes_the_bridge_of_a_killed_daemon(lan: int, kernel: Kernel) -> None:
    before = everything()
    finish(kernel.protection.prepare("VI_1", planned(lan)))
    finish(kernel.protection.protect("VI_1"))
    kernel.close()
    successor = Kernel()
    protect.sweep(successor.sender)
    left = [line for line in everything().splitlines() if line not in before]
    assert left and all("dynamic lo" in line or "table local" in line for line in left), left
    successor.close()
    assert successor.refused == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"rules": 1}'])
def test_a_damaged_record_is_ignored(kernel: Kernel, tmp_path: Path, content: str) -> None:
    (tmp_path / "bridge.json").write_text(content)
    protect.sweep(kernel.sender)


def test_the_record_is_written_before_the_first_object_is_added(
    lan: int, kernel: Kernel, tmp_path: Path
) -> None:
    finish(kernel.protection.prepare("VI_1", planned(lan)))
    recorded = json.loads((tmp_path / "bridge.json").read_text())
    assert recorded["nexthops"] == [71002, 71003] and len(recorded["rules"]) == 3


def test_an_address_is_put_back_exactly_as_it_was(lan: int, kernel: Kernel) -> None:
    ip("address", "delete", "10.77.0.10/24", "dev", "ens160")
    ip(
        "address",
        "add",
        "10.77.0.10/24",
        "brd",
        "10.77.0.255",
        "label",
        "ens160:vip",
        "noprefixroute",
        "metric",
        "50",
        "dev",
        "ens160",
    )
    [before] = vips(mirrored(), lan)
    ip("address", "delete", "10.77.0.10/24", "dev", "ens160")
    finish(objects.put_back(kernel.sender, [before], lambda: True))
    [after] = vips(mirrored(), lan)
    assert after.tagged(before.proto) == before
    assert after.proto in (0, TAG)  # a kernel before 5.18 keeps none
    kernel.close()
    assert kernel.refused == []


def test_a_refused_request_is_described(lan: int, kernel: Kernel) -> None:
    finish(
        objects.put_back(
            kernel.sender, [Address(lan, mirrored().addresses(lan)[0].ip, 33)], lambda: True
        )
    )
    kernel.close()
    assert kernel.refused == [("to put back 10.77.0.1/33", "Invalid argument (EINVAL)")]


def test_what_is_no_longer_wanted_is_not_put_back(lan: int, kernel: Kernel) -> None:
    """keepalived has left MASTER meanwhile (Law 1)."""
    many = [Address(lan, ip_address(f"10.77.9.{n}"), 32) for n in range(1, 201)]
    asked = iter([True] * 100)
    steps = sum(1 for _ in objects.put_back(kernel.sender, many, lambda: next(asked, False)))
    there = {address.ip for address in mirrored().addresses(lan)}
    assert [address.ip in there for address in many] == [True] * 100 + [False] * 100
    assert steps > 1
    kernel.close()
    assert kernel.refused == []


def test_so_many_unanswered_requests_can_be_named(
    lan: int, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netvip.actuators.netlink.REMEMBERED", 2)
    monkeypatch.setattr("netvip.actuators.netlink.PART", 1)
    own = mirrored().addresses(lan)[0].ip
    finish(
        objects.put_back(
            kernel.sender, [Address(lan, own, length) for length in (33, 34, 35)], lambda: True
        )
    )
    kernel.close()
    named = ["a request", "to put back 10.77.0.1/34", "to put back 10.77.0.1/35"]
    assert [what for what, _ in kernel.refused] == named


def test_addresses_of_netvip_have_its_tag(lan: int, kernel: Kernel) -> None:
    finish(kernel.protection.prepare("VI_1", planned(lan)))
    finish(kernel.protection.protect("VI_1"))
    mirror = mirrored()
    assert {a.proto for a in mirror.addresses(mirror.index("lo")) if a.dynamic} == {TAG}
    finish(kernel.protection.unprotect("VI_1"))


def test_what_the_bridge_carries_need_not_be_shielded(lan: int, kernel: Kernel) -> None:
    mirror = mirrored()
    found = vips(mirror, lan)
    keys = frozenset(address.key for address in found)
    first = build.first_number(mirror.taken)
    assert first is not None
    where = build.numbers(first, 0)
    before = everything()
    plan = build.build(mirror, lan, found, keys, where, unshielded=keys)
    assert plan.vips == () and plan.own
    finish(kernel.protection.prepare("VI_1", plan))
    finish(kernel.protection.protect("VI_1"))
    shown = ip("-o", "address", "show", "dev", "lo")
    assert all(f"from {vip.ip} " in ip("rule") for vip in found if vip.ip.version == 4)
    assert not any(str(vip.ip) in shown for vip in found)
    assert all(str(own.ip) in shown for own in plan.own)
    finish(kernel.protection.unprotect("VI_1"))
    assert everything() == before
    kernel.close()
    assert kernel.refused == []
