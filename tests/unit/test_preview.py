"""netvip preview: what networkd reports and what the kernel has, as one answer."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from netvip.commands import preview as command
from netvip.const import TAG
from netvip.core import model
from netvip.core.model import Address, Link, Tri
from netvip.errors import NetvipError, NetworkdUnreachable
from netvip.linux import route_messages, routing, rtnl
from netvip.linux.netlink_messages import Message, split
from netvip.linux.routing import Nexthop, Objects, Route, Rule
from netvip.networkd import state
from netvip.networkd.fates import Protected
from netvip.networkd.files import Line, Settings
from netvip.networkd.preview import Governed, Host, Preview, preview
from netvip.networkd.state import ManagedLink, State, parse
from netvip.networkd.takes import Action

FILE = Path("/etc/systemd/network/10-lan.network")
VIP = Address(2, ip_address("10.77.0.10"), 24)
OWN = Address(2, ip_address("10.77.0.1"), 24)
GATEWAY = ip_address("10.77.0.100")
BY_HAND = Route(ip_network("10.99.0.0/24"), 254, 4, (2,), GATEWAY)
LINKS = (Link(1, "lo"), Link(2, "ens160"), Link(3, "docker0"))
#: As systemd 257's networkd describes a link and a rule, with what is not read left out.
DESCRIBED = {
    "Interfaces": [
        {
            "Index": 2,
            "Name": "ens160",
            "AdministrativeState": "configured",
            "NetworkFile": str(FILE),
            "NetworkFileDropins": ["/run/x.conf"],
            "Addresses": [
                {"Address": [10, 77, 0, 1], "PrefixLength": 24, "ConfigSource": "static"},
                {"Address": [10, 77, 0, 10], "PrefixLength": 24, "ConfigSource": "foreign"},
            ],
            "Routes": [
                {
                    "Destination": [0, 0, 0, 0],
                    "DestinationPrefixLength": 0,
                    "Gateway": [10, 77, 0, 100],
                    "Table": 254,
                    "Priority": 0,
                    "ConfigSource": "static",
                }
            ],
            "NextHops": [{"ID": 801, "ConfigSource": "foreign"}],
        },
        {"Index": 3, "Name": "docker0", "AdministrativeState": "unmanaged"},
    ],
    "RoutingPolicyRules": [
        {
            "Family": 2,
            "FromPrefix": [10, 50, 0, 0],
            "FromPrefixLength": 16,
            "Priority": 1500,
            "Table": 150,
            "FirewallMark": 0,
            "ConfigSource": "static",
        }
    ],
    "Routes": None,
    "NextHops": [{"ID": 7, "ConfigSource": "static"}],
}


def governed(keep: str = "", changed: Tri = Tri.NO, more: tuple[Line, ...] = ()) -> Governed:
    lines = (Line("Network", "KeepConfiguration", keep, FILE, 5),) if keep else ()
    return Governed(
        ManagedLink(2, "ens160", True, str(FILE)), Settings(FILE, lines + more), changed
    )


def host(*links: Governed, version: int = 257, **more: object) -> Host:
    objects = Objects(LINKS, (VIP,), (BY_HAND,), (Rule(2, 9, 2004, 0, mark=0x200, mask=0xF00),))
    vips = {("ens160", VIP.ip): "VI_1"}
    conf = Settings(Path("/etc/systemd/networkd.conf"))
    found = Host(objects, State(version), links or (governed(),), conf, vips, Protected())
    return replace(found, **more)  # type: ignore[arg-type]


def text(found: Preview) -> str:
    return "\n".join(command.lines(found))


def test_a_restart_is_for_all_links_and_names_each_object() -> None:
    guarded = Protected({("ens160", VIP.ip): True})
    shown = text(preview(host(protected=guarded), Action.RESTART))
    assert shown.splitlines() == [
        "a restart of systemd-networkd 257 configures ens160 anew",
        f"ens160: {FILE}, KeepConfiguration=no",
        "  address 10.77.0.10/24; keepalived (VI_1); netvip carries it through the window and "
        "puts it back",
        "  route 10.99.0.0/24 via 10.77.0.100 dev ens160; an operator or a script (protocol "
        "static); netvip carries it through the window; then it is lost",
        "of the whole host:",
        "  rule 9: from all fwmark 0x200/0xf00 lookup 2004; Cilium (mark 0x200/0xf00); lost",
        "left alone: docker0",
        "3 deleted: 1 put back or added again, 2 lost",
    ]


def test_without_the_daemon_all_is_lost() -> None:
    found = preview(host(), Action.RESTART)
    assert [item.fate.name for item in found.items] == ["LOST", "LOST", "LOST"]


def test_keep_configuration_is_that_of_the_file() -> None:
    found = preview(host(governed("static")), Action.RESTART)
    assert [item.kind for item in found.items] == []
    assert found.links[0].keep.value == "static"


@pytest.mark.parametrize(
    ("changed", "number", "remarks"), [(Tri.NO, 0, 0), (Tri.YES, 3, 0), (Tri.UNKNOWN, 3, 1)]
)
def test_a_reload_is_for_links_whose_file_has_changed(
    changed: Tri, number: int, remarks: int
) -> None:
    found = preview(host(governed(changed=changed)), Action.RELOAD)
    assert (len(found.items), len(found.remarks)) == (number, remarks)


def test_a_reload_without_a_change_says_so() -> None:
    shown = text(preview(host(), Action.RELOAD))
    assert shown == (
        "a reload of systemd-networkd 257 deletes nothing\n"
        "no .network file has changed since systemd-networkd read it"
    )


def test_a_reconfigure_is_for_one_link_that_networkd_manages() -> None:
    assert len(preview(host(), Action.RECONFIGURE, "ens160").items) == 3
    with pytest.raises(NetvipError, match=r"does not manage docker0: .* \(ens160\)"):
        preview(host(), Action.RECONFIGURE, "docker0")


def test_a_version_that_was_not_measured_is_named() -> None:
    found = preview(host(version=255), Action.RESTART)
    assert found.remarks == ("systemd 255 was not measured: this is what 254 does",)
    assert found.measured == 254


def test_an_own_address_that_the_changed_file_no_longer_has_is_named() -> None:
    own = State(257, addresses=frozenset({(2, ip_address("10.77.0.1"), 24)}))
    found = preview(host(governed(changed=Tri.YES), state=own), Action.RESTART)
    assert found.remarks == (f"10.77.0.1 of ens160 goes: {FILE} no longer has it",)
    line = (Line("Network", "Address", "10.77.0.1/24", FILE, 7),)
    found = preview(host(governed(changed=Tri.YES, more=line), state=own), Action.RESTART)
    assert found.remarks == ()


def test_an_address_that_the_file_names_stays() -> None:
    """Although networkd reports it as foreign for some seconds after its restart."""
    line = (Line("Network", "Address", str(VIP), FILE, 7),)
    found = preview(host(governed(more=line)), Action.RESTART)
    assert [item.kind for item in found.items] == ["route", "rule"]


@pytest.mark.parametrize(
    ("protected", "stays"),
    [
        (Protected(), False),
        (Protected({("ens160", VIP.ip): True}), True),
        (Protected({("ens160", VIP.ip): False}), False),
    ],
)
def test_a_route_from_a_vip_stays_if_the_vip_is_put_back(protected: Protected, stays: bool) -> None:
    source = Route(ip_network("10.104.0.0/24"), 254, 2, (2,), GATEWAY, VIP.ip)
    objects = Objects(LINKS, (VIP, OWN), (source,))
    state = State(257, addresses=frozenset({(2, OWN.ip, 24)}))
    found = preview(host(objects=objects, state=state, protected=protected), Action.RESTART)
    assert [item.kind for item in found.items] == ["address"] + ([] if stays else ["route"])


def test_netvip_s_own_objects_are_left_out() -> None:
    objects = Objects(LINKS, (replace(VIP, ip=ip_address("10.77.0.11"), proto=TAG),))
    assert preview(host(objects=objects), Action.RESTART).items == ()


def test_networkd_conf_has_its_say() -> None:
    line = Line("Network", "ManageForeignRoutingPolicyRules", "no", Path("f"), 1)
    found = preview(host(conf=Settings(Path("f"), (line,))), Action.RESTART)
    assert [item.kind for item in found.items] == ["address", "route"]


def test_the_json_has_what_the_text_has() -> None:
    plain = json.loads(json.dumps(command.plain(preview(host(), Action.RESTART))))
    assert plain["links"] == [
        {"interface": "ens160", "file": str(FILE), "keep": "no", "changed": "no"}
    ]
    assert plain["taken"][0] == {
        "kind": "address",
        "object": "10.77.0.10/24",
        "interface": "ens160",
        "owner": "keepalived",
        "told": "keepalived (VI_1)",
        "with": "",
        "fate": "lost",
        "comes_back": False,
    }
    assert (plain["systemd"], plain["measured"], plain["untouched"]) == (257, 257, ["docker0"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--action", "reboot"], "unknown action 'reboot'"),
        (["--action", "reconfigure"], "reconfigure needs one INTERFACE"),
        (["--action", "restart", "ens160"], "reconfigure needs one INTERFACE"),
    ],
)
def test_a_wrong_action_is_usage(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(words)
    assert ended.value.code == 2 and told in capsys.readouterr().err


@pytest.mark.parametrize(("links", "code"), [((governed(),), 1), ((governed("yes"),), 0)])
def test_the_exit_status_is_1_if_something_is_lost(
    links: tuple[Governed, ...], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "gather", lambda: host(*links))
    assert command.main([]) == code


# --- what networkd reports ----------------------------------------------------------------------


def test_networkd_s_answer() -> None:
    found = parse(DESCRIBED, 257)
    assert found.links[2] == ManagedLink(2, "ens160", True, str(FILE), ("/run/x.conf",))
    assert not found.links[3].managed
    assert found.addresses == {(2, ip_address("10.77.0.1"), 24)}
    assert found.routes == {(ip_network("0.0.0.0/0"), GATEWAY, 254, 0)}
    assert found.rules == {(2, 1500, 150, ip_network("10.50.0.0/16"), None, 0)}
    assert found.nexthops == {7} and found.noticed == {801}


def test_unmanaged_by_its_file_is_not_managed() -> None:
    link = DESCRIBED["Interfaces"][0] | {"AdministrativeState": "unmanaged"}  # type: ignore[index]
    assert not parse({"Interfaces": [link]}, 257).links[2].managed


def test_a_networkd_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "DESCRIBE", ("sh", "-c", "echo Call failed: gone >&2; exit 1"))
    monkeypatch.setattr(state, "VERSION_OF", ("echo", "systemd 257 (257.1)"))
    with pytest.raises(NetworkdUnreachable, match=r"does not answer \(gone\): it deletes nothing"):
        state.ask()


def test_a_networkd_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "DESCRIBE", ("sleep", "20"))
    monkeypatch.setattr(state, "VERSION_OF", ("echo", "systemd 257"))
    monkeypatch.setattr(state, "LIMIT", 0.1)
    with pytest.raises(NetworkdUnreachable, match="does not answer within"):
        state.ask()


def test_the_answer_of_busctl(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = json.dumps({"type": "s", "data": [json.dumps(DESCRIBED)]})
    monkeypatch.setattr(state, "DESCRIBE", ("echo", reply))
    monkeypatch.setattr(state, "VERSION_OF", ("echo", "systemd 254 (254.26-1)"))
    assert state.ask().version == 254


# --- what the kernel has ------------------------------------------------------------------------


def message(encoded: bytes) -> Message:
    return split(rtnl.number([encoded], 1))[0]


def test_an_address() -> None:
    sent = replace(VIP, proto=18, label="ens160:1", valid=3600, preferred=1800, scope=254)
    found = routing.address(message(rtnl.set_address(sent, 0)))
    assert found is not None
    assert (found.ip, found.proto, found.label) == (VIP.ip, 18, "ens160:1")
    assert (found.valid, found.preferred, found.scope) == (3600, 1800, 254)


def test_a_route_over_a_nexthop_object() -> None:
    sent = route_messages.add_route(
        model.Route(2, ip_network("10.99.0.0/24"), metric=5), 71000, 800, ip_address("10.77.0.1")
    )
    found = routing.route(message(sent))
    assert found == Route(
        ip_network("10.99.0.0/24"), 71000, 2, (), None, ip_address("10.77.0.1"), 5, nexthop=800
    )


def test_a_route_with_several_nexthops_has_the_interface_of_each() -> None:
    hops = b"".join(
        struct.pack("=HBBi", 16, 0, 0, index) + struct.pack("=HH", 8, 5) + GATEWAY.packed
        for index in (2, 3)
    )
    body = struct.pack("=BBBBBBBBI", 2, 24, 0, 0, 254, 4, 0, 1, 0)
    body += struct.pack("=HH", 8, 1) + bytes([10, 101, 0, 0])
    body += struct.pack("=HH", 4 + len(hops), 9) + hops
    header = struct.pack("=IHHII", 16 + len(body), 24, 0, 1, 0)
    found = routing.route(split(header + body)[0])
    assert found == Route(ip_network("10.101.0.0/24"), 254, 4, (2, 3), GATEWAY, multipath=True)


def test_a_rule() -> None:
    sent = rtnl.set_rule(rtnl.RTM_NEWRULE, 2, 30999, 71000, ip_network("10.77.0.10/32"))
    assert routing.rule(message(sent)) == Rule(2, 30999, 71000, 2, ip_network("10.77.0.10/32"))


def test_a_nexthop() -> None:
    found = routing.nexthop(message(route_messages.add_nexthop(801, 2, 5, GATEWAY)))
    assert found == Nexthop(801, 2, 5, GATEWAY)


def test_this_host_can_be_read() -> None:
    found = routing.read()
    assert "lo" in {link.name for link in found.links}
