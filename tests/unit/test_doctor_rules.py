"""Rules of netvip doctor that must be certain: where each fires, and where it stays silent."""

from __future__ import annotations

import shutil
from ipaddress import ip_interface
from pathlib import Path

import pytest

from netvip.core.model import InstanceSpec, Tri, Vip
from netvip.doctor import facts as gather
from netvip.doctor.rules import apply_rules
from netvip.keepalived.reader import read
from tests.unit.test_doctor import CALM, RECIPES, codes, conf, facts, found, with_script

__all__ = ["conf"]

ROOT = {"keepalived_script": Tri.NO}


def replaced(conf: Path, *pairs: tuple[str, str]) -> None:
    text = conf.read_text()
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after, 1)
    conf.write_text(text)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "check.sh"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


# --- checks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("ip addr show dev ens160 |\n  grep -q 10.77.0.10 || exit 1", {"NV201"}),
        ("ip -4 -o a s | fgrep 10.77.0.10/24", {"NV201"}),
        ('A=$(ip -o addr)\necho "$A" | grep -q "10\\.77\\.0\\.10" || exit 1', {"NV201"}),
        ('[ -n "$(ip addr show to 10.77.0.10)" ] || exit 1', {"NV201"}),
        ("[[ $(hostname -I) == *10.77.0.10* ]]", {"NV201"}),
        ("ifconfig ens160 | grep -q 10.77.0.10", {"NV201"}),
        (". /etc/vip.conf\nip addr | grep -q $VIP", {"NV201"}),
        ("ip addr | grep -q 10.77.0.10 || exit 0\nsystemctl -q is-active haproxy", set()),
        ("ip addr show ens160 | grep -q 'state UP'", set()),
        ("ip addr | grep -q 10.77.0.1/", set()),
        ("ip route show table 100 | grep -q 10.77.0.10", set()),
        ("logger 'I do not ping 10.77.0.10'\nexit 0 # ping 10.77.0.10", set()),
        ("cat <<EOF\nping 10.77.0.10\nEOF", set()),
        ("for ip in 10.77.0.9 10.77.0.10; do ping -c1 $ip || exit 1; done", {"NV203"}),
        ("ping -c1 -I 10.77.0.10 127.0.0.1", {"NV207"}),
        ("curl --interface 10.77.0.10 http://127.0.0.1/", {"NV207"}),
        ("curl -H 'Host: 10.77.0.10' http://127.0.0.1/", set()),
        ("wget -qO- http://10.77.0.10:8080/", {"NV204"}),
        ("curl http://127.0.0.1/ && nc -z localhost 80 && nc -z ::1 80", set()),
        ("curl --unix-socket /run/haproxy.sock http://haproxy/", set()),
        ("curl http://10.77.0.1/health", {"NV206"}),
        ("ping -c1 $GATEWAY", set()),
        ("pgrep haproxy || systemctl stop keepalived", {"NV208"}),
        ("pgrep haproxy || killall keepalived.service keepalived", {"NV208"}),
        ("systemctl is-active keepalived && killall -0 keepalived", set()),
    ],
)
def test_what_a_check_script_runs(conf: Path, script: Path, body: str, expected: set[str]) -> None:
    script.write_text(f"#!/bin/sh\n{body}\n")
    with_script(conf, f'"{script}"')
    assert codes(facts(conf)) == expected


@pytest.mark.parametrize("before", ["/bin/sh ", "/usr/bin/timeout 2 ", "/usr/bin/env bash "])
def test_a_script_behind_what_runs_it(conf: Path, script: Path, before: str) -> None:
    script.write_text("ip addr | grep -q $1\n")
    with_script(conf, f'"{before}{script} 10.77.0.10"')
    assert "NV201" in codes(facts(conf))


@pytest.mark.parametrize(
    ("first", "expected"), [("#!/usr/bin/python3", set()), ("#!/usr/bin/env bash", {"NV203"})]
)
def test_only_a_shell_s_script_is_read_as_one(
    conf: Path, script: Path, first: str, expected: set[str]
) -> None:
    script.write_text(f"{first}\nping 10.77.0.10\n")
    with_script(conf, f'"{script}"')
    assert codes(facts(conf)) == expected


def test_a_configuration_file_among_the_arguments_is_no_script(conf: Path, script: Path) -> None:
    program = script.with_name("haproxy")
    shutil.copy("/bin/true", program)
    script.write_text("ping 10.77.0.10\n")
    with_script(conf, f'"{program} -c -f {script}"')
    assert codes(facts(conf)) == set()


@pytest.mark.parametrize(
    ("line", "fires"),
    [
        ("/sbin/ip addr |/bin/grep x", True),
        ("/usr/bin/killall -0 haproxy > /dev/null 2>&1", True),
        ("/bin/true && /bin/true", True),
        ("/etc/netvip/keepalived-hold /bin/true || /bin/false", True),
        ("/usr/bin/pgrep -f 'haproxy|nginx'", False),
        ("/usr/bin/timeout 2 bash -c 'true|true'", False),
        ("</run/healthy", False),
    ],
)
def test_signs_of_the_shell_s_where_there_is_none(conf: Path, line: str, fires: bool) -> None:
    with_script(conf, f'"{line}"')
    assert ("NV202" in codes(facts(conf, here=False))) is fires


def test_a_pipe_in_a_notify_script(conf: Path) -> None:
    conf.write_text(CALM.replace("    nopreempt\n", '    nopreempt\n    notify "/bin/a | b"\n'))
    assert "NV202" in codes(facts(conf, here=False))


def test_the_check_that_stands_in_is_named_after_the_instance(conf: Path) -> None:
    with_script(conf, "\"/bin/sh -c 'ip a | grep 10.77.0.10'\"")
    instead = [f.instead for f in apply_rules(facts(conf, here=False)) if f.code == "NV201"]
    assert instead == [('script "/etc/netvip/keepalived-check VI_1"   # in place of mine',)]


def test_a_weight_of_a_track_file_and_of_a_group(conf: Path) -> None:
    group = "vrrp_sync_group G {\n group {\n VI_1\n }\n track_script {\n g weight 5\n }\n}\n"
    calm = conf.read_text()
    conf.write_text(f"vrrp_script g {{\n script /bin/true\n}}\n{calm}{group}")
    assert codes(facts(conf, here=False)) == {"NV205"}
    conf.write_text(f"vrrp_script g {{\n script /bin/true\n}}\n{calm}{group.replace('5', '0')}")
    assert codes(facts(conf, here=False)) == set()
    file = 'track_file f {\n    file "/run/f"\n}\n'
    conf.write_text(file + calm.replace("track_file {\n", "track_file {\n f\n"))
    assert found(facts(conf, here=False)) == {("NV205", 1)}  # keepalived's default is 1


def test_a_name_that_stands_for_nothing(conf: Path) -> None:
    replaced(conf, ("    track_script {\n", "    track_script {\n        gone\n"))
    assert codes(facts(conf, here=False)) == {"NV209"}


# --- notify scripts, and what keepalived runs at all ----------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("ip a del $VIP dev ens160", {"NV211"}),
        ("ip -4 address flush dev ens160", {"NV211"}),
        ("VIP=10.77.0.10\nsudo ip a d $VIP/32 dev ens160", {"NV211"}),
        ("ip addr add 10.88.0.1/24 dev ens192", set()),
        ("ip addr show | mail -s 'ip addr add' root", set()),
        ("ip route add default via 10.77.0.100", set()),
        ("systemctl --no-block try-restart keepalived.service", {"NV212"}),
        ("service keepalived restart", {"NV212"}),
        ("/etc/init.d/keepalived restart", {"NV212"}),
        ("systemctl restart haproxy # not keepalived", set()),
        ("logger 'systemctl restart keepalived'", set()),
    ],
)
def test_what_a_notify_script_runs(conf: Path, script: Path, body: str, expected: set[str]) -> None:
    script.write_text(f"#!/bin/sh\n{body}\n")
    replaced(conf, ("    nopreempt\n", f'    nopreempt\n    notify_backup "{script}"\n'))
    assert codes(facts(conf)) == expected


def test_a_notify_script_that_is_missing(conf: Path) -> None:
    replaced(conf, ("    nopreempt\n", "    nopreempt\n    notify_backup /nowhere/x\n"))
    assert codes(facts(conf)) == {"NV221"}
    assert codes(facts(conf, here=False)) == set()


def test_a_script_that_is_anybody_s(conf: Path, script: Path) -> None:
    script.chmod(0o777)
    with_script(conf, f'"{script}"')
    severities = {
        f.severity.value for f in apply_rules(facts(conf, users=ROOT)) if f.code == "NV223"
    }
    assert severities == {"error"}
    replaced(conf, ("    enable_script_security\n", ""))
    severities = {
        f.severity.value for f in apply_rules(facts(conf, users=ROOT)) if f.code == "NV223"
    }
    assert severities == {"warning"}
    # Who runs it is not known, or not root: keepalived does not mind.
    assert "NV223" not in codes(facts(conf))
    assert "NV223" not in codes(facts(conf, users={"keepalived_script": Tri.YES}))


def test_a_user_that_does_not_exist(conf: Path) -> None:
    with_script(conf, "/bin/true")
    assert codes(facts(conf, here=False, users=ROOT)) == {"NV224"}
    assert codes(facts(conf, here=False)) == set()
    assert codes(facts(conf, here=False, users={"keepalived_script": Tri.YES})) == set()
    replaced(conf, ("    script /bin/true\n", "    script /bin/true\n    user root\n"))
    assert codes(facts(conf, here=False, users=ROOT | {"root": Tri.YES})) == set()
    replaced(conf, ("    user root\n", "    user nobody2\n"))
    assert codes(facts(conf, here=False, users=ROOT | {"nobody2": Tri.NO})) == {"NV224"}
    replaced(conf, ("    user nobody2\n", ""), ("    router_id a\n", "    script_user mike\n"))
    assert codes(facts(conf, here=False, users=ROOT | {"mike": Tri.YES})) == set()


def test_a_track_file_s_directory(conf: Path, tmp_path: Path) -> None:
    replaced(conf, ("/run/netvip/track/VI_1", f"{tmp_path}/gone/VI_1"))
    missing = gather.missing_directories(read(conf))
    assert missing == {f"{tmp_path}/gone"}
    assert "NV225" in codes(facts(conf, here=False, missing=missing))
    assert "NV225" not in codes(facts(conf, here=False))


# --- instances ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pairs", "code", "fires"),
    [
        # conditional lines may count on one node each
        (
            [("    notify", "    @a notify_stop /a\n    @b notify_stop /b\n    notify")],
            "NV126",
            False,
        ),
        ([("    notify", "    notify_stop /a\n    notify_stop /b\n    notify")], "NV126", True),
        ([("    state BACKUP", "    @a state MASTER")], "NV112", False),
        ([("    priority 110", "    @a priority 255")], "NV114", False),
        ([("    priority 110", "    priority 255")], "NV114", True),
        ([("    priority 110", "    priority 255"), ("    nopreempt\n", "")], "NV114", False),
        # strict mode with accept (version 3), and of the address owner
        ([("router_id a", "vrrp_strict")], "NV121", True),
        ([("router_id a", "vrrp_strict"), ("    nopreempt", "    accept\n")], "NV121", True),
        (
            [("router_id a", "vrrp_strict\n vrrp_version 3"), ("    nopreempt", "    accept\n")],
            "NV121",
            False,
        ),
        ([("router_id a", "vrrp_strict"), ("priority 110", "priority 255")], "NV121", False),
        # which keepalived ignores in version 3 and in strict mode
        ([("    nopreempt", "    authentication {\n auth_type PASS\n}\n")], "NV122", True),
        (
            [("    nopreempt", "    version 3\n authentication {\n auth_type PASS\n}\n")],
            "NV122",
            False,
        ),
        # 0 is never
        ([("garp_master_refresh 60", "garp_master_refresh 0")], "NV123", True),
        # a VMAC is keepalived's own
        ([("    nopreempt", "    use_vmac\n    nopreempt"), (" no_track", "")], "NV101", False),
        ([("    nopreempt", "    use_vmac"), (" no_track", " dev ens160")], "NV101", False),
        ([("    nopreempt", "    use_vmac"), (" no_track", " dev ens161")], "NV101", True),
    ],
)
def test_an_instance(conf: Path, pairs: list[tuple[str, str]], code: str, fires: bool) -> None:
    replaced(conf, *pairs)
    assert (code in codes(facts(conf, here=False))) is fires


def test_tracked_vips_need_no_dead_man(conf: Path) -> None:
    conf.write_text(CALM)
    assert "NV104" not in codes(facts(conf, here=False))  # keepalived itself looks after them
    conf.write_text(CALM.replace(".10/24", ".10/24 no_track"))
    assert "NV104" in codes(facts(conf, here=False))
    conf.write_text(CALM)
    assert "NV104" in codes(facts(conf, here=False, version=(1, 3, 9)))


def test_unicast_instances_are_told_apart_by_their_source(conf: Path) -> None:
    first = CALM.replace(
        "    nopreempt\n", "    unicast_src_ip 10.77.0.1\n    unicast_peer {\n 10.77.0.2\n }\n"
    )
    second = first[first.index("vrrp_instance") :].replace("VI_1", "VI_2").replace(".10/", ".11/")
    conf.write_text(first + second)
    assert "NV125" in codes(facts(conf, here=False))
    conf.write_text(first + second.replace("src_ip 10.77.0.1", "src_ip 10.77.0.3"))
    assert "NV125" not in codes(facts(conf, here=False))


def test_a_vip_of_two_instances(conf: Path) -> None:
    second = CALM[CALM.index("vrrp_instance") :].replace("VI_1", "VI_2").replace("51", "52")
    conf.write_text(CALM + second)
    assert "NV128" in codes(facts(conf, here=False))
    conf.write_text(CALM + second.replace("10.77.0.10/24", "10.77.0.11/24"))
    assert "NV128" not in codes(facts(conf, here=False))


def test_a_block_that_an_older_keepalived_does_not_know(conf: Path) -> None:
    assert codes(facts(conf, here=False, version=(2, 2, 0))) == {"NV129"}
    replaced(conf, ("\ntrack_file netvip_VI_1", "\nvrrp_track_file netvip_VI_1"))
    assert codes(facts(conf, here=False, version=(2, 2, 0))) == set()


# --- the host -------------------------------------------------------------------------------------


def test_the_sysctl_of_an_interface_with_a_dot(conf: Path) -> None:
    conf.write_text(conf.read_text().replace("ens160", "ens160.10"))
    known = facts(
        conf,
        here=False,
        own={"ens160.10": (ip_interface("10.77.0.1/24"),)},
        promote_secondaries={"ens160.10": (0, 0)},
        arp_ignore={"ens160.10": (2, 0)},
    )
    instead = {f.code: f.instead for f in apply_rules(known)}
    assert instead == {
        "NV301": ("net/ipv4/conf/ens160.10/promote_secondaries = 1   # in /etc/sysctl.d",),
        "NV302": ("net/ipv4/conf/all/arp_ignore = 0   # in /etc/sysctl.d",),
    }


def test_an_interface_that_networkd_leaves_alone_is_named(conf: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    assert gather.unmanaged(["lo", "no.such"], links) == frozenset()
    (links / "1").write_text("# private\nADMIN_STATE=unmanaged\nOPER_STATE=carrier\n")
    assert gather.unmanaged(["lo", "no.such"], links) == {"lo"}
    found = apply_rules(facts(conf, here=False, unmanaged=frozenset({"ens160"})))
    assert [f.severity.value for f in found if f.code == "NV308"] == ["note"]


def test_keepalived_sets_promote_secondaries_itself(conf: Path) -> None:
    replaced(conf, ("    nopreempt\n", "    nopreempt\n    promote_secondaries\n"))
    own = {"ens160": (ip_interface("10.77.0.1/24"),)}
    known = facts(conf, here=False, own=own, promote_secondaries={"ens160": (0, 0)})
    assert codes(known) == set()


def test_an_old_keepalived_reports_no_no_track(conf: Path) -> None:
    vip = Vip(ip_interface("10.77.0.10").ip, 24, "ens160", True)
    running = (InstanceSpec("VI_1", "ens160", 51, 2, (vip,)),)
    assert "NV306" in codes(facts(conf, here=False, version=(2, 3, 3), running=running))
    assert "NV306" not in codes(facts(conf, here=False, version=(1, 3, 9), running=running))


def test_the_sysctls_of_this_machine() -> None:
    assert gather.sysctl("arp_ignore", ["lo", "no.such"]).keys() <= {"lo"}


def test_the_recipe_s_sleep(conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "keepalived.service.d"
    place.mkdir()
    shutil.copy(RECIPES / "override.conf", place)
    monkeypatch.setattr(gather, "UNITS", (str(tmp_path),))
    waits = gather.waits()
    assert waits == ((f"{place}/override.conf:7", "ExecStartPre=/bin/sleep 5"),)
    found = apply_rules(facts(conf, here=False, version=(2, 3, 3), waits=waits))
    assert [(f.code, f.where, f.severity.value) for f in found] == [("NV307", waits[0][0], "note")]
    # Where it is needed, or may be: keepalived's version is not known.
    assert codes(facts(conf, here=False, waits=waits)) == set()
    replaced(conf, ("mcast_src_ip", "unicast_peer {\n10.77.0.2\n}\nunicast_src_ip"))
    assert "NV307" not in codes(facts(conf, here=False, version=(2, 2, 7), waits=waits))
