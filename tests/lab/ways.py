"""The ways to lose a VIP: each is tried with keepalived alone and with netvip.

A setting is what the hosts and their surroundings are made of; its ways share its pairs.
Ways that the kernel of an ordinary machine cannot hold (VLANs, bonds, VRFs, IPVS, packet loss) are
in tests/lab/hosts.py.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.lab.hosts import FIREWALL, PLAIN, Host
from tests.lab.measure import (
    AFTERWARDS,
    REELECTED,
    Tool,
    reconfigure,
    restart,
    touch_and_reload,
)
from tests.lab.netns import Namespace, Switch
from tests.lab.node import Node
from tests.lab.pair import GATEWAY, INTERFACE, OWN, VIP, VIP6, VIPS3, Pair
from tests.suites import SUITES

#: Law 10: a VIP that is lost while netvip does not run ends in a failover within 4 s.
LAW_10 = 4000
#: keepalived's master-down interval with an advert each second is 3.6 s (RFC 5798 6.1).
MASTER_DOWN = 3700

Act = Callable[[Pair], None]


def nothing(_: Pair) -> None:
    """Nothing has to be done."""


@dataclass(frozen=True)
class Aim:
    """A probe besides those of near and far to the VIP."""

    name: str
    #: The namespace that it comes from, by the pair's name for it.
    source: str
    target: str


@dataclass(frozen=True)
class Setting:
    """What both nodes and their surroundings are made of."""

    name: str
    host: Host = PLAIN
    ipv6: bool = False
    vips: tuple[str, ...] = (VIP,)
    surround: Act = nothing
    aims: tuple[Aim, ...] = ()
    #: Whether the nodes' own addresses are leased.
    leased: bool = False
    #: Releases on which `netvip adopt` refuses it: netvip leaves it assisted.
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Way:
    """One way to lose a VIP, of a setting."""

    name: str
    act: Act
    before: Act = nothing
    undo: Act = nothing
    #: Whether the link stays up: at most one probe is lost. Else nothing is claimed but Law 12.
    stays: bool = True
    #: Whether the master falls silent: the peer's master-down interval begins with the last advert,
    #: so that two runs differ by an advert interval.
    silent: bool = False
    #: Whether the VIP becomes networkd's own, and looks then as networkd has it.
    networkds: bool = False
    #: Releases on which keepalived alone loses nothing.
    harmless: tuple[str, ...] = ()
    #: What is known to be lost all the same, in probes at 1 ms, by release, and why.
    known: dict[str, int] = field(default_factory=dict)
    why: str = ""
    #: The probe that loses it; empty for all of them.
    known_at: str = ""
    #: Seconds for which the probes go on.
    afterwards: float = AFTERWARDS
    #: The release on which `make test` runs it; empty if it is left to `make ways`.
    short: str = ""


def on_a(deed: Callable[[Node], None]) -> Act:
    """An act on the master."""

    def act(pair: Pair) -> None:
        deed(pair.a)

    return act


def command(*argv: str) -> Act:
    """A command in the master's network."""

    def act(pair: Pair) -> None:
        pair.a.net.run(*argv)

    return act


# --- networkd's own acts --------------------------------------------------------------------------

LAN_FILE = "/etc/systemd/network/10-lan.network"


RESTART = Way("restart", on_a(restart))
TOUCHED = Way("reload, file touched", on_a(touch_and_reload))
RECONFIGURE = Way("reconfigure", on_a(reconfigure))
NETWORKDS = (RESTART, TOUCHED, RECONFIGURE)


def edited(change: Callable[[str], str]) -> Act:
    """The interface's file is changed in earnest, then reloaded."""

    def act(pair: Pair) -> None:
        path = pair.a.root / LAN_FILE.lstrip("/")
        pair.a.write(f"{LAN_FILE}.before", path.read_text())
        pair.a.write(LAN_FILE, change(path.read_text()))
        pair.a.run("networkctl", "reload")

    return act


def unedited(pair: Pair) -> None:
    """As it was before."""
    before = pair.a.root / f"{LAN_FILE}.before".lstrip("/")
    pair.a.write(LAN_FILE, before.read_text())
    pair.a.run("networkctl", "reload")


def network_line(line: str) -> Callable[[str], str]:
    """A further line of the section [Network]."""
    return lambda text: text.replace("[Network]\n", f"[Network]\n{line}\n")


WITH_VIP = network_line(f"Address={VIP}/24")
NEW_GATEWAY = "10.77.0.101"


def another_gateway(pair: Pair) -> None:
    """The gateway has a second address."""
    pair.gateway.run("ip", "address", "replace", f"{NEW_GATEWAY}/24", "dev", "eth0")


def both_restarted(pair: Pair) -> None:
    """netvip is restarted while it is needed."""
    if pair.a.succeeds("systemctl", "is-active", "netvip.service"):
        pair.a.run("systemctl", "restart", "--no-block", "netvip.service")
    time.sleep(0.15)  # within 300 ms: the two restarts overlap
    restart(pair.a)


# --- the link -------------------------------------------------------------------------------------


def port(pair: Pair) -> str:
    """The switch's end of the master's cable."""
    (link,) = json.loads(pair.a.net.run("ip", "-j", "link", "show", "dev", INTERFACE))
    ports = json.loads(pair.switch.run("ip", "-j", "link", "show"))
    return str(next(p["ifname"] for p in ports if p["ifindex"] == link["link_index"]))


def unplugged(seconds: float, first: Act = nothing) -> Act:
    """The master's carrier is lost and comes back."""

    def act(pair: Pair) -> None:
        name = port(pair)
        first(pair)
        pair.switch.run("ip", "link", "set", name, "down")
        time.sleep(seconds)  # the outage itself
        pair.switch.run("ip", "link", "set", name, "up")

    return act


def reload_and_unplug(pair: Pair) -> None:
    touch_and_reload(pair.a)
    time.sleep(0.05)  # as long as a bond takes until its carrier goes


def down_and_up(pair: Pair) -> None:
    """ip link set down, and up again."""
    pair.a.net.run("ip", "link", "set", INTERFACE, "down")
    time.sleep(0.5)  # the outage itself
    pair.a.net.run("ip", "link", "set", INTERFACE, "up")


def renamed(pair: Pair) -> None:
    for words in (("down",), ("name", "lan0"), ("up",)):
        name = "lan0" if words == ("up",) else INTERFACE
        pair.a.net.run("ip", "link", "set", name, *words)


def renamed_back(pair: Pair) -> None:
    pair.a.net.run("ip", "link", "set", "lan0", "down")
    pair.a.net.run("ip", "link", "set", "lan0", "name", INTERFACE, "up")
    restart_keepalived(pair)


def made_again(pair: Pair) -> None:
    """The interface is deleted, and made again under its name."""
    pair.a.net.run("ip", "link", "delete", INTERFACE)
    time.sleep(0.5)  # the outage itself
    pair.switch.plug(pair.a.net, INTERFACE)


def restart_keepalived(pair: Pair) -> None:
    """keepalived begins anew: some of its versions stay in FAULT (fact stuck-in-fault)."""
    restart(pair.a)
    pair.a.run("systemctl", "restart", "keepalived.service")


def reconfigured(pair: Pair) -> None:
    reconfigure(pair.a)


def link_begun_anew(pair: Pair) -> None:
    """The kernel adds the link-local address as the link comes up."""
    down_and_up(pair)
    reconfigure(pair.a)


def stopped(*units: str) -> Act:
    """Programs stand still for 4 s, longer than keepalived's master-down interval."""

    def act(pair: Pair) -> None:
        there = [unit for unit in units if pair.a.succeeds("systemctl", "is-active", unit)]
        for unit in there:
            pair.a.run("systemctl", "kill", "--signal=STOP", unit)
        time.sleep(4.0)  # the stop itself
        for unit in there:
            pair.a.run("systemctl", "kill", "--signal=CONT", unit)

    return act


# --- the kernel's settings, filters, and others' objects ------------------------------------------


def sysctl(name: str, value: int, usual: int) -> tuple[Act, Act]:
    """Set for the interface and for all, on the master; and back."""

    def put(number: int) -> Act:
        names = [f"net.ipv4.conf.{where}.{name}={number}" for where in ("all", INTERFACE)]
        return command("sysctl", "-qw", *names)

    return put(value), put(usual)


def under(setting: str, put: Act, back: Act, **more: object) -> tuple[Way, ...]:
    """A restart and a reconfigure under a setting of the kernel's."""
    return tuple(
        replace(way, name=f"{setting}, {way.name}", before=put, undo=back, **more)  # type: ignore[arg-type]
        for way in (Way("restart", on_a(restart)), Way("reconfigure", on_a(reconfigure)))
    )


def firewall(pair: Pair) -> None:
    pair.a.net.run("nft", FIREWALL)
    if pair.a.succeeds("systemctl", "is-active", "netvip.service"):
        pair.a.run("systemctl", "restart", "netvip.service")


def no_firewall(pair: Pair) -> None:
    pair.a.net.run("nft", "delete", "table", "ip", "lab")
    if pair.a.succeeds("systemctl", "is-active", "netvip.service"):
        pair.a.run("systemctl", "restart", "netvip.service")


def foreign_rules(pair: Pair) -> None:
    """What networkd deletes with the rest: an operator's rule and route."""
    pair.a.net.run("ip", "rule", "add", "from", VIP, "lookup", "99", "pref", "500")
    route = ("default", "via", GATEWAY, "dev", INTERFACE, "table", "99")
    pair.a.net.run("ip", "route", "add", *route)


def no_foreign_rules(pair: Pair) -> None:
    pair.a.net.run("ip", "rule", "delete", "pref", "500", check=False)
    pair.a.net.run("ip", "route", "flush", "table", "99", check=False)


# --- plain hosts ----------------------------------------------------------------------------------


def six_behind_the_gateway(pair: Pair) -> None:
    """IPv6 between the node's network and the one behind the gateway."""
    pair.gateway.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
    for space, interface, address in (
        (pair.gateway, "eth0", "fd00:77::100/64"),
        (pair.gateway, "eth1", "fd00:78::100/64"),
        (pair.far, "eth0", "fd00:78::50/64"),
    ):
        space.run("ip", "address", "add", address, "dev", interface, "nodad")
    pair.far.run("ip", "route", "add", "default", "via", "fd00:78::100")


SIX = (Aim("near IPv6", "near", VIP6), Aim("far IPv6", "far", VIP6))
PLAIN_BOTH = Setting("IPv4 and IPv6", ipv6=True, surround=six_behind_the_gateway, aims=SIX)

PLAIN_WAYS = (
    *NETWORKDS,
    Way("address added, reload", edited(network_line("Address=10.77.0.3/24")), undo=unedited),
    Way(
        "MTU changed, reload",
        edited(lambda text: text.replace("[Network]", "[Link]\nMTUBytes=1400\n\n[Network]", 1)),
        undo=unedited,
    ),
    Way(
        "gateway changed, reload",
        edited(lambda text: text.replace(GATEWAY, NEW_GATEWAY)),
        before=another_gateway,
        undo=unedited,
    ),
    Way(
        "VIP added to the file, reload",
        edited(WITH_VIP),
        undo=unedited,
        networkds=True,
    ),
    Way(
        "VIP removed from the file, reload",
        unedited,
        before=edited(WITH_VIP),
        networkds=True,
    ),
    Way(
        "netvip and networkd restarted at once",
        both_restarted,
        stays=False,
        known=dict.fromkeys(SUITES, LAW_10),
        why="netvip is not running as the VIP goes: a failover within 4 s (Law 10)",
        afterwards=REELECTED,
    ),
    *under("rp_filter=1", *sysctl("rp_filter", 1, 0)),
    *under("arp_ignore=1", *sysctl("arp_ignore", 1, 0)),
    *under("promote_secondaries=0", *sysctl("promote_secondaries", 0, 1)),
    *under("fib daddr . iif filter", firewall, no_firewall),
    *under("an operator's rule and table", foreign_rules, no_foreign_rules),
    Way("ip addr del VIP", command("ip", "address", "delete", f"{VIP}/24", "dev", INTERFACE)),
    Way(
        "ip addr del VIP, IPv6", command("ip", "address", "delete", f"{VIP6}/64", "dev", INTERFACE)
    ),
    Way(
        "ip addr del own address",
        command("ip", "address", "delete", f"{OWN['a']}/24", "dev", INTERFACE),
        undo=reconfigured,
        stays=False,
        afterwards=REELECTED,
    ),
    Way(
        "ip addr flush",
        command("ip", "address", "flush", "dev", INTERFACE),
        undo=link_begun_anew,
        stays=False,
        afterwards=REELECTED,
    ),
    Way("carrier flap of 0.3 s", unplugged(0.3), stays=False, silent=True, afterwards=REELECTED),
    Way("carrier lost for 5 s", unplugged(5.0), stays=False, silent=True, afterwards=REELECTED),
    Way(
        "reload, 50 ms later carrier lost for 3 s",
        unplugged(3.0, reload_and_unplug),
        stays=False,
        silent=True,
        known=dict.fromkeys(SUITES, MASTER_DOWN),
        why="alone keepalived leaves MASTER by the reload, and tells the peer while it can",
        afterwards=REELECTED,
    ),
    Way("link down and up", down_and_up, stays=False, silent=True, afterwards=REELECTED),
    Way(
        "keepalived stopped for 4 s",
        stopped("keepalived.service"),
        stays=False,
        silent=True,
        afterwards=REELECTED,
    ),
    Way(
        "all daemons stopped for 4 s",
        stopped("keepalived.service", "netvip.service", "systemd-networkd.service"),
        stays=False,
        silent=True,
        afterwards=REELECTED,
    ),
    Way(
        "interface renamed",
        renamed,
        undo=renamed_back,
        stays=False,
        silent=True,
        afterwards=REELECTED,
    ),
    Way(
        "interface made again",
        made_again,
        undo=restart_keepalived,
        stays=False,
        silent=True,
        afterwards=REELECTED,
    ),
)

# --- other files of networkd's --------------------------------------------------------------------

STAR = Setting(
    "a file that matches *",
    replace(PLAIN, files=(("90-all.network", "[Match]\nName=*\n\n[Network]\n"),)),
)
ON_LO = Setting(
    "VIP on lo",
    replace(
        PLAIN,
        files=(("20-lo.network", "[Match]\nName=lo\n\n[Network]\n"),),
        vips_on="lo",
        vip="{vip}/32 dev lo",
    ),
    refused=tuple(SUITES),
)
KEEPS_CARRIER = Setting("IgnoreCarrierLoss=", replace(PLAIN, more="IgnoreCarrierLoss=yes\n"))
UNTRACKED = Setting("dont_track_primary", replace(PLAIN, keepalived="dont_track_primary"))
QUICK = Setting("adverts each 100 ms", replace(PLAIN, keepalived="version 3\n    advert_int 0.1"))

FLAPS = (
    Way("carrier flap of 0.3 s", unplugged(0.3), stays=False, silent=True, afterwards=REELECTED),
    Way("carrier lost for 5 s", unplugged(5.0), stays=False, silent=True, afterwards=REELECTED),
)


def touch_lo_and_reload(node: Node) -> None:
    os.utime(node.root / "etc/systemd/network/20-lo.network")
    node.run("networkctl", "reload")


#: Two instances of one sync group.
GROUP = """
vrrp_instance VI_2 {
    state BACKUP
    interface ens160
    virtual_router_id 52
    priority 100
    advert_int 1
    nopreempt
    virtual_ipaddress {
        10.77.0.20/24
    }
}
vrrp_sync_group G1 {
    group {
        VI_1
        VI_2
    }
}
"""
SYNC = Setting(
    "sync group of two",
    replace(PLAIN, blocks=GROUP, others=((INTERFACE, "10.77.0.20"),)),
    aims=(Aim("near, VI_2", "near", "10.77.0.20"),),
)

# --- DHCP and router advertisements ---------------------------------------------------------------

MACS = {"a": "02:00:00:00:77:01", "b": "02:00:00:00:77:02"}
DHCP_LAN = (
    "[Match]\nName={interface}\n\n[Network]\n{more}DHCP=ipv4\n\n[DHCPv4]\nClientIdentifier=mac\n"
)
OTHER_LEASE = "10.77.0.31"


class Leases:
    """The DHCP server in the gateway's namespace."""

    def __init__(self, space: Namespace) -> None:
        self._space = space
        self._tool: Tool | None = None

    def serve(self, delay: float = 0.0, seconds: int = 3600, a: str = OWN["a"]) -> None:
        """Offer the addresses, each after a delay in seconds."""
        self.close()
        known = (f"{MACS['a']}={a}", f"{MACS['b']}={OWN['b']}")
        self._tool = Tool(self._space, "dhcp", "eth0", GATEWAY, str(delay), str(seconds), *known)

    def close(self) -> None:
        """Offer nothing any more."""
        if self._tool is not None:
            self._tool.kill()
            self._tool = None


def leases(pair: Pair) -> Leases:
    """The pair's server."""
    return next(part for part in pair.parts if isinstance(part, Leases))


def with_dhcp(pair: Pair) -> None:
    for node in pair.nodes:
        node.net.run("ip", "link", "set", INTERFACE, "address", MACS[node.name])
    pair.keep(Leases(pair.gateway)).serve()


def serving(delay: float = 0.0, a: str = OWN["a"]) -> Act:
    """The server offers from now on so."""

    def act(pair: Pair) -> None:
        leases(pair).serve(delay, a=a)

    return act


DHCP = Setting("DHCP", replace(PLAIN, lan=DHCP_LAN), surround=with_dhcp, leased=True)
UNICAST = Setting(
    "DHCP, unicast",
    replace(PLAIN, lan=DHCP_LAN, keepalived="unicast_peer {\n        10.77.0.~\n    }"),
    surround=with_dhcp,
    leased=True,
    refused=("bookworm",),
)
SLOW = (
    Way(
        "2 s until DHCP answers, reconfigure",
        on_a(reconfigure),
        before=serving(delay=2.0),
        undo=serving(),
        afterwards=5.0,
        short="trixie",
    ),
    Way(
        "6 s until DHCP answers, reconfigure",
        on_a(reconfigure),
        before=serving(delay=6.0),
        undo=serving(),
        afterwards=9.0,
    ),
)


def renew(node: Node) -> None:
    node.run("networkctl", "renew", INTERFACE)


def usual_lease(pair: Pair) -> None:
    leases(pair).serve()
    renew(pair.a)


DHCP_WAYS = (
    *NETWORKDS,
    *SLOW,
    Way("lease renewed", on_a(renew), harmless=tuple(SUITES)),
    Way(
        "lease changed",
        on_a(renew),
        before=serving(a=OTHER_LEASE),
        harmless=tuple(SUITES),
        undo=usual_lease,
        afterwards=REELECTED,
    ),
)

IPV6_INSTANCE = f"""
vrrp_instance VI_6 {{
    state BACKUP
    interface {INTERFACE}
    virtual_router_id 61
    priority 100
    advert_int 1
    version 3
    nopreempt
    virtual_ipaddress {{
        {VIP6}/64
    }}
}}
"""
#: RFC 4861 6.2.1 has 600 s at most; radvd's default is as long.
RA_INTERVAL = 600.0


class Router:
    """The gateway advertises itself."""

    def __init__(self, space: Namespace) -> None:
        self._tool = Tool(space, "router", "eth0", str(RA_INTERVAL))

    def close(self) -> None:
        """Advertise nothing any more."""
        self._tool.kill()


def with_router(pair: Pair) -> None:
    six_behind_the_gateway(pair)
    pair.keep(Router(pair.gateway))


RA = Setting(
    "default route by RA",
    replace(
        PLAIN,
        files=(("10-lan.network.d/six.conf", "[Network]\nAddress=fd00:77::@/64\n"),),
        more="IPv6AcceptRA=yes\n",
        blocks=IPV6_INSTANCE,
        others=((INTERFACE, VIP6),),
    ),
    surround=with_router,
    aims=SIX,
)

# --- a second interface ---------------------------------------------------------------------------

SECOND_LAN = """[Match]
Name={interface}

[Network]
{more}Address={own}/24

[Route]
Gateway={gateway}
Metric=1024

[Route]
Destination=10.78.0.0/24
Gateway={gateway}
"""
DNAT = """table ip lab {
    chain lab {
        type nat hook prerouting priority -100; policy accept;
        ip daddr 10.77.0.12 dnat to 10.79.0.50
    }
}
"""
BACK = "10.79.0.50"


def with_second_interface(pair: Pair) -> None:
    """Behind ens161, which networkd does not manage, are a backend, a network that BGP knows, and
    the better default route, which BGP knows as well."""
    second = pair.keep(Switch(f"nv{pair.tag}-s2"))
    back = pair.space("back")
    second.plug(back, "eth0")
    back.run("ip", "link", "set", "eth0", "up")
    for address in (f"{BACK}/24", "10.90.0.1/32", "198.51.100.1/32"):
        back.run("ip", "address", "add", address, "dev", "eth0")
    ways = (("10.77.0.0/24", "10.90.0.1"), ("10.77.0.11/32", "198.51.100.1"))
    for destination, source in ways:
        back.run("ip", "route", "add", destination, "via", "10.79.0.1", "src", source)
    for number, node in (("1", pair.a), ("2", pair.b)):
        second.plug(node.net, "ens161")
        node.net.run("ip", "address", "add", f"10.79.0.{number}/24", "dev", "ens161")
        node.net.run("ip", "link", "set", "ens161", "up")
        node.net.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        for route in (
            ("10.90.0.0/24", "proto", "bird"),
            ("default", "metric", "20", "proto", "bird"),
            ("10.0.0.0/8", "proto", "static"),
        ):
            node.net.run("ip", "route", "add", *route, "via", BACK, "dev", "ens161")
        node.net.run("nft", DNAT)


SECOND = Setting(
    "second interface",
    replace(
        PLAIN,
        lan=SECOND_LAN,
        files=(("20-ens161.network", "[Match]\nName=ens161\n\n[Link]\nUnmanaged=yes\n"),),
    ),
    vips=VIPS3,
    surround=with_second_interface,
    aims=(
        Aim("a network by BGP", "back", VIP),
        Aim("the default route by BGP", "back", "10.77.0.11"),
        Aim("DNAT", "near", "10.77.0.12"),
    ),
)

TABLE: tuple[tuple[Setting, tuple[Way, ...]], ...] = (
    (PLAIN_BOTH, PLAIN_WAYS),
    (STAR, NETWORKDS),
    (
        ON_LO,
        (
            Way("restart", on_a(restart)),
            Way("reload, file of lo touched", on_a(touch_lo_and_reload)),
            Way("reconfigure lo", on_a(reconfigure)),
        ),
    ),
    (KEEPS_CARRIER, FLAPS),
    (UNTRACKED, FLAPS),
    (QUICK, NETWORKDS),
    (SYNC, (replace(RESTART, short="bookworm"), TOUCHED, RECONFIGURE)),
    (DHCP, DHCP_WAYS),
    (UNICAST, tuple(replace(way, short="") for way in SLOW)),
    (RA, tuple(replace(way, afterwards=REELECTED) for way in NETWORKDS)),
    (SECOND, NETWORKDS),
)
