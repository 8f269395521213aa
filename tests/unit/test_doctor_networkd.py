"""The rules about systemd-networkd, and what they look at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netvip.core.model import Tri
from netvip.doctor import networkd_facts as gather
from netvip.doctor.facts import Facts
from netvip.doctor.findings import Finding
from netvip.doctor.networkd_facts import Hooks, Networkd
from netvip.doctor.rules import apply_rules
from netvip.doctor.rules_networkd import RULES
from netvip.keepalived.reader import read
from netvip.networkd import owners
from netvip.networkd.fates import Fate
from netvip.networkd.files import Settings, parse
from netvip.networkd.preview import Item

KEEPALIVED = """vrrp_instance VI_1 {
    interface ens160
    virtual_router_id 51
    virtual_ipaddress {
        10.77.0.10/24
    }
}
"""
VIP6 = KEEPALIVED.replace("10.77.0.10/24", "fd00:77::10/64")
VMAC = KEEPALIVED.replace("virtual_router_id", "use_vmac\n    virtual_router_id")
FILE = Path("/etc/systemd/network/10-lan.network")
NETPLAN = Path("/run/systemd/network/10-netplan-ens160.network")


def settings(text: str, path: Path = FILE) -> Settings:
    return Settings(path, tuple(parse(path, text)))


def network(line: str, path: Path = FILE) -> Settings:
    return settings(f"[Match]\nName=ens160\n[Network]\n{line}\n", path)


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "keepalived.conf"
    path.write_text(KEEPALIVED)
    return path


def found(conf: Path, networkd: Networkd | None = None, **more: Any) -> list[Finding]:
    known = Facts(read(conf), networkd=networkd or Networkd(), **more)
    return [finding for rule in RULES for finding in rule(known)]


def codes(*arguments: Any, **more: Any) -> list[str]:
    return [finding.code for finding in found(*arguments, **more)]


@pytest.mark.parametrize(
    ("version", "value", "expected"),
    [
        (252, "no", []),
        (252, "dhcp", []),
        (252, "dhcp-on-stop", []),
        (252, "static", ["NV401"]),
        (254, "yes", ["NV401"]),
        (252, "bananas", ["NV401"]),
        (257, "static", []),
        (257, "yes", []),
        (257, "bananas", ["NV401"]),
        (0, "yes", []),
    ],
)
def test_keep_configuration(conf: Path, version: int, value: str, expected: list[str]) -> None:
    file = network(f"KeepConfiguration={value}")
    assert codes(conf, Networkd(version, {"ens160": file})) == expected
    assert codes(conf, Networkd(version, {"ens161": file})) == []


def test_keep_configuration_names_file_line_action_and_cure(conf: Path) -> None:
    (finding,) = found(conf, Networkd(252, {"ens160": network("KeepConfiguration=static")}))
    assert finding.where == f"{FILE}:4"
    assert "a reconfigure of systemd 252 deletes ens160's own address" in finding.text
    assert finding.instead == ("remove this line: netvip keeps the VIP without it",)
    file = network("KeepConfiguration=yes", NETPLAN)
    (finding,) = found(conf, Networkd(252, {"ens160": file}))
    assert "a reload and a reconfigure" in finding.text
    assert finding.instead[0].startswith("remove in /etc/netplan, and run netplan apply")


@pytest.mark.parametrize(("value", "expected"), [("static", ["NV411"]), ("yes", []), ("no", [])])
def test_static_does_not_keep_an_ipv6_vip(conf: Path, value: str, expected: list[str]) -> None:
    conf.write_text(VIP6)
    file = network(f"KeepConfiguration={value}")
    assert codes(conf, Networkd(257, {"ens160": file})) == expected


@pytest.mark.parametrize(
    ("version", "value", "keep", "expected"),
    [
        (252, "no", "no", ["NV402"]),
        (252, "yes", "no", []),
        (257, "no", "no", []),
        (252, "no", "dhcp", ["NV402"]),
    ],
)
def test_manage_foreign_routes(
    conf: Path, version: int, value: str, keep: str, expected: list[str]
) -> None:
    file = network(f"KeepConfiguration={keep}")
    main = Path("/etc/systemd/networkd.conf")
    switch = settings(f"[Network]\nManageForeignRoutes={value}\n", main)
    findings = found(conf, Networkd(version, {"ens160": file}, switch))
    assert [finding.code for finding in findings] == expected
    assert not findings or findings[0].where == f"{main}:2"


def item(kind: str, owner: owners.Owner = owners.PROTOCOLS[3]) -> Item:
    return Item(kind, "9: from all lookup 5", "", owner, Fate.LOST, "")


def test_rules_and_routes_of_others_are_one_finding_each(conf: Path) -> None:
    lost = (item("rule"), item("rule"), item("route"), item("nexthop"), item("address"))
    findings = found(conf, Networkd(257, lost=lost))
    assert [finding.code for finding in findings] == ["NV403", "NV403"]
    assert "deletes 2 routing policy rules" in findings[0].text
    assert findings[0].instead[0].startswith("ManageForeignRoutingPolicyRules=no ")
    assert findings[1].instead[0].startswith("ManageForeignRoutes=no ")


def test_keepalived_looks_after_its_own_rules(conf: Path) -> None:
    lost = (item("rule", owners.PROTOCOLS[18]),)
    assert codes(conf, Networkd(257, lost=lost)) == []


def test_a_file_that_matches_keepalived_s_own_interface(conf: Path) -> None:
    conf.write_text(VMAC)
    file = settings("[Match]\nName=*\n[Network]\nDHCP=no\n")
    (finding,) = found(conf, Networkd(257, {"vrrp.51": file}))
    assert (finding.code, finding.where) == ("NV404", f"{FILE}:2")
    assert finding.instead[1:] == ("Name=vrrp.* vrrp6.*", "[Link]", "Unmanaged=yes")


@pytest.mark.parametrize(
    ("vmac", "name", "expected"),
    [
        ("", "vrrp.51", True),  # of an instance that runs and is not in the file
        ("", "vrrp.lan", False),
        ("use_vmac own0\n    ", "own0", True),
        ("use_vmac own0\n    ", "own1", False),
    ],
)
def test_keepalived_s_own_interface_is_known_by_its_name(
    conf: Path, vmac: str, name: str, expected: bool
) -> None:
    conf.write_text(KEEPALIVED.replace("virtual_router_id", f"{vmac}virtual_router_id"))
    file = settings("[Match]\nName=*\n")
    assert codes(conf, Networkd(257, {name: file})) == (["NV404"] if expected else [])


@pytest.mark.parametrize("section", ["Network", "Address"])
def test_a_vip_in_a_network_file(conf: Path, section: str) -> None:
    file = settings(f"[Network]\nAddress=10.77.0.1/24\n[{section}]\nAddress=10.77.0.10/24\n")
    (finding,) = found(conf, Networkd(257, {"ens160": file}))
    assert (finding.code, finding.where) == ("NV405", f"{FILE}:4")
    assert finding.text.startswith(f"10.77.0.10 is a VIP ({conf}:5): systemd-networkd adds it")
    assert finding.instead == ("remove this line",)


@pytest.mark.parametrize("value", ["10.77.0.1/24", "", "bananas"])
def test_another_address_is_none(conf: Path, value: str) -> None:
    assert codes(conf, Networkd(257, {"ens160": network(f"Address={value}")})) == []


CALM = Hooks(dispatcher_installed=Tri.YES, dispatcher_runs=Tri.YES)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"dispatcher_installed": Tri.NO}, [("NV407", "note")]),
        ({"dispatcher_runs": Tri.NO}, [("NV407", "note")]),
        ({"dispatcher_installed": Tri.UNKNOWN, "dispatcher_runs": Tri.NO}, []),
        ({"needrestart": "/f:3"}, []),
        ({"needrestart": "/f:3", "needrestart_hooked": False}, [("NV408", "note")]),
        (
            {
                "needrestart": "/f:3",
                "needrestart_hooked": False,
                "needrestart_is_automatic": True,
            },
            [("NV408", "warning")],
        ),
        ({"needrestart_hooked": False}, []),
        ({"unattended": "/f:1"}, []),
        ({"unattended": "/f:1", "apt_hooked": False}, [("NV409", "warning")]),
        ({"hides_drop_in": "/f:1"}, [("NV410", "warning")]),
        ({"renderer": "/f:3"}, [("NV406", "note")]),
    ],
)
def test_hooks(conf: Path, change: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    hooks = replace(CALM, **change)
    findings = found(conf, hooks=hooks, unmanaged=frozenset({"ens160"}))
    assert [(f.code, f.severity.value) for f in findings] == expected
    ordered = apply_rules(Facts(read(conf), hooks=hooks))  # each place has a line to sort by
    assert ordered


def test_a_managed_interface_is_not_netplan_s_other_renderer_s(conf: Path) -> None:
    assert codes(conf, hooks=replace(CALM, renderer="/f:3")) == []


# --- what is gathered ---------------------------------------------------------------------------

ROOT = Path(__file__).parents[2]


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_netvip_s_own_files_are_recognised(tmp_path: Path) -> None:
    for name, source in (
        ("etc/needrestart/conf.d/netvip.conf", "needrestart/netvip.conf"),
        ("etc/apt/apt.conf.d/50netvip", "apt/50netvip"),
    ):
        write(tmp_path, name, (ROOT / source).read_text())
    found = gather.hooks(tmp_path)
    assert found.needrestart_hooked and found.apt_hooked


def test_a_bare_host_has_none(tmp_path: Path) -> None:
    found = gather.hooks(tmp_path)
    assert not (found.needrestart or found.unattended or found.hides_drop_in or found.renderer)
    assert not (found.needrestart_hooked or found.apt_hooked)
    assert (found.dispatcher_installed, found.dispatcher_runs) == (Tri.NO, Tri.NO)


def test_each_place_has_its_line(tmp_path: Path) -> None:
    write(tmp_path, "etc/needrestart/needrestart.conf", "#$nrconf{restart} = 'a';\n")
    assert gather.hooks(tmp_path).needrestart.endswith("needrestart.conf:1")
    assert not gather.hooks(tmp_path).needrestart_is_automatic
    write(tmp_path, "etc/needrestart/conf.d/own.conf", "# mine\n$nrconf{restart} = 'a';\n")
    write(
        tmp_path,
        "etc/apt/apt.conf.d/20auto-upgrades",
        'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n',
    )
    write(tmp_path, "etc/netplan/50.yaml", "network:\n  version: 2\n  renderer: NetworkManager\n")
    found = gather.hooks(tmp_path)
    assert found.needrestart.endswith("own.conf:2") and found.needrestart_is_automatic
    assert found.unattended.endswith("20auto-upgrades:2")
    assert found.renderer.endswith("50.yaml:3")


def test_what_is_switched_off_is_off(tmp_path: Path) -> None:
    off = 'APT::Periodic::Unattended-Upgrade "0";\n'
    write(tmp_path, "etc/apt/apt.conf.d/20auto-upgrades", off)
    write(tmp_path, "etc/netplan/50.yaml", "network:\n  renderer: networkd\n")
    found = gather.hooks(tmp_path)
    assert not found.unattended and not found.renderer


def test_a_masked_drop_in_hides_netvip_s(tmp_path: Path) -> None:
    place = tmp_path / "etc/systemd/system/systemd-networkd.service.d"
    place.mkdir(parents=True)
    (place / "00-netvip.conf").symlink_to("/dev/null")
    assert gather.hooks(tmp_path).hides_drop_in == f"{place}/00-netvip.conf:1"


def test_a_dispatcher_that_runs(tmp_path: Path) -> None:
    write(tmp_path, "usr/bin/networkd-dispatcher", "")
    units = tmp_path / "run/systemd/units"
    units.mkdir(parents=True)
    (units / "invocation:networkd-dispatcher.service").symlink_to("0123")
    found = gather.hooks(tmp_path)
    assert (found.dispatcher_installed, found.dispatcher_runs) == (Tri.YES, Tri.YES)
