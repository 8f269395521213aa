"""netvip's lines go from a file that was edited since its adoption, and the edit stays."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path

import pytest

from netvip.errors import ConfigError
from netvip.keepalived.adoption import Host, adopted
from netvip.keepalived.configuration import Configuration
from netvip.keepalived.reader import read
from netvip.keepalived.unadoption import leftovers, unadopted
from tests.unit.helpers import ROOT

HOST = Host((2, 3, 3), {("eth0", 4): ip_address("192.0.2.1")})
WHOLE = """global_defs {
    router_id a
}

vrrp_script chk {
    script "/bin/ping -c1 192.0.2.254"
}

vrrp_instance WEB {
    state BACKUP
    interface eth0
    virtual_router_id 21
    priority 100
    virtual_ipaddress {
        192.0.2.10/24
        192.0.2.11/24 no_track
    }
    virtual_routes {
        198.51.100.0/24 via 192.0.2.1
        198.51.100.0/25 via 192.0.2.1 no_track
        198.51.101.0/24 nexthop via 192.0.2.1 nexthop via 192.0.2.2
    }
    virtual_rules {
        from 192.0.2.10 lookup 100
        from 192.0.2.11 no_track lookup 100
    }
    track_script {
        chk
    }
    notify "/usr/local/bin/told" app
    notify_master /up
}
"""
BARE = """vrrp_instance WEB {
    interface eth0
    virtual_router_id 21
    virtual_ipaddress {
        192.0.2.10/24
    }
}
"""
INPUTS = sorted((ROOT / "tests/unit/inputs").glob("*.conf"))


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    return tmp_path / "keepalived.conf"


def parsed(conf: Path, text: str) -> Configuration:
    return read(conf, given={conf: text})


def adopt(conf: Path, text: str, wrap_checks: bool = True) -> str:
    return adopted(parsed(conf, text), HOST, wrap_checks).get(conf, text)


def revert(conf: Path, before: str, now: str, wrap_checks: bool = True) -> str:
    """What is left of `now`, where `before` was adopted."""
    after = adopt(conf, before, wrap_checks)
    found = unadopted(parsed(conf, now), parsed(conf, before), parsed(conf, after))
    return found.get(conf, now)


def meaning(conf: Path, text: str) -> list[tuple[object, ...]]:
    return [(s.blocks, s.texts()) for s in parsed(conf, text).statements]


@pytest.mark.parametrize("before", [WHOLE, BARE], ids=["whole", "bare"])
def test_without_an_edit_all_is_as_before(conf: Path, before: str) -> None:
    after = adopt(conf, before)
    assert after != before and revert(conf, before, after) == before


@pytest.mark.parametrize("before", [WHOLE, BARE], ids=["whole", "bare"])
def test_an_edit_stays(conf: Path, before: str) -> None:
    def edited(text: str) -> str:
        text = text.replace("virtual_router_id 21", "virtual_router_id 22  # changed")
        return f"# mine\n{text}\nvrrp_script new {{\n    script /bin/true\n}}\n"

    assert revert(conf, before, edited(adopt(conf, before))) == edited(before)


@pytest.mark.parametrize(
    "form",
    [
        lambda text: re.sub(r"^ +", "\t", text, flags=re.M),
        lambda text: re.sub(r"^ +", "", text, flags=re.M),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace(" {\n", "\n{\n"),
        lambda text: text.replace("\n", "\n\n"),
    ],
    ids=["tabs", "no indentation", "CRLF", "braces below", "blank lines"],
)
@pytest.mark.parametrize("before", [WHOLE, BARE], ids=["whole", "bare"])
def test_in_any_form_they_are_found(conf: Path, before: str, form: object) -> None:
    assert callable(form)
    now = form(adopt(conf, before))
    left = revert(conf, before, now)
    assert meaning(conf, left) == meaning(conf, before)
    assert left.count("{") == left.count("}")


@pytest.mark.parametrize("before", [WHOLE, BARE], ids=["whole", "bare"])
def test_comments_stay_and_hide_nothing(conf: Path, before: str) -> None:
    left = revert(conf, before, adopt(conf, before).replace("\n", " # a comment {\n"))
    read_again = meaning(conf, left)
    assert [one for one in read_again if one in meaning(conf, before)] == meaning(conf, before)
    assert "netvip" not in left and left_in(conf, before, left) == []


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name)
@pytest.mark.parametrize("wrap_checks", [False, True])
def test_what_people_really_have_comes_back(path: Path, wrap_checks: bool) -> None:
    before = path.read_text(errors="surrogateescape")
    try:
        after = adopt(path, before, wrap_checks)
    except ConfigError:
        pytest.skip("adopt refuses it")
    now = f"{after}\n# edited since\n"
    assert meaning(path, revert(path, before, now, wrap_checks)) == meaning(path, before)


def test_no_vip_of_an_adopted_instance_stays_without_somebody_who_looks_after_it(
    conf: Path,
) -> None:
    now = adopt(conf, WHOLE).replace("192.0.2.10/24 no_track", "192.0.2.99/24 no_track")
    left = revert(conf, WHOLE, now)
    assert "192.0.2.99/24\n" in left, "that of a VIP that the edit brought"
    assert "192.0.2.11/24 no_track\n" in left, "that of the operator's own stays"


def test_an_instance_of_the_operator_s_own_stays_as_it_is(conf: Path) -> None:
    own = BARE.replace("WEB", "OWN").replace("/24", "/24 no_track").replace("21", "51")
    assert revert(conf, WHOLE, adopt(conf, WHOLE) + own) == WHOLE + own


def test_switches_that_the_operator_had_stay(conf: Path) -> None:
    before = WHOLE.replace("router_id a", "enable_script_security\n    script_user root")
    before = before.replace("state BACKUP", "mcast_src_ip 192.0.2.1")
    assert revert(conf, before, f"{adopt(conf, before)}\n# edited\n") == f"{before}\n# edited\n"


def test_a_script_of_the_operator_s_runs_as_before(conf: Path) -> None:
    for line in ('notify "/t -a"', "notify /t", 'notify "/t" app', 'notify "/t" root'):
        before = WHOLE.replace('notify "/usr/local/bin/told" app', line)
        left = revert(conf, before, f"{adopt(conf, before)}\n# edited\n")
        told = [s.texts() for s in parsed(conf, left).statements if s.keyword == "notify"]
        assert told == [s.texts() for s in parsed(conf, before).statements if s.keyword == "notify"]


def test_a_configuration_without_netvip_s_lines_stays_as_it_is(conf: Path) -> None:
    assert revert(conf, WHOLE, f"# written again\n{WHOLE}") == f"# written again\n{WHOLE}"


def left_in(conf: Path, before: str, now: str) -> list[str]:
    return leftovers({conf: revert(conf, before, now)}, [before])


def test_what_a_definition_makes_is_told(conf: Path) -> None:
    text = "$V=192.0.2.10/24 no_track\n" + BARE.replace("192.0.2.10/24", "$V")
    now = adopt(conf, text) + "# edited\n"
    assert left_in(conf, BARE, now) == [f"{conf}:1"]
    assert left_in(conf, WHOLE, adopt(conf, WHOLE) + "# edited\n") == []


@pytest.mark.parametrize(
    ("block", "own"),
    [
        ("global_defs {", "    include g.conf"),
        ("global_defs {", "    @other router_id o"),
        ("global_defs {", "    # why"),
        ("track_script {", "        @other chk_x"),
        ("track_file {\n", "        ! mine"),
    ],
)
def test_what_the_operator_put_into_a_block_of_netvip_s_stays(
    conf: Path, block: str, own: str
) -> None:
    after = adopt(conf, BARE)
    at = after.rindex(block.rstrip())
    now = after[:at] + after[at:].replace("{\n", "{\n" + own + "\n", 1)
    left = revert(conf, BARE, now)
    assert own in left and left.count("{") == left.count("}")
    assert "no_track" not in left and "netvip" not in left


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ('notify "/etc/netvip/keepalived-notify WEB --as app --then\t/t a" app', '"/t a" app'),
        ("notify '/etc/netvip/keepalived-notify WEB --as app --then /t a' root", "'/t a'"),
        ('notify "/etc/netvip/keepalived-notify WEB --then  /t" root', '"/t" root'),
    ],
)
def test_a_chain_in_any_form_is_taken_apart(conf: Path, line: str, left: str) -> None:
    now = adopt(conf, BARE)
    now = re.sub(r"notify .*", lambda _: line, now)
    assert f"notify {left}\n" in revert(conf, BARE, now)


@pytest.mark.parametrize(
    "line",
    [
        'notify "/etc/netvip/keepalived-notify WEB --then" root',
        'notify "/etc/netvip/keepalived-notify WEB --as" root',
        '$N="/etc/netvip/keepalived-notify WEB --then /x"\n    notify $N root',
        'nopreempt\n}\nvrrp_script h {\n script "/etc/netvip/keepalived-hold"\n',
    ],
)
def test_a_form_that_cannot_be_taken_apart_is_told(conf: Path, line: str) -> None:
    now = re.sub(r"notify .*", lambda _: line, adopt(conf, BARE))
    left = revert(conf, BARE, now)
    assert "/etc/netvip/" not in left or left_in(conf, BARE, now)
    assert left.count('"') % 2 == 0


def test_a_vip_that_was_edited_is_tracked_again_whatever_else_is_gone(conf: Path) -> None:
    now = adopt(conf, WHOLE)
    for what in ("netvip_WEB\n", 'notify_stop "/etc', "vrrp_script netvip_WEB {"):
        now = now.replace(what, f"# {what}") if what[0] != "v" else now
    now = now.replace("192.0.2.10/24 no_track", "192.0.2.10/24 dev eth0 no_track")
    assert "192.0.2.10/24 dev eth0\n" in revert(conf, WHOLE, now)


def test_an_instance_that_lacks_a_line_at_the_moment_is_cleaned_as_well(conf: Path) -> None:
    now = adopt(conf, WHOLE).replace("    interface eth0\n", "")
    left = revert(conf, WHOLE, now)
    assert "192.0.2.10/24\n" in left and "192.0.2.11/24 no_track\n" in left


def test_an_instance_that_was_renamed_keeps_what_is_the_operator_s(conf: Path) -> None:
    now = adopt(conf, WHOLE).replace("vrrp_instance WEB", "vrrp_instance NEW")
    left = revert(conf, WHOLE, now)
    assert "192.0.2.10/24\n" in left and "192.0.2.11/24 no_track\n" in left


def test_a_condition_before_an_instance_stays_with_it(conf: Path) -> None:
    before = BARE.replace("vrrp_instance", "@me vrrp_instance")
    configuration = read(conf, given={conf: before}, node="me")
    after = adopted(configuration, HOST)[conf]
    assert "\n@me vrrp_instance WEB {\n" in after


def test_a_command_in_single_quotes_stays_in_them(conf: Path) -> None:
    before = BARE + "vrrp_script c {\n    script '/bin/sh -c \"exit 0\"'\n}\n"
    after = adopt(conf, before)
    assert """script '/etc/netvip/keepalived-hold /bin/sh -c "exit 0"'""" in after
    assert revert(conf, before, after) == before
