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
#: Without it networkd 252 solicits routers on every interface, for 12 s where there are none.
QUIET = "LinkLocalAddressing=no\n"

Prepare = Callable[[Namespace], None]


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
    #: Modules of the kernel that it needs, tried by making a link of each kind.
    kinds: tuple[str, ...] = ()
    prepare: Prepare | None = None
    #: Where keepalived puts the VIPs, if that is another interface.
    vips_on: str = ""
    #: Further lines of the VRRP instance.
    keepalived: str = ""

    def network(self, own: str, gateway: str) -> str:
        """networkd's file for the interface of the VIP."""
        return LAN.format(interface=self.interface, own=own, gateway=gateway, more=self.more)

    def lay_cables(self, switch: Switch, net: Namespace) -> None:
        """Connect a node to the switch."""
        for cable in self.cables:
            switch.plug(net, cable, tagged=self.vlan)
        if self.prepare is not None:
            self.prepare(net)

    def missing(self, space: Namespace) -> str:
        """The kind of link that this kernel cannot make; empty where it can make all."""
        for kind in self.kinds:
            if not space.succeeds("ip", "link", "add", "probe0", "type", kind, *KIND_OPTIONS[kind]):
                return kind
            space.run("ip", "link", "delete", "probe0")
        return ""


#: What `ip link add` needs for a link of each kind, below an existing lo.
KIND_OPTIONS = {
    "bond": ("mode", "active-backup"),
    "bridge": (),
    "dummy": (),
    "vlan": (),
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

#: What keepalived puts on a host besides VIPs on its interface.
VMAC = replace(PLAIN, name="VMAC", vips_on="vrrp.51", keepalived="use_vmac")
VIRTUAL_ROUTE = "10.99.0.0/16"
ROUTES = replace(
    PLAIN,
    name="virtual routes",
    keepalived=f"virtual_routes {{\n        {VIRTUAL_ROUTE} via 10.77.0.50 dev ens160\n    }}",
)

#: Adverts behind an authentication header.
AH = replace(
    PLAIN,
    name="AH",
    keepalived="authentication {\n        auth_type AH\n        auth_pass netvip77\n    }",
)

HOSTS = (PLAIN, BOND_VLAN, BOND_ITSELF, BRIDGE)


def _virtual_machine(net: Namespace) -> None:
    """The port of a virtual machine on the bridge."""
    net.run("ip", "link", "add", "vm0", "type", "veth", "peer", "name", "vm1")
    net.run("ip", "link", "set", "vm1", "up")
