"""netvip preview, compared with what systemd-networkd really deletes, and with what comes back."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.hosts import QUIET, Host
from tests.lab.measure import restart
from tests.lab.netns import Namespace
from tests.lab.node import Node
from tests.lab.pair import GATEWAY, OWN, Pair, has_address, netvip_status
from tests.lab.settings import PATIENCE
from tests.lab.shell import LabError

VIP6_HERE = "fd00:77::10/128"

# That networkd has begun has no signal, and it begins later on a machine that does other work.
pytestmark = [pytest.mark.idle, pytest.mark.once("bookworm")]

#: A second link that networkd manages; no action but a restart is for it.
SECOND = f"[Match]\nName=ens161\n\n[Network]\n{QUIET}{{keep}}Address=10.79.0.@/24\n"
LAN = f"""[Match]
Name=ens160

[Network]
{QUIET}IPv6AcceptRA=no
{{keep}}Address={OWN["a"]}/24
Address=fd00:77::1/64
Gateway={GATEWAY}

[Route]
Destination=10.50.0.0/16
Gateway=10.77.0.99

[RoutingPolicyRule]
From=10.50.0.0/16
Table=150
Priority=1500
"""
HOST = Host(
    "foreign objects",
    "ens160",
    ("ens160", "ens161"),
    (("20-second.network", SECOND.format(keep="")),),
    QUIET,
    prepare=lambda net: _unmanaged(net),
)
#: By hand, and as keepalived and DHCP clients add them.
ADDRESSES = (
    "10.77.0.20/24 dev ens160",
    "10.88.0.1/24 dev ens160",
    "10.77.0.12/32 dev ens160 valid_lft 3600 preferred_lft 3600",
    "10.77.0.13/32 dev ens160 preferred_lft 0",
    f"{VIP6_HERE} dev ens160 nodad preferred_lft 0",
    "fd00:77::11/64 dev ens160 nodad",
    "fe80::77:10/64 dev ens160 nodad",
    "10.79.0.10/24 dev ens161",
    "10.66.0.1/32 dev lo",
    "10.67.0.1/24 dev other0",
    "172.17.0.1/16 dev docker0",
)
PROTOCOLS = ("boot", "static", "kernel", "dhcp", "ra", "bird", "zebra", "18", "99", "redirect", "0")
ROUTES = (
    "10.100.0.0/24 via 10.77.0.100 table 100 proto static",
    "10.100.1.0/24 via 10.77.0.100 table 100 proto boot",
    "10.101.0.0/24 proto static nexthop via 10.77.0.100 nexthop via 10.79.0.100",
    "10.101.1.0/24 proto static nexthop via 10.79.0.100 nexthop via 10.77.0.100",
    "blackhole 10.102.0.0/24 proto static",
    "unreachable 10.102.1.0/24 proto boot",
    "blackhole 10.102.2.0/24 proto bird",
    "blackhole 10.102.3.0/24 proto kernel",
    "10.103.0.0/24 dev other0 proto static",
    "10.103.1.0/24 dev docker0 proto boot",
    "10.104.0.0/24 via 10.77.0.100 proto kernel src 10.77.0.20",
    f"10.104.1.0/24 via 10.77.0.100 proto kernel src {OWN['a']}",
    "10.105.0.0/24 via 10.79.0.100 proto static",
    "10.105.1.0/24 via 10.79.0.100 proto boot",
    "local 10.106.0.0/24 dev ens160 proto static table local",
)
NEXTHOPS = (
    "800 via 10.77.0.100 dev ens160 proto boot",
    "801 via 10.77.0.100 dev ens160 proto static",
    "802 via 10.77.0.100 dev ens160 proto kernel",
    "810 blackhole proto static",
    "811 via 10.79.0.100 dev ens161 proto static",
)
OVER_NEXTHOPS = ("10.108.0.0/24 nhid 800 proto static", "10.108.1.0/24 nhid 802 proto kernel")
SWITCHES = ("ManageForeignRoutes", "ManageForeignRoutingPolicyRules", "ManageForeignNextHops")
KEEPS = ("", "static", "dhcp", "yes")
ACTIONS = ("restart", "reload", "reconfigure")
#: Files and actions: KeepConfiguration= of both links, a line of networkd.conf, the action, and
#: whether there are foreign addresses that keep the kernel from deleting routes.
CASES = (
    *((keep, keep, "", action, True) for keep in KEEPS for action in ACTIONS),
    *((keep, keep, "", action, False) for keep in ("", "static", "yes") for action in ACTIONS),
    ("static", "", "", "restart", True),
    *(("", "", f"{switch}=no", action, True) for switch in SWITCHES for action in ACTIONS[::2]),
)


def _unmanaged(net: Namespace) -> None:
    """A bridge as docker's, and a link that no .network file names."""
    net.run("ip", "link", "add", "docker0", "type", "bridge")
    net.run("ip", "link", "add", "other0", "type", "veth", "peer", "name", "other1")
    for link in ("docker0", "other0", "other1"):
        net.run("ip", "link", "set", link, "up")


def add_foreign(net: Namespace, addresses: bool) -> None:
    """What networkd does not know."""
    for address in ADDRESSES if addresses else ():
        net.run("ip", "address", "add", *address.split())
    for nexthop in NEXTHOPS:
        net.run("ip", "nexthop", "add", "id", *nexthop.split())
    needs = ("10.77.0.20", "dev other0", "dev docker0")
    for route in (*ROUTES, *OVER_NEXTHOPS):
        if addresses or not any(need in route for need in needs):
            net.run("ip", "route", "add", *route.split())
    for number, protocol in enumerate(PROTOCOLS):
        net.run("ip", "route", "add", f"10.99.{number}.0/24", "via", GATEWAY, "proto", protocol)
        six = ("via", "fd00:77::100", "proto", protocol)
        net.run("ip", "-6", "route", "add", f"fd99:{number}::/64", *six)
        rule = ("table", "100", "pref", str(2000 + number), "protocol", protocol)
        net.run("ip", "rule", "add", "from", f"10.110.{number}.0/24", *rule)
        net.run("ip", "-6", "rule", "add", "from", f"fd11:{number}::/64", *rule)
    if addresses:
        source = ("src", "fd00:77::11", "proto", "kernel")
        net.run("ip", "-6", "route", "add", "fd98::/64", "via", "fd00:77::100", *source)
    net.run("ip", "rule", "add", "fwmark", "0x200/0xf00", "table", "2004", "pref", "9")


def present(net: Namespace) -> set[str]:
    """What is there, each by what identifies it in these tests."""
    found = set()
    for link in json.loads(net.run("ip", "-j", "address")):
        for one in link["addr_info"]:
            found.add(f"address {one['local']}/{one['prefixlen']} {link['ifname']}")
    for family in ("-4", "-6"):
        for route in json.loads(net.run("ip", "-j", "-N", family, "route", "show", "table", "all")):
            made = route.get("protocol") == "2" and "gateway" not in route
            if not made or route.get("type") == "6" or "nhid" in route:
                found.add(f"route {_prefix(route['dst'], family)}")
        for rule in json.loads(net.run("ip", "-j", family, "rule")):
            found.add(f"rule {'-6 ' if family == '-6' else ''}{rule['priority']}")
    for line in net.run("ip", "nexthop").splitlines():
        found.add(f"nexthop {line.split()[1]}")
    return found


def _prefix(destination: str, family: str) -> str:
    if destination == "default":
        return "0.0.0.0/0" if family == "-4" else "::/0"
    return destination if "/" in destination else f"{destination}/{32 if family == '-4' else 128}"


def identity(item: dict[str, Any]) -> str:
    """The same of an object that `netvip preview` names."""
    kind, words = item["kind"], item["object"].split()
    if kind == "address":
        return f"address {words[0]} {item['interface']}"
    if kind == "route":
        return f"route {next(word for word in words if '/' in word)}"
    if kind == "rule":
        return f"rule {item['object'].partition(':')[0]}"
    return f"nexthop {words[1]}"


def preview(node: Node, action: str, interface: str = "ens160") -> dict[str, Any]:
    """What netvip preview prints."""
    words = (action, interface) if action == "reconfigure" else (action,)
    shown = node.run("netvip", "preview", "--json", "--action", *words, check=False)
    found: dict[str, Any] = json.loads(shown)
    return found


def act(node: Node, action: str, interface: str = "ens160") -> None:
    """The action; a reload reads the files that were touched."""
    if action == "restart":
        restart(node)
    elif action == "reload":
        node.run("networkctl", "reload")
    else:
        node.run("networkctl", "reconfigure", interface)
    time.sleep(0.3)  # networkd begins some 30 ms after the call (fact lead-time)


def settle(node: Node, limit: float = 20.0 * PATIENCE, own: str = "") -> None:
    """Wait until networkd has put its own configuration back, and nothing has changed for 0.5 s.
    own is the address of ens161, where it is a lease."""
    expected = {
        "route 0.0.0.0/0",
        "route 10.50.0.0/16",
        "rule 1500",
        "address fd00:77::1/64 ens160",
    }
    expected |= {f"address {OWN['a']}/24 ens160", own or "address 10.79.0.1/24 ens161"}
    deadline, last, since = time.monotonic() + limit, set[str](), time.monotonic()
    while time.monotonic() < deadline:
        found = present(node.net)
        if found != last:
            last, since = found, time.monotonic()
        if expected <= found and time.monotonic() - since > 0.5:
            return
        time.sleep(0.05)  # the end has no signal (fact no-signal-for-the-end)
    raise LabError(f"networkd did not finish: {sorted(expected - last)}")


def begin(node: Node, keep: str, second: str, switch: str, addresses: bool) -> None:
    """The node as networkd leaves it, with these files, and foreign objects added."""
    line = "KeepConfiguration={}\n".format
    etc = "/etc/systemd/network"
    node.write(f"{etc}/10-lan.network", LAN.format(keep=line(keep) if keep else ""))
    files = SECOND.replace("@", "1").format(keep=line(second) if second else "")
    node.write(f"{etc}/20-second.network", files)
    node.write("/etc/systemd/networkd.conf.d/lab.conf", f"[Network]\n{switch}\n")
    node.run("systemctl", "stop", "systemd-networkd.socket", "systemd-networkd.service")
    _flush(node.net)
    node.run("systemctl", "reset-failed", "systemd-networkd.service", "systemd-networkd.socket")
    node.run("systemctl", "start", "systemd-networkd.service")
    settle(node)
    add_foreign(node.net, addresses)
    settle(node)


def _flush(net: Namespace) -> None:
    for link in ("ens160", "ens161", "other0", "docker0"):
        net.run("ip", "address", "flush", "dev", link)
    net.run("ip", "address", "delete", "10.66.0.1/32", "dev", "lo", check=False)
    for family in ("-4", "-6"):
        for table in ("main", "100"):
            net.run("ip", family, "route", "flush", "table", table, check=False)
        for rule in json.loads(net.run("ip", "-j", family, "rule")):
            if 0 < rule["priority"] < 32766:
                net.run("ip", family, "rule", "delete", "pref", str(rule["priority"]))
    net.run("ip", "route", "delete", "local", "10.106.0.0/24", "table", "local", check=False)
    net.run("ip", "nexthop", "flush", check=False)


def remove_foreign(net: Namespace) -> None:
    """Of what add_foreign() added, what is left: keepalived's VIP stays."""
    for address in ADDRESSES:
        net.run("ip", "address", "delete", *address.split()[:3], check=False)
    for number in range(len(PROTOCOLS)):
        for family, where in (("-4", f"10.99.{number}.0/24"), ("-6", f"fd99:{number}::/64")):
            net.run("ip", family, "route", "delete", where, check=False)
            net.run("ip", family, "rule", "delete", "pref", str(2000 + number), check=False)
    for route in (*ROUTES, *OVER_NEXTHOPS, "10.104.2.0/24"):
        net.run("ip", "route", "delete", *route.split(), check=False)
    net.run("ip", "-6", "route", "delete", "fd98::/64", check=False)
    for nexthop in NEXTHOPS:
        net.run("ip", "nexthop", "delete", "id", nexthop.split()[0], check=False)
    net.run("ip", "rule", "delete", "pref", "9", check=False)


@pytest.fixture(scope="module")
def pair(suite: str, package: Path) -> Iterator[Pair]:
    """Two nodes with netvip's package."""
    with Pair(suite, host=HOST) as found:
        found.protect(package, guarded=False)
        yield found


@pytest.fixture
def alone(pair: Pair) -> Iterator[Node]:
    """The control: neither netvip's daemon nor keepalived runs."""
    for node in pair.nodes:
        node.run("systemctl", "stop", "netvip.service", "keepalived.service")
    yield pair.a
    begin(pair.a, "", "", "", addresses=False)
    _flush_foreign(pair.a)
    for node in pair.nodes:
        node.run("systemctl", "start", "keepalived.service", "netvip.service")
    pair.make_master()


def _flush_foreign(node: Node) -> None:
    _flush(node.net)
    restart(node)
    settle(node)


def test_preview_names_exactly_what_networkd_deletes(alone: Node, figures: list[str]) -> None:
    wrong, most, took = [], 0, []
    for keep, second, switch, action, addresses in CASES:
        begin(alone, keep, second, switch, addresses)
        if action == "reload":
            os.utime(alone.root / "etc/systemd/network/10-lan.network")
        before, begun = present(alone.net), time.monotonic()
        told = preview(alone, action)
        took.append(time.monotonic() - begun)
        act(alone, action)
        settle(alone)
        gone, named = before - present(alone.net), {identity(item) for item in told["taken"]}
        most = max(most, len(gone))
        if gone != named:
            case = f"keep {keep or 'no'}/{second or 'no'} {switch} {action} addresses={addresses}"
            wrong.append((case, sorted(gone - named), sorted(named - gone)))
    figures.append(
        f"preview, systemd {told['systemd']}: {len(CASES)} cases, up to {most} objects deleted, "
        f"{len(wrong)} differ; it took {max(took) * 1000:.0f} ms at most"
    )
    assert most > 50, "the control shows no damage"
    assert wrong == [], "\n".join(map(str, wrong))


def test_a_reload_without_a_changed_file_takes_nothing(alone: Node) -> None:
    begin(alone, "", "", "", addresses=True)
    before = present(alone.net)
    assert preview(alone, "reload")["taken"] == []
    act(alone, "reload")
    settle(alone)
    assert before <= present(alone.net)


def test_a_leased_address_is_away_for_a_moment(pair: Pair, alone: Node) -> None:
    """And the kernel deletes the routes of an interface without an address."""
    server = f"[Match]\nName=ens161\n\n[Network]\n{QUIET}Address=10.79.0.1/28\nDHCPServer=yes\n"
    pool = "[DHCPServer]\nPoolOffset=5\nPoolSize=1\nEmitRouter=no\n"
    pair.b.write("/etc/systemd/network/20-second.network", server + pool)
    pair.b.run("systemctl", "restart", "systemd-networkd.service")
    client = f"[Match]\nName=ens161\n\n[Network]\n{QUIET}DHCP=ipv4\n{{keep}}"
    over, seen = ("10.109.0.0/24", "via", "10.79.0.1", "proto", "kernel"), set()
    for keep in ("", "static", "dhcp"):
        begin(alone, "", "", "", addresses=False)
        file = client.format(keep=f"KeepConfiguration={keep}\n" if keep else "")
        alone.write("/etc/systemd/network/20-second.network", file)
        restart(alone)
        lease = "address 10.79.0.5/28 ens161"
        settle(alone, own=lease)
        for action in ("restart", "reconfigure"):
            alone.net.run("ip", "route", "replace", *over)
            settle(alone, own=lease)
            before, told = present(alone.net), preview(alone, action, "ens161")
            act(alone, action, "ens161")
            settle(alone, own=lease)
            gone, named = before - present(alone.net), {identity(i) for i in told["taken"]}
            assert gone == named, (keep, action, gone ^ named)
            seen |= {(keep, action)} if "route 10.109.0.0/24" in gone else set()
    second = SECOND.replace("@", "2").format(keep="")
    pair.b.write("/etc/systemd/network/20-second.network", second)
    pair.b.run("systemctl", "restart", "systemd-networkd.service")
    assert ("", "reconfigure") in seen, "the control shows no damage"


def test_an_assisted_vip_is_carried_until_keepalived_has_it_again(pair: Pair) -> None:
    told = preview(pair.a, "restart")
    vips = [item for item in told["taken"] if item["object"] == f"{pair.vips[0]}/24"]
    assert [item["fate"] for item in vips] == ["keepalived"], told["taken"]
    restart(pair.a)
    deadline = time.monotonic() + 30 * PATIENCE
    while len(pair.holder()) != 1 or time.monotonic() < deadline - 30 * PATIENCE + 1:
        assert time.monotonic() < deadline, pair.state()
        time.sleep(0.05)  # either node may win the election


def test_what_comes_back_is_what_preview_says(pair: Pair, figures: list[str]) -> None:
    node = pair.a
    pair.adopt()
    for action in ACTIONS:
        pair.make_master()
        add_foreign(node.net, addresses=True)
        vip = ("proto", "kernel", "src", pair.vips[0])
        node.net.run("ip", "route", "add", "10.104.2.0/24", "via", GATEWAY, *vip)
        pair.wait_status(node, lambda status: not status["windows"])
        if action == "reload":
            os.utime(node.root / "etc/systemd/network/10-lan.network")
        before, told = present(node.net), preview(node, action)
        act(node, action)
        settle(node)
        pair.wait_status(node, lambda status: not status["windows"])
        after = present(node.net)
        for item in told["taken"]:
            back = identity(item) in after
            assert back is item["comes_back"], (action, item)
        named = {identity(item) for item in told["taken"]}
        assert before - after <= named, (action, before - after - named)
        vips = [item for item in told["taken"] if item["fate"] == "put_back"]
        assert vips and all("VI_1" in item["told"] for item in vips), told["taken"]
        figures.append(
            f"preview with netvip, systemd {told['systemd']}, {action}: {len(told['taken'])} "
            f"deleted, {len(vips)} put back"
        )
        assert has_address(node, pair.vips[0]) and netvip_status(node)["windows"] == []
        remove_foreign(node.net)


def findings(node: Node) -> dict[str, dict[str, Any]]:
    """What netvip doctor finds, by code."""
    shown = json.loads(node.run("netvip", "doctor", "--json", check=False))
    return {finding["code"]: finding for finding in shown}


def test_doctor_names_the_line_that_does_harm(pair: Pair) -> None:
    node, etc = pair.a, "/etc/systemd/network"
    assert not {code for code in findings(node) if code.startswith("NV4")} - {"NV407"}
    node.net.run("ip", "link", "add", "vrrp.51", "link", "ens161", "type", "macvlan")
    try:
        node.write(f"{etc}/99-any.network", f"# all\n[Match]\nName=*\n[Network]\n{QUIET}")
        node.write(
            f"{etc}/10-lan.network.d/own.conf",
            f"[Network]\nKeepConfiguration=static\nAddress={pair.vips[0]}/24\n",
        )
        restart(node)
        settle(node)
        node.net.run("ip", "link", "set", "vrrp.51", "up")
        node.net.run("ip", "address", "add", "10.79.0.99/32", "dev", "vrrp.51")
        node.net.run("ip", "rule", "add", "fwmark", "0x200/0xf00", "table", "2004", "pref", "9")
        told = findings(node)
        assert told["NV405"]["where"] == f"{etc}/10-lan.network.d/own.conf:3"
        assert told["NV404"]["where"] == f"{etc}/99-any.network:3"
        assert "Cilium" in told["NV403"]["text"]
        assert ("NV401" in told) is (pair.suite in ("bookworm", "backports"))
        restart(node)
        settle(node)
        assert "address 10.79.0.99/32 vrrp.51" not in present(node.net), "NV404 has no ground"
        assert "rule 9" not in present(node.net), "NV403 has no ground"
    finally:
        node.net.run("ip", "link", "delete", "vrrp.51")
        for file in ("99-any.network", "10-lan.network.d/own.conf"):
            (node.root / etc.lstrip("/") / file).unlink()
        node.net.run("ip", "rule", "delete", "pref", "9", check=False)
        restart(node)
        settle(node)


def test_a_link_that_networkd_does_not_manage_is_refused(pair: Pair) -> None:
    shown = pair.a.run(
        "sh", "-c", "netvip preview --action reconfigure docker0 2>&1; echo $?", check=False
    )
    assert "systemd-networkd does not manage docker0" in shown and shown.endswith("1\n"), shown


def test_without_networkd_there_is_one_sentence(pair: Pair) -> None:
    node = pair.b
    node.run("systemctl", "stop", "systemd-networkd.socket", "systemd-networkd.service")
    shown = node.run("sh", "-c", "netvip preview 2>&1; echo $?", check=False)
    assert shown.startswith("netvip: systemd-networkd does not answer"), shown
    assert not node.succeeds("systemctl", "is-active", "systemd-networkd.service")
