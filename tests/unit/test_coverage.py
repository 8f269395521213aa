"""Which instances netvip can protect."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from netvip.core import coverage
from netvip.core.mirror import Mirror
from netvip.core.model import InstanceSpec, Link, Vip
from netvip.keepalived import dump


def spec(interface: str = "ens160", own_link: bool = False) -> InstanceSpec:
    vip = Vip(ip_address("10.77.0.10"), 24, interface)
    return InstanceSpec("VI_1", interface, 51, 2, (vip,), own_link=own_link)


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


def test_an_interface_of_keepalived_s_own_is_not_protected() -> None:
    links = mirror(Link(2, "ens160"), Link(9, "vrrp.51", kind="macvlan", lower=2))
    assert "use_vmac" in coverage.why_not(spec("vrrp.51", own_link=True), links)


def test_neither_is_one_in_a_vrf_be_it_below_a_bridge() -> None:
    vrf, bridge = Link(7, "vrf0", kind="vrf"), Link(4, "br0", kind="bridge", master=7)
    assert coverage.why_not(spec("br0"), mirror(vrf, bridge)) == "br0 belongs to the VRF vrf0"
    port = Link(2, "ens160", master=4)
    assert coverage.why_not(spec(), mirror(vrf, bridge, port)) == "ens160 belongs to the VRF vrf0"


def test_a_port_of_a_bridge_without_a_vrf_is_protected() -> None:
    links = mirror(Link(4, "br0", kind="bridge"), Link(2, "ens160", master=4))
    assert coverage.why_not(spec(), links) == ""


def test_the_dump_of_a_vmac_names_its_interface_before_the_at() -> None:
    vip = dump.vip("10.77.0.10/24 dev vrrp.51@ens160 scope global set", "ens160")
    assert (vip.interface, str(vip.ip)) == ("vrrp.51", "10.77.0.10")
