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
        lambda text: text.replace("\n", " # a comment {\n"),
        lambda text: text.replace(" {\n", "\n{\n"),
        lambda text: text.replace("\n", "\n\n"),
    ],
    ids=["tabs", "no indentation", "CRLF", "comments", "braces below", "blank lines"],
)
@pytest.mark.parametrize("before", [WHOLE, BARE], ids=["whole", "bare"])
def test_in_any_form_they_are_found(conf: Path, before: str, form: object) -> None:
    assert callable(form)
    now = form(adopt(conf, before))
    left = revert(conf, before, now)
    assert meaning(conf, left) == meaning(conf, before)
    assert left.count("{") - left.count("# a comment {") == left.count("}")


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


def test_what_a_definition_makes_is_told(conf: Path) -> None:
    text = "$F=vrrp_notify_fifo /run/netvip/fifo\nglobal_defs {\n    $F\n}\n" + BARE
    assert leftovers(parsed(conf, text)) == [f"{conf}:3"]
    assert leftovers(parsed(conf, adopt(conf, WHOLE))) == []
