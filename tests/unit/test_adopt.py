"""The guarded configuration: what netvip adopt writes, and that it takes back every byte."""

from __future__ import annotations

import difflib
import json
import re
import stat
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest

from netvip.commands import adopt as command
from netvip.errors import ConfigError
from netvip.keepalived.adopt import adopted, diff
from netvip.keepalived.config import read
from tests.unit.helpers import command as netvip
from tests.unit.helpers import run

OWN: dict[tuple[str, int], IPv4Address | IPv6Address] = {
    ("ens160", 4): ip_address("10.77.0.1"),
    ("ens160", 6): ip_address("fe80::1"),
}
SOURCE = "    mcast_src_ip 10.77.0.1\n"
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
    }
    virtual_rules {
        from 10.77.0.10 lookup 100
    }
    track_interface {
        ens160
    }
}
"""
AFTER = """\
! the pair's own
vrrp_instance VI_1 {
    state BACKUP
    interface ens160
    mcast_src_ip 10.77.0.1
    virtual_router_id 51
    virtual_ipaddress {
        10.77.0.10/24 dev ens160 no_track   # web
        10.77.0.11/24 dev ens160 no_track
    }
    virtual_ipaddress_excluded { 10.77.0.12/24 no_track }
    virtual_routes
    {
        10.9.0.0/16 via 10.77.0.100 dev ens160 no_track! far
    }
    virtual_rules {
        from 10.77.0.10 lookup 100 no_track
    }
    track_interface {
        ens160
    }
}
"""


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "keepalived.conf"
    path.write_text(BEFORE)
    return path


def guarded(path: Path) -> str:
    return adopted(read(path), OWN)[path]


def instance(*lines: str, vip: str = "10.77.0.10/24", end: str = "\n") -> str:
    body = [f"    {line}" for line in (*lines, "virtual_ipaddress {", f"    {vip}", "}")]
    return end.join(["vrrp_instance VI_1 {", *body, "}", ""])


# --- the new text -------------------------------------------------------------------------------


def test_every_entry_gets_no_track_and_the_instance_its_source(conf: Path) -> None:
    assert guarded(conf) == AFTER


def test_a_guarded_configuration_stays_as_it_is(conf: Path) -> None:
    conf.write_text(AFTER)
    assert adopted(read(conf), {}) == {}


def test_nothing_but_words_is_added(conf: Path) -> None:
    matcher = difflib.SequenceMatcher(None, BEFORE, guarded(conf), autojunk=False)
    assert {code[0] for code in matcher.get_opcodes()} == {"equal", "insert"}


def test_the_diff_names_the_file_and_shows_what_is_added(conf: Path) -> None:
    configuration = read(conf)
    shown = diff(configuration.texts, adopted(configuration, OWN)).splitlines()
    assert shown[:2] == [f"--- {conf}", f"+++ {conf} (guarded)"]
    assert sum(line.startswith("+ ") for line in shown) == 5
    assert sum(line.startswith("- ") for line in shown) == 4


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
    added = set(guarded(conf).splitlines()) - set(conf.read_text().splitlines())
    assert added == {f"        {vip} no_track"} | ({f"    {expected}"} if expected else set())


def test_a_comment_stays_with_the_interface_it_is_about(conf: Path) -> None:
    conf.write_text(instance("interface ens160  # uplink"))
    assert f"    interface ens160  # uplink\n{SOURCE}" in guarded(conf)


def test_windows_line_ends_stay(conf: Path) -> None:
    conf.write_bytes(instance("interface ens160", end="\r\n").encode())
    assert not re.search(r"[^\r]\n", guarded(conf))


def test_a_source_stays_within_the_braces_of_its_line(conf: Path) -> None:
    conf.write_text("vrrp_instance A {\nvirtual_ipaddress { 10.77.0.10/24 }\ninterface ens160 }\n")
    expected = "{ 10.77.0.10/24 no_track } interface ens160 mcast_src_ip 10.77.0.1 }"
    assert " ".join(guarded(conf).split()).endswith(expected)


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
    expected = {vips: "10.77.0.10/24 no_track\n", links: f"    interface ens160\n{SOURCE}"}
    assert adopted(read(conf), OWN) == expected


@pytest.mark.parametrize(
    ("lines", "line", "sentence"),
    [
        (("state BACKUP",), 1, "vrrp_instance VI_1 names no interface"),
        (("state BACKUP", "interface"), 1, "vrrp_instance VI_1 names no interface"),
        (("state BACKUP", "interface eth9"), 3, "eth9 has no static address of its own"),
    ],
)
def test_what_is_missing_is_told_with_its_line(
    conf: Path, lines: tuple[str, ...], line: int, sentence: str
) -> None:
    conf.write_text(instance(*lines))
    with pytest.raises(ConfigError, match=f"^{re.escape(str(conf))}:{line}: {sentence}"):
        adopted(read(conf), OWN)


# --- applying and reverting ---------------------------------------------------------------------


class Programs:
    """keepalived and systemctl as shell scripts that write down how they were called."""

    def __init__(self, place: Path) -> None:
        self._log, self._place = place / "calls", place / "bin"
        self._place.mkdir()
        self.make("keepalived")
        self.make("systemctl")

    def make(self, name: str, then: str = "exit 0") -> None:
        script = self._place / name
        script.write_text(f'#!/bin/sh\necho "{name} $*" >> "{self._log}"\n{then}\n')
        script.chmod(0o755)

    def remove(self, name: str) -> None:
        (self._place / name).unlink()

    def calls(self) -> list[str]:
        called = self._log.read_text().splitlines() if self._log.exists() else []
        self._log.unlink(missing_ok=True)
        return called


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(command, "BACKUP", tmp_path / "state/adopt.json")
    return Programs(tmp_path)


REFUSES = 'echo "(line 7) unknown keyword" >&2; exit 1'
RELOAD = ["systemctl is-active --quiet keepalived.service", "systemctl reload keepalived.service"]
AWKWARD = instance("interface ens160", end="\r\n").encode() + b"# Gr\xfc\xdfe \xff\xc3\r\nx\0\x85 "


def apply(conf: Path) -> None:
    configuration = read(conf)
    changed = adopted(configuration, OWN)
    command._apply(conf, {path: configuration.texts[path] for path in changed}, changed)


def test_apply_validates_backs_up_and_reloads(conf: Path, programs: Programs) -> None:
    apply(conf)
    assert conf.read_text() == AFTER
    assert programs.calls() == [f"keepalived -t -f {conf}", *RELOAD]
    assert json.loads(command.BACKUP.read_text()) == {str(conf): {"before": BEFORE, "after": AFTER}}
    assert stat.S_IMODE(command.BACKUP.stat().st_mode) == 0o600


def test_a_keepalived_that_does_not_run_is_not_reloaded(conf: Path, programs: Programs) -> None:
    programs.make("systemctl", "exit 3")
    apply(conf)
    assert programs.calls()[1:] == RELOAD[:1]


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
    with pytest.raises(command.AdoptError, match=r"^nothing was changed: ") as told:
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


def test_revert_refuses_where_somebody_edited_since(conf: Path, programs: Programs) -> None:
    apply(conf)
    programs.calls()
    conf.write_text(f"{AFTER}# mine\n")
    with pytest.raises(command.AdoptError, match=f"{re.escape(str(conf))} was edited since"):
        command.main(["--revert"])
    assert conf.read_text() == f"{AFTER}# mine\n"
    assert command.BACKUP.exists() and not programs.calls()


def test_without_a_backup_there_is_nothing_to_revert(conf: Path, programs: Programs) -> None:
    with pytest.raises(command.AdoptError, match="nothing to revert"):
        command.main(["--revert"])
    assert (conf.read_text(), programs.calls()) == (BEFORE, [])


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(
    "backup",
    ["", "{", "[]", "null", '{"FILE": {}}', '{"FILE": "y"}', '{"FILE": {"after": 1}}', "\udcff"],
)
def test_a_damaged_backup_is_named(conf: Path, backup: str) -> None:
    command.BACKUP.parent.mkdir()
    text = backup.replace("FILE", str(conf))
    command.BACKUP.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(command.AdoptError):
        command.main(["--revert"])
    assert conf.read_text() == BEFORE


@pytest.mark.usefixtures("programs")
def test_a_backup_that_cannot_be_read_is_named(conf: Path) -> None:
    command.BACKUP.mkdir(parents=True)
    with pytest.raises(command.AdoptError, match=re.escape(str(command.BACKUP))):
        command.main(["--revert"])
    assert conf.read_text() == BEFORE


ADDED = AFTER.replace(
    "    virtual_ipaddress {\n", "    virtual_ipaddress {\n        10.77.0.99/24\n"
)


def test_a_second_adoption_that_is_refused_leaves_the_first_revertible(
    conf: Path, programs: Programs
) -> None:
    apply(conf)
    conf.write_text(ADDED)
    programs.make("keepalived", REFUSES)
    with pytest.raises(command.AdoptError):
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


def test_a_failed_reload_is_told_and_leaves_the_way_back(conf: Path, programs: Programs) -> None:
    programs.make("systemctl", 'case $1 in reload) echo "Job failed" >&2; exit 1;; esac')
    with pytest.raises(command.AdoptError, match="could not be reloaded: Job failed"):
        apply(conf)
    assert conf.read_text() == AFTER
    assert command.BACKUP.exists()


# --- the command as a process -------------------------------------------------------------------


@pytest.fixture
def installed(conf: Path, programs: Programs) -> Path:
    conf.with_name("netvip.conf").write_text(f"[keepalived]\nconfig = {conf}\n")
    conf.write_text(instance("interface lo", "mcast_src_ip 10.77.0.1"))
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
    assert "every instance is guarded already" in done[1].stdout


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
