"""netvip doctor: the classic recipes, every rule firing and silent, and the command."""

from __future__ import annotations

import json
import shutil
from ipaddress import ip_interface
from pathlib import Path

import pytest

from netvip.commands import doctor as command
from netvip.core.model import InstanceSpec, Tri, Vip
from netvip.doctor import facts as gather
from netvip.doctor.facts import Facts
from netvip.doctor.rules import RULES, apply_rules
from netvip.keepalived.adoption import Host, adopted
from netvip.keepalived.reader import read
from tests.unit.test_adoption import OWN

RECIPES = Path(__file__).parent / "recipes"


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    """The recipes as an operator has them: executable scripts, named by their full paths."""
    place = tmp_path / "recipes"
    shutil.copytree(RECIPES, place)
    for conf in place.glob("*.conf"):
        conf.write_text(conf.read_text().replace("RECIPES", str(place)))
    return place


def facts(conf: Path, here: bool = True, **more: object) -> Facts:
    configuration = read(conf)
    commands = gather.commands(configuration, here)
    return Facts(configuration, commands=commands, **more)  # type: ignore[arg-type]


def found(known: Facts) -> set[tuple[str, int]]:
    return {
        (finding.code, int(finding.where.rpartition(":")[2] or 0)) for finding in apply_rules(known)
    }


def codes(known: Facts) -> set[str]:
    return {finding.code for finding in apply_rules(known)}


#: What every configuration lacks that netvip has not adopted.
UNADOPTED = {"NV101", "NV102", "NV103"}


@pytest.mark.parametrize(
    ("name", "faults"),
    [
        (
            "one.conf",
            {
                ("NV101", 27),
                ("NV102", 17),
                ("NV103", 15),
                ("NV122", 23),
                ("NV123", 15),
                ("NV124", 15),
                ("NV201", 7),
                ("NV203", 7),
                ("NV205", 12),
                ("NV211", 32),
                ("NV211", 33),
                ("NV222", 6),
            },
        ),
        (
            "one_old.conf",
            {
                ("NV101", 18),
                ("NV102", 13),
                ("NV103", 11),
                ("NV123", 11),
                ("NV124", 11),
                ("NV201", 2),
                ("NV202", 2),
                ("NV203", 7),
                ("NV205", 4),
                ("NV205", 9),
                ("NV222", 1),
            },
        ),
        (
            "two.conf",
            {
                ("NV101", 21),
                ("NV102", 15),
                ("NV103", 13),
                ("NV121", 2),
                ("NV201", 7),
                ("NV204", 7),
                ("NV205", 9),
                ("NV211", 26),
                ("NV212", 26),
                ("NV222", 6),
            },
        ),
    ],
)
def test_every_fault_of_the_classic_recipes_is_named(
    recipes: Path, name: str, faults: set[tuple[str, int]]
) -> None:
    told = found(facts(recipes / name))
    # A directory of the test's own may be writable, and the old form's programs missing here.
    assert {one for one in told if one[0] not in ("NV223", "NV221")} == faults


CALM = """\
global_defs {
    router_id a
}
vrrp_instance VI_1 {
    state BACKUP
    interface ens160
    virtual_router_id 51
    priority 110
    advert_int 1
    nopreempt
    virtual_ipaddress {
        10.77.0.10/24
    }
}
"""


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "keepalived.conf"
    path.write_text(CALM)
    path.write_text(adopted(read(path), Host((2, 3, 3), OWN))[path])
    return path


def with_script(conf: Path, script: str, *lines: str) -> None:
    """A check of the operator's in an adopted configuration."""
    block = "\n".join(["vrrp_script mine {", f"    script {script}", *lines, "}", ""])
    text = conf.read_text().replace("    track_script {\n", "    track_script {\n        mine\n")
    conf.write_text(block + text)


def test_of_an_adopted_configuration_there_is_nothing_to_say(conf: Path) -> None:
    spec = InstanceSpec(
        "VI_1", "ens160", 51, 2, (Vip(ip_interface("10.77.0.10").ip, 24, "ens160", False),)
    )
    known = facts(
        conf,
        here=False,
        version=(2, 3, 3),
        json=Tri.YES,
        own={"ens160": (ip_interface("10.77.0.1/24"),)},
        promote_secondaries={"ens160": (0, 1)},
        arp_ignore={"ens160": (0, 0)},
        running=(spec,),
    )
    assert apply_rules(known) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [("10.77.0.10/24 no_track", "10.77.0.10/24"), ("    mcast_src_ip 10.77.0.1\n", ""), ("", "")],
)
@pytest.mark.parametrize("adopted", [False, True])
def test_an_adoption_that_was_written_over_is_told(
    conf: Path, before: str, after: str, adopted: bool
) -> None:
    conf.write_text(conf.read_text().replace(before, after))
    told = {f.code for f in apply_rules(facts(conf, here=False, adopted=adopted))}
    assert ("NV106" in told) is (adopted and bool(before))


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("10.77.0.10/24 no_track", "10.77.0.10/24", "NV101"),
        ("    mcast_src_ip 10.77.0.1\n", "", "NV102"),
        ("run/netvip/track/VI_1", "run/other", "NV103"),
        ("netvip/keepalived-check VI_1", "netvip/keepalived-check VI_2", None),
        ("/etc/netvip/keepalived-check VI_1", "/bin/true", "NV104"),
        ("/etc/netvip/keepalived-notify VI_1", "/bin/true", "NV104"),
        (
            "    advert_int 1\n",
            "    use_ipvlan\n    virtual_routes {\n 10.9.0.0/16 no_track\n }\n",
            "NV105",
        ),
        (
            "    advert_int 1\n",
            "    use_ipvlan\n    virtual_rules {\n from 10.77.0.10 no_track\n }\n",
            "NV105",
        ),
        ("    advert_int 1\n", "    virtual_routes {\n 10.9.0.0/16 no_track\n }\n", None),
        ("    advert_int 1\n", "    virtual_routes {\n 10.9.0.0/16 dev ens160\n }\n", None),
        ("    nopreempt\n", "", "NV111"),
        ("    nopreempt\n", "", "NV113"),
        ("state BACKUP", "state MASTER", "NV112"),
        ("    router_id a\n", "    vrrp_strict\n", "NV121"),
        ("    advert_int 1\n", "    authentication {\n auth_type PASS\n }\n", "NV122"),
        ("    vrrp_garp_master_refresh 60\n", "", "NV123"),
        ("    vrrp_garp_master_refresh 60\n", "    vrrp_garp_master_refresh 30\n", None),
        ("    vrrp_garp_master_repeat 5\n", "", "NV124"),
        ("    advert_int 1\n", '    notify "/etc/netvip/keepalived-notify VI_1"\n', "NV126"),
        ("    enable_script_security\n", "", "NV222"),
    ],
)
def test_a_line_too_many_or_too_few(conf: Path, before: str, after: str, code: str | None) -> None:
    text = conf.read_text()
    assert before in text
    conf.write_text(text.replace(before, after))
    told = codes(facts(conf, here=False))
    assert told == set() if code is None else code in told


@pytest.mark.parametrize(
    ("script", "lines", "code"),
    [
        ("\"/bin/sh -c 'ip -4 addr show dev ens160 | grep -q 10.77.0.10'\"", (), "NV201"),
        ('"/sbin/ip addr |/bin/grep 10.77.0.10"', (), "NV202"),
        ('"/bin/ping -c1 10.77.0.10"', (), "NV203"),
        ('"/bin/ping -c1 10.77.0.100"', (), "NV206"),
        ('"/bin/ping -c1 10.77.0.100"', ("    interval 2", "    fall 3"), None),
        ('"/etc/netvip/keepalived-hold /bin/ping -c1 10.77.0.100"', (), None),
        ('"/etc/netvip/keepalived-hold /bin/ping -c1 10.77.0.10"', (), "NV203"),
        ('"/usr/bin/curl -m1 http://10.77.0.10/health"', (), "NV204"),
        ('"/usr/bin/curl -m1 http://127.0.0.1/health"', ("    fall 5",), None),
        ('"/usr/bin/pgrep haproxy"', (), None),
        ('"/usr/bin/pgrep haproxy"', ("    weight -50",), "NV205"),
    ],
)
def test_a_check_of_the_operator_s(
    conf: Path, script: str, lines: tuple[str, ...], code: str | None
) -> None:
    with_script(conf, script, *lines)
    told = codes(facts(conf, here=False))
    assert told == set() if code is None else code in told


def test_a_script_that_is_missing_or_cannot_run_or_is_anybody_s(conf: Path, tmp_path: Path) -> None:
    script = tmp_path / "check.sh"
    with_script(conf, str(script), "    user root")
    assert "NV221" in codes(facts(conf))
    script.write_text("#!/bin/sh\n")
    assert "NV221" in codes(facts(conf))
    script.chmod(0o777)
    told = codes(facts(conf))
    assert "NV221" not in told and "NV223" in told


def test_two_instances_with_one_vrid(conf: Path) -> None:
    conf.write_text(CALM + CALM.replace("VI_1", "VI_2").replace(".10/24", ".11/24"))
    assert "NV125" in codes(facts(conf, here=False))
    other = CALM.replace("VI_1", "VI_2").replace("ens160", "ens192")
    conf.write_text(CALM + other)
    assert "NV125" not in codes(facts(conf, here=False))


def test_unicast_on_versions_that_stay_in_fault(conf: Path) -> None:
    text = conf.read_text().replace("mcast_src_ip", "unicast_peer {\n10.77.0.2\n}\nunicast_src_ip")
    conf.write_text(text)
    assert "NV127" in codes(facts(conf, here=False, version=(2, 2, 7)))
    assert codes(facts(conf, here=False, version=(2, 3, 3))) == set()


def test_the_host(conf: Path) -> None:
    own = {"ens160": (ip_interface("10.77.0.1/24"),)}
    hosts: dict[str, dict[str, object]] = {
        "NV301": {"own": own, "promote_secondaries": {"ens160": (0, 0)}},
        "NV302": {"arp_ignore": {"ens160": (0, 1)}},
        "NV303": {"shield_hurts": "a rule"},
        "NV304": {"json": Tri.NO},
        "NV305": {"version": (1, 3, 9)},
        "NV306": {"running": ()},
    }
    for code, known in hosts.items():
        assert codes(facts(conf, here=False, **known)) == {code}
    assert codes(facts(conf, here=False, own=own, promote_secondaries={"ens160": (1, 0)})) == set()
    elsewhere = {"ens160": (ip_interface("10.99.0.1/24"),)}
    assert (
        codes(facts(conf, here=False, own=elsewhere, promote_secondaries={"ens160": (0, 0)}))
        == set()
    )


def test_the_running_keepalived_is_the_truth(conf: Path) -> None:
    vip = Vip(ip_interface("10.77.0.99").ip, 24, "ens160", False)
    other = InstanceSpec("VI_2", "ens160", 52, 2, ())
    one = InstanceSpec("VI_1", "ens160", 51, 2, (vip,))
    found = apply_rules(facts(conf, here=False, running=(one, other)))
    assert [finding.code for finding in found] == ["NV306", "NV306"]
    assert "other VIPs" in found[0].text and "VI_2, which is not configured" in found[1].text


def test_every_rule_explains_itself() -> None:
    assert all(rule.__doc__ for rule in RULES)


def test_a_file_of_another_host_is_judged_alone(
    conf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--config", str(conf)]) == 0
    assert capsys.readouterr().out == "no findings\n"
    conf.write_text(CALM)
    assert command.main(["--config", str(conf)]) == 1
    shown = capsys.readouterr().out
    assert f"{conf}:12: error NV101: " in shown and "\n    10.77.0.10/24 no_track\n" in shown
    assert command.main(["--json", "--config", str(conf)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert {one["code"] for one in told} >= UNADOPTED
    assert set(told[0]) == {"code", "severity", "where", "text", "instead"}
