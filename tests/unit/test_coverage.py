"""Which instances netvip can protect."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from netvip.core import coverage, events
from netvip.core.machine import Machine
from netvip.core.mirror import Mirror
from netvip.core.model import InstanceSpec, Kernel, Link, Role, Rules, Tri, Vip
from netvip.keepalived import dump


def spec(interface: str = "ens160") -> InstanceSpec:
    vip = Vip(ip_address("10.77.0.10"), 24, interface)
    return InstanceSpec("VI_1", interface, 51, 2, (vip,))


def on_vmac(base: str = "ens160") -> InstanceSpec:
    vip = Vip(ip_address("10.77.0.10"), 24, "vrrp.51", base=base)
    return replace(spec(), vips=(vip,), own_link="vrrp.51")


def mirror(*links: Link) -> Mirror:
    found = Mirror()
    for link in links:
        found.add_link(link)
    return found


def test_a_plain_interface_is_protected() -> None:
    assert coverage.why_not(spec(), mirror(Link(2, "ens160"))) == ""


def test_an_interface_that_is_not_there_is_named() -> None:
    assert coverage.why_not(spec(), mirror(Link(2, "ens192"))) == "there is no interface ens160"


def test_an_instance_of_which_one_interface_exists_is_protected() -> None:
    elsewhere = Vip(ip_address("192.168.5.10"), 24, "ens192")
    both = replace(spec(), vips=(*spec().vips, elsewhere))
    assert coverage.why_not(both, mirror(Link(2, "ens160"))) == ""
    assert coverage.why_not(both, mirror()) == "there is no interface ens160, ens192"


VRRP_51 = Link(9, "vrrp.51", kind="macvlan", lower=2)


def test_a_vmac_is_protected_where_it_is_above_the_instance_s_interface() -> None:
    links = mirror(Link(2, "ens160"), VRRP_51)
    assert coverage.why_not(on_vmac(), links) == ""
    single = replace(on_vmac(), own_link="")  # use_vmac behind the address
    assert coverage.why_not(single, links) == ""
    elsewhere = coverage.why_not(on_vmac(base="ens192"), mirror(Link(3, "ens192"), VRRP_51))
    assert elsewhere == "it has VMACs on ens192 besides its interface ens160 (use_vmac)"


def test_the_interface_below_a_vmac_decides_for_it() -> None:
    # keepalived makes the VMAC as it starts.
    assert coverage.why_not(on_vmac(), mirror(Link(2, "ens160"))) == ""
    assert coverage.why_not(on_vmac(), mirror(VRRP_51)) == "there is no interface ens160"
    vrf = mirror(Link(7, "vrf0", kind="vrf"), Link(2, "ens160", master=7), VRRP_51)
    assert coverage.why_not(on_vmac(), vrf) == "ens160 belongs to the VRF vrf0"


def test_an_ipvlan_of_keepalived_s_own_and_a_macvlan_of_others_are_not_protected() -> None:
    ipvlan = mirror(Link(2, "ens160"), Link(9, "ipvl51", kind="ipvlan", lower=2))
    assert "use_ipvlan" in coverage.why_not(replace(spec(), own_link="ipvl51"), ipvlan)
    macvlan = mirror(Link(2, "ens160"), Link(9, "mv0", kind="macvlan", lower=2))
    assert "mv0 is a macvlan" in coverage.why_not(spec("mv0"), macvlan)


def test_neither_is_one_in_a_vrf_be_it_below_a_bridge() -> None:
    vrf, bridge = Link(7, "vrf0", kind="vrf"), Link(4, "br0", kind="bridge", master=7)
    assert coverage.why_not(spec("br0"), mirror(vrf, bridge)) == "br0 belongs to the VRF vrf0"
    port = Link(2, "ens160", master=4)
    assert coverage.why_not(spec(), mirror(vrf, bridge, port)) == "ens160 belongs to the VRF vrf0"


def test_a_vip_on_the_loopback_interface_is_left_alone() -> None:
    links = mirror(Link(1, "lo"), Link(2, "ens160"))
    elsewhere = replace(spec(), vips=(*spec().vips, Vip(ip_address("10.77.0.11"), 32, "lo")))
    assert "on lo" in coverage.why_not(spec("lo"), links)
    assert "on lo" in coverage.why_not(elsewhere, links)
    assert coverage.why_not_on("lo", 2, links) and not coverage.why_not_on("ens160", 2, links)


def test_so_is_a_dummy_whose_instance_is_in_a_vrf() -> None:
    vrf, dummy = Link(7, "vrf0", kind="vrf"), Link(8, "dummy0", kind="dummy")
    on_dummy = replace(spec(), vips=(Vip(ip_address("10.77.0.10"), 32, "dummy0"),))
    assert coverage.why_not(on_dummy, mirror(Link(2, "ens160"), dummy)) == ""
    port = Link(2, "ens160", master=7)
    assert coverage.why_not(on_dummy, mirror(vrf, port, dummy)) == "ens160 belongs to the VRF vrf0"


def with_rules(**rules: bool) -> Mirror:
    found = mirror(Link(2, "ens160"))
    for family, number in (("ipv4", 2), ("ipv6", 10)):
        found.set_rules(number, Rules(local_moved=rules.get(family, False)))
    return found


def test_a_host_whose_rule_for_local_addresses_was_moved_is_left_alone() -> None:
    assert "lookup local" in coverage.why_not(spec(), with_rules(ipv4=True))
    assert coverage.why_not(spec(), with_rules(ipv6=True)) == ""
    six = Vip(ip_address("fd00:77::10"), 64, "ens160")
    both = replace(spec(), vips=(*spec().vips, six))
    assert "lookup local" in coverage.why_not(both, with_rules(ipv6=True))


def test_a_kernel_without_nexthop_objects_protects_nothing() -> None:
    found = Mirror()
    found.load(Kernel(links=(Link(2, "ens160"),), nexthops=False))
    assert "nexthop objects" in coverage.why_not(spec(), found)


def test_more_vips_than_were_tested_are_left_alone() -> None:
    def with_vips(number: int) -> InstanceSpec:
        ips = (ip_address(f"10.80.{n // 250}.{n % 250 + 1}") for n in range(number))
        vips = tuple(Vip(ip, 32, "ens160") for ip in ips)
        return replace(spec(), vips=vips)

    links = mirror(Link(2, "ens160"))
    assert coverage.why_not(with_vips(coverage.VIPS_MOST), links) == ""
    assert "1025 VIPs" in coverage.why_not(with_vips(coverage.VIPS_MOST + 1), links)
    half = replace(with_vips(coverage.VIPS_MOST // 2), name="half")
    few, again = replace(with_vips(2), name="few"), replace(half, name="again")
    found = coverage.each_why_not((half, few, again, replace(few, name="last")), links)
    assert (found["half"], found["few"], found["last"]) == ("", "", ""), (
        "what is left out counts not"
    )
    assert "it has 512 VIPs, and other instances" in found["again"]


def test_what_is_guarded_is_protected_first() -> None:
    many = tuple(Vip(ip_address(f"10.80.{n // 250}.{n % 250}"), 32, "ens160") for n in range(600))
    new = replace(spec(), name="new", vips=many)
    untracked = tuple(replace(vip, tracked=False) for vip in many)
    old = replace(new, name="old", vips=untracked, source_configured=Tri.YES)
    found = coverage.each_why_not((new, old), mirror(Link(2, "ens160")))
    assert found["old"] == "" and found["new"]


def test_a_port_of_a_bridge_without_a_vrf_is_protected() -> None:
    links = mirror(Link(4, "br0", kind="bridge"), Link(2, "ens160", master=4))
    assert coverage.why_not(spec(), links) == ""


def test_the_dump_of_a_vmac_names_its_interface_before_the_at() -> None:
    text = "10.77.0.10/24 dev vrrp.51@ens160"
    found = dump.vip(f"{text} scope global set", "vrrp.51", "vrrp.51")
    assert (found.interface, found.base, str(found.ip)) == ("vrrp.51", "ens160", "10.77.0.10")
    assert dump.vip(f"{text} use_vmac scope global", "ens160").base == "ens160"
    assert dump.vip("10.77.0.10/24 dev mv0@ens160", "mv0").base == "", "a macvlan of others"


def test_the_daemon_counts_the_vips_of_the_host() -> None:
    machine = Machine()
    specs = [
        replace(
            spec(),
            name=f"VI_{n}",
            vrid=n,
            vips=tuple(
                Vip(ip_address(f"10.{80 + n}.{i // 250}.{i % 250}"), 32, "ens160")
                for i in range(600)
            ),
        )
        for n in (1, 2)
    ]
    list(machine.handle(events.Resync(1.0, Kernel(links=(Link(2, "ens160"),)))))
    told = tuple((one, Role.BACKUP) for one in specs)
    list(machine.handle(events.DumpReceived(2.0, 1.5, told)))
    assert machine.instances["VI_1"].unprotected == ""
    assert "600 VIPs" in machine.instances["VI_2"].unprotected
