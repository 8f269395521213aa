"""The guarded configuration: what netvip adopt writes, and that it takes back every byte."""

from __future__ import annotations

import difflib
import errno
import os
import re
import signal
import stat
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip import config
from netvip.commands import adopt as command
from netvip.config import Config
from netvip.errors import ConfigError
from netvip.keepalived import files
from netvip.keepalived.adoption import (
    NO_TRACK,
    Host,
    adopted,
    insertions,
    unprotectable,
    unprotectable_ones,
)
from netvip.keepalived.ask import Build
from netvip.keepalived.backup import Backup
from netvip.keepalived.configuration import Configuration
from netvip.keepalived.current import Current
from netvip.keepalived.edits import Insertion, diff, insert
from netvip.keepalived.files import AdoptError
from netvip.keepalived.place import Place
from netvip.keepalived.reader import read
from tests.unit.helpers import command as netvip
from tests.unit.helpers import run

OWN: dict[tuple[str, int], IPv4Address | IPv6Address] = {
    ("ens160", 4): ip_address("10.77.0.1"),
    ("ens160", 6): ip_address("fe80::1"),
}
HOST = Host((2, 3, 3), OWN)
#: What an instance gets behind its interface: its source, and what netvip and keepalived tell
#: each other by.
ADDED_LINES = """\
    mcast_src_ip 10.77.0.1
    notify "/etc/netvip/keepalived-notify VI_1" root
    track_script {
        netvip_VI_1
    }
    track_file {
        netvip_VI_1
    }
"""
#: What stands before the instance.
DEFINITIONS = """\
global_defs {
    vrrp_notify_fifo /run/netvip/fifo root
    enable_script_security
    vrrp_garp_master_refresh 60
    vrrp_garp_master_repeat 5
}

vrrp_script netvip_VI_1 {
    script "/etc/netvip/keepalived-check VI_1"
    interval 1
    timeout 10
    fall 2
    rise 1
    weight 0
    user root
}

track_file netvip_VI_1 {
    file "/run/netvip/track/VI_1"
    weight 0
}

"""
BEFORE = """\
! the pair's own
vrrp_instance VI_1 {
    state BACKUP
    interface ens160
    virtual_router_id 51
    virtual_ipaddress {
        10.77.0.10/24 dev ens160   # web
        10.77.0.11/24 dev ens160 no_track
    }
    virtual_ipaddress_excluded { 10.77.0.12/24 }
    virtual_routes
    {
        10.9.0.0/16 via 10.77.0.100 dev ens160! far
        10.8.0.0/16 nexthop via 10.77.0.100 nexthop via 10.77.0.101
        10.7.0.0/16 dev ens160 no_track
        10.6.0.0/16 dev ens160 protocol 42
    }
    virtual_rules {
        from 10.77.0.10 lookup 100
    }
    track_interface {
        ens160
    }
}
"""
AFTER = f"""\
! the pair's own
{DEFINITIONS}vrrp_instance VI_1 {{
    state BACKUP
    interface ens160
{ADDED_LINES}    virtual_router_id 51
    virtual_ipaddress {{
        10.77.0.10/24 dev ens160 no_track   # web
        10.77.0.11/24 dev ens160 no_track
    }}
    virtual_ipaddress_excluded {{ 10.77.0.12/24 no_track }}
    virtual_routes
    {{
        10.9.0.0/16 via 10.77.0.100 dev ens160 no_track! far
        10.8.0.0/16 no_track nexthop via 10.77.0.100 nexthop via 10.77.0.101
        10.7.0.0/16 dev ens160 no_track
        10.6.0.0/16 dev ens160 protocol 42
    }}
    virtual_rules {{
        from 10.77.0.10 lookup 100 no_track
    }}
    track_interface {{
        ens160
    }}
}}
"""


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "keepalived.conf"
    path.write_text(BEFORE)
    return path


def guarded(path: Path) -> str:
    return adopted(read(path), HOST)[path]


def instance(*lines: str, vip: str = "10.77.0.10/24", end: str = "\n") -> str:
    body = [f"    {line}" for line in (*lines, "virtual_ipaddress {", f"    {vip}", "}")]
    return end.join(["vrrp_instance VI_1 {", *body, "}", ""])


# --- the new text -------------------------------------------------------------------------------


def test_every_entry_gets_no_track_and_the_instance_its_source(conf: Path) -> None:
    assert guarded(conf) == AFTER


def test_a_guarded_configuration_stays_as_it_is(conf: Path) -> None:
    conf.write_text(AFTER)
    assert adopted(read(conf), Host((2, 3, 3), {})) == {}


def test_nothing_but_words_is_added(conf: Path) -> None:
    matcher = difflib.SequenceMatcher(None, BEFORE, guarded(conf), autojunk=False)
    assert {code[0] for code in matcher.get_opcodes()} == {"equal", "insert"}


LINE = re.compile(r"[^\n]*\n|[^\n]+")


def test_the_diff_names_the_file_and_shows_what_is_added(conf: Path) -> None:
    configuration = read(conf)
    shown = diff(Path, configuration.texts, insertions(configuration, HOST)).splitlines()
    assert shown[:2] == [f"--- {conf}", f"+++ {conf} (guarded)"]
    added = len((DEFINITIONS + ADDED_LINES).splitlines())
    assert sum(line.startswith("+") for line in shown[2:]) == added + 5
    assert sum(line.startswith("-") for line in shown[2:]) == 5


def patched(text: str, shown: str) -> str:
    """The text with a unified diff applied, which has to fit everywhere."""
    old, new, at = LINE.findall(text), list[str](), 0
    lines = LINE.findall(shown.replace("\n\\ No newline at end of file\n", "\0\n"))
    for line in lines[2:]:
        content = line[1:].replace("\0\n", "")
        if found := re.match(r"@@ -(\d+)(,0)?", line):
            begin = int(found[1]) - (not found[2])
            new, at = [*new, *old[at:begin]], begin
            continue
        if line[0] in " -":
            assert content == old[at], (shown, at)
            at += 1
        new += [content] if line[0] in " +" else []
    return "".join([*new, *old[at:]])


@given(
    st.lists(st.sampled_from(["a\n", "}\n", "\n", "b\r\n", "c\f\n"]), max_size=30),
    st.sampled_from(["", "end"]),
    st.lists(st.tuples(st.integers(0, 99), st.sampled_from(["x", "\n", "}\n", "\n}", "a\nx\n"]))),
)
def test_the_diff_leads_from_the_text_to_the_new_one(
    lines: list[str], end: str, edits: list[tuple[int, str]]
) -> None:
    path, text = Path("/x"), "".join((*lines, end))
    made = [Insertion(path, at % (len(text) + 1), more) for at, more in edits]
    shown = diff(Path, {path: text}, made)
    assert patched(text, shown) == insert({path: text}, made).get(path, text)


@pytest.mark.parametrize(
    ("lines", "vip", "expected"),
    [
        (("interface ens160",), "10.77.0.10/24", "mcast_src_ip 10.77.0.1"),
        (("interface ens160",), "fe80::10/64", "mcast_src_ip fe80::1"),
        (
            ("interface ens160", "unicast_peer {", "10.77.0.2", "}"),
            "10.77.0.10/24",
            "unicast_src_ip 10.77.0.1",
        ),
        (("interface ens160", "unicast_src_ip 10.77.0.9"), "10.77.0.10/24", None),
        (("interface ens160", "mcast_src_ip 10.77.0.9"), "10.77.0.10/24", None),
    ],
    ids=["multicast", "ipv6", "unicast", "has unicast", "has multicast"],
)
def test_the_source_is_the_one_that_adverts_leave_from(
    conf: Path, lines: tuple[str, ...], vip: str, expected: str | None
) -> None:
    conf.write_text(instance(*lines, vip=vip))
    added = [line.strip() for line in guarded(conf).splitlines() if "src_ip" in line]
    written = [line for line in lines if "src_ip" in line]
    assert added == ([expected] if expected else written)


def test_a_comment_stays_with_the_interface_it_is_about(conf: Path) -> None:
    conf.write_text(instance("interface ens160  # uplink"))
    assert f"    interface ens160  # uplink\n{ADDED_LINES}" in guarded(conf)


def test_windows_line_ends_stay(conf: Path) -> None:
    conf.write_bytes(instance("interface ens160", end="\r\n").encode())
    assert not re.search(r"[^\r]\n", guarded(conf))


def test_a_source_stays_within_the_braces_of_its_line(conf: Path) -> None:
    conf.write_text("vrrp_instance A {\nvirtual_ipaddress { 10.77.0.10/24 }\ninterface ens160 }\n")
    words = " ".join(guarded(conf).split())
    assert "{ 10.77.0.10/24 no_track } interface ens160 mcast_src_ip 10.77.0.1 notify" in words
    assert words.endswith("track_file { netvip_A } }")


def test_a_source_for_this_node_alone_is_not_doubled(conf: Path) -> None:
    conf.write_text(instance("interface ens160", "@node1 mcast_src_ip 10.77.0.1"))
    assert guarded(conf).count("mcast_src_ip") == 1


def test_what_stands_in_included_files_is_edited_there(conf: Path) -> None:
    vips, links = conf.with_name("vips.inc"), conf.with_name("links.inc")
    vips.write_text("10.77.0.10/24\n")
    links.write_text("    interface ens160\n")
    conf.write_text(
        "vrrp_instance A {\ninclude links.inc\nvirtual_ipaddress {\ninclude vips.inc\n}\n}\n"
        "vrrp_instance B {\ninclude links.inc\nvirtual_ipaddress {\ninclude vips.inc\n}\n}\n"
    )
    changed = adopted(read(conf), HOST)
    assert changed[vips] == "10.77.0.10/24 no_track\n"
    assert changed[links].startswith("    interface ens160\n    mcast_src_ip 10.77.0.1\n")


@pytest.mark.parametrize("words", ["use_vmac", "use_vmac front", "use_vmac\n    vmac_xmit_base"])
def test_vips_on_a_vmac_are_guarded_as_others_are(conf: Path, words: str) -> None:
    conf.write_text(instance("interface ens160", words))
    changed = adopted(read(conf), HOST)[conf]
    assert "10.77.0.10/24 no_track" in changed and "mcast_src_ip 10.77.0.1" in changed
    assert words in changed and "netvip_VI_1" in changed


@pytest.mark.parametrize(
    ("words", "vip", "why"),
    [
        ("use_ipvlan", "10.77.0.10/24", "its adverts leave by"),
        ("nopreempt", "10.77.0.10/24 use_vmac", "single VIPs of it"),
        ("use_vmac", "10.77.0.10/24 dev ens161 use_vmac", "single VIPs of it"),
    ],
)
def test_other_links_of_keepalived_s_own_stay_as_they_are(
    conf: Path, words: str, vip: str, why: str
) -> None:
    plain = instance("interface ens160").replace("VI_1", "VI_2")
    conf.write_text(instance("interface ens160", words, vip=vip) + plain)
    configuration = read(conf)
    assert unprotectable(configuration.instances["VI_1"]).startswith(why)
    changed = adopted(configuration, HOST)[conf]
    assert instance("interface ens160", words, vip=vip) in changed
    assert "netvip_VI_2" in changed and "netvip_VI_1" not in changed


def test_where_nothing_can_be_protected_nothing_changes(conf: Path) -> None:
    conf.write_text(instance("interface ens160", "use_ipvlan"))
    assert adopted(read(conf), HOST, wrap_checks=True) == {}


def test_an_interface_in_a_vrf_is_left_as_it_is(conf: Path) -> None:
    host = replace(HOST, unprotectable={("ens160", 4): "ens160 belongs to the VRF vrf0"})
    configuration = read(conf)
    assert adopted(configuration, host) == {}
    assert "VRF" in unprotectable(configuration.instances["VI_1"], host)
    conf.write_text(instance("interface ens160", "use_vmac"))
    assert "VRF" in unprotectable(read(conf).instances["VI_1"], host)


def test_more_vips_on_a_host_than_were_tested_are_left_as_they_are(conf: Path) -> None:
    def too_many(number: int, before: int) -> str:
        return f"it has {number} besides {before}" if before + number > 2 else ""

    host = replace(HOST, too_many=too_many)
    two = "10.77.0.10/24\n        10.77.0.11/24"
    several = [
        instance("interface ens160", vip=vips).replace("VI_1", f"VI_{number}")
        for number, vips in enumerate((two, f"{two}\n        10.77.0.12/24", "10.77.0.13/24"), 1)
    ]
    conf.write_text("".join(several[:1]))
    assert adopted(read(conf), host)
    conf.write_text("".join(several))
    changed = adopted(read(conf), host)[conf]
    assert "netvip_VI_1" in changed and "netvip_VI_2" not in changed and "VI_3" in changed
    left = {"VI_2": "it has 3 besides 2", "VI_3": "it has 1 besides 2"}
    assert unprotectable_ones(read(conf), host) == left


@pytest.mark.parametrize(
    ("lines", "line", "sentence"),
    [
        (("state BACKUP",), 1, "vrrp_instance VI_1 names no interface"),
        (("state BACKUP", "interface"), 3, "interface lacks its value: keepalived ends there"),
        (("state BACKUP", "interface eth9"), 3, "eth9 has no static address of its own"),
    ],
)
def test_what_is_missing_is_told_with_its_line(
    conf: Path, lines: tuple[str, ...], line: int, sentence: str
) -> None:
    conf.write_text(instance(*lines))
    with pytest.raises(ConfigError, match=f"^{re.escape(str(conf))}:{line}: {sentence}"):
        adopted(read(conf), HOST)


def parsed(text: str, path: Path) -> Configuration:
    path.write_text(text)
    return read(path)


def test_what_is_adopted_is_guarded_for_the_reader(conf: Path) -> None:
    found = parsed(guarded(conf), conf)
    instance = found.instances["VI_1"]
    assert not any(address.tracked for address in instance.addresses)
    assert str(instance.source_ip) == "10.77.0.1"
    script = found.scripts[instance.track_scripts[0].name]
    assert (script.command, script.weight, script.fall) == (
        "/etc/netvip/keepalived-check VI_1",
        0,
        2,
    )
    file = found.track_files[instance.track_files[0].name]
    assert (file.file, file.weight) == ("/run/netvip/track/VI_1", 0)


@pytest.mark.parametrize(
    ("version", "root"), [((2, 0, 19), "vrrp_track_file"), ((2, 2, 4), "track_file")]
)
def test_the_track_file_is_spelled_as_the_version_has_it(
    conf: Path, version: tuple[int, ...], root: str
) -> None:
    assert f"\n{root} netvip_VI_1 {{" in adopted(read(conf), Host(version, OWN))[conf]


def test_before_2_0_there_is_nothing_to_track_by(conf: Path) -> None:
    text = adopted(read(conf), Host((1, 3, 9), OWN))[conf]
    assert "track_file" not in text and text.count("no_track") == BEFORE.count("no_track")
    assert "keepalived-check" in text and "mcast_src_ip" in text


def test_unicast_is_refused_where_keepalived_would_stay_in_fault(conf: Path) -> None:
    conf.write_text(instance("interface ens160", "unicast_peer {", "10.77.0.2", "}"))
    with pytest.raises(ConfigError, match="stays in FAULT for ever"):
        adopted(read(conf), Host((2, 2, 7), OWN))
    assert "unicast_src_ip" in adopted(read(conf), Host((2, 3, 3), OWN))[conf]


def test_a_source_that_the_operator_names_is_taken(conf: Path) -> None:
    conf.write_text(instance("interface eth9"))
    for name in ("", "VI_1"):
        host = Host((2, 3, 3), {}, {name: ip_address("10.77.0.7")})
        assert "mcast_src_ip 10.77.0.7" in adopted(read(conf), host)[conf]
    with pytest.raises(ConfigError, match="--source ADDR"):
        adopted(read(conf), Host((2, 3, 3), {}, {"VI_2": ip_address("10.77.0.7")}))


def test_in_a_file_of_several_nodes_the_source_is_this_node_s_alone(conf: Path) -> None:
    conf.write_text(instance("interface ens160", "@a priority 110", "@b priority 100"))
    text = adopted(read(conf, node="a"), Host((2, 3, 3), OWN, node="a"))[conf]
    assert "\n    @a mcast_src_ip 10.77.0.1\n" in text


def test_blocks_that_are_there_take_the_names(conf: Path) -> None:
    conf.write_text(
        "global_defs\n{\n    router_id a\n}\n"
        + instance("interface ens160", "track_script {", "    mine", "}")
    )
    text = guarded(conf)
    assert text.count("global_defs") == text.count("track_script") == 1
    assert "track_script {\n        netvip_VI_1\n" in text
    assert "{\n    vrrp_notify_fifo /run/netvip/fifo root\n" in text


def test_the_operator_s_fifo_stays_and_ours_stands_beside_it(conf: Path) -> None:
    conf.write_text("global_defs {\n    vrrp_notify_fifo /run/mine\n}\n" + BEFORE)
    text = guarded(conf)
    assert "vrrp_notify_fifo /run/mine" in text and "\n    notify_fifo /run/netvip/fifo" in text
    conf.write_text(text.replace("notify_fifo /run/netvip/fifo", "notify_fifo /run/other"))
    assert adopted(read(conf), HOST) == {}


def test_beside_the_operator_s_notify_ours_takes_the_single_states(conf: Path) -> None:
    conf.write_text(instance("interface ens160", 'notify "/op.sh x" op'))
    text = guarded(conf)
    assert 'notify "/op.sh x" op\n' in text
    assert 'notify_master "/etc/netvip/keepalived-notify VI_1 INSTANCE VI_1 MASTER 0" root' in text
    assert adopted(parsed(text, conf), HOST) == {}


@pytest.mark.parametrize(
    ("line", "chained"),
    [
        (
            'notify "/op.sh x" op grp',
            '"/etc/netvip/keepalived-notify VI_1 --as op:grp --then /op.sh x" op grp',
        ),
        (
            'notify "/op.sh x"',
            '"/etc/netvip/keepalived-notify VI_1 --as root --then /op.sh x" root',
        ),
        ("notify /op.sh", '"/etc/netvip/keepalived-notify VI_1 --as root --then /op.sh" root'),
    ],
)
def test_where_all_are_taken_the_operator_s_is_chained(conf: Path, line: str, chained: str) -> None:
    conf.write_text(instance("interface ens160", line, "notify_master /up.sh"))
    text = guarded(conf)
    assert f"    notify {chained}\n" in text and "notify_master /up.sh" in text
    assert adopted(parsed(text, conf), HOST) == {}


def test_the_operator_s_checks_are_wrapped_once(conf: Path) -> None:
    checks = 'vrrp_script a {\n    script "/bin/ping -c1 x"\n}\nvrrp_script b { script /b.sh\n}\n'
    conf.write_text(checks + BEFORE)
    text = adopted(read(conf), HOST, wrap_checks=True)[conf]
    assert 'script "/etc/netvip/keepalived-hold /bin/ping -c1 x"' in text
    assert 'script "/etc/netvip/keepalived-hold /b.sh"' in text
    assert adopted(parsed(text, conf), HOST, wrap_checks=True) == {}


def test_what_comes_out_of_a_definition_is_left_to_the_operator(conf: Path) -> None:
    conf.write_text("$VIPS=10.77.0.10/24\n" + instance("interface ens160", vip="$VIPS"))
    with pytest.raises(ConfigError, match=":5: a definition generates this line"):
        adopted(read(conf), HOST)


# --- applying and reverting ---------------------------------------------------------------------


VERSION = '[ "$1" = -v ] && echo "Keepalived v2.3.3 (03/30,2025)"; exit 0'


class Programs:
    """keepalived and systemctl as shell scripts that write down how they were called."""

    def __init__(self, place: Path) -> None:
        self._log, self._place = place / "calls", place / "bin"
        self._place.mkdir()
        self.make("keepalived", VERSION)
        self.make("systemctl")
        self.make("systemd-tmpfiles")

    def make(self, name: str, then: str = "exit 0") -> None:
        script = self._place / name
        script.write_text(f'#!/bin/sh\necho "{name} $*" >> "{self._log}"\n{then}\n')
        script.chmod(0o755)

    def remove(self, name: str) -> None:
        (self._place / name).unlink()

    def calls(self) -> list[str]:
        called = self._log.read_text().splitlines() if self._log.exists() else []
        self._log.unlink(missing_ok=True)
        return [line for line in called if "-v" not in line and "tmpfiles" not in line]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(command, "BACKUP", tmp_path / "state/adopt")
    monkeypatch.setattr(command, "RUN", str(tmp_path / "run"))
    monkeypatch.setattr(command, "_unguarded", lambda: "")
    return Programs(tmp_path)


REFUSES = """[ "$1" = -v ] && echo "Keepalived v2.3.3" && exit 0
[ -e "$0.seen" ] || { : >"$0.seen"; exit 0; }
echo "(line 7) unknown keyword" >&2; exit 1"""
RELOAD = ["systemctl is-active --quiet keepalived.service", "systemctl reload keepalived.service"]
AWKWARD = instance("interface ens160", end="\r\n").encode() + b"# Gr\xfc\xdfe \xff\xc3\r\nx\0\x85 "


def now(conf: Path) -> Current:
    """A keepalived that is installed and does not run."""
    return Current(Place(conf), None, Build(HOST.version))


def apply(conf: Path) -> None:
    configuration = read(conf)
    changed = adopted(configuration, HOST)
    before: dict[Path, bytes | None] = {path: path.read_bytes() for path in changed}
    after = {path: text.encode(errors="surrogateescape") for path, text in changed.items()}
    command._apply(now(conf), before, after)


def test_apply_validates_backs_up_and_reloads(conf: Path, programs: Programs) -> None:
    apply(conf)
    assert conf.read_text() == AFTER
    assert programs.calls() == [f"keepalived -t -f {conf}"] * 2 + RELOAD
    saved = Backup(command.BACKUP).load()[conf]
    assert (saved.before, saved.after) == (BEFORE.encode(), AFTER.encode())
    assert stat.S_IMODE(command.BACKUP.stat().st_mode) == 0o700


def test_a_keepalived_that_does_not_run_is_not_reloaded(conf: Path, programs: Programs) -> None:
    programs.make("systemctl", "exit 3")
    apply(conf)
    assert programs.calls()[2:] == RELOAD[:1]


@pytest.mark.parametrize("broken", ["refuses", "missing", "not executable"])
def test_what_keepalived_does_not_accept_changes_nothing(
    conf: Path, programs: Programs, broken: str
) -> None:
    programs.make("keepalived", REFUSES)
    if broken == "missing":
        programs.remove("keepalived")
    elif broken == "not executable":
        (conf.parent / "bin/keepalived").chmod(0o644)
    conf.write_bytes(AWKWARD)
    with pytest.raises(AdoptError, match=r"^nothing was changed: ") as told:
        apply(conf)
    assert broken != "refuses" or "(line 7) unknown keyword" in str(told.value)
    assert conf.read_bytes() == AWKWARD
    assert not command.BACKUP.exists()
    assert not [call for call in programs.calls() if call.startswith("systemctl")]
    assert sorted(path.name for path in conf.parent.iterdir() if path.is_file()) == [conf.name]


@pytest.mark.parametrize("content", [BEFORE.encode(), AWKWARD], ids=["plain", "awkward"])
def test_revert_gives_back_every_byte(conf: Path, programs: Programs, content: bytes) -> None:
    conf.write_bytes(content)
    apply(conf)
    assert b"no_track" in conf.read_bytes()
    programs.calls()
    assert command.main(["--revert"]) == 0
    assert conf.read_bytes() == content
    assert programs.calls() == RELOAD
    assert not command.BACKUP.exists()


def test_revert_gives_back_every_file(conf: Path, programs: Programs) -> None:
    vips = conf.with_name("vips.inc")
    vips.write_text("10.77.0.10/24\n")
    before = instance("interface ens160", vip="include vips.inc")
    conf.write_text(before)
    apply(conf)
    assert command.main(["--revert"]) == 0
    assert (conf.read_text(), vips.read_text()) == (before, "10.77.0.10/24\n")


@pytest.mark.usefixtures("programs")
def test_a_link_stays_a_link_and_the_mode_stays(conf: Path) -> None:
    real = conf.with_name("real.conf")
    conf.rename(real)
    real.chmod(0o640)
    conf.symlink_to(real)
    apply(conf)
    assert (conf.is_symlink(), real.read_text()) == (True, AFTER)
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


@pytest.fixture
def running(conf: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    """netvip.conf names this configuration, and the host is HOST."""
    monkeypatch.setattr(config, "load", lambda: Config(keepalived_conf=conf))
    monkeypatch.setattr(command, "_running", lambda: now(conf))
    monkeypatch.setattr(command, "_host", lambda *_: HOST)


@pytest.mark.usefixtures("running")
def test_revert_takes_its_lines_out_where_somebody_edited_since(
    conf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(conf)
    conf.write_text(f"{AFTER}# mine\n")
    assert command.main(["--revert"]) == 0
    assert conf.read_text() == f"{BEFORE}# mine\n" and not command.BACKUP.exists()
    assert f"{conf}: edited since the adoption" in capsys.readouterr().err


@pytest.mark.usefixtures("running")
def test_revert_changes_nothing_where_what_was_edited_cannot_be_read(conf: Path) -> None:
    apply(conf)
    conf.write_text(f"{AFTER}include {conf}\n")
    with pytest.raises(AdoptError, match=r"includes itself.*; then run netvip adopt"):
        command.main(["--revert"])
    assert conf.read_text() == f"{AFTER}include {conf}\n" and command.BACKUP.exists()


@pytest.mark.usefixtures("running")
def test_revert_of_an_edit_needs_no_keepalived(conf: Path, programs: Programs) -> None:
    apply(conf)
    conf.write_text(f"{AFTER}# mine\n")
    programs.make("keepalived", "exit 127")
    assert command.main(["--revert"]) == 0
    assert conf.read_text() == f"{BEFORE}# mine\n"


@pytest.mark.usefixtures("running")
def test_check_tells_by_its_status_alone(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--check"]) == 1
    apply(conf)
    capsys.readouterr()
    assert command.main(["--check"]) == 0
    conf.write_text(ADDED)
    assert command.main(["--check"]) == 1
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("running")
def test_what_print_shows_makes_an_adopted_configuration(
    conf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--print"]) == 0
    shown = capsys.readouterr().out
    conf.write_text(AFTER)
    assert command.main(["--print", "--instance", "VI_1"]) == 0
    again = capsys.readouterr().out
    for text in (shown, again):
        lines = {line.strip() for line in text.splitlines() if not line.startswith("#")}
        before, after = ({line.strip() for line in t.splitlines()} for t in (BEFORE, AFTER))
        missing = after - before - lines - {"global_defs {"}
        assert not [line for line in missing if NO_TRACK not in line and "_src_ip" not in line]
        assert {"10.77.0.10/24 dev ens160 no_track", "10.77.0.12/24 no_track"} <= lines
    with pytest.raises(AdoptError, match="no vrrp_instance VI_9 in"):
        command.main(["--print", "--instance", "VI_9"])


def test_without_a_backup_there_is_nothing_to_revert(conf: Path, programs: Programs) -> None:
    with pytest.raises(AdoptError, match="nothing to revert"):
        command.main(["--revert"])
    assert (conf.read_text(), programs.calls()) == (BEFORE, [])


ADDED = AFTER.replace(
    "    virtual_ipaddress {\n", "    virtual_ipaddress {\n        10.77.0.99/24\n"
)


def test_a_second_adoption_that_is_refused_leaves_the_first_revertible(
    conf: Path, programs: Programs
) -> None:
    apply(conf)
    conf.write_text(ADDED)
    programs.make("keepalived", REFUSES)
    with pytest.raises(AdoptError):
        apply(conf)
    conf.write_text(AFTER)
    assert command.main(["--revert"]) == 0
    assert conf.read_text() == BEFORE


@pytest.mark.usefixtures("programs")
def test_revert_of_a_second_adoption_loses_no_vip_that_was_added_between(conf: Path) -> None:
    apply(conf)
    conf.write_text(ADDED)
    apply(conf)
    assert command.main(["--revert"]) == 0
    assert "10.77.0.99/24" in conf.read_text()


def test_a_failed_reload_puts_everything_back(conf: Path, programs: Programs) -> None:
    programs.make("systemctl", 'case $1 in reload) echo "Job failed" >&2; exit 1;; esac')
    with pytest.raises(AdoptError, match="cannot reload keepalived: Job failed"):
        apply(conf)
    assert conf.read_text() == BEFORE and not command.BACKUP.exists()


def test_a_keepalived_that_does_not_run_it_gets_its_own_back(
    conf: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_unguarded", lambda: "VI_1 not guarded")
    monkeypatch.setattr(command, "CONFIRM_LIMIT", 0.0)
    with pytest.raises(
        AdoptError,
        match="restored: keepalived does not run the new configuration: VI_1 not",
    ):
        apply(conf)
    assert conf.read_text() == BEFORE and not command.BACKUP.exists()
    assert programs.calls()[2:] == [*RELOAD, *RELOAD]


KILLED = """[ "$1" = -v ] && echo "Keepalived v2.3.3" && exit 0
[ -e "$0.1" ] || { : >"$0.1"; exit 0; }
[ -e "$0.2" ] || { : >"$0.2"; kill -{signal} $PPID; exec sleep 60; }"""


@pytest.mark.parametrize("program", ["keepalived", "systemctl"])
@pytest.mark.parametrize("ending", ["INT", "HUP", "TERM"])
def test_a_signal_leaves_everything_as_it_was(
    conf: Path, programs: Programs, program: str, ending: str
) -> None:
    """It comes while keepalived tests the changed file, or while systemctl reloads it."""
    programs.make(program, KILLED.replace("{signal}", ending))
    (conf.parent / "bin/sleep").symlink_to("/bin/sleep")
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(AdoptError, match=f"interrupted by SIG{ending}"):
        apply(conf)
    assert conf.read_text() == BEFORE and not command.BACKUP.exists()
    assert not list(conf.parent.glob(".*"))
    assert signal.getsignal(signal.SIGTERM) == before


def test_two_signals_at_the_same_time_interrupt_no_undoing(
    conf: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> str:
        both = {signal.SIGTERM, signal.SIGHUP}
        signal.pthread_sigmask(signal.SIG_BLOCK, both)
        for number in both:
            os.kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
        return ""

    monkeypatch.setattr(command, "_unguarded", interrupt)
    with pytest.raises(AdoptError, match="restored: interrupted by SIG"):
        apply(conf)
    assert conf.read_text() == BEFORE and not command.BACKUP.exists()


def test_an_error_that_nobody_expects_leaves_everything_as_it_was(
    conf: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(command, "_unguarded", fail)
    with pytest.raises(ZeroDivisionError):
        apply(conf)
    assert conf.read_text() == BEFORE and not command.BACKUP.exists()
    assert programs.calls()[-1] == RELOAD[-1]


def test_what_cannot_be_restored_can_be_reverted_later(
    conf: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when all is to be undone."""

    def full(path: Path, content: bytes) -> None:
        if content == BEFORE.encode():
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, content)

    write = files.replace
    monkeypatch.setattr(files, "replace", full)
    programs.make("systemctl", 'case $1 in reload) echo "Job failed" >&2; exit 1;; esac')
    with pytest.raises(AdoptError, match=r"--revert: .*: No space left on device"):
        apply(conf)
    monkeypatch.setattr(files, "replace", write)
    programs.make("systemctl", "exit 3")
    assert command.main(["--revert"]) == 0
    assert conf.read_text() == BEFORE and not command.BACKUP.exists()


# --- the command as a process -------------------------------------------------------------------


@pytest.fixture
def installed(conf: Path, programs: Programs) -> Path:
    conf.with_name("netvip.conf").write_text(f"[keepalived]\nconfig = {conf}\n")
    conf.write_text(instance("interface lan0", "mcast_src_ip 10.77.0.1"))
    programs.make("systemctl", "exit 3")  # nobody here would confirm a reload
    return conf.parent


def test_without_apply_the_diff_is_shown_and_nothing_changes(installed: Path) -> None:
    before = (installed / "keepalived.conf").read_bytes()
    done = run(*netvip(installed, "adopt"))
    assert (done.returncode, done.stderr) == (1, "")
    assert "+        10.77.0.10/24 no_track" in done.stdout
    assert (installed / "keepalived.conf").read_bytes() == before


def test_apply_then_nothing_to_do_then_revert(installed: Path) -> None:
    done = [run(*netvip(installed, "adopt", *option)) for option in (["--apply"], [], ["--revert"])]
    assert [one.returncode for one in done] == [0, 0, 0], done
    assert "nothing to do: every instance is guarded" in done[1].stdout


def test_a_diff_with_bytes_that_are_no_utf_8_can_be_shown(installed: Path) -> None:
    with (installed / "keepalived.conf").open("ab") as file:
        file.write(b"# Gr\xfc\xdfe\n")
    done = run(*netvip(installed, "adopt"))
    assert (done.returncode, done.stderr) == (1, "")


def test_a_state_directory_that_cannot_be_made_is_told_in_a_sentence(installed: Path) -> None:
    (installed / "state").write_text("")
    done = run(*netvip(installed, "adopt", "--apply"))
    assert done.returncode == 1
    assert done.stderr.startswith("netvip: ") and "Traceback" not in done.stderr
