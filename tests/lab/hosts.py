"""Kinds of hosts: what lies between a node's cables and the interface that keepalived uses.

systemd-networkd makes and configures all of it, from files as an operator writes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.lab.netns import Namespace, Switch

LAN = """[Match]
Name={interface}

[Network]
{more}Address={own}/24
Gateway={gateway}
"""
#: The lab's network as netplan writes it down; `kind` is the kind of the interface.
NETPLAN = """network:
  version: 2
  renderer: networkd
{more}  {kind}:
    {interface}:
      addresses: [{own}/24]
      routes:
        - to: default
          via: {gateway}
{options}"""
#: Without it networkd 252 solicits routers on every interface, for 12 s where there are none.
QUIET = "LinkLocalAddressing=no\n"

Prepare = Callable[[Namespace], object]


@dataclass(frozen=True)
class Host:
    """What a node's network is made of."""

    name: str
    #: The interface of the VIP.
    interface: str
    #: Cables to the switch.
    cables: tuple[str, ...]
    #: networkd's files besides the interface's own.
    files: tuple[tuple[str, str], ...] = ()
    #: Further lines in the [Network] section of the interface's file.
    more: str = ""
    #: The VLAN that the switch expects tagged; 0 for none.
    vlan: int = 0
    #: The links that a test reconfigures besides the interface.
    links: tuple[str, ...] = ()
    #: Kinds of links and modules that it needs of the kernel.
    kinds: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    prepare: Prepare | None = None
    #: Where keepalived puts the VIPs, if that is another interface.
    vips_on: str = ""
    #: A VIP as keepalived.conf has it.
    vip: str = "{vip}/24"
    #: Further lines of the VRRP instance.
    keepalived: str = ""
    #: Further blocks of keepalived.conf. In all of it and in the files, @ is the node's number.
    blocks: str = ""
    #: VIPs of further instances: interface and address.
    others: tuple[tuple[str, str], ...] = ()
    #: Further VLANs of the cables, in which there is nobody but the nodes.
    more_vlans: tuple[int, ...] = ()
    #: Whether the switch bundles the cables (802.3ad).
    bundled: bool = False
    #: networkd's file for the interface of the VIP, or netplan's for the whole host.
    lan: str = LAN
    is_netplan: bool = False
    #: Whether networkd takes nothing away here.
    harmless: bool = False
    #: Whether netvip leaves the instance to keepalived alone.
    unprotected: bool = False

    @property
    def has_vips_on(self) -> str:
        """The interface that keepalived puts the VIPs on."""
        return self.vips_on or self.interface

    @property
    def before_keepalived(self) -> tuple[str, ...]:
        """The interfaces that have to exist before keepalived starts."""
        vips_on = (self.vips_on,) if self.vip != Host.vip else ()
        return (self.interface, *vips_on, *(interface for interface, _ in self.others))

    def network(self, own: str, gateway: str) -> str:
        """The file for the interface of the VIP."""
        return self.lan.format(interface=self.interface, own=own, gateway=gateway, more=self.more)

    def lay_cables(self, switch: Switch, net: Namespace) -> None:
        """Connect a node to the switch."""
        tagged = (self.vlan, *self.more_vlans) if self.vlan else ()
        if self.bundled:
            switch.bundle(net, self.cables, tagged)
        else:
            for cable in self.cables:
                switch.plug(net, cable, tagged)
        if self.prepare is not None:
            self.prepare(net)

    def missing(self, space: Namespace) -> str:
        """What this kernel lacks; empty if nothing."""
        for module in self.modules:
            if not space.succeeds("modprobe", module):
                return f"the module {module}"
        for kind in self.kinds:
            if not space.succeeds("ip", "link", "add", "probe0", "type", kind, *KIND_OPTIONS[kind]):
                return f"links of kind {kind}"
            space.run("ip", "link", "delete", "probe0")
        return ""


#: What `ip link add` needs for a link of each kind.
KIND_OPTIONS = {
    "bond": ("mode", "active-backup"),
    "bridge": (),
    "dummy": (),
    "vrf": ("table", "100"),
}

BOND = """[NetDev]
Name=bond0
Kind=bond

[Bond]
Mode={mode}
MIIMonitorSec=100ms
"""
PORTS = "[Match]\nName=ens1 ens2\n\n[Network]\nBond=bond0\n"
VLAN = "[NetDev]\nName={name}\nKind=vlan\n\n[VLAN]\nId={vlan}\n"

PLAIN = Host("plain", "ens160", ("ens160",))
BOND_VLAN = Host(
    "VLAN on a bond",
    "bond0.100",
    ("ens1", "ens2"),
    (
        ("10-bond0.netdev", BOND.format(mode="active-backup")),
        ("10-vlan.netdev", VLAN.format(name="bond0.100", vlan=100)),
        ("20-ports.network", PORTS),
        ("20-bond0.network", f"[Match]\nName=bond0\n\n[Network]\nVLAN=bond0.100\n{QUIET}"),
    ),
    QUIET,
    vlan=100,
    links=("bond0", "ens1"),
    kinds=("bond",),
)
BOND_ITSELF = Host(
    "bond",
    "bond0",
    ("ens1", "ens2"),
    (
        ("10-bond0.netdev", BOND.format(mode="active-backup")),
        ("20-ports.network", PORTS),
    ),
    QUIET,
    links=("ens1",),
    kinds=("bond",),
)
BRIDGE = Host(
    "bridge",
    "br0",
    ("ens160",),
    (
        ("10-br0.netdev", "[NetDev]\nName=br0\nKind=bridge\n"),
        ("20-port.network", "[Match]\nName=ens160 vm0\n\n[Network]\nBridge=br0\n"),
    ),
    QUIET,
    links=("ens160",),
    kinds=("bridge",),
    prepare=lambda net: _virtual_machine(net),
)

LACP = replace(
    BOND_VLAN,
    name="VLAN on an 802.3ad bond",
    files=(("10-bond0.netdev", BOND.format(mode="802.3ad")), *BOND_VLAN.files[1:]),
    bundled=True,
)

#: A second instance, on another VLAN of the same cable.
SECOND = """
vrrp_instance VI_2 {
    state BACKUP
    interface ens160.200
    virtual_router_id 52
    priority 100
    advert_int 1
    nopreempt
    virtual_ipaddress {
        10.79.0.10/24
    }
}
"""
VLANS = Host(
    "two VLANs",
    "ens160.100",
    ("ens160",),
    (
        ("10-vlan100.netdev", VLAN.format(name="ens160.100", vlan=100)),
        ("10-vlan200.netdev", VLAN.format(name="ens160.200", vlan=200)),
        (
            "20-ens160.network",
            f"[Match]\nName=ens160\n\n[Network]\nVLAN=ens160.100\nVLAN=ens160.200\n{QUIET}",
        ),
        (
            "20-vlan200.network",
            f"[Match]\nName=ens160.200\n\n[Network]\nAddress=10.79.0.@/24\n{QUIET}",
        ),
    ),
    QUIET,
    vlan=100,
    more_vlans=(200,),
    links=("ens160", "ens160.200"),
    blocks=SECOND,
    others=(("ens160.200", "10.79.0.10"),),
)

#: Each uplink has a table of its own; the default route of main leaves by the other one.
UPLINK = """[Match]
Name={interface}

[Network]
{more}Address={own}/24

[Route]
Gateway={gateway}
Table=101

[RoutingPolicyRule]
From=10.77.0.0/24
Table=101
Priority=1000
"""
UPLINKS = Host(
    "two uplinks with policy routing",
    "ens160",
    ("ens160", "ens161"),
    (
        (
            "20-ens161.network",
            f"[Match]\nName=ens161\n\n[Network]\n{QUIET}Address=10.79.0.@/24\nGateway=10.79.0.100\n",
        ),
    ),
    QUIET,
    links=("ens161",),
    lan=UPLINK,
)

VRF = Host(
    "VRF",
    "ens160",
    ("ens160",),
    (
        ("10-vrf0.netdev", "[NetDev]\nName=vrf0\nKind=vrf\n\n[VRF]\nTable=100\n"),
        ("20-vrf0.network", f"[Match]\nName=vrf0\n\n[Network]\n{QUIET}"),
    ),
    f"{QUIET}VRF=vrf0\n",
    kinds=("vrf",),
    unprotected=True,
    prepare=lambda net: net.run("sysctl", "-qw", "net.ipv4.tcp_l3mdev_accept=1"),
)

#: The VIP has an interface of its own, which is always up; the nodes' own stay as they are.
DUMMY = Host(
    "VIP on a dummy",
    "ens160",
    ("ens160",),
    (
        ("10-dummy0.netdev", "[NetDev]\nName=dummy0\nKind=dummy\n"),
        ("20-dummy0.network", f"[Match]\nName=dummy0\n\n[Network]\n{QUIET}"),
    ),
    QUIET,
    kinds=("dummy",),
    links=("dummy0",),
    vips_on="dummy0",
    vip="{vip}/32 dev dummy0",
)

DOCKER = replace(
    PLAIN,
    name="docker's bridge and rules",
    prepare=lambda net: _docker(net),
    modules=("iptable_nat", "iptable_filter", "xt_addrtype", "xt_MASQUERADE"),
)

#: keepalived's own proxy, and its state on the peer.
BALANCER = """
global_defs {
    lvs_sync_daemon ens160 VI_1
}
virtual_server 10.77.0.10 7001 {
    delay_loop 5
    lb_algo rr
    lb_kind DR
    protocol TCP
    real_server 10.77.0.50 9000 {
        weight 1
    }
}
"""
IPVS = replace(PLAIN, name="IPVS", blocks=BALANCER, modules=("ip_vs", "ip_vs_rr"))

#: The interface is configured as ifupdown does it: by ip, at the start.
IFUPDOWN = """[Unit]
Before=network.target
Wants=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ip address add 10.77.0.@/24 dev ens160
ExecStart=ip link set ens160 up
ExecStart=ip route add default via 10.77.0.100
"""
UNMANAGED = replace(
    PLAIN,
    name="not managed by networkd",
    lan="[Match]\nName={interface}\n\n[Link]\nUnmanaged=yes\n",
    files=(
        ("/etc/systemd/system/ifupdown.service", IFUPDOWN),
        ("/etc/systemd/system/multi-user.target.d/lab.conf", "[Unit]\nWants=ifupdown.service\n"),
    ),
    harmless=True,
)

NETPLAN_PLAIN = replace(
    PLAIN,
    name="netplan",
    lan=NETPLAN.replace("{kind}", "ethernets").replace("{options}", ""),
    is_netplan=True,
)
NETPLAN_BOND = """  ethernets:
    ens1: {}
    ens2: {}
  bonds:
    bond0:
      interfaces: [ens1, ens2]
      parameters: {mode: active-backup, mii-monitor-interval: 100}
      link-local: []
"""
NETPLAN_BOND_VLAN = replace(
    BOND_VLAN,
    name="netplan, VLAN on a bond",
    files=(),
    more=NETPLAN_BOND,
    lan=NETPLAN.replace("{kind}", "vlans").replace(
        "{options}", "      id: 100\n      link: bond0\n      link-local: []\n"
    ),
    is_netplan=True,
)

#: What keepalived puts on a host besides VIPs on its interface.
VMAC = replace(PLAIN, name="VMAC", vips_on="vrrp.51", keepalived="use_vmac")
#: The operator's file for it matches the VMAC as well.
VMAC_MANAGED = replace(
    VMAC,
    name="a VMAC that networkd manages",
    files=(("20-all.network", f"[Match]\nName=vrrp*\n\n[Network]\n{QUIET}"),),
)
VMAC_BASE = replace(VMAC, name="VMAC, vmac_xmit_base", keepalived="use_vmac\n    vmac_xmit_base")
IPVLAN = replace(
    PLAIN,
    name="ipvlan",
    keepalived="use_ipvlan ipvl51 10.77.0.2@/24",
    modules=("ipvlan",),
    unprotected=True,
)
VIRTUAL_ROUTE = "10.99.0.0/16"
#: Every way in which networkd, or the kernel, takes them: with the gateway's subnet, with a source
#: address, with any link (those that lead nowhere, and rules).
VIRTUAL = f"""virtual_routes {{
        {VIRTUAL_ROUTE} via 10.77.0.50 dev ens160
        10.98.0.0/16 via 10.77.0.50 dev ens160 src 10.77.0.10 metric 7 table 100
        10.97.0.0/16 via 10.77.0.50 dev ens160 table 1000 mtu 1400
        10.93.0.0/16 table 100 nexthop via 10.77.0.50 weight 1 nexthop via 10.77.0.51 weight 3
        default via 10.77.0.100 dev ens160 table 100
        blackhole 10.95.0.0/16
        fd02::/64 dev ens160 metric 5 table 100
    }}
    virtual_rules {{
        from 10.77.0.10 to 10.98.0.0/16 table 100 priority 5000
        fwmark 7/15 table 1000 priority 5001
    }}"""
STATIC = """
static_routes {
    10.201.0.0/16 via 10.77.0.50 dev ens160
    10.202.0.0/16 via 10.77.0.50 dev ens160 no_track
}
static_rules {
    from 10.201.0.1 table 100 priority 5002
}
"""
#: What begins a line of ip(8) about a rule of keepalived's here.
VIRTUAL_RULES = ("5000:", "5001:", "5002:")
ROUTES = replace(PLAIN, name="virtual routes", keepalived=VIRTUAL, blocks=STATIC)

#: A second instance, whose adverts do not fit into a packet.
IPV6 = """
vrrp_instance VI_6 {{
    state BACKUP
    interface ens160
    virtual_router_id 61
    priority 100
    advert_int 1
    version 3
    nopreempt
    virtual_ipaddress {{
        fe80::77:10/64
{vips}
    }}
}}
"""
FRAGMENTS = replace(
    PLAIN,
    name="120 IPv6 VIPs",
    blocks=IPV6.format(vips="\n".join(f"        fd00:77::a:{n}/64" for n in range(1, 120))),
    others=(("ens160", "fe80::77:10"),),
)

#: A packet filter that drops what is sent to a VIP while that is on lo alone (fact
#: filters-that-block-a-shield).
FIREWALL = """table ip lab {
    chain lab {
        type filter hook prerouting priority raw; policy accept;
        fib daddr . iif type != { local, broadcast, multicast } drop
    }
}
"""
FILTERED = replace(
    PLAIN,
    name="a filter that blocks a shield",
    prepare=lambda net: net.run("nft", FIREWALL),
)

#: The subnet of the VIPs of many().
MANY_VIPS = "10.80.0.0/16"


def many(number: int) -> Host:
    """So many VIPs besides the first, as keepalived.conf(5) has more than fit into an advert."""
    lines = "\n".join(f"        10.80.{n // 250}.{n % 250 + 1}/32" for n in range(number))
    block = f"virtual_ipaddress_excluded {{\n{lines}\n    }}"
    return replace(PLAIN, name=f"{number} VIPs", keepalived=block)


#: Adverts behind an authentication header.
AH = replace(
    PLAIN,
    name="AH",
    keepalived="authentication {\n        auth_type AH\n        auth_pass netvip77\n    }",
)

HOSTS = (
    PLAIN,
    BOND_VLAN,
    LACP,
    BOND_ITSELF,
    BRIDGE,
    VLANS,
    UPLINKS,
    DOCKER,
    NETPLAN_PLAIN,
    NETPLAN_BOND_VLAN,
    UNMANAGED,
    IPVS,
    DUMMY,
    VRF,
    VMAC,
    IPVLAN,
)


def _virtual_machine(net: Namespace) -> None:
    """The port of a virtual machine on the bridge."""
    net.run("ip", "link", "add", "vm0", "type", "veth", "peer", "name", "vm1")
    net.run("ip", "link", "set", "vm1", "up")


#: What dockerd puts on a host for one container with a published port (iptables-save).
DOCKER_RULES = """*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
COMMIT
"""


def _docker(net: Namespace) -> None:
    """docker's bridge with a container's port, and its rules."""
    net.run("ip", "link", "add", "docker0", "type", "bridge")
    net.run("ip", "address", "add", "172.17.0.1/16", "dev", "docker0")
    net.run("ip", "link", "add", "veth1", "type", "veth", "peer", "name", "veth2")
    net.run("ip", "link", "set", "veth1", "master", "docker0")
    for link in ("docker0", "veth1", "veth2"):
        net.run("ip", "link", "set", link, "up")
    # Debian's user-mode-linux kernels have these tables, and not all that iptables-nft needs.
    net.run("iptables-legacy-restore", input=DOCKER_RULES)
