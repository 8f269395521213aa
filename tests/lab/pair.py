"""The lab's network: two nodes, a client beside them, a gateway, and a client behind it.

far (10.78.0.50) -- gateway (10.78.0.100 | 10.77.0.100) -- switch -- a (10.77.0.1)
                                 near (10.77.0.50) --------------/ \\- b (10.77.0.2)
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar

from tests.lab.hosts import MANY_VIPS, PLAIN, VIRTUAL_RULES, Host
from tests.lab.netns import Namespace, Switch
from tests.lab.node import Node
from tests.lab.settings import PATIENCE
from tests.lab.shell import LabError, run

INTERFACE = "ens160"
VIP = "10.77.0.10"
VIPS3 = (VIP, "10.77.0.11", "10.77.0.12")
GATEWAY = "10.77.0.100"
OWN = {"a": "10.77.0.1", "b": "10.77.0.2"}
NUMBER = {"a": "1", "b": "2"}
PRIORITY = {"a": 110, "b": 100}
#: Where the files live that both nodes' namespaces may reach: a disk, not the tmpfs of a runner.
SCRATCH = "/var/tmp"

VIP6 = "fd00:77::10"
OWN6 = {"a": "fd00:77::1", "b": "fd00:77::2"}

NETWORK6 = """
[Address]
Address={own}/64

[Route]
Gateway=fd00:77::100
"""

WAIT_FOR_INTERFACE = """\
ExecStartPre=timeout 60 sh -c 'until [ -e /sys/class/net/{interface} ]; do sleep 0.1; done'
"""

KEEPALIVED = """global_defs {{
    router_id {name}
}}

vrrp_instance VI_1 {{
    state BACKUP
    interface {interface}
    virtual_router_id 51
    priority {priority}
    advert_int 1
    nopreempt
    virtual_ipaddress {{
{vips}
    }}
    {more}
}}
"""


KEEPALIVED6 = """
vrrp_instance VI_6 {{
    state BACKUP
    interface {interface}
    virtual_router_id 61
    priority {priority}
    advert_int 1
    version 3
    nopreempt
    virtual_ipaddress {{
        {vip}/64
    }}
}}
"""


def keepalived_conf(name: str, vips: Sequence[str] = (VIP,), host: Host = PLAIN) -> str:
    """An ordinary keepalived.conf, as an operator writes it."""
    lines = "\n".join(f"        {host.vip.format(vip=vip)}" for vip in vips)
    text = KEEPALIVED.format(
        name=name,
        interface=host.interface,
        priority=PRIORITY[name],
        vips=lines,
        more=host.keepalived,
    )
    text = (text + host.blocks).replace("@", NUMBER[name])
    return text.replace("~", NUMBER["b" if name == "a" else "a"])


#: What netvip may leave behind nowhere: its rules, its nexthops, its shield.
LEFTOVERS = (
    ("ip", "rule", "show", "protocol", "kernel"),
    ("ip", "-6", "rule", "show", "protocol", "kernel"),
    ("ip", "nexthop", "show"),
    ("ip", "-o", "address", "show", "dev", "lo", "dynamic"),
)
#: The kernel's own rules, which carry its protocol where the kernel knows of protocols at all.
KERNEL_RULES = ("lookup local", "lookup main", "lookup default", "lookup [l3mdev-table]")
#: ip of bookworm shows rules of other protocols as well.
OPERATORS = ("proto static",)


class Part(Protocol):
    """What a pair is made of."""

    def close(self) -> None:
        """Remove it."""


P = TypeVar("P", bound=Part)

#: The scratch directories of this process's pairs: another run on this machine is none of ours.
made: list[str] = []


class Pair:
    """Two nodes and their surroundings; close() removes all of it."""

    def __init__(
        self,
        suite: str,
        vips: Sequence[str] = (VIP,),
        ipv6: bool = False,
        host: Host = PLAIN,
        surround: Callable[[Pair], object] | None = None,
    ) -> None:
        """`surround` lays what the nodes need besides, before they boot."""
        self.suite, self._ipv6, self.host = suite, ipv6, host
        self.vips = tuple(vips)
        self._scratch = Path(tempfile.mkdtemp(prefix="netvip-lab-", dir=SCRATCH))
        made.append(self._scratch.name)
        self._open: list[Part] = []
        try:
            self._lay_cables()
            self.a, self.b = (self._node(name) for name in ("a", "b"))
            if surround is not None:
                surround(self)
            self._boot()
        except BaseException:
            self.close()
            raise

    def space(self, name: str) -> Namespace:
        """A further namespace, which ends with the pair."""
        return self.keep(Namespace(f"nv{self.tag}-{name}"))

    def named(self, name: str) -> Namespace:
        """A namespace by its name in the pair."""
        spaces = (part for part in self.parts if isinstance(part, Namespace))
        return next(space for space in spaces if space.name == f"nv{self.tag}-{name}")

    @property
    def parts(self) -> tuple[Part, ...]:
        """All that ends with the pair."""
        return tuple(self._open)

    def keep(self, part: P) -> P:
        """What ends with the pair, before all that was there earlier."""
        self._open.append(part)
        return part

    def _lay_cables(self) -> None:
        self.tag = tag(self._scratch.name)
        self.switch = Switch(f"nv{self.tag}-sw")
        self._open.append(self.switch)
        self.near, self.far, self.gateway = map(self.space, ("near", "far", "gw"))
        backbone = Switch(f"nv{self.tag}-bb")
        self._open.append(backbone)
        for switch, space, interface, address in (
            (self.switch, self.near, "eth0", "10.77.0.50/24"),
            (self.switch, self.gateway, "eth0", f"{GATEWAY}/24"),
            (backbone, self.gateway, "eth1", "10.78.0.100/24"),
            (backbone, self.far, "eth0", "10.78.0.50/24"),
        ):
            switch.plug(space, interface)
            space.run("ip", "address", "add", address, "dev", interface)
            space.run("ip", "link", "set", interface, "up")
        if self.host.vlan:
            self._filter_vlans("port1", "port2")
        self.gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.near.run("ip", "address", "add", "fd00:77::50/64", "dev", "eth0", "nodad")
        self.far.run("ip", "route", "add", "default", "via", "10.78.0.100")
        for space in (self.near, self.gateway):
            space.run("ip", "route", "add", MANY_VIPS, "dev", "eth0")

    def _filter_vlans(self, *ports: str) -> None:
        """The neighbours' ports belong to the VLAN that the nodes' cables carry tagged."""
        vlan = str(self.host.vlan)
        self.switch.run("ip", "link", "set", "br0", "type", "bridge", "vlan_filtering", "1")
        for port in ports:
            self.switch.run("bridge", "vlan", "add", "dev", port, "vid", vlan, "pvid", "untagged")
            self.switch.run("bridge", "vlan", "del", "dev", port, "vid", "1")

    def _node(self, name: str) -> Node:
        net, host = self.space(f"node-{name}"), self.host
        host.lay_cables(self.switch, net)
        node = Node(name, self.suite, net, self._scratch, host.has_vips_on)
        self._open.append(node)
        network = host.network(OWN[name], GATEWAY)
        for file, text in host.files:
            path = str(PurePosixPath("/etc/systemd/network") / file)
            node.write(path, text.replace("@", NUMBER[name]))
        keepalived = keepalived_conf(name, self.vips, host)
        if self._ipv6:
            network += NETWORK6.format(own=OWN6[name])
            keepalived += KEEPALIVED6.format(
                interface=host.interface, priority=PRIORITY[name], vip=VIP6
            )
        assert "KeepConfiguration" not in network
        if host.is_netplan:
            node.install_aside("netplan.io")
            node.write("/etc/netplan/50-lab.yaml", network, mode=0o600)
        else:
            node.write("/etc/systemd/network/10-lan.network", network)
        node.write("/etc/keepalived/keepalived.conf", keepalived)
        # Nodes have no systemd-networkd-wait-online, which would hold it until networkd is done: it
        # ends where it finds no such interface.
        wait = "".join(WAIT_FOR_INTERFACE.format(interface=name) for name in host.before_keepalived)
        node.write("/etc/systemd/system/keepalived.service.d/lab.conf", f"[Service]\n{wait}")
        return node

    def _boot(self) -> None:
        for node in self.nodes:
            node.boot()
        for node in self.nodes:
            node.ready()
        self._wait_elected()
        self.make_master()

    def _wait_elected(self, limit: float = 30.0 * PATIENCE) -> None:
        """With nopreempt the node that started first is master, whatever its priority. With AH two
        nodes that became masters at the same time may go on refusing each other's adverts."""
        begun, restarted = time.monotonic(), not self.host.keepalived
        while not all(len(self.holder(vip)) == 1 for vip in self.every_vip):
            if not restarted and time.monotonic() > begun + limit / 2:
                self.b.run("systemctl", "restart", "keepalived.service")
                restarted = True
            if time.monotonic() > begun + limit:
                raise LabError(f"nobody became master: {self.state()}")
            time.sleep(0.05)  # polled from outside: the nodes' own events are under test

    @property
    def every_vip(self) -> tuple[str, ...]:
        """The VIPs of every instance: each instance elects a master of its own."""
        others = tuple(vip for _, vip in self.host.others)
        return (*self.vips, *others, VIP6) if self._ipv6 else (*self.vips, *others)

    @property
    def nodes(self) -> tuple[Node, Node]:
        """Both nodes."""
        return (self.a, self.b)

    def holder(self, vip: str = VIP) -> list[Node]:
        """The nodes that have the VIP on their interface."""
        interfaces = {address: interface for interface, address in self.host.others}
        where = interfaces.get(vip, "")
        return [node for node in self.nodes if has_address(node, vip, where)]

    def wait_master(self, node: Node, limit: float = 30.0 * PATIENCE) -> None:
        """Wait until this node alone holds every VIP."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            if all(self.holder(vip) == [node] for vip in self.every_vip):
                return
            time.sleep(0.05)  # polled from outside: the nodes' own events are under test
        raise LabError(f"{node.name} did not become the sole holder: {self.state()}")

    def protect(self, package: Path, guarded: bool) -> None:
        """Install netvip on both nodes, and adopt keepalived's configuration if asked to."""

        def install(node: Node) -> None:
            node.install(package)
            # It had no hook to run until now. The package leaves it alone; a boot starts it.
            node.run("systemctl", "start", "networkd-dispatcher.service")

        with ThreadPoolExecutor() as both:
            list(both.map(install, self.nodes))
        for node in self.nodes:
            self.wait_status(node, lambda status: bool(status["instances"]))
        if guarded:
            self.adopt()
        self.make_master()

    def adopt(self, leased: bool = False) -> None:
        """Make both configurations guarded; a source address that is leased has to be named."""
        for node in self.nodes:
            source = ("--source", OWN[node.name]) if leased else ()
            node.run("netvip", "adopt", "--apply", *source)
        for node in self.nodes:
            self.wait_status(node, _is_guarded)

    def make_master(self) -> None:
        """Have `a` be master, as before, and netvip know it."""
        if any(self.holder(vip) != [self.a] for vip in self.every_vip):
            self.b.run("systemctl", "restart", "keepalived.service")
        self.wait_master(self.a)
        if self.host.vips_on:  # keepalived announces them there, where no neighbour is
            for space in (self.near, self.gateway):
                space.run("ip", "neighbour", "flush", "dev", "eth0")
        if self.a.succeeds("systemctl", "is-active", "netvip.service"):
            self.wait_status(self.a, _is_calm_master)

    def wait_status(
        self, node: Node, wanted: Callable[[dict[str, Any]], bool], limit: float = 30.0 * PATIENCE
    ) -> dict[str, Any]:
        """Wait until `netvip status` says what is wanted; return it."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            status = netvip_status(node)
            if status and wanted(status):
                return status
            time.sleep(0.1)  # a status is asked for; nobody announces it
        raise LabError(f"{node.name}: netvip never said what was wanted: {status}\n{self.state()}")

    def state(self) -> str:
        """What both nodes have, for an error message."""
        shown = [f"{n.name}:\n{n.net.run('ip', 'address')}" for n in self.nodes]
        logs = [n.run("journalctl", "-q", "-n", "40", check=False) for n in self.nodes]
        return "\n".join(shown + logs)

    def close(self) -> None:
        """Tear everything down, in the reverse order."""
        for part in reversed(self._open):
            part.close()
        self._open.clear()
        for point in _mounts_below(self._scratch):
            run("umount", "-l", point, check=False)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def tag(scratch: str) -> str:
    """What tells the namespaces of a pair from those of another."""
    return scratch[-4:].replace("_", "x")


def has_address(node: Node, address: str, interface: str = "") -> bool:
    """Whether the address is on the node's interface; on that of its VIPs if none is named."""
    device = interface or node.interface
    shown = node.net.run("ip", "-o", "address", "show", "dev", device, "to", address, check=False)
    return bool(shown.strip())


def netvip_status(node: Node) -> dict[str, Any]:
    """What `netvip status --json` says; empty while the daemon is not reachable."""
    shown = node.run("netvip", "status", "--json", check=False)
    status: dict[str, Any] = json.loads(shown) if shown else {}
    return status


def _is_guarded(status: dict[str, Any]) -> bool:
    return {instance["mode"] for instance in status["instances"]} == {"guarded"}


def _is_calm_master(status: dict[str, Any]) -> bool:
    states = {instance["state"] for instance in status["instances"]}
    return states == {"MASTER"} and not status["windows"]


def leftovers(node: Node) -> list[str]:
    """What netvip has in the node's kernel now, line by line."""
    lines = [line.strip() for command in LEFTOVERS for line in node.net.run(*command).splitlines()]
    mine = [line for line in lines if not line.endswith((*KERNEL_RULES, *OPERATORS))]
    return [line for line in mine if not line.startswith(VIRTUAL_RULES)]


def _mounts_below(directory: Path) -> list[str]:
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return [point for point in reversed(points) if point.startswith(str(directory))]
