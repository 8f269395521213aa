"""Adoption changes nothing of the operator's: scripts, users, and lines with variables in them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from netvip.commands import adopt as command
from netvip.errors import ConfigError
from netvip.keepalived import script_files
from netvip.keepalived.adoption import Host, adopted
from netvip.keepalived.ask import Build
from netvip.keepalived.current import Current
from netvip.keepalived.files import AdoptError
from netvip.keepalived.place import Place
from netvip.keepalived.reader import read
from netvip.keepalived.scripts import default_user
from tests.unit.helpers import ROOT

INPUTS = ROOT / "tests/unit/inputs"
HOST = Host((2, 3, 3), {("eth0", 4): ip_address("192.0.2.1")})
INSTANCE = (
    "vrrp_instance WEB {\n interface eth0\n virtual_router_id 21\n"
    " virtual_ipaddress {\n  192.0.2.10/24\n }\n"
)


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    return tmp_path / "keepalived.conf"


def after(path: Path, host: Host = HOST, wrap_checks: bool = False) -> list[str]:
    """The lines of the adopted file, without their indentation."""
    text = adopted(read(path), host, wrap_checks)[path]
    return [line.strip() for line in text.splitlines()]


def missing(*commands: str) -> Host:
    return replace(HOST, missing=frozenset(commands))


# --- the switch for all scripts -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["04a-misc-check", "04b-quorum-up", "04c-fifo-script"])
def test_where_the_operator_has_scripts_the_switch_stays_as_it_is(name: str) -> None:
    assert "enable_script_security" not in after(INPUTS / f"{name}.conf")


@pytest.mark.parametrize(
    "block",
    [
        'virtual_server 192.0.2.10 80 {\n quorum_down "/x down"\n}\n',
        "virtual_server 192.0.2.10 80 {\n real_server 10.0.0.1 80 {\n  notify_up /x\n }\n}\n",
        "virtual_server 192.0.2.10 80 {\n real_server 10.0.0.1 80 {\n  notify_down /x\n }\n}\n",
        "global_defs {\n startup_script /x\n}\n",
        "global_defs {\n shutdown_script /x\n}\n",
        "global_defs {\n lvs_notify_fifo_script /x\n}\n",
        "global_defs {\n vrrp_notify_fifo_script /x\n}\n",
        'vrrp_script c {\n script "/x"\n}\n',
        "vrrp_sync_group G {\n group {\n  WEB\n }\n notify_stop /x\n}\n",
    ],
)
def test_scripts_of_every_kind_count(conf: Path, block: str) -> None:
    conf.write_text(f"{INSTANCE}}}\n{block}")
    assert "enable_script_security" not in after(conf)


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("01-notify-script-missing", "/usr/local/bin/stub-not-there up"),
        ("02-program-not-installed", "no-such-program -0 haproxy"),
    ],
)
def test_a_script_that_does_not_exist_keeps_its_user(name: str, gone: str) -> None:
    lines = after(INPUTS / f"{name}.conf", missing(gone))
    at = lines.index("enable_script_security")
    assert lines[at - 2 : at + 1] == [
        "vrrp_notify_fifo /run/netvip/fifo root",
        "script_user root",
        "enable_script_security",
    ]
    host = replace(missing(gone), script_user="web:www")
    assert "script_user web www" in after(INPUTS / f"{name}.conf", host)


def test_a_file_that_keepalived_opens_is_no_script(conf: Path) -> None:
    conf.write_text(f'vrrp_script c {{\n script "</etc/hostname"\n}}\n{INSTANCE}}}\n')
    lines = after(conf)
    assert "enable_script_security" in lines and "script_user root" not in lines


def test_the_fifo_decides_about_no_other_user() -> None:
    lines = after(INPUTS / "03-security-without-user.conf")
    assert "vrrp_notify_fifo /run/netvip/fifo root" in lines
    assert lines.count("enable_script_security") == 1
    conf = INPUTS / "04c-fifo-script.conf"
    assert "vrrp_notify_fifo /run/netvip/fifo root" in after(conf)


# --- users ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "there", "user"),
    [
        ((), (), "root"),
        ((), ("keepalived_script",), "keepalived_script"),
        (("enable_script_security",), (), None),
        (("enable_script_security",), ("keepalived_script",), "keepalived_script"),
        (("script_user web www", "enable_script_security"), ("web",), "web:www"),
        (("enable_script_security", "script_user web"), ("web",), "web"),
        (("script_user web",), (), None),
        (("vrrp_notify_fifo /f", "enable_script_security"), (), "root"),
        (("enable_script_security", "vrrp_notify_fifo /f"), (), None),
        (("vrrp_notify_fifo /f root", "enable_script_security"), (), None),
        (("vrrp_notify_fifo /f", "script_user web"), ("web",), "web"),
    ],
)
def test_the_user_of_scripts_that_name_none(
    conf: Path, lines: tuple[str, ...], there: tuple[str, ...], user: str | None
) -> None:
    conf.write_text("global_defs {\n" + "\n".join(lines) + f"\n}}\n{INSTANCE}}}\n")
    assert default_user(read(conf), lambda name: name in there) == user


def test_a_notify_script_that_keepalived_drops_is_not_run_by_netvip_s(conf: Path) -> None:
    notifies = " notify /n\n notify_master /m root\n"
    conf.write_text(f"{INSTANCE}{notifies}}}\n")
    assert 'notify "/etc/netvip/keepalived-notify WEB --as root --then /n" root' in after(conf)
    dropped = after(conf, replace(HOST, no_default_user=True))
    assert "notify /n" in dropped and 'notify "/etc/netvip/keepalived-notify WEB" root' in dropped
    for host in (missing("/n"), replace(HOST, disabled=frozenset({"/n"}))):
        with pytest.raises(ConfigError, match=r":7: keepalived does not run this script"):
            adopted(read(conf), host)


# --- checks that keep their last result -----------------------------------------------------------


def test_a_file_that_keepalived_opens_is_not_wrapped() -> None:
    lines = after(INPUTS / "14-wrap-openable-file.conf", wrap_checks=True)
    assert 'script "</etc/hostname"' in lines


@pytest.mark.parametrize("written", ["</f", '"</f"', '" </f"', '"< /f"'])
def test_however_it_is_written(conf: Path, written: str) -> None:
    conf.write_text(f"vrrp_script c {{\n script {written}\n}}\n{INSTANCE}}}\n")
    assert f"script {written}" in after(conf, wrap_checks=True)


def test_what_keepalived_does_not_run_is_not_wrapped(conf: Path) -> None:
    check = 'vrrp_script c {\n script "/x -v"\n}\n'
    conf.write_text(f"{check}{INSTANCE}}}\n")
    assert 'script "/etc/netvip/keepalived-hold /x -v"' in after(conf, wrap_checks=True)
    hosts = (missing("/x -v"), replace(HOST, disabled=frozenset({"/x -v"})))
    for host in (*hosts, replace(HOST, no_default_user=True)):
        assert 'script "/x -v"' in after(conf, host, wrap_checks=True)


# --- the files of scripts -------------------------------------------------------------------------


def test_missing_and_disabled_programs_are_found(tmp_path: Path) -> None:
    script = tmp_path / "check"
    script.write_text("#!/bin/sh\n")
    commands = [f"{script} x", "no-such-program-of-netvip -0 x", "sh -c true", "/no/such/file"]
    assert script_files.missing(commands) == {commands[1], commands[3]}
    assert script_files.disabled(commands[:1], secure=False) == {commands[0]}
    script.chmod(0o755)
    assert script_files.disabled(commands[:1], secure=False) == set()
    script.chmod(0o777)
    assert script_files.disabled(commands[:1], secure=True) == {commands[0]}
    assert script_files.disabled(commands[:1], secure=False) == set()


# --- names, definitions, interfaces ---------------------------------------------------------------


def test_a_name_with_a_blank_is_one_word_in_what_is_added() -> None:
    path = INPUTS / "18-name-with-blank.conf"
    lines = after(path)
    assert "vrrp_script netvip_my%20web {" in lines and "track_file netvip_my%20web {" in lines
    assert lines.count("netvip_my%20web") == 2
    assert 'notify "/etc/netvip/keepalived-notify my%20web" root' in lines


def test_a_name_with_a_blank_is_adopted_once(conf: Path) -> None:
    text = adopted(read(INPUTS / "18-name-with-blank.conf"), HOST)
    conf.write_text(next(iter(text.values())))
    assert adopted(read(conf), HOST) == {}


def test_a_variable_in_a_vip_s_line_stays() -> None:
    assert "192.0.2.10/24 dev $IF no_track" in after(INPUTS / "05-variable-in-vip-line.conf")


@pytest.mark.parametrize(
    ("definition", "line"),
    [
        ("$IF=eth0", "192.0.2.10/24 dev ${IF}"),
        ("$N=10", "192.0.2.${N}/24"),
        ("$EMPTY=", "192.0.2.10/24 $EMPTY"),
        ("$IP=192.0.2.10/24", "${IP} dev eth0"),
        ("", "~SEQ(N, 10, 12) 192.0.2.$N"),
        ("", "~SEQ(N, 10, 12) 192.0.2.${N}/24 dev eth0"),
    ],
)
def test_a_line_that_stands_in_the_file_is_edited_there(
    conf: Path, definition: str, line: str
) -> None:
    conf.write_text(f"{definition}\n{INSTANCE.replace('192.0.2.10/24', line)}}}\n")
    conf.write_text(adopted(read(conf), HOST)[conf])
    found = read(conf).instances["WEB"].addresses
    assert found and not any(address.tracked for address in found)
    assert adopted(read(conf), HOST) == {}


@pytest.mark.parametrize(
    "definition",
    ["$VIP=192.0.2.10/24", "$VIP=\\\n192.0.2.10/24\\\n192.0.2.11/24", "$VIP={ 192.0.2.10/24 }"],
)
def test_a_line_that_a_definition_makes_is_left_to_the_operator(
    conf: Path, definition: str
) -> None:
    inside = INSTANCE.replace(
        "{\n  192.0.2.10/24\n }", "$VIP" if "{" in definition else "{\n$VIP\n}"
    )
    conf.write_text(f"{definition}\n{inside}}}\n")
    with pytest.raises(ConfigError, match="a definition generates this line"):
        adopted(read(conf), HOST)


def test_without_an_interface_the_rest_is_adopted(conf: Path) -> None:
    lines = after(INPUTS / "17-no-interface.conf")
    assert lines.index("vrrp_instance WEB {") < lines.index("netvip_WEB") < lines.index("}", 30)
    assert "192.0.2.10/32 dev lo no_track" in lines and "192.0.2.11/32" in lines


# --- what is not adopted --------------------------------------------------------------------------


def test_a_configuration_that_ends_keepalived_is_refused_with_its_line() -> None:
    path = INPUTS / "07-missing-value.conf"
    with pytest.raises(ConfigError, match=r"07-missing-value\.conf:5: priority lacks its value"):
        adopted(read(path), HOST)


def test_a_source_with_a_length_gets_no_second_one() -> None:
    lines = after(INPUTS / "10-source-with-length.conf")
    assert [line for line in lines if "src_ip" in line] == ["unicast_src_ip 192.0.2.1/24"]


@pytest.mark.parametrize("name", ["08a-no-instance", "08b-bom", "08c-typo"])
def test_without_an_instance_there_is_nothing_to_adopt(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = INPUTS / f"{name}.conf"
    monkeypatch.setattr(command, "_running", lambda: Current(Place(path), None, Build((2, 3, 3))))
    with pytest.raises(AdoptError, match=f"^no vrrp_instance in {path}: "):
        command.main([])


@pytest.mark.parametrize(
    ("name", "told"),
    [("09-unknown-block", ":6: keepalived does not follow the file"), ("06a-extra-brace", "")],
)
def test_a_file_that_keepalived_does_not_follow_is_told(
    name: str,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = INPUTS / f"{name}.conf"
    monkeypatch.setattr(command, "_running", lambda: Current(Place(path), None, Build((2, 3, 3))))
    monkeypatch.setattr(command, "_host", lambda *_: HOST)
    assert command.main([]) == 1
    said = capsys.readouterr().err
    assert (told in said) if told else said == ""
