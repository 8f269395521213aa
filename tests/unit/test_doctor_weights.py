"""Weights that have no effect, as keepalived 2.2.7 and 2.3.3 report them."""

from __future__ import annotations

from pathlib import Path

import pytest

from netvip.doctor.facts import Facts
from netvip.doctor.rules import apply_rules
from netvip.doctor.rules_weights import RULES
from netvip.keepalived.reader import read
from tests.unit.helpers import ROOT

INPUTS = ROOT / "tests/unit/inputs"
CHECK = 'vrrp_script chk {\n script "/c"\n weight -30\n}\n'
FILE = "track_file f {\n file /tmp/f\n}\n"
FROM = "unicast_src_ip 192.0.2.1\n unicast_peer {\n"
TRACKED = "track_script {\n  chk\n }\n"


def instance(name: str, *lines: str) -> str:
    body = "\n ".join(("interface eth0", "virtual_router_id 21", *lines))
    return f"vrrp_instance {name} {{\n {body}\n}}\n"


def group(*lines: str) -> str:
    return "vrrp_sync_group G {\n group {\n  A\n }\n" + "\n".join(lines) + "\n}\n"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (CHECK + instance("A", TRACKED), []),
        (CHECK + instance("A", "nopreempt", TRACKED), ["NV205"]),
        (CHECK + instance("A", "nopreempt", "state MASTER", "priority 100", TRACKED), []),
        (CHECK + instance("A", "priority 255", TRACKED), ["NV210"]),
        (CHECK + instance("A", "state MASTER", TRACKED), ["NV210"]),
        (CHECK + instance("A", "nopreempt", "priority 255", TRACKED), ["NV210"]),
        (instance("A", "priority 255", "track_interface {\n  eth1 weight -10\n }"), ["NV210"]),
        (instance("A", "priority 255", "track_interface {\n  eth1\n }"), []),
        (instance("A", "nopreempt", "track_interface {\n  eth1 weight -10\n }"), ["NV205"]),
        (instance("A", "nopreempt", "track_process {\n  p weight 5\n }"), ["NV205"]),
        (FILE + instance("A", "priority 255", "track_file {\n  f\n }"), []),
        (FILE + instance("A", "priority 255", "track_file {\n  f weight 9\n }"), ["NV210"]),
        (CHECK + instance("A", TRACKED) + group(), ["NV210"]),
        (CHECK + instance("A", "nopreempt", TRACKED) + group(), ["NV210"]),
        (CHECK + instance("A", TRACKED) + group("sync_group_tracking_weight"), []),
        (CHECK + instance("A", TRACKED) + group("global_tracking"), []),
    ],
)
def test_weights_without_effect(tmp_path: Path, text: str, codes: list[str]) -> None:
    path = tmp_path / "keepalived.conf"
    path.write_text(text)
    facts = Facts(read(path))
    assert [finding.code for rule in RULES for finding in rule(facts)] == codes


def test_nopreempt_that_keepalived_drops_is_one_finding() -> None:
    codes = {f.code for f in apply_rules(Facts(read(INPUTS / "11-master-nopreempt-weight.conf")))}
    assert "NV112" in codes and not codes & {"NV205", "NV210"}


def test_the_owner_s_weight_is_a_finding() -> None:
    findings = apply_rules(Facts(read(INPUTS / "12-owner-weight.conf")))
    assert [f.where.rpartition(":")[2] for f in findings if f.code == "NV210"] == ["4"]


@pytest.mark.parametrize(
    ("first", "second", "known"),
    [
        ("mcast_dst_ip 224.0.0.118", "", False),
        ("mcast_dst_ip 224.0.0.18", "", True),
        ("mcast_dst_ip 224.0.0.118", "mcast_dst_ip 224.0.0.118", True),
        ("", "", True),
        ("unicast_src_ip 192.0.2.1\n unicast_peer {\n  192.0.2.2\n }", "", False),
        (f"{FROM}  192.0.2.2\n }}", f"{FROM}  192.0.2.3\n }}", False),
        (f"{FROM}  192.0.2.2\n }}", f"{FROM}  192.0.2.3\n  192.0.2.2\n }}", True),
        ("unicast_src_ip 192.0.2.1", "", True),
        ("use_vmac", "", True),
    ],
)
def test_two_groups_are_two_sets_of_numbers(
    tmp_path: Path, first: str, second: str, known: bool
) -> None:
    path = tmp_path / "keepalived.conf"
    path.write_text(instance("A", first) + instance("B", second))
    codes = {finding.code for finding in apply_rules(Facts(read(path)))}
    assert ("NV125" in codes) is known


def test_the_groups_of_global_defs_count(tmp_path: Path) -> None:
    path = tmp_path / "keepalived.conf"
    both = instance("A", "mcast_dst_ip 224.0.0.118") + instance("B")
    path.write_text("global_defs {\n vrrp_mcast_group4 224.0.0.118\n}\n" + both)
    assert "NV125" in {finding.code for finding in apply_rules(Facts(read(path)))}
